// Command bot-go is a HiveAuth application that holds no keys: it asks a wallet to vote for a post,
// and prints the outcome. Copy it to begin a bot of your own: examples/docs/client.md shows how to
// use the package agent/client from another module.
//
// To try it, make an app, start the wallet with a relay of its own, and allow what the bot asks
// for:
//
//	pksa app add mybot          # save the secret that it prints as mybot.secret
//	chmod 600 mybot.secret
//	PKSA_RELAY_LISTEN=127.0.0.1:9480 PKSA_RELAYS='[ws://127.0.0.1:9480]' pksa run
//
// with these rules in policy.yaml:
//
//	version: 1
//	allow:
//	  - {name: sessions, request: auth, apps: [mybot], session: 30d}
//	  - {name: votes, request: sign, accounts: [alice], apps: [mybot], operations: [vote]}
//
// Then, in another terminal:
//
//	go run ./examples/bot-go -account alice -secret mybot.secret author/permlink
//
// The session is kept in a file, so that the next run need not log in again.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"pksa/agent/client"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// settings are what the command line says.
type settings struct {
	relay, node          string
	account              string
	secretFile, keptFile string
	weight               int
	author, permlink     string
}

func main() {
	var s settings
	flag.StringVar(&s.relay, "relay", "ws://127.0.0.1:9480", "HAS relay that the wallet serves")
	flag.StringVar(&s.node, "node", "https://api.hive.blog",
		"Hive API node to look votes up at; empty to believe the wallet")
	flag.StringVar(&s.account, "account", "", "account that votes")
	flag.StringVar(&s.secretFile, "secret", "mybot.secret", "file with the secret of the app")
	flag.StringVar(&s.keptFile, "session", "mybot.session", "file to keep the session in")
	flag.IntVar(&s.weight, "weight", 10000, "weight of the vote, 10000 is all")
	flag.Parse()
	s.author, s.permlink, _ = strings.Cut(strings.TrimPrefix(flag.Arg(0), "@"), "/")
	if s.account == "" || s.permlink == "" {
		fmt.Fprintln(os.Stderr, "usage: bot-go -account NAME [flags] AUTHOR/PERMLINK")
		flag.PrintDefaults()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bot-go:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	options := client.Options{Relay: s.relay, App: protocol.AppInfo{Name: "mybot", Description: "votes"}}
	if s.node != "" {
		// The client trusts neither the relay nor a sign_ack: it looks for the transaction on the
		// chain before it reports success.
		options.Transaction = func(ctx context.Context, id hive.TxID) ([]byte, error) { return fetch(ctx, s.node, id) }
	}
	bot, err := client.Dial(ctx, options)
	if err != nil {
		return err
	}
	defer bot.Close()

	session, err := login(ctx, bot, s)
	if err != nil {
		return err
	}
	vote := client.Operation{Name: "vote", Fields: map[string]any{
		"voter": s.account, "author": s.author, "permlink": s.permlink, "weight": s.weight,
	}}
	// The role must be exactly the one that the operations need: posting for votes, active for
	// transfers.
	signed, err := bot.Sign(ctx, session, client.SignRequest{Role: hive.Posting, Operations: []client.Operation{vote}})
	if err != nil {
		return explain(err)
	}
	fmt.Printf("voted: transaction %s, seen on the chain: %t\n", signed.ID, signed.Confirmed)
	return nil
}

// login returns the session of the last run, or opens a new one with the secret of the app.
func login(ctx context.Context, bot *client.Client, s settings) (*client.Session, error) {
	kept, err := os.ReadFile(s.keptFile)
	if err == nil {
		session, err := client.LoadSession(kept)
		if err == nil && string(session.Account()) == s.account && time.Until(session.Expires()) > time.Minute {
			return session, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	account, err := hive.ParseAccountName(s.account)
	if err != nil {
		return nil, fmt.Errorf("account %q: %w", s.account, err)
	}
	secret, err := os.ReadFile(s.secretFile)
	if err != nil {
		return nil, err
	}
	grant, err := bot.Authenticate(ctx, client.Auth{
		Account: account,
		Secret:  client.Secret(strings.TrimSpace(string(secret))),
	})
	if err != nil {
		return nil, explain(err)
	}
	fmt.Printf("logged in as %s until %s\n", account, grant.Expires.Format(time.DateTime))
	text, err := grant.Session.Save()
	if err != nil {
		return nil, err
	}
	// Whoever reads this file can ask the wallet as this bot.
	return grant.Session, os.WriteFile(s.keptFile, text, 0o600)
}

// explain adds what to do. A bot decides here whether to try again: never after ErrRefused. After
// errors that leave open whether the transaction was sent, the bot must first look at the chain.
func explain(err error) error {
	switch {
	case errors.Is(err, client.ErrRefused):
		return fmt.Errorf("%w\nthe policy does not allow it: `pksa audit tail` says why", err)
	case errors.Is(err, client.ErrNobody):
		return fmt.Errorf("%w\nis the wallet running, at the same relay, with this secret? if it was a session that "+
			"has ended, remove its file", err)
	case errors.Is(err, client.ErrFailed), errors.Is(err, client.ErrUnconfirmed), errors.Is(err, client.ErrExpired),
		errors.Is(err, client.ErrLost):
		return fmt.Errorf("%w\nlook at the chain before you ask again", err)
	}
	return err
}

// fetch gets a transaction from a Hive API node.
func fetch(ctx context.Context, node string, id hive.TxID) ([]byte, error) {
	body, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "condenser_api.get_transaction", "params": []string{id.String()},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, node, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Result json.RawMessage
		Error  *struct{ Message string }
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("node %s: %w", node, err)
	}
	switch {
	case answer.Error != nil && strings.Contains(answer.Error.Message, "Unknown Transaction"):
		return nil, client.ErrNoTransaction
	case answer.Error != nil:
		return nil, fmt.Errorf("node %s: %q", node, answer.Error.Message)
	}
	return answer.Result, nil
}
