package relaytest_test

import (
	"net"
	"testing"

	"pksa/agent/relay/relaytest"
)

// Each address is another one, and can be listened at.
func TestFreeAddress(t *testing.T) {
	seen := map[string]bool{}
	for range 10 {
		address, err := relaytest.FreeAddress()
		if err != nil || seen[address] {
			t.Fatalf("%s: %v, seen before: %t", address, err, seen[address])
		}
		seen[address] = true
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
}
