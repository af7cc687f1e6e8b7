package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"pksa/agent/config"
	"pksa/agent/node/memchain"
	"pksa/protocol/hive"
)

// appName is the application of the benchmark.
const appName = "bench"

// largeApp is one that sends large requests beside it.
const largeApp = "large"

// policyText allows it what the cases ask for.
const policyText = `version: 1
allow:
  - {name: logins, request: auth, apps: [bench, large], session: 1d}
  - {name: challenges, request: challenge, apps: [bench], text: {glob: "*"}}
  - {name: votes, request: sign, apps: [bench], operations: [vote]}
  - {name: texts, request: sign, apps: [large], operations: [custom_json]}
`

// raised are the settings that differ from those of pksa init: bounds on applications that would be
// what is measured. Everything else is as users have it.
var raised = map[string]string{
	"limits.requests_per_second": "100000", "limits.account_requests_per_second": "100000",
	"limits.sessions_per_account": "100000", "limits.sessions_per_app": "100000",
}

// world is everything of one case but the application.
type world struct {
	home   string
	place  relayPlace
	url    string // of the node
	relay  *part
	node   *part
	wallet *wallet
	secret string // of the app
}

// build starts relay and node and makes the home folder. What it returns is to be closed, also with
// an error.
func (b *bench) build(ctx context.Context, c caseSpec) (w *world, err error) {
	w = &world{secret: newUUID() + newUUID()}
	if w.home, err = os.MkdirTemp(b.options.folder, "pksa-bench-"); err != nil { // mode 0700
		return w, err
	}
	if err := w.startParts(c); err != nil {
		return w, err
	}
	return w, w.makeHome(ctx, b.options.pksa, c)
}

// startParts starts relay and node.
func (w *world) startParts(c caseSpec) (err error) {
	if w.relay, err = startPart("relay"); err != nil {
		return err
	}
	if w.node, err = startPart("node"); err != nil {
		return err
	}
	if err := w.relay.ask(relayStart{c.Accounts, c.Relay, c.Pause > 0}, &w.place); err != nil {
		return err
	}
	return w.node.ask(nodeStart{c.Accounts, c.Node}, &w.url)
}

// makeHome makes the home folder as a user does: settings and policy are written, the rest is done
// by pksa's own commands.
func (w *world) makeHome(ctx context.Context, pksa string, c caseSpec) error {
	settings := map[string]string{"relays": "[" + w.place.Wallet + "]", "nodes": "[" + w.url + "]"}
	if c.Pause == 0 {
		maps.Copy(settings, raised)
	}
	var keys bytes.Buffer
	for i := range c.Accounts {
		name := accountName(i)
		fmt.Fprintf(&keys, "%s %s %s\n", name, hive.Posting, memchain.Key(name, hive.Posting).WIF())
	}
	write := func(name string, text []byte) error {
		return os.WriteFile(filepath.Join(w.home, name), text, 0o600)
	}
	err := errors.Join(write("config.yaml", []byte(config.Template(settings))),
		write("policy.yaml", []byte(policyText)), write("keys.txt", keys.Bytes()),
		write("secret.txt", []byte(w.secret)), write("secret.txt.large", []byte(w.secret+largeApp)))
	if err != nil {
		return err
	}
	secret := "file:" + filepath.Join(w.home, "secret.txt")
	for _, args := range [][]string{
		{"init"},
		{"keys", "import", "--offline", "--file", filepath.Join(w.home, "keys.txt")},
		{"app", "add", appName, "--secret", secret},
		{"app", "add", largeApp, "--secret", secret + ".large"},
	} {
		cmd := exec.CommandContext(ctx, pksa, append(args, "--home", w.home)...)
		cmd.Env = cleanEnvironment()
		dieWithUs(cmd)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("pksa %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(out))
		}
	}
	return nil
}

// cleanEnvironment returns our environment without the settings of other wallets in it.
func cleanEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PKSA_") })
}

// close stops everything, removes the home folder, and returns what did not end in order.
func (w *world) close() error {
	var errs []error
	if w.wallet != nil {
		errs = append(errs, w.wallet.stop())
	}
	for _, p := range []*part{w.relay, w.node} {
		if p != nil {
			errs = append(errs, p.close())
		}
	}
	if w.home != "" {
		errs = append(errs, os.RemoveAll(w.home))
	}
	return errors.Join(errs...)
}

// wallet is the process that is measured.
type wallet struct {
	cmd   *exec.Cmd
	log   tail
	ended chan struct{} // closed when it has
	err   error         // how; read after ended
}

// startWallet starts pksa run. The log goes to a pipe that this program reads, as it goes to the
// journal of a service: it is no part of what the wallet writes to its home.
func startWallet(cmd *exec.Cmd) (*wallet, error) {
	wt := &wallet{cmd: cmd, ended: make(chan struct{})}
	cmd.Stderr = &wt.log
	dieWithUs(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		wt.err = cmd.Wait()
		close(wt.ended)
	}()
	return wt, nil
}

// stop ends the wallet in order.
func (wt *wallet) stop() error {
	overdue := time.AfterFunc(time.Minute, func() { wt.cmd.Process.Kill() })
	defer overdue.Stop()
	wt.cmd.Process.Signal(os.Interrupt) // an error means that it has ended, which is seen next
	<-wt.ended
	if wt.err != nil {
		return fmt.Errorf("the wallet did not end in order: %w\n%s", wt.err, wt.log.text())
	}
	return nil
}

// untilRegistered waits until so many accounts are registered at the relay.
func (w *world) untilRegistered(ctx context.Context, accounts int) error {
	often := time.NewTicker(5 * time.Millisecond)
	defer often.Stop()
	for {
		var now registered
		if err := w.relay.ask(struct{}{}, &now); err != nil {
			return err
		}
		if now.Accounts >= accounts {
			return nil
		}
		select {
		case <-often.C:
		case <-w.wallet.ended:
			return fmt.Errorf("the wallet has ended: %v\n%s", w.wallet.err, w.wallet.log.text())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tail keeps the last part of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

var _ io.Writer = (*tail)(nil)

// tailed is how many bytes are kept at least.
const tailed = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.kept) > 16*tailed {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-tailed:]...)
	}
	t.kept = append(t.kept, p...)
	return len(p), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.kept[max(0, len(t.kept)-tailed):]))
}
