package host_test

import (
	"testing"

	"pksa/protocol/host"
)

func TestServerKnows(t *testing.T) {
	s := host.Server{Names: []string{"pksa", "*.wallet.example"}}
	for name, want := range map[string]bool{
		"localhost": true, "LocalHost:9480": true, "127.0.0.1:9480": true, "127.0.0.1": true, "[::1]:9480": true,
		"[::1]": true, "10.0.0.5:9480": true, "[fd00::5]:1": true, "pksa:9480": true, "PKSA": true,
		"a.wallet.example": true,
		"evil.example":     false, "evil.example:9480": false, "localhost.evil.example": false, "wallet.example": false,
		"": false, "127.0.0.1.evil.example:80": false, "::1": false, "localho\u017ft": false,
	} {
		if got := s.Knows(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

func TestServerAllows(t *testing.T) {
	const here = "127.0.0.1:9480"
	for _, tt := range []struct {
		pages        []string
		host, origin string
		want         bool
	}{
		{nil, here, "http://127.0.0.1:9480", true},
		{nil, "localhost:9480", "http://localhost:9480", true},
		{nil, "10.0.0.5:9480", "http://10.0.0.5:9480", true},
		{nil, "evil.example:9480", "http://evil.example:9480", false}, // DNS rebinding
		{nil, here, "http://evil.example", false},
		{nil, here, "http://localhost:5173", false},
		{nil, here, "null", false},
		{nil, here, "", false},
		{nil, "", "", false},
		{nil, here, "http://%zz", false},
		{[]string{"localhost"}, here, "http://localhost:5173", true},
		{[]string{"localhost"}, "evil.example", "http://LOCALHOST", true},
		{[]string{"localhost"}, here, "http://127.0.0.1:5173", false},
		{[]string{"localhost"}, here, "http://localhost.evil.example:5173", false},
		{[]string{"127.0.0.1"}, here, "http://127.0.0.1:5173", true},
		{[]string{"[::1]"}, here, "http://[::1]:5173", true},
		{[]string{"::1"}, here, "http://[::1]:5173", true},
		{[]string{"localhost:5173"}, here, "http://localhost:5173", true},
		{[]string{"wallet.example"}, here, "https://wallet.example", true},
		{[]string{"Wallet.Example"}, here, "https://wallet.example", true},
		{[]string{"wallet.example"}, here, "https://wallet.example:8443", false},
		{[]string{"*.example"}, here, "https://a.example", true},
		{[]string{"https://wallet.example"}, here, "https://wallet.example", true},
		{[]string{"https://wallet.example"}, here, "http://wallet.example", false},
		{[]string{"*"}, here, "http://evil.example", true},
		{[]string{"*"}, here, "null", true},
		{[]string{"[bad"}, here, "http://bad", false},
	} {
		if got := (host.Server{Pages: tt.pages}).Allows(tt.host, tt.origin); got != tt.want {
			t.Errorf("%q, host %q, origin %q: %t", tt.pages, tt.host, tt.origin, got)
		}
	}
	for origin, want := range map[string]string{"http://localhost:5173": "localhost",
		"https://wallet.example":      "wallet.example",
		"https://wallet.example:8443": "wallet.example:8443", "null": "*"} {
		got := host.Page(origin)
		if got != want || !(host.Server{Pages: []string{got}}).Allows(here, origin) {
			t.Errorf("%q: pattern %q", origin, got)
		}
	}
}
