package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/host"
)

// ErrNoTransaction means that the chain does not have a transaction. [Options].Transaction may
// return it, or nil for the JSON; then it is in the [UnconfirmedError].
var ErrNoTransaction = errors.New("no such transaction")

// Options are what [Dial] needs. Relay and App.Name must be set.
type Options struct {
	// Relay is the address of the relay: wss://… (https://… means the same), or ws://… to this
	// machine.
	Relay string
	// Plaintext allows ws:// to other machines. Whoever listens on the way sees account names,
	// sizes and times, and can refuse in the name of the wallet, but cannot read payloads.
	Plaintext bool
	// DialContext makes the connection to the relay; nil means that of a net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is for relays whose certificate is not one of a public authority; nil for the usual.
	TLS *tls.Config

	// App is the application's description of itself. Wallets show it and do not believe it.
	App protocol.AppInfo

	// Network is the chain whose transactions are signed; nil means hive.Mainnet.
	Network *hive.Network
	// Keys, if set, returns the public keys of an account. Challenges and transactions must then be
	// signed by them. It is called concurrently.
	Keys func(ctx context.Context, account hive.AccountName) ([]hive.PublicKey, error)
	// Transaction, if set, returns a transaction from the chain, as the JSON of get_transaction of
	// a Hive API node, or nil if it is not there. It is called every ConfirmEvery until
	// ConfirmWithin is over, and concurrently. An error is logged, and the call is made again.
	Transaction   func(ctx context.Context, id hive.TxID) ([]byte, error)
	ConfirmEvery  time.Duration // 3 s (one block) if zero
	ConfirmWithin time.Duration // 1 minute if zero

	// PerSecond is how many requests are sent each second at the most, and as many at once after a
	// pause; 40 if zero. Relays and wallets drop what is too fast for them: a relay of ours takes
	// 50 from a connection, and a wallet of ours 50 for an account.
	PerSecond float64
	// BusyWithin is how long a request that the wallet has no time for is made again, at growing
	// intervals; 1 minute if zero, never if it is negative. It is made again only if the wallet's
	// word is sealed for this very request.
	BusyWithin time.Duration

	// Waiting, if set, is called when a request seems to wait for a person: the relay has taken it,
	// and no answer has come within WaitingAfter. A wallet that decides by itself has answered by
	// then; one that asks a person cannot say so, because no message of HAS carries that. Tell the
	// user to look at the wallet, and until when. ctx is that of the call. Waiting runs on the
	// goroutine of the call and should return soon: the answer is read after that.
	Waiting      func(ctx context.Context, w Waiting)
	WaitingAfter time.Duration // 2 s if zero; at once if it is negative

	// Logger gets the events, never a secret; nil means the default logger.
	Logger *slog.Logger
}

// Waiting is a request that waits for its answer.
type Waiting struct {
	Kind    protocol.Kind
	Account hive.AccountName
	// Until is when the relay gives the request up, usually a minute after it was made.
	Until time.Time
}

func (o Options) check() (Options, error) {
	if o.App.Name == "" {
		return o, errors.New("client: App.Name is not set")
	}
	relay, err := relayURL(o.Relay, o.Plaintext)
	if err != nil {
		return o, fmt.Errorf("client: relay %q: %w", o.Relay, err)
	}
	o.Relay = relay
	if o.Network == nil {
		o.Network = hive.Mainnet
	}
	if o.ConfirmEvery <= 0 {
		o.ConfirmEvery = 3 * time.Second
	}
	if o.ConfirmWithin <= 0 {
		o.ConfirmWithin = time.Minute
	}
	if o.PerSecond <= 0 {
		o.PerSecond = 40
	}
	if o.BusyWithin == 0 {
		o.BusyWithin = time.Minute
	}
	if o.WaitingAfter == 0 {
		o.WaitingAfter = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Logger = o.Logger.With("component", "client")
	return o, nil
}

// dial connects to the relay. Whoever controls the resolver decides where a name like localhost
// leads: without TLS, the address that was dialled must be this machine, too.
func (o Options) dial(ctx context.Context, network, address string) (net.Conn, error) {
	connect := o.DialContext
	if connect == nil {
		connect = (&net.Dialer{}).DialContext
	}
	conn, err := connect(ctx, network, address)
	if err != nil || o.Plaintext || !strings.HasPrefix(o.Relay, "ws:") {
		return conn, err
	}
	// Connections in memory have no TCP address.
	if to, ok := conn.RemoteAddr().(*net.TCPAddr); ok && !host.LoopbackAddr(to.AddrPort().Addr()) {
		conn.Close()
		return nil, errors.New("ws:// is for this machine only, and the name of the host leads to another one")
	}
	return conn, nil
}

// relayURL returns the address as pairing links have it, without a slash at its end (HAS §6).
func relayURL(text string, plaintext bool) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("not a URL")
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("wanted wss://host, without user, query and fragment")
	}
	switch u.Scheme {
	case "wss":
	case "https":
		u.Scheme = "wss"
	case "ws":
		if !plaintext && !host.Loopback(u.Hostname()) {
			return "", errors.New("ws:// is plaintext: use wss://, or set Plaintext if the network is your own")
		}
	default:
		return "", errors.New("wanted wss://host")
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}
