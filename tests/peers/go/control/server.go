package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type serverOptions struct {
	MaxConcurrentStreams uint32 `json:"max_concurrent_streams"`
}

func serve(port, text string) error {
	var options serverOptions
	if err := json.Unmarshal([]byte(text), &options); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	server := []grpc.ServerOption{
		grpc.UnknownServiceHandler(answer),
		grpc.MaxRecvMsgSize(math.MaxInt32),
	}
	if options.MaxConcurrentStreams > 0 {
		server = append(server, grpc.MaxConcurrentStreams(options.MaxConcurrentStreams))
	}
	return grpc.NewServer(server...).Serve(listener)
}

// answer does what the call's script says.
func answer(_ any, stream grpc.ServerStream) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	var steps []step
	if script := md.Get(scriptField); len(script) != 1 {
		return status.Error(codes.InvalidArgument, "no script")
	} else if err := json.Unmarshal([]byte(script[0]), &steps); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	for _, step := range steps {
		if step.Status != nil {
			return status.Error(codes.Code(step.Status.Code), step.Status.Message)
		}
		if err := serverStep(stream, md, step); err != nil {
			return err
		}
	}
	return nil
}

func serverStep(stream grpc.ServerStream, md metadata.MD, step step) error {
	switch {
	case step.Send != nil:
		return sendAll(stream, step.Send)
	case step.Read != nil:
		nothing := func(*wrapperspb.BytesValue) error { return nil }
		return unlessEnd(readSome(stream, *step.Read, nothing))
	case step.Echo:
		back := func(message *wrapperspb.BytesValue) error { return stream.SendMsg(message) }
		return unlessEnd(readSome(stream, -1, back))
	case step.Tell != nil:
		text, _ := json.Marshal(told(md, step.Tell))
		return stream.SendMsg(wrapperspb.Bytes(text))
	case step.Initial != nil:
		return stream.SendHeader(pairs(step.Initial))
	case step.Trailing != nil:
		stream.SetTrailer(pairs(step.Trailing))
		return nil
	case step.Sleep != nil:
		return sleep(stream.Context(), time.Duration(*step.Sleep)*time.Millisecond)
	case step.Hold:
		<-stream.Context().Done()
		return status.FromContextError(stream.Context().Err()).Err()
	}
	return status.Error(codes.InvalidArgument, fmt.Sprintf("no server does %+v", step))
}

type messages interface {
	SendMsg(any) error
	RecvMsg(any) error
}

func sendAll(stream messages, send *send) error {
	message := send.message()
	for range max(send.Count, 1) {
		if err := stream.SendMsg(message); err != nil {
			return err
		}
	}
	return nil
}

// readSome reads so many messages, or all with -1; io.EOF is the end of the other's messages.
func readSome(stream messages, count int, take func(*wrapperspb.BytesValue) error) error {
	for at := 0; at != count; at++ {
		message := &wrapperspb.BytesValue{}
		err := stream.RecvMsg(message)
		if err == nil {
			err = take(message)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func unlessEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func sleep(ctx context.Context, span time.Duration) error {
	select {
	case <-time.After(span):
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}
