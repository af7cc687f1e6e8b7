package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"time"

	"pksa/agent/node/memchain"
	"pksa/agent/relay"
	"pksa/protocol/hive"
)

// relayStart is the first question to the relay: what it shall be.
type relayStart struct {
	Accounts int
	Trip     time.Duration // round trip of what the wallet sends
	Usual    bool          // applications send no faster than a relay lets them
}

// relayPlace is the answer: where applications and the wallet reach it.
type relayPlace struct{ Apps, Wallet string }

// registered is the answer to every later question: how many accounts are registered.
type registered struct{ Accounts int }

// much is a bound that no benchmark reaches.
const much = 1 << 30

// relayLimits are those of our relay, raised where the benchmark would be what they bound.
var relayLimits = relay.Limits{
	AppFrames: much, AppPending: much, WalletFrames: much, AccountPending: much, Requests: much, Bytes: much,
	WalletRegistrations: much, Registrations: much, Replies: 1 << 16,
}

// serveRelay serves the relay, as a part.
func serveRelay(questions *json.Decoder, answers *json.Encoder) error {
	var start relayStart
	if err := questions.Decode(&start); err != nil {
		return endOf(err)
	}
	keys := make(map[hive.AccountName][]hive.PublicKey, start.Accounts)
	for i := range start.Accounts {
		name := accountName(i)
		keys[name] = []hive.PublicKey{memchain.Key(name, hive.Posting).Public()}
	}
	limits := relayLimits
	if start.Usual {
		limits.AppFrames = 0
	}
	r, err := relay.New(relay.Options{Server: "127.0.0.1", Keys: relay.FixedKeys(keys), Timeout: requestLife,
		Limits: limits, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	apps, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- r.Serve(ctx, apps) }()
	place := relayPlace{Apps: "ws://" + apps.Addr().String()}
	place.Wallet = place.Apps
	if start.Trip > 0 {
		far, err := farAway(ctx, apps.Addr().String(), start.Trip/2)
		if err != nil {
			return err
		}
		place.Wallet = "ws://" + far
	}
	for answer := any(place); ; answer = (registered{r.Status().Registrations}) {
		if err := answers.Encode(answer); err != nil {
			return err
		}
		if err := questions.Decode(new(struct{})); err != nil {
			stop()
			<-served
			return endOf(err)
		}
	}
}

// accountName returns the name of the account with a number.
func accountName(i int) hive.AccountName { return hive.AccountName(fmt.Sprintf("bot%05d", i)) }
