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
//	version: 2
//	allow:
//	  - {name: sessions, request: auth, apps: [mybot], session: 30d}
//	  - {name: votes, request: sign, accounts: [alice], apps: [mybot], operations: [vote]}
//
// Then, in another terminal, in a clone of the repository:
//
//	go run ./examples/bot-go -account alice -secret mybot.secret author/permlink
//
// The session is kept in a file, so that the next run need not log in again.
//
// With -stay and no post it votes for nothing: it logs in, as often as it takes, and stays until it
// is stopped. That is how it runs in a container beside a wallet that is still being set up.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
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
	stay                 bool
}

// tryAgain is the time between two tries to log in. Each that is refused is a line of the wallet's
// audit trail.
const tryAgain = 30 * time.Second

func main() {
	var s settings
	flag.StringVar(&s.relay, "relay", "ws://127.0.0.1:9480", "HAS relay that the wallet serves")
	flag.StringVar(&s.node, "node", "https://api.hive.blog",
		"Hive API node to look votes up at; empty to believe the wallet")
	flag.StringVar(&s.account, "account", "", "account that votes")
	flag.StringVar(&s.secretFile, "secret", "mybot.secret", "file with the secret of the app")
	flag.StringVar(&s.keptFile, "session", "mybot.session", "file to keep the session in")
	flag.IntVar(&s.weight, "weight", 10000, "weight of the vote, 10000 is all")
	flag.BoolVar(&s.stay, "stay", false, "vote for nothing: log in, as often as it takes, and stay")
	flag.Parse()
	s.author, s.permlink, _ = strings.Cut(strings.TrimPrefix(flag.Arg(0), "@"), "/")
	if s.account == "" || s.stay != (flag.NArg() == 0) || s.stay != (s.permlink == "") {
		fmt.Fprintln(os.Stderr, "usage: bot-go -account NAME [flags] AUTHOR/PERMLINK, or -stay and no post")
		flag.PrintDefaults()
		os.Exit(2)
	}
	// Platforms of containers stop it by SIGTERM.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for {
		err := run(ctx, s)
		if err == nil || s.stay && ctx.Err() != nil {
			return
		}
		fmt.Fprintln(os.Stderr, "bot-go:", err)
		if !s.stay {
			os.Exit(1)
		}
		// A login can be tried again and again: it spends nothing. A vote cannot; see explain.
		select {
		case <-ctx.Done():
			return
		case <-time.After(tryAgain):
		}
	}
}

func run(ctx context.Context, s settings) error {
	options := client.Options{Relay: s.relay, App: protocol.AppInfo{Name: "mybot", Description: "votes"}}
	if s.node != "" {
		// The client trusts neither the relay nor a sign_ack: it looks for the transaction on the
		// chain before it reports success.
		options.Transaction = client.NodeTransaction(s.node)
	}
	bot, err := client.Dial(ctx, options)
	if err != nil {
		return fmt.Errorf("%w\nis the wallet's relay running, and is -relay its address?", err)
	}
	defer bot.Close()

	account, err := hive.ParseAccountName(s.account)
	if err != nil {
		return fmt.Errorf("account %q: %w", s.account, err)
	}
	secret, err := os.ReadFile(s.secretFile)
	if err != nil {
		return fmt.Errorf("the secret of the app (`pksa app add mybot` makes it): %w", err)
	}
	// The session of the last run, or a new one if there is none, or if the wallet has ended it.
	// Whoever reads its file can ask the wallet as this bot.
	session, err := bot.Keep(ctx, client.Login{
		Account: account, Secret: client.Secret(strings.TrimSpace(string(secret))), File: s.keptFile,
	})
	if err != nil {
		return explain(err, "no vote was asked for yet; `pksa audit tail` there may say more")
	}
	if s.stay {
		fmt.Printf("logged in as %s; it votes for nothing by itself\n", account)
		<-ctx.Done()
		return nil
	}
	vote := client.Operation{Name: "vote", Fields: map[string]any{
		"voter": s.account, "author": s.author, "permlink": s.permlink, "weight": s.weight,
	}}
	// The role must be exactly the one that the operations need: posting for votes, active for
	// transfers.
	signed, err := session.Sign(ctx, client.SignRequest{Role: hive.Posting, Operations: []client.Operation{vote}})
	if err != nil {
		return explain(err, "look at the chain before you ask again")
	}
	fmt.Printf("voted: transaction %s, seen on the chain: %t\n", signed.ID, signed.Confirmed)
	return nil
}

// explain adds what to do, or otherwise if the error does not say. A bot decides here whether to
// try again: only after ErrNothingDone, and only if the reason can go away. After all other errors
// of a transaction it must first look at the chain, because a relay can say no in the place of the
// wallet.
func explain(err error, otherwise string) error {
	advice := otherwise
	switch {
	case errors.Is(err, client.ErrUncertain):
		advice = "look for this transaction before you ask again"
	case errors.Is(err, client.ErrNothingDone):
		advice = "nothing was done; " + whenAgain(err)
	case errors.Is(err, client.ErrNewSession):
		advice = "look at the chain, then ask again"
	case errors.Is(err, client.ErrTooManyLogins):
		advice = "find out what ends the sessions: `pksa audit tail` shows it"
	case errors.Is(err, client.ErrNobody):
		advice = "is the wallet running, at the same relay, with this account and this secret? there, `pksa status` " +
			"shows what nothing opened"
	}
	return fmt.Errorf("%w\n%s", err, advice)
}

// whenAgain returns when to ask again, by the reason that the wallet gave.
func whenAgain(err error) string {
	switch {
	case errors.Is(err, client.ErrRefused):
		return "the policy does not allow it: `pksa audit tail` says why"
	case errors.Is(err, client.ErrBusy):
		return "ask again later, and less often"
	case errors.Is(err, client.ErrCredits):
		return "ask again in some hours, when the account has resource credits"
	case errors.Is(err, client.ErrChainExpired), errors.Is(err, client.ErrNoNode):
		return "ask again"
	case errors.Is(err, client.ErrNonce):
		return "use the session in one program only, and look at the clock"
	}
	return "`pksa audit tail` says more"
}
