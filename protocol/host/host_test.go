package host_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"pksa/protocol/host"
)

// cases are all the spellings that this rule was ever asked about. Before it was one function there
// were five, in agent/link, agent/node, agent/config, protocol and agent/client. Column before has
// their answers in this order, y or n; TestBefore holds them to it.
var cases = []struct {
	host   string
	want   bool
	before string
}{
	{"localhost", true, "yyyyy"},
	{"LOCALHOST", true, "yynyn"}, // no resolver tells the case apart
	{"LocalHost", true, "yynyn"},
	{"localhost.", false, "nnnnn"}, // not in hosts files: some systems ask the DNS
	{"LOCALHOST.", false, "nnnnn"},
	{"127.0.0.1", true, "yyyyy"},
	{"127.0.0.0", true, "yyyyy"},
	{"127.8.9.10", true, "yyyyy"},
	{"127.255.255.255", true, "yyyyy"},
	{"::1", true, "yyyyy"},
	{"0:0:0:0:0:0:0:1", true, "yyyyy"},
	{"::ffff:127.0.0.1", true, "yyyyy"},
	{"::FFFF:7f00:1", true, "yyyyy"},
	{"[::1]", true, "nnnnn"}, // brackets are no part of the address; callers took them off
	{"[::ffff:127.0.0.1]", true, "nnnnn"},
	{"::1%lo", false, "yynyy"}, // strictest: configuration never took a zone
	{"[::1%lo]", false, "nnnnn"},
	{"::1%25lo", false, "yynyy"},
	{"::1%", false, "nnnnn"},
	{"::ffff:127.0.0.1%lo", false, "yynyy"},

	{"", false, "nnnnn"},
	{" ", false, "nnnnn"},
	{".", false, "nnnnn"},
	{"[]", false, "nnnnn"},
	{"[::1", false, "nnnnn"},
	{"::1]", false, "nnnnn"},
	{"[[::1]]", false, "nnnnn"},
	{"[127.0.0.1]", false, "nnnnn"},
	{"[localhost]", false, "nnnnn"},
	{"localhost ", false, "nnnnn"},
	{" localhost", false, "nnnnn"},
	{"localhost:80", false, "nnnnn"},
	{"127.0.0.1:80", false, "nnnnn"},
	{"localhost\x00", false, "nnnnn"},
	{"localhost..", false, "nnnnn"},
	{"ſocalhost", false, "nnnnn"},
	{"localhoſt", false, "yynyn"}, // strings.EqualFold takes a long s, U+017F, for an s
	{"localhost.example", false, "nnnnn"},
	{"localhost.localdomain", false, "nnnnn"},
	{"app.localhost", false, "nnnnn"},
	{"notlocalhost", false, "nnnnn"},
	{"127.0.0.1.", false, "nnnnn"},
	{"127.0.0.1.example", false, "nnnnn"},
	{"127.0.0", false, "nnnnn"},
	{"127.1", false, "nnnnn"},
	{"127", false, "nnnnn"},
	{"2130706433", false, "nnnnn"},
	{"0x7f000001", false, "nnnnn"},
	{"0177.0.0.1", false, "nnnnn"},
	{"127.0.0.01", false, "nnnnn"},
	{"127.0.0.256", false, "nnnnn"},
	{"126.255.255.255", false, "nnnnn"},
	{"128.0.0.1", false, "nnnnn"},
	{"10.0.0.1", false, "nnnnn"},
	{"0.0.0.0", false, "nnnnn"},
	{"::", false, "nnnnn"},
	{"::2", false, "nnnnn"},
	{"::ffff:10.0.0.1", false, "nnnnn"},
	{"::127.0.0.1", false, "nnnnn"}, // IPv4-compatible, not mapped: no such address is in use
	{"64:ff9b::127.0.0.1", false, "nnnnn"},
	{"fe80::1%lo", false, "nnnnn"},
}

func TestLoopback(t *testing.T) {
	for _, c := range cases {
		if got := host.Loopback(c.host); got != c.want {
			t.Errorf("%q: %v, want %v", c.host, got, c.want)
		}
	}
}

// The five functions as they were, run over the same table.
func TestBefore(t *testing.T) {
	link := func(host string) bool { // agent/link and agent/node had the same
		if strings.EqualFold(host, "localhost") {
			return true
		}
		ip, err := netip.ParseAddr(host)
		return err == nil && ip.Unmap().IsLoopback()
	}
	config := func(host string) bool {
		ip := net.ParseIP(host)
		return host == "localhost" || (ip != nil && ip.IsLoopback())
	}
	protocol := func(name string) bool {
		if strings.EqualFold(name, "localhost") {
			return true
		}
		addr, err := netip.ParseAddr(name)
		return err == nil && addr.IsLoopback()
	}
	client := func(host string) bool {
		if host == "localhost" {
			return true
		}
		addr, err := netip.ParseAddr(host)
		return err == nil && addr.IsLoopback()
	}
	for _, c := range cases {
		var got string
		for _, f := range []func(string) bool{link, link, config, protocol, client} {
			got += map[bool]string{true: "y", false: "n"}[f(c.host)]
		}
		if got != c.before {
			t.Errorf("%q: %s, recorded as %s", c.host, got, c.before)
		}
	}
}
