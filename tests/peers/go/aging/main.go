// Command aging serves grpc.testing.TestService over grpc-go and ends each connection when it is about
// a second old, as servers with a maximum connection age do.
//
//	aging PORT
package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: aging PORT")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Args[1]))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Calls that run are left to finish: there is no grace to end.
	age := keepalive.ServerParameters{MaxConnectionAge: time.Second}
	server := grpc.NewServer(grpc.KeepaliveParams(age))
	pb.RegisterTestServiceServer(server, interop.NewTestServer())
	if err := server.Serve(listener); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
