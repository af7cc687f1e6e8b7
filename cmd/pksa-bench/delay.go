package main

import (
	"context"
	"io"
	"net"
	"time"
)

// farAway listens on loopback and passes connections on to an address, with a delay in each
// direction, until ctx ends. It returns its own address. As on a long line, what is on its way does
// not hold up what follows.
func farAway(ctx context.Context, to string, delay time.Duration) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return // closed
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			go carry(far, near, delay)
			go carry(near, far, delay)
		}
	}()
	return listener.Addr().String(), nil
}

// parcel is what was read at one time.
type parcel struct {
	bytes []byte
	due   time.Time
}

// carry passes on what it reads, with a delay, and ends both connections when one ends.
func carry(to io.WriteCloser, from io.ReadCloser, delay time.Duration) {
	way := make(chan parcel, 1<<14)
	go func() {
		defer close(way)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			way <- parcel{buf[:n:n], time.Now().Add(delay)}
		}
	}()
	for p := range way {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.bytes); err != nil {
			break
		}
	}
	to.Close()
	from.Close()
	for range way { // whoever reads must not wait for its place
	}
}
