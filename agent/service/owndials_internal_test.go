package service

import (
	"net"
	"testing"
)

// A connection of this process is known by the address from which it comes, until it is closed.
func TestOwnDials(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var own ownDials
	ours, err := own.dial(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	known := 0
	for range 2 {
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if own.mine(conn.RemoteAddr().String()) {
			known++
		}
	}
	if known != 1 || own.mine(other.LocalAddr().String()) {
		t.Errorf("of our connection and another one %d are known as ours", known)
	}
	from := ours.LocalAddr().String()
	ours.Close()
	ours.Close()
	if own.mine(from) || len(own.open) != 0 {
		t.Error("it is known after it was closed")
	}
}
