// Command control is a client and a server over grpc-go that do what a script says: see
// tests/peers/README.md, "What the control does, the mesh does".
//
//	control server PORT OPTIONS           OPTIONS: {"max_concurrent_streams": 1}
//	control client AUTHORITY              a case a line on standard input, its outcome a line on output
package main

import (
	"fmt"
	"os"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == "server":
		err = serve(os.Args[2], os.Args[3])
	case len(os.Args) == 3 && os.Args[1] == "client":
		err = runCases(os.Args[2])
	default:
		err = fmt.Errorf("usage: control server PORT OPTIONS | control client AUTHORITY")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
