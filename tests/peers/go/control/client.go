package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const method = "/control.Echo/Do"

// part of a case: calls that are alike. All parts run at once, over one channel.
type part struct {
	Calls          int             `json:"calls"`
	AtOnce         int             `json:"at_once"`
	DeadlineMs     int             `json:"deadline_ms"`
	CancelWithinMs int             `json:"cancel_within_ms"`
	WaitForReady   bool            `json:"wait_for_ready"`
	Metadata       [][2]string     `json:"metadata"`
	Fields         []string        `json:"fields"`
	Client         []step          `json:"client"` // null: a unary call
	Server         json.RawMessage `json:"server"`

	meeting *meeting
}

type testCase struct {
	Name    string  `json:"name"`
	Address string  `json:"address"`
	Parts   []*part `json:"parts"`
}

// outcome of a call, in the form in which both ways are compared.
type outcome struct {
	Code     string      `json:"code"`
	Details  string      `json:"details"`
	Initial  [][2]string `json:"initial"`
	Messages []run       `json:"messages"`
	Trailing [][2]string `json:"trailing"`
}

func runCases(authority string) error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var one testCase
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return err
		}
		if err := runCase(authority, &one); err != nil {
			return err
		}
	}
	return lines.Err()
}

func runCase(authority string, one *testCase) error {
	connection, err := grpc.NewClient(
		"passthrough:///"+one.Address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority(authority),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
	)
	if err != nil {
		return err
	}
	defer connection.Close()
	ended := make([][]map[string]any, len(one.Parts))
	var all sync.WaitGroup
	for at, part := range one.Parts {
		all.Add(1)
		go func() {
			defer all.Done()
			ended[at] = part.run(connection)
		}()
	}
	all.Wait()
	text, err := json.Marshal(map[string]any{"name": one.Name, "parts": ended})
	fmt.Println(string(text))
	return err
}

// run makes all calls; how many ended alike, and how.
func (p *part) run(connection *grpc.ClientConn) []map[string]any {
	p.meeting = newMeeting(p.Calls)
	counts := map[string]int{}
	var lock sync.Mutex
	var all sync.WaitGroup
	next := make(chan int, p.Calls)
	for at := range p.Calls {
		next <- at
	}
	close(next)
	for range p.AtOnce {
		all.Add(1)
		go func() {
			defer all.Done()
			for at := range next {
				text, _ := json.Marshal(p.call(connection, at))
				lock.Lock()
				counts[string(text)]++
				lock.Unlock()
			}
		}()
	}
	all.Wait()
	ended := []map[string]any{}
	for text, count := range counts {
		ended = append(ended, map[string]any{"count": count, "outcome": json.RawMessage(text)})
	}
	return ended
}

func (p *part) call(connection *grpc.ClientConn, at int) outcome {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if p.DeadlineMs > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(p.DeadlineMs)*time.Millisecond)
		defer cancel()
	}
	md := pairs(p.Metadata)
	md.Set(scriptField, string(p.Server))
	ctx = metadata.NewOutgoingContext(ctx, md)
	cancels := p.CancelWithinMs > 0
	if cancels {
		span := time.Duration(at*997%(p.CancelWithinMs*1000)) * time.Microsecond
		defer time.AfterFunc(span, cancel).Stop()
	}
	one := &call{part: p, cancel: cancel, cancelled: cancels}
	var err error
	if p.Client == nil {
		err = one.unary(ctx, connection)
	} else {
		err = one.stream(ctx, connection)
	}
	p.meeting.leave(one)
	return one.outcome(err)
}

// call is one call under way.
type call struct {
	part              *part
	cancel            context.CancelFunc
	cancelled, met    bool
	initial, trailing metadata.MD
	messages          []run
	// What ended the reading, once something has.
	end error
	// Messages that are sent beside the other steps.
	aside sync.WaitGroup
}

func (c *call) unary(ctx context.Context, connection *grpc.ClientConn) error {
	reply := &wrapperspb.BytesValue{}
	err := connection.Invoke(ctx, method, wrapperspb.Bytes([]byte("hello")), reply,
		grpc.Header(&c.initial), grpc.Trailer(&c.trailing), grpc.WaitForReady(c.part.WaitForReady))
	if err == nil {
		c.take(reply)
	}
	return err
}

func (c *call) take(message *wrapperspb.BytesValue) error {
	c.messages = appendRun(c.messages, shown(message))
	return nil
}

func (c *call) stream(ctx context.Context, connection *grpc.ClientConn) error {
	both := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	stream, err := connection.NewStream(ctx, both, method, grpc.WaitForReady(c.part.WaitForReady))
	if err != nil {
		return err
	}
	// What fails here is said by what is read in the end.
	for _, step := range c.part.Client {
		if c.step(ctx, stream, step) != nil {
			break
		}
	}
	go func() {
		c.aside.Wait()
		stream.CloseSend()
	}()
	c.read(stream, -1)
	c.initial, _ = stream.Header()
	c.trailing = stream.Trailer()
	return unlessEnd(c.end)
}

func (c *call) read(stream grpc.ClientStream, count int) error {
	if c.end == nil {
		c.end = readSome(stream, count, c.take)
	}
	return c.end
}

func (c *call) step(ctx context.Context, stream grpc.ClientStream, step step) error {
	switch {
	case step.Send != nil:
		if step.Send.Aside {
			c.aside.Go(func() { sendAll(stream, step.Send) })
			return nil
		}
		return sendAll(stream, step.Send)
	case step.Read != nil:
		return c.read(stream, *step.Read)
	case step.Sleep != nil:
		return sleep(ctx, time.Duration(*step.Sleep)*time.Millisecond)
	case step.Close:
		return stream.CloseSend()
	case step.Cancel:
		c.cancelled = true
		c.cancel()
		return nil
	case step.Meet:
		c.part.meeting.wait(c)
		return nil
	}
	return fmt.Errorf("no client does %+v", step)
}

// outcome of a call that the client cancelled: where it was cut is chance.
func (c *call) outcome(err error) outcome {
	ended := status.Convert(err)
	code := ended.Code()
	if c.cancelled && (code == codes.OK || code == codes.Canceled) {
		return outcome{Code: "cancelled or over"}
	}
	return outcome{
		Code:     codeNames[code],
		Details:  ended.Message(),
		Initial:  told(c.initial, c.part.Fields),
		Messages: c.messages,
		Trailing: told(c.trailing, c.part.Fields),
	}
}

var codeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
	"OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// meeting is where all calls of a part wait for each other; who has ended is not waited for.
type meeting struct {
	lock    sync.Mutex
	missing int
	all     chan struct{}
}

func newMeeting(calls int) *meeting {
	return &meeting{missing: calls, all: make(chan struct{})}
}

func (m *meeting) wait(c *call) {
	m.leave(c)
	<-m.all
}

func (m *meeting) leave(c *call) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if c.met {
		return
	}
	c.met = true
	m.missing--
	if m.missing == 0 {
		close(m.all)
	}
}
