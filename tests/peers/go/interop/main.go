// Command interop runs the cases that grpc-go's own interop client lacks: compression, every status
// code, repeated metadata, and four on what a proxy could hold back.
//
//	interop client HOST PORT CASE...
//
// It prints a line for each case, `CASE pass` or `CASE fail: REASON`, and exits with 0. What the cases
// ask for is in tests/peers/README.md.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Longest a case may take.
const patience = 20 * time.Second

type test func(context.Context, pb.TestServiceClient) error

var cases = map[string]test{
	"client_compressed_unary":     clientCompressedUnary,
	"server_compressed_unary":     serverCompressedUnary,
	"client_compressed_streaming": clientCompressedStreaming,
	"server_compressed_streaming": serverCompressedStreaming,
	"every_status_code":           everyStatusCode,
	"metadata_in_order":           metadataInOrder,
	"early_status":                earlyStatus,
	"half_close":                  halfClose,
	"round_trips":                 roundTrips,
	"cancel_seen":                 cancelSeen,
}

func main() {
	if len(os.Args) < 5 || os.Args[1] != "client" {
		fmt.Fprintln(os.Stderr, "usage: interop client HOST PORT CASE...")
		os.Exit(2)
	}
	encoding.RegisterCompressor(countingGzip{encoding.GetCompressor(gzip.Name)})
	target := "passthrough:///" + net.JoinHostPort(os.Args[2], os.Args[3])
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer connection.Close()
	for _, name := range os.Args[4:] {
		fmt.Println(name, outcome(name, pb.NewTestServiceClient(connection)))
	}
}

func outcome(name string, client pb.TestServiceClient) string {
	run, known := cases[name]
	if !known {
		return "fail: no such case"
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := run(ctx, client); err != nil {
		return "fail: " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	return "pass"
}

// decompressed counts the messages that came compressed.
var decompressed atomic.Int64

type countingGzip struct{ encoding.Compressor }

func (counting countingGzip) Decompress(reader io.Reader) (io.Reader, error) {
	decompressed.Add(1)
	return counting.Compressor.Decompress(reader)
}

func payload(size int) *pb.Payload { return &pb.Payload{Body: make([]byte, size)} }

func expectSize(response *pb.SimpleResponse, err error, size int) error {
	if err == nil && len(response.GetPayload().GetBody()) != size {
		err = fmt.Errorf("%d octets instead of %d", len(response.GetPayload().GetBody()), size)
	}
	return err
}

func clientCompressedUnary(ctx context.Context, client pb.TestServiceClient) error {
	for _, options := range [][]grpc.CallOption{{grpc.UseCompressor(gzip.Name)}, nil} {
		response, err := client.UnaryCall(ctx, &pb.SimpleRequest{
			ExpectCompressed: &pb.BoolValue{Value: options != nil},
			Payload:          payload(271828),
			ResponseSize:     314159,
		}, options...)
		if err := expectSize(response, err, 314159); err != nil {
			return err
		}
	}
	return nil
}

func serverCompressedUnary(ctx context.Context, client pb.TestServiceClient) error {
	for _, compressed := range []bool{true, false} {
		before := decompressed.Load()
		response, err := client.UnaryCall(ctx, &pb.SimpleRequest{
			ResponseCompressed: &pb.BoolValue{Value: compressed},
			Payload:            payload(271828),
			ResponseSize:       314159,
		})
		if err := expectSize(response, err, 314159); err != nil {
			return err
		}
		if was := decompressed.Load() > before; was != compressed {
			return fmt.Errorf("compressed: %v instead of %v", was, compressed)
		}
	}
	return nil
}

// clientCompressedStreaming compresses whole calls: grpc-go has no switch for a single message.
func clientCompressedStreaming(ctx context.Context, client pb.TestServiceClient) error {
	stream, err := client.StreamingInputCall(ctx, grpc.UseCompressor(gzip.Name))
	if err != nil {
		return err
	}
	for _, size := range []int{27182, 45904} {
		request := &pb.StreamingInputCallRequest{
			ExpectCompressed: &pb.BoolValue{Value: true},
			Payload:          payload(size),
		}
		if err := stream.Send(request); err != nil {
			return err
		}
	}
	response, err := stream.CloseAndRecv()
	if err == nil && response.GetAggregatedPayloadSize() != 73086 {
		err = fmt.Errorf("%d octets arrived", response.GetAggregatedPayloadSize())
	}
	return err
}

// serverCompressedStreaming leaves open which of the messages comes compressed: not every server has
// a switch for a single message.
func serverCompressedStreaming(ctx context.Context, client pb.TestServiceClient) error {
	request := &pb.StreamingOutputCallRequest{ResponseParameters: []*pb.ResponseParameters{
		{Size: 31415, Compressed: &pb.BoolValue{Value: true}},
		{Size: 92653, Compressed: &pb.BoolValue{Value: false}},
	}}
	before := decompressed.Load()
	stream, err := client.StreamingOutputCall(ctx, request)
	if err != nil {
		return err
	}
	for _, parameters := range request.ResponseParameters {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		if got := len(response.GetPayload().GetBody()); got != int(parameters.Size) {
			return fmt.Errorf("%d octets instead of %d", got, parameters.Size)
		}
	}
	if decompressed.Load() == before {
		return fmt.Errorf("no message came compressed")
	}
	return end(stream.Recv())
}

// end turns what ends a good stream into nil.
func end(_ *pb.StreamingOutputCallResponse, err error) error {
	if err == io.EOF {
		return nil
	}
	if err == nil {
		return fmt.Errorf("a message instead of the end")
	}
	return err
}

func everyStatusCode(ctx context.Context, client pb.TestServiceClient) error {
	for code := codes.Code(1); code <= 16; code++ {
		message := fmt.Sprintf("status %d", code)
		wanted := &pb.EchoStatus{Code: int32(code), Message: message}
		_, unary := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseStatus: wanted})
		stream, err := client.FullDuplexCall(ctx)
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.StreamingOutputCallRequest{ResponseStatus: wanted}); err != nil {
			return err
		}
		if err := stream.CloseSend(); err != nil {
			return err
		}
		_, duplex := stream.Recv()
		for _, err := range []error{unary, duplex} {
			if got := status.Convert(err); got.Code() != code || got.Message() != message {
				return fmt.Errorf("%v instead of code %d", err, code)
			}
		}
	}
	_, err := client.UnaryCall(ctx, &pb.SimpleRequest{})
	return err
}

const (
	initialKey  = "x-grpc-test-echo-initial"
	trailingKey = "x-grpc-test-echo-trailing-bin"
)

func metadataInOrder(ctx context.Context, client pb.TestServiceClient) error {
	text := []string{"first", "second", "first", "fourth, with a comma"}
	binary := []string{"\x00\x01\xff", "a,b", "\xab\xab\xab", "\x00\x01\xff"}
	sent := metadata.MD{initialKey: text, trailingKey: binary}
	var header, trailer metadata.MD
	_, err := client.UnaryCall(metadata.NewOutgoingContext(ctx, sent), &pb.SimpleRequest{},
		grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil {
		return err
	}
	// grpc-js writes a repeated key as one field with commas, which is the same to gRPC.
	if got := header.Get(initialKey); strings.Join(got, ", ") != strings.Join(text, ", ") {
		return fmt.Errorf("initial metadata %q", got)
	}
	if got := trailer.Get(trailingKey); !slices.Equal(got, binary) {
		return fmt.Errorf("trailing metadata %q", got)
	}
	return nil
}

// earlyStatus asks 300 times for a status that comes before the half close, or at its time.
func earlyStatus(ctx context.Context, client pb.TestServiceClient) error {
	for round := range 300 {
		stream, err := client.FullDuplexCall(ctx)
		if err != nil {
			return err
		}
		wanted := &pb.EchoStatus{Code: int32(codes.FailedPrecondition), Message: "early"}
		if err := stream.Send(&pb.StreamingOutputCallRequest{ResponseStatus: wanted}); err != nil {
			return err
		}
		if round%2 == 1 {
			stream.CloseSend()
		}
		_, err = stream.Recv()
		if got := status.Convert(err); got.Code() != codes.FailedPrecondition || got.Message() != "early" {
			return fmt.Errorf("call %d: %v", round, err)
		}
	}
	return nil
}

func roundTrip(stream grpc.BidiStreamingClient[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	parameters := []*pb.ResponseParameters{{Size: 8}}
	err := stream.Send(&pb.StreamingOutputCallRequest{ResponseParameters: parameters})
	if err == nil {
		_, err = stream.Recv()
	}
	return err
}

// halfClose ends 100 streams that are idle; nothing but the half close can end them.
func halfClose(ctx context.Context, client pb.TestServiceClient) error {
	for range 100 {
		stream, err := client.FullDuplexCall(ctx)
		if err != nil {
			return err
		}
		if err := roundTrip(stream); err != nil {
			return err
		}
		if err := stream.CloseSend(); err != nil {
			return err
		}
		if err := end(stream.Recv()); err != nil {
			return err
		}
	}
	return nil
}

// roundTrips sends each of 100 messages when the answer to the one before is there.
func roundTrips(ctx context.Context, client pb.TestServiceClient) error {
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for range 100 {
		if err := roundTrip(stream); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return end(stream.Recv())
}

// cancelSeen cancels 20 calls that have no answer yet. The unary call behind each on the same
// connection shows that the cancelled one is under way.
func cancelSeen(ctx context.Context, client pb.TestServiceClient) error {
	for range 20 {
		one, cancel := context.WithCancel(ctx)
		stream, err := client.StreamingInputCall(one)
		if err == nil {
			err = stream.Send(&pb.StreamingInputCallRequest{Payload: payload(8)})
		}
		if err == nil {
			_, err = client.EmptyCall(ctx, &pb.Empty{})
		}
		cancel()
		if err != nil {
			return err
		}
		if err := stream.RecvMsg(&pb.StreamingInputCallResponse{}); status.Code(err) != codes.Canceled {
			return fmt.Errorf("%v instead of CANCELLED", err)
		}
	}
	_, err := client.EmptyCall(ctx, &pb.Empty{})
	return err
}
