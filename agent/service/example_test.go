package service_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/agent/service"
	"pksa/keystore"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// An application is tested against the real wallet, with a chain and a relay in memory: no network,
// no port, no key that is worth anything.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	chain := nodetest.NewChain(nodetest.Options{})
	chain.AddUser("alice")
	chain.AddUser("bob")
	server, err := relaytest.Start(relaytest.Options{Relay: relay.Options{
		Keys: relay.FixedKeys(map[hive.AccountName][]hive.PublicKey{
			"alice": {nodetest.Key("alice", hive.Posting).Public()}}),
		Logger: slog.New(slog.DiscardHandler),
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	secret, stop, err := exampleWallet(ctx, server, chain.NewNode("node.test"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()

	// What follows is what an application does.
	bot, err := client.Dial(ctx, client.Options{Relay: server.URL, DialContext: server.DialContext,
		App: protocol.AppInfo{Name: "mybot"}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bot.Close()
	grant, err := bot.Authenticate(ctx, client.Auth{Account: "alice", Secret: secret})
	for errors.Is(err, client.ErrNobody) { // the wallet has not registered yet
		grant, err = bot.Authenticate(ctx, client.Auth{Account: "alice", Secret: secret})
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	vote := client.Operation{Name: "vote", Fields: map[string]any{
		"voter": "alice", "author": "bob", "permlink": "a-post", "weight": 10000}}
	signed, err := bot.Sign(ctx, grant.Session, client.SignRequest{Role: hive.Posting,
		Operations: []client.Operation{vote}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("on the chain:", chain.Count(signed.ID))
	// Output: on the chain: 1
}

// exampleWallet runs a wallet that holds alice's posting key and lets mybot log in and vote. It
// returns the secret of mybot, and what ends the wallet.
func exampleWallet(ctx context.Context, server *relaytest.Server, node *nodetest.Node) (
	secret client.Secret, stop func(), err error) {
	dir, err := os.MkdirTemp("", "pksa-example-")
	if err != nil {
		return "", nil, err
	}
	cfg := config.Default(dir)
	cfg.Nodes, cfg.Relays = []string{node.URL()}, []config.Relay{{URL: server.URL, Plaintext: true}}
	unlock, _, err := keystore.CreateIdentity(filepath.Join(dir, "identity.txt"))
	if err != nil {
		return "", nil, err
	}
	keys, err := keystore.Create(cfg.Keystore, unlock)
	if err != nil {
		return "", nil, err
	}
	made := service.LedgerOptions(cfg, keys, slog.New(slog.DiscardHandler))
	err = errors.Join(keys.Import("alice", hive.Posting, []byte(nodetest.Key("alice", hive.Posting).WIF())),
		ledger.Create(cfg.Ledger, made),
		os.WriteFile(cfg.Policy, []byte("version: 2\nallow:\n"+
			"  - {name: logins, request: auth, apps: [mybot], session: 1h}\n"+
			"  - {name: votes, request: sign, accounts: [alice], apps: [mybot], operations: [vote]}\n"), 0o600))
	if err != nil {
		return "", nil, err
	}
	book, err := ledger.Open(cfg.Ledger, made)
	if err != nil {
		return "", nil, err
	}
	app, err := agent.Admin{Ledger: book, Keys: keys}.AddApp(ctx, "mybot", "", "")
	if err != nil {
		return "", nil, err
	}
	wallet, err := service.Open(ctx, service.Options{Config: cfg, Logger: slog.New(slog.DiscardHandler), Keys: keys,
		Ledger: book, Embedded: true, Dial: server.DialContext, Transport: nodetest.Transport(node)})
	if err != nil {
		return "", nil, err
	}
	running, end := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		wallet.Run(running)
	}()
	return app.Secret, func() {
		end()
		<-ended
		wallet.Close()
		book.Close()
		keys.Close()
		os.RemoveAll(dir)
	}, nil
}
