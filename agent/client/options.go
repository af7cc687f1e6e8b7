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

// ErrNoTransaction says that the chain does not show a transaction. [Options.Transaction] may
// return it, or no JSON.
var ErrNoTransaction = errors.New("no such transaction")

// Options say how a client works. Relay and App.Name must be set.
type Options struct {
	// Relay is the address of the relay: wss://… (https://… is read as that), or ws://… to this
	// machine.
	Relay string
	// Plaintext allows ws:// to other machines. Whoever listens there sees account names, sizes and
	// times, and can refuse in the name of the wallet, but reads no payload.
	Plaintext bool
	// DialContext makes the connection to the relay; a net.Dialer's if nil.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is for relays with a certificate of their own; nil for the usual.
	TLS *tls.Config

	// App is what the application says of itself. Wallets show it and do not believe it.
	App protocol.AppInfo

	// Network is the chain whose transactions are signed; hive.Mainnet if nil.
	Network *hive.Network
	// Keys, if set, names the public keys of an account. Signed challenges must then come from one
	// of them.
	Keys func(ctx context.Context, account hive.AccountName) ([]hive.PublicKey, error)
	// Transaction, if set, fetches a transaction from the chain, as the JSON that get_transaction
	// of a Hive API node returns, or nil if it is not there. It is asked again every ConfirmEvery
	// until ConfirmWithin is over.
	Transaction   func(ctx context.Context, id hive.TxID) ([]byte, error)
	ConfirmEvery  time.Duration // 3 s (one block) if zero
	ConfirmWithin time.Duration // 1 minute if zero

	// Logger gets events, the default logger if nil.
	Logger *slog.Logger
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
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Logger = o.Logger.With("component", "client")
	return o, nil
}

// relayURL returns the address without a slash at its end, as links carry it (HAS §6).
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
