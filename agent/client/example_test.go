package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// A bot logs in with the secret of its app slot, has a vote broadcast, and tells a refusal from an
// absent wallet.
func Example() {
	relay, stop := exampleRelay()
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	bot, err := client.Dial(ctx, client.Options{
		Relay: relay.URL, // "wss://relay.example"
		App:   protocol.AppInfo{Name: "votebot"},

		DialContext: relay.DialContext, // leave out to use the network
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bot.Close()

	grant, err := bot.Authenticate(ctx, client.Auth{Account: "alice", Secret: slotSecret})
	if err != nil {
		fmt.Println(err)
		return
	}
	vote := client.Operation{Name: "vote", Fields: map[string]any{
		"voter": "alice", "author": "bob", "permlink": "a-post", "weight": 10000,
	}}
	signed, err := bot.Sign(ctx, grant.Session, client.SignRequest{Role: hive.Posting,
		Operations: []client.Operation{vote}})
	switch {
	case err == nil:
		fmt.Println("sent as", signed.ID)
	case errors.Is(err, client.ErrRefused):
		fmt.Println("the policy of the wallet does not allow it")
	case errors.Is(err, client.ErrNobody):
		fmt.Println("is the wallet running?")
	default:
		fmt.Println(err)
	}
	// Output: sent as abababababababababababababababababababab
}

// exampleRelay runs a relay and a wallet that allows everything.
func exampleRelay() (*relaytest.Server, func()) {
	server, err := relaytest.Start(relaytest.Options{Relay: relay.Options{Keys: keys, Logger: silent}})
	if err != nil {
		panic(err)
	}
	ctx, end := context.WithCancel(context.Background())
	w := &world{server: server}
	ready, done := make(chan struct{}), make(chan struct{})
	wallet := &relaytest.Wallet{
		URL: server.URL, DialContext: server.DialContext, Answer: w.respond,
		Keys:  map[hive.AccountName]*hive.PrivateKey{"alice": alice},
		Ready: func() { close(ready) },
	}
	go func() {
		defer close(done)
		wallet.Run(ctx)
	}()
	<-ready
	return server, func() { end(); <-done; server.Close() }
}
