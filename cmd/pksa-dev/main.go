// Command pksa-dev is everything that an application needs to be written against, on this machine
// alone: a chain in memory with its API node, a relay, and a wallet that answers by a policy.
//
//	go run ./cmd/pksa-dev
//
// It prints what the application has to know (relay, account, secret, node), and then the wallet's
// log, which has a line for each request with what was decided. Without -policy it allows the app
// everything. The accounts, keys and tokens are made up, and the keys stand in plain sight: nothing
// here is worth anything. Ctrl-C ends it and leaves nothing behind.
//
// The wallet is the real one, so the commands of pksa work, such as `pksa --home FOLDER policy
// explain`. This program is apart from pksa because a chain that is made up has no place beside
// real keys.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// options are what the command line says.
type options struct {
	account, app string
	relay        string // address that the relay listens at
	node         string // address that the node of the chain listens at
	policy       string // file; empty allows everything
	secretFile   string // to write the secret of the app into; empty: none
}

func main() {
	var o options
	flag.StringVar(&o.account, "account", "alice", "account that the wallet holds the keys of")
	flag.StringVar(&o.app, "app", "devbot", "name of the application")
	flag.StringVar(&o.relay, "relay", "127.0.0.1:9480", "address of this machine that the relay listens at")
	flag.StringVar(&o.node, "node", "127.0.0.1:9481", "address of this machine that the chain's node listens at")
	flag.StringVar(&o.policy, "policy", "", "`FILE` with the policy; without one the app may do everything")
	flag.StringVar(&o.secretFile, "secret", "", "`FILE` to write the secret of the application into, too")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "pksa-dev: error:", err)
		os.Exit(1)
	}
}

// run starts everything, prints what an application needs, and serves until ctx ends.
func run(ctx context.Context, o options, out, log io.Writer) error {
	w, err := open(ctx, o, log)
	if err == nil {
		fmt.Fprint(out, w.facts(o))
		err = w.wallet.Run(ctx)
		if ctx.Err() != nil {
			err = nil // ended by the person who started it
		}
	}
	w.close()
	return err
}

// facts returns what an application needs, a line each.
func (w *world) facts(o options) string {
	rules := "everything is allowed"
	if o.policy != "" {
		rules = o.policy
	}
	var b strings.Builder
	for _, line := range [][2]string{
		{"relay", "ws://" + o.relay}, {"node", w.url}, {"account", o.account}, {"app", o.app},
		{"secret", string(w.secret.Reveal())}, {"policy", rules}, {"others", strings.Join(others, ", ")},
		{"look", "pksa --home " + w.home + " status"},
	} {
		fmt.Fprintf(&b, "%-8s %s\n", line[0], line[1])
	}
	return b.String()
}
