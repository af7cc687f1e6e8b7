package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"pksa/protocol/host"
)

// parseURL reads the address of a node: https, or http on loopback. The path "/" is filled in, so
// that one node has one text.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		// The parser's error repeats the text, which may hold a password.
		return nil, errors.New("node address: not a URL")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("node address: user and password are not wanted in it")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("node address %q: wanted https://…", clip(text))
	case u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("node address %q: no host", clip(text))
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, fmt.Errorf("node address %q: query and fragment are not wanted in it", clip(text))
	case u.Scheme == "http" && !host.Loopback(u.Hostname()):
		return nil, fmt.Errorf("node address %q: without TLS only on loopback; use https", clip(text))
	}
	u.Host = strings.ToLower(u.Host)
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// transports are shared by all nodes of a client: one for TLS, and one that connects to nothing but
// loopback.
type transports struct{ secure, loopback http.RoundTripper }

func newTransports(given http.RoundTripper) transports {
	if given != nil {
		return transports{given, given}
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	secure := newTransport(dialer.DialContext)
	secure.Proxy = http.ProxyFromEnvironment
	// A name like localhost can lead to another machine: the address that is dialled decides. No
	// proxy either, for the same reason.
	near := *dialer
	near.Control = func(_, address string, _ syscall.RawConn) error { return host.OnlyLoopback(address) }
	return transports{secure: secure, loopback: newTransport(near.DialContext)}
}

func newTransport(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func (t transports) to(u *url.URL) http.RoundTripper {
	if u.Scheme == "http" {
		return t.loopback
	}
	return t.secure
}
