package service

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"pksa/agent/certificate"
	"pksa/agent/config"
	"pksa/agent/harden"
	"pksa/agent/node"
	"pksa/agent/relay"
	"pksa/keystore"
	"pksa/keystore/access"
	"pksa/protocol/hive"
)

// OpenRelay makes the relay of the settings and opens its listener. o has Keys and Logger, and what
// the settings do not say.
func OpenRelay(cfg *config.Config, o relay.Options) (*relay.Relay, net.Listener, error) {
	o.Server, _, _ = net.SplitHostPort(cfg.RelayListen)
	o.Origins, o.Timeout = cfg.RelayOrigins, cfg.RelayTimeout
	o.Limits.AddressConnections = cfg.RelayPerAddress
	o.Version08 = cfg.RelayProtocol == "0.8"
	if o.Unproven == nil { // no wallet lives here
		o.Unproven = func(account hive.AccountName) bool { return cfg.RelayUnproven.Allows(account, false) }
	}
	pair := pairOf(cfg)
	if cfg.RelayCertificate != "" {
		pair.Failed = func(err error) {
			err = harden.Named(cfg.RelayCertificate, harden.Named(cfg.RelayKey, err))
			o.Logger.Warn("relay.certificate and relay.key are not taken, the pair of before is served on", "err", err)
		}
		first, err := pair.Get(nil)
		if err != nil {
			return nil, nil, fmt.Errorf("relay.certificate and relay.key: %w", err)
		}
		o.Hosts = first.Leaf.DNSNames // no other server can pass for one of these
	}
	r, err := relay.New(o)
	if err != nil {
		return nil, nil, fmt.Errorf("relay: %w", err)
	}
	listener, err := net.Listen("tcp", cfg.RelayListen)
	if err != nil {
		return nil, nil, fmt.Errorf("relay.listen: %w", err)
	}
	if cfg.RelayCertificate != "" {
		listener = tls.NewListener(listener, &tls.Config{GetCertificate: pair.Get, MinVersion: tls.VersionTLS12})
	}
	return r, listener, nil
}

// pairOf returns the certificate of the relay of the settings.
func pairOf(cfg *config.Config) *certificate.Pair {
	return &certificate.Pair{Certificate: cfg.RelayCertificate, KeyFile: cfg.RelayKey,
		Also: access.Administered(cfg.Home)}
}

// ChainKeys lets a relay look the keys of accounts up at the nodes.
func ChainKeys(nodes *node.Client) relay.KeysFunc {
	return func(ctx context.Context, account hive.AccountName) ([]hive.PublicKey, error) {
		found, err := nodes.Authorities(ctx, account)
		if err != nil {
			return nil, err
		}
		a, ok := found[account]
		if !ok {
			return nil, relay.ErrNoAccount
		}
		return a.Keys(), nil
	}
}

// heldKeys lets a relay take the keys of the keystore: it is for this wallet and nobody else's. The
// keystore is asked at each call, so that an import while the agent runs counts.
func heldKeys(store *keystore.Store) relay.KeysFunc {
	return func(_ context.Context, account hive.AccountName) ([]hive.PublicKey, error) {
		var keys []hive.PublicKey
		for _, role := range store.Roles(account) {
			if key, ok := store.Public(account, role); ok {
				keys = append(keys, key)
			}
		}
		if len(keys) == 0 {
			return nil, relay.ErrNoAccount
		}
		return keys, nil
	}
}

const (
	// lookupWait is how long the own relay waits for the chain before it believes the wallet that
	// it lives in, and lookupRest for how long it does not ask the chain again for that wallet.
	lookupWait = 2 * time.Second
	lookupRest = 10 * time.Second
)

// believeOwn lets the relay of this process take the keys of the keystore while the chain cannot be
// asked: what needs no chain, such as logins, is served although no node answers. What one host
// says against the wallet's keys is judged by second.
func believeOwn(chain, held relay.KeysFunc, second secondFunc) relay.KeysFunc {
	var failed atomic.Int64 // when the chain could not be asked last, in ns since 1970
	return func(ctx context.Context, account hive.AccountName) ([]hive.PublicKey, error) {
		own, err := held(ctx, account)
		if err != nil {
			return chain(ctx, account) // not an account of ours: nothing else is known of it
		}
		if time.Now().UnixNano()-failed.Load() < int64(lookupRest) {
			return own, nil
		}
		ctx, cancel := context.WithTimeout(ctx, lookupWait)
		defer cancel()
		keys, err := chain(ctx, account)
		switch {
		case err == nil && holdsAny(keys, own):
			return keys, nil
		case err == nil || errors.Is(err, relay.ErrNoAccount):
			return second(ctx, account, keys, own)
		}
		failed.Store(time.Now().UnixNano())
		return own, nil
	}
}

// secondFunc returns the keys of an account of this wallet of which one host says that none is the
// wallet's.
type secondFunc func(ctx context.Context, account hive.AccountName, first, own []hive.PublicKey) ([]hive.PublicKey,
	error)

// secondWord lets other hosts judge what the first one said against this wallet's own keys: one
// that lies must not shut the wallet out of its own relay. Where two agree, their word counts.
// Where no second one answers, the wallet's keys count beside those that the first one named.
func secondWord(nodes *node.Client) secondFunc {
	return func(ctx context.Context, account hive.AccountName, first, own []hive.PublicKey) ([]hive.PublicKey, error) {
		if nodes.Hosts() < 2 {
			if len(first) == 0 {
				return nil, relay.ErrNoAccount
			}
			return first, nil
		}
		views := nodes.Views(ctx, 3, account)
		if len(views) < 2 {
			return append(slices.Clone(first), own...), nil
		}
		said := map[hive.PublicKey]int{}
		for _, v := range views {
			for _, key := range v.Accounts[account].Keys() {
				said[key]++
			}
		}
		maps.DeleteFunc(said, func(_ hive.PublicKey, hosts int) bool { return hosts < 2 })
		if len(said) == 0 {
			return nil, relay.ErrNoAccount
		}
		return slices.Collect(maps.Keys(said)), nil
	}
}

// holdsAny reports whether one of the wanted keys is among the keys.
func holdsAny(keys, wanted []hive.PublicKey) bool {
	return slices.ContainsFunc(wanted, func(key hive.PublicKey) bool { return slices.Contains(keys, key) })
}
