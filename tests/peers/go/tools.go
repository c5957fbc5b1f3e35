//go:build tools

// Package tools names the programs of grpc-go that tests/install-peers.sh builds, so that go.mod
// and go.sum pin them: the official interop client and server.
package tools

import (
	_ "google.golang.org/grpc/interop/client"
	_ "google.golang.org/grpc/interop/server"
)
