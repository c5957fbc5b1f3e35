package main

import (
	"encoding/hex"
	"fmt"
	"sort"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// scriptField carries what the server shall do, as JSON.
const scriptField = "script-bin"

// A step of a client or a server: one of these is set.
type step struct {
	Send     *send        `json:"send"`
	Read     *int         `json:"read"` // -1: to the end
	Sleep    *int         `json:"sleep"`
	Echo     bool         `json:"echo"`
	Hold     bool         `json:"hold"`
	Tell     []string     `json:"tell"`
	Initial  [][2]string  `json:"initial"`
	Trailing [][2]string  `json:"trailing"`
	Status   *replyStatus `json:"status"`
	Close    bool         `json:"close"`
	Cancel   bool         `json:"cancel"`
	Meet     bool         `json:"meet"`
}

type send struct {
	Text   string `json:"text"`
	Octets int    `json:"octets"`
	Count  int    `json:"count"`
	Aside  bool   `json:"aside"` // of a client: beside the steps that follow
}

type replyStatus struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (s *send) message() *wrapperspb.BytesValue {
	if s.Octets > 0 {
		return wrapperspb.Bytes(make([]byte, s.Octets))
	}
	return wrapperspb.Bytes([]byte(s.Text))
}

// pairs makes metadata of a script's; values of binary fields are in hexadecimal there.
func pairs(fields [][2]string) metadata.MD {
	md := metadata.MD{}
	for _, field := range fields {
		value := field[1]
		if strings.HasSuffix(field[0], "-bin") {
			octets, _ := hex.DecodeString(value)
			value = string(octets)
		}
		md.Append(field[0], value)
	}
	return md
}

// told is the other way, of the fields with these prefixes: names sorted, values in their order.
func told(md metadata.MD, prefixes []string) [][2]string {
	names := []string{}
	for name := range md {
		for _, prefix := range prefixes {
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
				break
			}
		}
	}
	sort.Strings(names)
	fields := [][2]string{}
	for _, name := range names {
		for _, value := range md[name] {
			if strings.HasSuffix(name, "-bin") {
				value = hex.EncodeToString([]byte(value))
			}
			fields = append(fields, [2]string{name, value})
		}
	}
	return fields
}

// run is a number of equal messages that came one after the other.
type run struct {
	Count   int    `json:"count"`
	Message string `json:"message"`
}

// long is what a message has that is shown by its length only. Octets.
const long = 200

// shown is a message as an outcome has it.
func shown(message *wrapperspb.BytesValue) string {
	if octets := message.GetValue(); len(octets) >= long || strings.ContainsRune(string(octets), 0) {
		return fmt.Sprintf("%d octets", len(octets))
	}
	return string(message.GetValue())
}

func appendRun(runs []run, message string) []run {
	if last := len(runs) - 1; last >= 0 && runs[last].Message == message {
		runs[last].Count++
		return runs
	}
	return append(runs, run{1, message})
}
