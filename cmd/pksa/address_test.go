package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
)

// lastPort is the last port that freeAddress has given.
var lastPort atomic.Int32

// freeAddress returns an address of loopback for another program to listen at. A port of 127.0.0.1
// that is free now may be somebody's a moment later, also that of a connection. Linux lets
// everybody use all of 127.0.0.0/8: there each process of the tests takes ports of a host of its
// own, each once.
func freeAddress() (string, error) {
	if runtime.GOOS != "linux" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		return l.Addr().String(), l.Close()
	}
	pid := os.Getpid()
	host := net.IPv4(127, byte(64|pid>>16), byte(pid>>8), byte(pid)).String()
	var taken error
	for range 100 {
		address := net.JoinHostPort(host, strconv.Itoa(20000+int(lastPort.Add(1))))
		l, err := net.Listen("tcp", address)
		if err == nil {
			return address, l.Close()
		}
		taken = err // by somebody who listens at every address
	}
	return "", fmt.Errorf("no port is free: %w", taken)
}

func TestFreeAddress(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		address, err := freeAddress()
		if err != nil || seen[address] {
			t.Fatalf("%s: %v, seen before: %t", address, err, seen[address])
		}
		seen[address] = true
	}
}
