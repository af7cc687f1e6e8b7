package nodetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Transport carries requests to the nodes by the host of the address, without sockets.
func Transport(nodes ...*Node) http.RoundTripper {
	t := memory{}
	for _, n := range nodes {
		t[strings.ToLower(n.Name)] = n
	}
	return t
}

type memory map[string]*Node

// RoundTrip hands the request to the node.
func (t memory) RoundTrip(r *http.Request) (*http.Response, error) {
	n, ok := t[r.URL.Host]
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no such host " + r.URL.Host)}
	}
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	a, err := n.serve(r.Context(), body)
	switch {
	case errors.Is(err, errRefused):
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errRefused}
	case errors.Is(err, errReset):
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: errReset}
	case err != nil:
		return nil, err
	}
	header := a.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/json")
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}, nil
}

// Listen serves the node on a free port of loopback until ctx ends, and returns its address. wait
// returns when everything that it started has returned.
func (n *Node) Listen(ctx context.Context) (url string, wait func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: n, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	done := make(chan struct{})
	go func() {
		defer close(done)
		served := make(chan struct{})
		go func() {
			defer close(served)
			server.Serve(listener)
		}()
		select {
		case <-ctx.Done():
		case <-served:
		}
		server.Close()
		<-served
	}()
	return "http://" + listener.Addr().String() + "/", func() { <-done }, nil
}
