package relay

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// ErrNoAccount is what a [KeysFunc] returns for an account that does not exist.
var ErrNoAccount = errors.New("no such account")

// KeysFunc names the public keys that may prove an account: its posting, active and memo keys.
// Leave the owner keys out; HAS does not take them as proof (HAS §14, 11). It is called
// concurrently and may take its time: only the connection that asks waits.
type KeysFunc func(ctx context.Context, account hive.AccountName) ([]hive.PublicKey, error)

// FixedKeys is a [KeysFunc] over a list that does not change. Accounts outside it do not exist.
func FixedKeys(keys map[hive.AccountName][]hive.PublicKey) KeysFunc {
	return func(_ context.Context, account hive.AccountName) ([]hive.PublicKey, error) {
		if found, ok := keys[account]; ok {
			return found, nil
		}
		return nil, ErrNoAccount
	}
}

// Options says how a relay behaves. Only Keys (or NoProof) must be set.
type Options struct {
	// Server is the name that connected carries as its server, usually the host.
	Server string
	// Version08 makes the relay say protocol 0.8 instead of 1, and take answers without a proof of
	// key.
	Version08 bool
	// Timeout is the life of a request, 60 s if zero. Rounded to whole seconds.
	Timeout time.Duration
	// PingRate is the time between WebSocket pings, 30 s if zero. Rounded to whole seconds.
	PingRate time.Duration

	// Keys finds the keys of an account.
	Keys KeysFunc
	// KeysTTL is how long an answer of Keys is believed, 1 minute if zero.
	KeysTTL time.Duration
	// NoProof takes registrations and answers without proof of key: anybody can pose as any wallet.
	// For development.
	NoProof bool
	// WholeRegistration refuses a whole register_req if one of its accounts is bad, as the public
	// relays are documented to do. Otherwise the good accounts of such a message are registered.
	WholeRegistration bool

	// Origins lists the origins of web pages that may connect, as host patterns of path.Match; "*"
	// means any. Clients that send no Origin header (everything but browsers) need no entry.
	Origins []string

	Limits Limits
	// Logger gets events, the default logger if nil. Payloads and proofs are never logged.
	Logger *slog.Logger
}

// Limits bound what strangers can make the relay hold or do. A zero member means the default beside
// it (HAS §11.2).
type Limits struct {
	Connections int // open connections; 1,000
	Frame       int // bytes of a frame that is read; 1 MiB
	Data        int // bytes of the data of a request; 500,000, which keeps the forwarded frame below protocol.MaxSend

	AppFrames  int // frames a second of a connection without registrations; 50
	AppPending int // unanswered requests of one connection; 100

	WalletFrames        int // frames a second of a connection with a registration; 5,000
	WalletRegistrations int // accounts of one connection; 20,000
	Registrations       int // accounts of all connections together; 100,000

	AccountPending int // unanswered requests for one account; 1,000
	Requests       int // requests kept, answered ones too, until they expire; 50,000
	Bytes          int // bytes of messages and answers kept until they expire; 128 MiB

	Replies int           // frames that one connection may leave unread before it is no longer read from; 256
	Write   time.Duration // time for one frame to be taken by its receiver, else the connection is dropped; 10 s
	Read    time.Duration // time for one frame to arrive once it has begun; 30 s
	Lookup  time.Duration // time for one call of Keys; 5 s
}

// Proofs of key are in ms and good for 10 s before and after, both ends included (HAS §14, 10).
const proofWindow = 10 * time.Second

// Sizes of what a request carries beside its data. A sealed uuid has 88 characters; nothing known
// sends more than a few hundred.
const (
	maxAuthKey = 4096
	maxToken   = 256
	maxPoK     = 1024
)

// A frame that outgrows smallFrame needs one of bigFrames places before the rest of it is read, so
// that many connections with an unfinished big frame each cannot fill the memory.
const (
	smallFrame = 64 << 10
	bigFrames  = 64
)

// registering is how many register_req are worked on beside the reading of frames; lookups of keys
// take a round trip.
const registering = 256

// badProofCost is what a bad proof of key, or an account that does not exist, costs in frames:
// finding out takes as long as reading many, and may take a call of Keys.
const badProofCost = 50

func (c Options) withDefaults() Options {
	c.Timeout = max(orDefault(c.Timeout, time.Minute).Round(time.Second), time.Second)
	c.PingRate = max(orDefault(c.PingRate, 30*time.Second).Round(time.Second), time.Second)
	c.KeysTTL = orDefault(c.KeysTTL, time.Minute)
	c.Limits = c.Limits.withDefaults()
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Logger = c.Logger.With("component", "relay")
	return c
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Connections:         orDefault(l.Connections, 1000),
		Frame:               orDefault(l.Frame, protocol.MaxFrame),
		Data:                orDefault(l.Data, 500_000),
		AppFrames:           orDefault(l.AppFrames, 50),
		AppPending:          orDefault(l.AppPending, 100),
		WalletFrames:        orDefault(l.WalletFrames, 5000),
		WalletRegistrations: orDefault(l.WalletRegistrations, 20_000),
		Registrations:       orDefault(l.Registrations, 100_000),
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
