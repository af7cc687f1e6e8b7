// Package outage says in one word why a server on the network was of no use. Log, metrics and
// status have the same words; there are few of them, and they hold nothing that the server said.
//
// Start with [Of]. An error that does not tell by itself is given its word with [As].
package outage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"

	"pksa/protocol/host"
)

// Reason is why a server was of no use.
type Reason string

// The reasons.
const (
	Name     Reason = "name"     // its name leads to no address, or to one that may not be used
	Connect  Reason = "connect"  // nobody takes the connection
	Local    Reason = "local"    // this machine does not let us: forbidden, or too many open files
	TLS      Reason = "tls"      // its certificate, or another part of TLS
	Timeout  Reason = "timeout"  // it was too slow
	Closed   Reason = "closed"   // the connection ended before its time
	Status   Reason = "status"   // HTTP status that is none of success
	Busy     Reason = "busy"     // it says that it has too much to do, or does not reach what is behind it
	Nonsense Reason = "nonsense" // what it says has not the form that it should have
	Chain    Reason = "chain"    // it serves another chain
	Key      Reason = "key"      // it has another key than it should have
	Flood    Reason = "flood"    // it sends more than it may
	Other    Reason = "other"
)

// all are the reasons with what they mean, in the order in which a connection comes to them.
var all = []struct {
	Reason
	means string
}{
	{Name, "the name of the server leads to no address, or to one that may not be used"},
	{Connect, "nobody takes the connection"},
	{Local, "this machine does not let the wallet connect: forbidden, or too many open files"},
	{TLS, "the certificate does not fit, or TLS fails otherwise"},
	{Timeout, "the server is too slow, or silent"},
	{Closed, "the connection ended, by the server or on the way"},
	{Status, "the server answers with an HTTP status that means no"},
	{Busy, "the server says that it has too much to do, or does not reach what is behind it"},
	{Nonsense, "what the server says has not the form that it should have"},
	{Chain, "the node serves another chain"},
	{Key, "the relay has another key than it should have"},
	{Flood, "the relay sends more than `limits.requests_per_second`"},
	{Other, "none of these"},
}

// Reasons returns all reasons.
func Reasons() []Reason {
	list := make([]Reason, len(all))
	for i, r := range all {
		list[i] = r.Reason
	}
	return list
}

// Means returns what a reason means, in a few words for people; empty if there is no such reason.
func (r Reason) Means() string {
	for _, known := range all {
		if known.Reason == r {
			return known.means
		}
	}
	return ""
}

// marked is an error whose reason is known.
type marked struct {
	error
	reason Reason
}

// Unwrap returns the error without its mark.
func (m *marked) Unwrap() error { return m.error }

// As returns the error with a reason that [Of] then returns. Its text stays the same.
func As(reason Reason, err error) error { return &marked{err, reason} }

// OfStatus returns the reason of an HTTP status that was not asked for.
func OfStatus(status int) Reason {
	busy := []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout}
	if slices.Contains(busy, status) {
		return Busy
	}
	return Status
}

// Of returns the reason of an error: its mark, or what an error of the standard library tells. It
// returns Other if nothing tells, and for nil.
func Of(err error) Reason {
	var mark *marked
	var name *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &mark):
		return mark.reason
	case errors.Is(err, host.ErrNotLoopback): // a name that was to be this machine
		return Name
	case errors.As(err, &name): // also if the resolver was too slow: that is not the server's
		return Name
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), timedOut(err):
		return Timeout
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return Local
	case ofTLS(err):
		return TLS
	case errors.As(err, &op) && op.Op == "dial":
		return Connect
	case errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"): // alerts of TLS
		return TLS
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, io.ErrClosedPipe), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Closed
	}
	return Other
}

func timedOut(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func ofTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &certificate) || errors.As(err, &header) || errors.As(err, &authority) ||
		errors.As(err, &name) || errors.As(err, &invalid)
}
