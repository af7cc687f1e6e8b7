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
	relay, stop := exampleRelay(nil)
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

// A refusal is an answer: the wallet is there, and its policy does not allow the request. Asking
// again changes nothing.
func ExampleRefusedError() {
	relay, stop := exampleRelay(func(w *world, req protocol.Request) protocol.Message {
		return relaytest.Refuse(req, w.authKey)
	})
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	bot, session := exampleLogin(ctx, relay) // as in the example of the package
	defer bot.Close()
	transfer := client.Operation{Name: "transfer", Fields: map[string]any{
		"from": "alice", "to": "bob", "amount": "1000.000 HIVE", "memo": "",
	}}
	_, err := bot.Sign(ctx, session, client.SignRequest{
		Role: hive.Active, Operations: []client.Operation{transfer},
	})
	var refused *client.RefusedError
	if errors.As(err, &refused) {
		fmt.Println("refused by the wallet itself:", refused.Verified)
	}
	// Output: refused by the wallet itself: true
}

// A session is saved, and loaded by the next run of the program, which need not log in again.
func ExampleSession_Save() {
	session := client.NewSession("alice", "") // in production: that of a Grant
	saved, err := session.Save()              // to be written where only the program can read it
	if err != nil {
		fmt.Println(err)
		return
	}
	loaded, err := client.LoadSession(saved)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(loaded.Account(), loaded.AuthKey() == session.AuthKey())
	fmt.Println("printed it shows nothing:", loaded)
	// Output:
	// alice true
	// printed it shows nothing: [redacted]
}

// exampleLogin connects a bot and logs it in.
func exampleLogin(ctx context.Context, relay *relaytest.Server) (*client.Client, *client.Session) {
	bot, err := client.Dial(ctx, client.Options{
		Relay: relay.URL, DialContext: relay.DialContext, App: protocol.AppInfo{Name: "votebot"},
	})
	if err != nil {
		panic(err)
	}
	grant, err := bot.Authenticate(ctx, client.Auth{Account: "alice", Secret: slotSecret})
	if err != nil {
		panic(err)
	}
	return bot, grant.Session
}

// exampleRelay runs a relay and a wallet that allows logins, and answers other requests by answer,
// or allows them too if answer is nil.
func exampleRelay(answer func(*world, protocol.Request) protocol.Message) (*relaytest.Server, func()) {
	server, err := relaytest.Start(relaytest.Options{Relay: relay.Options{Keys: keys, Logger: silent}})
	if err != nil {
		panic(err)
	}
	ctx, end := context.WithCancel(context.Background())
	w := &world{secret: slotSecret, server: server}
	if answer != nil {
		w.setAnswer(func(req protocol.Request) (protocol.Message, bool) {
			if req.Kind == protocol.Auth {
				return nil, false
			}
			return answer(w, req), true
		})
	}
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
