package relaytest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// A relay brings the first request to the wallet once more after a while.
func Example() {
	key := hive.PrivateKeyFromSeed("alice's key, in plain sight")
	server, err := relaytest.Start(relaytest.Options{
		Relay: relay.Options{
			Keys:   relay.FixedKeys(map[hive.AccountName][]hive.PublicKey{"alice": {key.Public()}}),
			Logger: slog.New(slog.DiscardHandler),
		},
		Fault: relaytest.Script(relaytest.Rule{
			When: relaytest.On(relaytest.ToClient, "sign_req"), Times: 1, Do: relaytest.Replay(10 * time.Millisecond),
		}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ready, requests := make(chan struct{}), make(chan protocol.Request, 2)
	wallet := relaytest.Wallet{
		URL: server.URL, DialContext: server.DialContext,
		Keys:  map[hive.AccountName]*hive.PrivateKey{"alice": key},
		Ready: func() { close(ready) },
		Answer: func(r protocol.Request) protocol.Message {
			requests <- r
			return nil // silence
		},
	}
	go wallet.Run(ctx)
	<-ready

	app := &http.Client{Transport: &http.Transport{DialContext: server.DialContext}}
	conn, _, err := websocket.Dial(ctx, server.URL, &websocket.DialOptions{HTTPClient: app})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseNow()
	frame := `{"cmd":"sign_req","account":"alice","data":"` + relaytest.Seal("auth_key", "{}") + `"}`
	conn.Write(ctx, websocket.MessageText, []byte(frame))

	first, second := <-requests, <-requests
	fmt.Println(first.Kind, "for", first.Account)
	fmt.Println("the same request again:", first.UUID == second.UUID && first.Data == second.Data)
	// Output:
	// sign for alice
	// the same request again: true
}
