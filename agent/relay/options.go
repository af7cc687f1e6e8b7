package relay

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// ErrNoAccount means that an account does not exist. A [KeysFunc] returns it.
var ErrNoAccount = errors.New("no such account")

// KeysFunc returns the public keys that may prove an account: its posting, active and memo keys,
// without the owner keys, which HAS does not take as proof (HAS §14, 11). It returns [ErrNoAccount]
// for an account that does not exist. It is called concurrently, and only the connection that asks
// waits for it; it must return when ctx ends, after Limits.Lookup.
type KeysFunc func(ctx context.Context, account hive.AccountName) ([]hive.PublicKey, error)

// FixedKeys returns a [KeysFunc] over a list, which the caller must not change any more. Other
// accounts do not exist.
func FixedKeys(keys map[hive.AccountName][]hive.PublicKey) KeysFunc {
	return func(_ context.Context, account hive.AccountName) ([]hive.PublicKey, error) {
		if found, ok := keys[account]; ok {
			return found, nil
		}
		return nil, ErrNoAccount
	}
}

// Options are what [New] needs. Only Keys or NoProof must be set.
type Options struct {
	// Server is the name of the server in the greeting, usually its host.
	Server string
	// Version08 makes the relay say protocol 0.8 instead of 1.
	Version08 bool
	// Unproven reports whether wallets of an account may answer without a proof of key, if they
	// registered as protocol 0.8 has it, without the member pok. Whoever sees such a registration
	// on its way, holds it up and sends it first, can answer in the wallet's place. nil means none,
	// and all with Version08: that protocol has no proofs in answers. It must not wait.
	Unproven func(account hive.AccountName) bool
	// Timeout is the time from a request to its expiry, 60 s if zero. It is rounded to whole
	// seconds, one at least.
	Timeout time.Duration
	// PingRate is the time between WebSocket pings, 30 s if zero. It is rounded to whole seconds,
	// one at least.
	PingRate time.Duration

	// Keys returns the keys of an account, and so decides which accounts exist. With NoProof it may
	// be nil: then all accounts do.
	Keys KeysFunc
	// Known reports whether an account is one whose look-ups never wait for those of strangers,
	// such as the accounts of the wallet in this process. nil means none. It must not wait.
	Known func(account hive.AccountName) bool
	// Mine reports whether a connection from this address, IP and port, is of the wallet in this
	// process. It has a place however many others there are: strangers must not keep the wallet
	// away from its own relay. nil means none. It must not wait.
	Mine func(remote string) bool
	// KeysTTL is how long an answer of Keys is used, 1 minute if zero. When Keys fails, an earlier
	// answer is used for ten times as long.
	KeysTTL time.Duration
	// NoProof takes registrations and answers without proof of key: anybody can pose as any wallet.
	// It is for development.
	NoProof bool
	// WholeRegistration refuses a whole register_req if one of its accounts is bad, as the public
	// relays do according to their documentation. Otherwise the good accounts are registered.
	WholeRegistration bool

	// Origins lists the origins of web pages that may connect, as host patterns of path.Match; "*"
	// means any, and localhost covers every port of it. Clients that send no Origin header (all but
	// browsers) need no entry.
	Origins []string
	// Hosts lists the names by which the relay is reached besides Server, addresses and the names
	// of this machine, as patterns too. A page that came from one of these, with the same port, may
	// connect without an entry among Origins.
	Hosts []string
	// PageRefused is called for each web page that was refused, unless it is nil.
	PageRefused func()

	Limits Limits
	// Logger gets the events; nil means the default logger. Payloads and proofs are never logged.
	Logger *slog.Logger
}

// Limits is a set of bounds on what strangers can make the relay hold or do. A member that is zero
// means the default beside it (HAS §11.2).
type Limits struct {
	Connections int // open connections; 1,000
	// Strangers bounds those of them that no wallet of Options.Known has answered, nor are one; not
	// bounded if zero.
	Strangers int
	// AddressConnections bounds the connections that Serve accepts of one address, or of one /64 of
	// IPv6; a quarter of Connections. Those of this machine are not bounded.
	AddressConnections int

	Frame int // bytes of a frame; a connection that sends a larger one ends; 1 MiB
	// Reading bounds the bytes of the buffers of all frames that are being read or worked on, of
	// which an address of another machine has a quarter. 2 KiB of each frame count, and do not
	// wait. 8 MiB, and never less than two frames.
	Reading int
	Data    int // bytes of the data of a request; 500,000: the forwarded frame is below protocol.MaxSend

	// Frames bounds what is read in a second of all connections that no wallet of Options.Known has
	// answered, and four times as much of those that one has. A frame counts as one, and each 16
	// KiB as one more. Not bounded if zero.
	Frames int
	// AddressFrames bounds the same for the connections of one address of another machine; 8 for
	// each of AddressConnections.
	AddressFrames int

	AppFrames  int // frames a second of a connection without registrations; 50
	AppPending int // unanswered requests of one connection; 100

	WalletFrames        int // frames a second of a connection with a registration; 5,000
	WalletRegistrations int // accounts of one connection; 20,000
	Registrations       int // accounts of all connections together; 100,000
	AccountWallets      int // connections that serve one account; 16

	AccountPending int // unanswered requests for one account; 1,000
	Requests       int // requests that are kept until they expire, answered ones too; 50,000
	// Bytes bounds what requests take in memory until they expire: their messages, their answers,
	// and what each costs beside; 128 MiB.
	Bytes int

	// Replies bounds those that a connection with a registration may leave unread before it is no
	// longer read; 256. Others may leave an eighth of it.
	Replies int
	Write   time.Duration // for one frame to be taken by its receiver, or the connection ends; 10 s
	Read    time.Duration // for one frame to arrive once it has begun, or the connection ends; 30 s
	Lookup  time.Duration // for one call of Keys, and before it for its turn among those of strangers; 5 s
}

// proofWindow is how far the time in a proof of key may be from ours, before and after, both ends
// included (HAS §14, 10).
const proofWindow = 10 * time.Second

// Largest sizes in bytes of what a request or answer has beside its data. A sealed uuid has 88
// characters; nothing known sends more than a few hundred.
const (
	maxAuthKey = 4096
	maxToken   = 256
	maxPoK     = 1024
)

// appRepliesPart is the part of Limits.Replies that a connection without registrations has: there
// may be a thousand, and a frame of theirs has one reply.
const appRepliesPart = 8

// registering is how many register_req are worked on beside the reading of frames, in all: looking
// keys up takes a round trip, and each holds its frame meanwhile.
const registering = 256

// badProofCost is the number of frames that a bad proof of key, or an account that does not exist,
// counts as: finding out takes as long as reading many, and may take a call of Keys.
const badProofCost = 50

func (c Options) withDefaults() Options {
	c.Timeout = max(orDefault(c.Timeout, time.Minute).Round(time.Second), time.Second)
	c.PingRate = max(orDefault(c.PingRate, 30*time.Second).Round(time.Second), time.Second)
	c.KeysTTL = orDefault(c.KeysTTL, time.Minute)
	c.Limits = c.Limits.withDefaults()
	if c.Unproven == nil {
		c.Unproven = func(hive.AccountName) bool { return c.Version08 }
	}
	if c.Known == nil {
		c.Known = func(hive.AccountName) bool { return false }
	}
	if c.Mine == nil {
		c.Mine = func(string) bool { return false }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Logger = c.Logger.With("component", "relay")
	return c
}

func (l Limits) withDefaults() Limits {
	l.Connections = orDefault(l.Connections, 1000)
	l.AddressConnections = orDefault(l.AddressConnections, max(1, l.Connections/4))
	return Limits{
		Connections:         l.Connections,
		Strangers:           min(orDefault(l.Strangers, l.Connections), l.Connections),
		AddressConnections:  l.AddressConnections,
		Frames:              l.Frames,
		AddressFrames:       orDefault(l.AddressFrames, max(1000, 8*l.AddressConnections)),
		Frame:               orDefault(l.Frame, protocol.MaxFrame),
		Reading:             orDefault(l.Reading, 8<<20),
		Data:                orDefault(l.Data, 500_000),
		AppFrames:           orDefault(l.AppFrames, 50),
		AppPending:          orDefault(l.AppPending, 100),
		WalletFrames:        orDefault(l.WalletFrames, 5000),
		WalletRegistrations: orDefault(l.WalletRegistrations, 20_000),
		Registrations:       orDefault(l.Registrations, 100_000),
		AccountWallets:      orDefault(l.AccountWallets, 16),
		AccountPending:      orDefault(l.AccountPending, 1000),
		Requests:            orDefault(l.Requests, 50_000),
		Bytes:               orDefault(l.Bytes, 128<<20),
		Replies:             orDefault(l.Replies, 256),
		Write:               orDefault(l.Write, 10*time.Second),
		Read:                orDefault(l.Read, 30*time.Second),
		Lookup:              orDefault(l.Lookup, 5*time.Second),
	}
}

func orDefault[T int | time.Duration](value, def T) T {
	if value <= 0 {
		return def
	}
	return value
}
