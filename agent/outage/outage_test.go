package outage_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"pksa/agent/outage"
	"pksa/protocol/host"
)

func TestOf(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for want, list := range map[outage.Reason][]error{
		outage.Name: {&net.DNSError{Err: "no such host", Name: "relay.test"}, dial(&net.DNSError{IsTimeout: true}),
			dial(host.ErrNotLoopback)},
		outage.Connect: {dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), dial(errors.New("anything"))},
		outage.Local: {dial(os.NewSyscallError("socket", syscall.EMFILE)),
			dial(os.NewSyscallError("connect", syscall.EACCES))},
		outage.Timeout: {context.DeadlineExceeded, os.ErrDeadlineExceeded, dial(os.ErrDeadlineExceeded)},
		outage.TLS: {&tls.CertificateVerificationError{Err: errors.New("x")}, tls.RecordHeaderError{},
			&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}},
		outage.Closed: {io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
			&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}},
		outage.Flood: {outage.As(outage.Flood, io.EOF)},
		outage.Other: {nil, errors.New("anything"), context.Canceled},
	} {
		for _, err := range list {
			if got := outage.Of(err); got != want {
				t.Errorf("%#v: %q, want %q", err, got, want)
			}
			if err == nil {
				continue
			}
			if got := outage.Of(fmt.Errorf("asking: %w", err)); got != want {
				t.Errorf("wrapped %#v: %q, want %q", err, got, want)
			}
		}
	}
}

// What is marked stays the error that it is.
func TestAs(t *testing.T) {
	err := outage.As(outage.Chain, fmt.Errorf("reading: %w", io.EOF))
	if err.Error() != "reading: EOF" || !errors.Is(err, io.EOF) || outage.Of(err) != outage.Chain {
		t.Errorf("%v, %q", err, outage.Of(err))
	}
}

// What really comes from servers that fail is told by its reason.
func TestOfServers(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = nil
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for url, want := range map[string]outage.Reason{
		secure.URL:                         outage.TLS,
		"http://" + gone.Addr().String():   outage.Connect,
		"http://" + silent.Addr().String(): outage.Timeout,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if want != outage.Timeout {
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		}
		request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{}
		response, err := transport.RoundTrip(request)
		if err == nil {
			response.Body.Close()
		}
		if got := outage.Of(err); got != want {
			t.Errorf("%s: %v is %q, want %q", url, err, got, want)
		}
		transport.CloseIdleConnections()
		cancel()
	}
}

func TestOfStatus(t *testing.T) {
	for status, want := range map[int]outage.Reason{429: outage.Busy, 502: outage.Busy, 503: outage.Busy,
		504: outage.Busy, 200: outage.Status, 302: outage.Status, 403: outage.Status, 404: outage.Status,
		500: outage.Status} {
		if got := outage.OfStatus(status); got != want {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
}

// Each reason is one word for a label, and means something.
func TestReasons(t *testing.T) {
	seen := map[outage.Reason]bool{}
	for _, r := range outage.Reasons() {
		if seen[r] || r == "" || strings.Trim(string(r), "abcdefghijklmnopqrstuvwxyz") != "" || r.Means() == "" {
			t.Errorf("%q means %q", r, r.Means())
		}
		seen[r] = true
	}
	if len(seen) != 13 || outage.Reason("moon").Means() != "" {
		t.Errorf("%d reasons", len(seen))
	}
}
