package link

import (
	"net"
	"strings"
	"testing"
)

func TestURLs(t *testing.T) {
	good := map[string]string{ // text → dialled
		"wss://relay.example":           "wss://relay.example/ relay.example:443",
		"wss://Relay.Example:8443/has":  "wss://relay.example:8443/has relay.example:8443",
		"https://relay.example/":        "wss://relay.example/ relay.example:443",
		"ws://localhost:3000":           "ws://localhost:3000/ localhost:3000",
		"ws://127.0.0.53":               "ws://127.0.0.53/ 127.0.0.53:80",
		"ws://[::1]:80/":                "ws://[::1]:80/ [::1]:80",
		"ws://[::ffff:127.0.0.1]:3000/": "ws://[::ffff:127.0.0.1]:3000/ [::ffff:127.0.0.1]:3000",
	}
	for text, want := range good {
		u, err := parseURL(text, false)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := u.String() + " " + address(u); got != want {
			t.Errorf("%s: %s, wanted %s", text, got, want)
		}
	}
	bad := map[string]string{ // text → part of the complaint
		"":                            "scheme",
		"relay.example":               "scheme",
		"http://relay.example":        "scheme",
		"ftp://relay.example":         "scheme",
		"wss:relay.example":           "no host",
		"wss://":                      "no host",
		"wss://:443":                  "no host",
		"wss://relay.example?x=1":     "query",
		"wss://relay.example#x":       "fragment",
		"wss://u:hunter2@relay.test":  "user",
		"wss://u:hunter2@%zz":         "not a URL",
		"ws://relay.example":          "without TLS",
		"ws://10.0.0.1":               "without TLS",
		"ws://localhost.evil.example": "without TLS",
		"ws://127.0.0.1.evil.example": "without TLS",
		"ws://0.0.0.0":                "without TLS",
		"ws://relay.test/\x1b[2J":     "not a URL",
	}
	for text, want := range bad {
		u, err := parseURL(text, false)
		if err == nil {
			t.Errorf("%q is taken as %s", text, u)
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") ||
			strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: %q", text, err)
		}
	}
	if _, err := parseURL("ws://relay.internal", true); err != nil {
		t.Errorf("plaintext by the operator's word: %v", err)
	}
}

// A name of loopback that leads to another machine is refused after dialling.
func TestOffLoopback(t *testing.T) {
	pipe, _ := net.Pipe()
	for addr, want := range map[net.Addr]bool{
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}: false,
		&net.TCPAddr{IP: net.IPv6loopback}:       false,
		&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}:  true,
		pipe.RemoteAddr():                        false,
	} {
		if got := offLoopback(addr); got != want {
			t.Errorf("%v: %v", addr, got)
		}
	}
}

func TestClip(t *testing.T) {
	for in, want := range map[string]string{
		"plain text, \"quoted\"": "plain text, \"quoted\"",
		"a\nb\x1b[31m\u202e":     "a b\ufffd[31m\ufffd",
		"\xff":                   "\ufffd",
		strings.Repeat("é", 150): strings.Repeat("é", 100) + "…",
	} {
		if got := clip(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
