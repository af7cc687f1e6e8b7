package nodetest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
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
