// Package host decides whether a host is this machine. Connections to other machines must use TLS.
// So every package that opens or describes a connection asks [Loopback], and none has a rule of its
// own.
package host

import (
	"errors"
	"net/netip"
	"strings"
)

// Loopback reports whether a host is this machine: the name localhost in any case, an address of
// 127.0.0.0/8, ::1, or one of these IPv4 addresses mapped into IPv6. The host comes without a port;
// brackets around an IPv6 address may be there or not.
//
// In doubt the answer is no. A wrong no costs a person a TLS certificate or an explicit setting. A
// wrong yes would send requests in plain text to another machine. Even the name localhost can
// resolve to another machine, so the dialler must check the address that it dialled.
func Loopback(host string) bool {
	// Names are compared without case (RFC 4343), and no resolver tells these spellings apart. Not
	// with strings.EqualFold: it also takes "localho\u017ft", a long s, which is another name to
	// the DNS.
	if strings.ToLower(host) == "localhost" {
		return true
	}
	// "localhost." and "app.localhost" stay refused: hosts files do not have them, so some systems
	// ask the DNS, and a foreign server would say where they lead.
	bare, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		var closed bool
		if bare, closed = strings.CutSuffix(bare, "]"); !closed {
			return false
		}
	}
	// netip takes canonical addresses only. It refuses 127.1, 0x7f000001 and 0177.0.0.1, which some
	// resolvers read as loopback and others do not.
	addr, err := netip.ParseAddr(bare)
	if err != nil || bracketed && addr.Is4() {
		return false
	}
	return LoopbackAddr(addr)
}

// LoopbackAddr reports whether an address is this machine, by the rule of [Loopback]. It is for the
// address that was dialled: whoever controls the resolver decides where a name leads.
func LoopbackAddr(addr netip.Addr) bool {
	// A zone names a network interface. ::1 needs none, so with a zone the operator meant something
	// that this function does not know.
	return addr.Zone() == "" && addr.Unmap().IsLoopback()
}

// ErrNotLoopback is the error of [OnlyLoopback].
var ErrNotLoopback = errors.New("without TLS only on loopback")

// OnlyLoopback returns nil for an address with a port on this machine, and [ErrNotLoopback] for any
// other one. Diallers whose connections are without TLS ask it, with the address that a name has
// led to, before they connect.
func OnlyLoopback(address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !LoopbackAddr(to.Addr()) {
		return ErrNotLoopback
	}
	return nil
}
