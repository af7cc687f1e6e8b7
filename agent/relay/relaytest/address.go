package relaytest

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
)

// lastPort is the last port that FreeAddress has tried.
var lastPort atomic.Int32

// FreeAddress returns an address of loopback for a relay, or another server, that is started later.
// A port of 127.0.0.1 that is free now may be somebody's a moment later, and be it a connection's.
// Linux lets everybody use all of 127.0.0.0/8: there each process has a host of its own, and gives
// each port once.
func FreeAddress() (string, error) {
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
