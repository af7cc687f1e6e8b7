package link

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"pksa/protocol/host"
)

// parseURL reads the address of a relay: wss, https (meant as wss), or ws, on loopback or if
// plaintext is true. The path "/" is filled in, so that one relay has one text.
func parseURL(text string, plaintext bool) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		// The parser's error repeats the text, which may hold a password.
		return nil, fmt.Errorf("relay address: not a URL")
	}
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("relay address: user and password are not wanted in it")
	case u.Scheme == "https":
		u.Scheme = "wss"
	case u.Scheme != "wss" && u.Scheme != "ws":
		return nil, fmt.Errorf("relay address %q: scheme %q is none of wss, ws, https", clip(text), clip(u.Scheme))
	}
	if u.Hostname() == "" || u.Opaque != "" {
		return nil, fmt.Errorf("relay address %q: no host", clip(text))
	}
	if u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return nil, fmt.Errorf("relay address %q: query and fragment are not wanted in it", clip(text))
	}
	if u.Scheme == "ws" && !plaintext && !host.Loopback(u.Hostname()) {
		return nil, fmt.Errorf("relay address %q: without TLS only on loopback; use wss, or set plaintext for a "+
			"private network", clip(text))
	}
	u.Host = strings.ToLower(u.Host)
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// address returns the host and port to dial.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// offLoopback reports whether a connection leads to another machine although it is without TLS
// because of its host's name: whoever controls the resolver decides where a name like localhost
// leads. Connections in memory have no TCP address.
func offLoopback(remote net.Addr) bool {
	tcp, ok := remote.(*net.TCPAddr)
	return ok && !host.LoopbackAddr(tcp.AddrPort().Addr())
}
