package host_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"pksa/protocol/host"
)

// cases are the spellings that decide whether TLS is demanded. Five packages had a rule of their
// own before (agent/link, agent/node, agent/config, protocol, agent/client). Where they disagreed,
// the comment has their answers in this order.
var cases = []struct {
	host string
	want bool
}{
	{"localhost", true},
	{"LOCALHOST", true},   // y y n y n: no resolver tells the case apart
	{"LocalHost", true},   // y y n y n
	{"localhost.", false}, // not in hosts files: some systems ask the DNS
	{"LOCALHOST.", false},
	{"127.0.0.1", true},
	{"127.0.0.0", true},
	{"127.8.9.10", true},
	{"127.255.255.255", true},
	{"::1", true},
	{"0:0:0:0:0:0:0:1", true},
	{"::ffff:127.0.0.1", true},
	{"::FFFF:7f00:1", true},
	{"[::1]", true}, // n n n n n: their callers took the brackets off
	{"[::ffff:127.0.0.1]", true},
	{"::1%lo", false}, // y y n y y: the strictest answer, and the configuration gave it
	{"[::1%lo]", false},
	{"::1%25lo", false}, // y y n y y
	{"::1%", false},
	{"::ffff:127.0.0.1%lo", false}, // y y n y y

	{"", false},
	{" ", false},
	{".", false},
	{"[]", false},
	{"[::1", false},
	{"::1]", false},
	{"[[::1]]", false},
	{"[127.0.0.1]", false},
	{"[localhost]", false},
	{"localhost ", false},
	{" localhost", false},
	{"localhost:80", false},
	{"127.0.0.1:80", false},
	{"localhost\x00", false},
	{"localhost..", false},
	{"ſocalhost", false},
	{"localhoſt", false}, // y y n y n: strings.EqualFold takes a long s, U+017F, for an s
	{"localhost.example", false},
	{"localhost.localdomain", false},
	{"app.localhost", false},
	{"notlocalhost", false},
	{"127.0.0.1.", false},
	{"127.0.0.1.example", false},
	{"127.0.0", false},
	{"127.1", false},
	{"127", false},
	{"2130706433", false},
	{"0x7f000001", false},
	{"0177.0.0.1", false},
	{"127.0.0.01", false},
	{"127.0.0.256", false},
	{"126.255.255.255", false},
	{"128.0.0.1", false},
	{"10.0.0.1", false},
	{"0.0.0.0", false},
	{"::", false},
	{"::2", false},
	{"::ffff:10.0.0.1", false},
	{"::127.0.0.1", false}, // IPv4-compatible, not mapped: no such address is in use
	{"64:ff9b::127.0.0.1", false},
	{"fe80::1%lo", false},
}

func TestLoopback(t *testing.T) {
	for _, c := range cases {
		if got := host.Loopback(c.host); got != c.want {
			t.Errorf("%q: %v, want %v", c.host, got, c.want)
		}
		// What is an address gets the same answer once it was dialled.
		if addr, err := netip.ParseAddr(c.host); err == nil && host.LoopbackAddr(addr) != c.want {
			t.Errorf("%q as an address: %v, want %v", c.host, !c.want, c.want)
		}
	}
}

func TestOnlyLoopback(t *testing.T) {
	not := host.ErrNotLoopback
	for address, want := range map[string]error{"127.0.0.1:80": nil, "[::1]:80": nil, "192.0.2.1:80": not,
		"[2001:db8::1]:80": not, "localhost:80": not, "": not} {
		if err := host.OnlyLoopback(address); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", address, err, want)
		}
	}
}

// Every host that passes is loopback to the standard library too, or spells localhost.
func FuzzLoopback(f *testing.F) {
	for _, c := range cases {
		f.Add(c.host)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !host.Loopback(text) {
			return
		}
		bare := strings.Trim(text, "[]")
		if address := net.ParseIP(bare); !address.IsLoopback() &&
			(len(text) != 9 || !strings.EqualFold(text, "localhost")) {
			t.Errorf("%q passes for this machine", text)
		}
		// The same host in a URL and with a port stays what it is.
		name, port, err := net.SplitHostPort(net.JoinHostPort(bare, "1"))
		if err != nil || port != "1" || !host.Loopback(name) {
			t.Errorf("%q with a port: %q, %v", text, name, err)
		}
	})
}
