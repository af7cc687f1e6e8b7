package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/cmd/pksa/internal/logtail"
	"pksa/keystore"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// killWorld is a wallet that runs as a process of its own, and around it, in the test, what
// survives its deaths: relay, chain and applications.
type killWorld struct {
	t       *testing.T
	binary  string
	home    string
	chain   *nodetest.Chain
	nodes   []*nodetest.Node
	relay   *relaytest.Server
	seen    *answers
	cfg     *config.Config
	secrets map[string]client.Secret // of the apps

	wallet *exec.Cmd
	exited chan error
	stderr *logtail.Buffer
}

// builds are the programs that were built for the tests of this package, by their build tags. They
// lie in a folder that goes when all tests have ended.
var builds struct {
	mu      sync.Mutex
	folder  string
	program map[string]string
}

// buildWallet builds the real program once: with the tag crashpoints it has the points at which it
// can be made to die.
func buildWallet(t *testing.T, tags string) string {
	t.Helper()
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if built := builds.program[tags]; built != "" {
		return built
	}
	if builds.folder == "" {
		folder, err := os.MkdirTemp("", "pksa-built-")
		if err != nil {
			t.Fatal(err)
		}
		builds.folder, builds.program = folder, map[string]string{}
	}
	binary := filepath.Join(builds.folder, "tags-"+tags, "pksa")
	if out, err := exec.Command("go", "build", "-tags", tags, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	builds.program[tags] = binary
	return binary
}

// allTests are the tests of this package, and the end of what they share.
type allTests struct{ *testing.M }

func (all allTests) Run() int {
	defer func() { _ = os.RemoveAll(builds.folder) }() // an empty name is no folder
	// The parallel tests wait for other processes more than they use a processor.
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0))); err != nil {
			panic(err) // unreachable: it is a flag of package testing
		}
	}
	return all.M.Run()
}

// newKillWorld makes the home folder and starts everything but the wallet.
func newKillWorld(t *testing.T, policy string, apps ...string) *killWorld {
	t.Helper()
	return newWorldOf(t, homeParts{policy: policy, apps: apps, accounts: []hive.AccountName{"alice"},
		settings: map[string]string{
			"limits.requests_per_second": "5000", "limits.account_requests_per_second": "5000",
			// A session that gives way to a newer one is not lost, and would look like it.
			"limits.sessions_per_account": "10000", "limits.sessions_per_app": "10000",
		}})
}

// homeParts is what a home folder holds. Its settings are beside those that lead to relay and
// nodes.
type homeParts struct {
	policy   string
	apps     []string
	accounts []hive.AccountName
	settings map[string]string
	relays   []string        // beside the honest one
	fault    relaytest.Fault // in the place of what notes the answers; may be nil
	twoHosts bool            // the nodes are of two hosts
	ago      time.Duration   // that its ledger was made and the apps were added
}

var worldRoles = []hive.Role{hive.Memo, hive.Posting, hive.Active}

func newWorldOf(t *testing.T, parts homeParts) *killWorld {
	t.Helper()
	w := &killWorld{t: t, seen: newAnswers(), secrets: map[string]client.Secret{}, stderr: new(logtail.Buffer)}
	var err error
	if w.home, err = os.MkdirTemp("", "pksa-kill-"); err != nil { // the path of a socket must be short
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(w.home) })
	urls := w.startChain(append(parts.accounts, "bob"))
	keys := map[hive.AccountName][]hive.PublicKey{}
	for _, account := range parts.accounts {
		for _, role := range worldRoles {
			keys[account] = append(keys[account], nodetest.Key(account, role).Public())
		}
	}
	carry := w.seen.frame
	if parts.fault != nil {
		carry = parts.fault
	}
	if parts.twoHosts {
		urls[1] = strings.Replace(urls[1], "127.0.0.1", "localhost", 1)
	}
	w.relay, err = relaytest.Start(relaytest.Options{Loopback: true, Fault: carry, Relay: relay.Options{
		Server: "127.0.0.1", Keys: relay.FixedKeys(keys), Timeout: requestLife, Logger: slog.New(slog.DiscardHandler),
		Limits: relay.Limits{AppFrames: 1000, AppPending: 1000},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.relay.Close)
	w.makeHome(urls, parts)
	return w
}

// requestLife is how long the relay keeps a request.
const requestLife = 20 * time.Second

// chainLag is how far the chain is behind our clock while the wallet is killed. Transactions expire
// by the chain's time: when the chain has made up for it, what was cut off is soon known to be
// dead.
const chainLag = 8 // blocks

// trouble makes one node fail in some of the next broadcasts: the answer is lost, or the request,
// or both come late.
func (w *killWorld) trouble(chance *rand.Rand) {
	faults := []nodetest.Fault{
		nodetest.ResetBefore, nodetest.ResetAfter, nodetest.Slow(time.Second), nodetest.Locked,
		nodetest.LateArrival(2 * time.Second),
		nodetest.Status(http.StatusBadGateway, true), nodetest.Status(http.StatusBadGateway, false),
	}
	w.nodes[chance.IntN(len(w.nodes))].Fail("condenser_api.broadcast_transaction", faults[chance.IntN(len(faults))],
		faults[chance.IntN(len(faults))])
}

// catchUp ends the chain's lag.
func (w *killWorld) catchUp() {
	for _, n := range w.nodes {
		n.SetBehind(0)
	}
}

// startChain starts a chain that two nodes show: so many can be witnesses that a transaction is
// dead.
func (w *killWorld) startChain(accounts []hive.AccountName) (urls []string) {
	w.chain = nodetest.NewChain(nodetest.Options{})
	for _, name := range accounts {
		w.chain.AddUser(name)
	}
	ctx, stop := context.WithCancel(context.Background())
	for _, name := range []string{"one", "two"} {
		n := w.chain.NewNode(name)
		n.SetBehind(chainLag)
		url, wait, err := n.Listen(ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(wait)
		w.nodes = append(w.nodes, n)
		urls = append(urls, url)
	}
	w.t.Cleanup(stop)
	return urls
}

func (w *killWorld) makeHome(nodes []string, parts homeParts) {
	w.t.Helper()
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	path := filepath.Join(w.home, "config.yaml")
	settings := map[string]string{
		"relays": "[" + strings.Join(append(parts.relays, w.relay.URL), ", ") + "]", "nodes": "[" + strings.Join(nodes,
			", ") + "]", "log.level": "info",
		"hardening": "best", // other systems than Linux want it set
	}
	maps.Copy(settings, parts.settings)
	must(os.WriteFile(path, []byte(config.Template(settings)), 0o600))
	must(os.WriteFile(filepath.Join(w.home, "policy.yaml"), []byte(parts.policy), 0o600))
	var err error
	w.cfg, err = config.Load(w.home, path, nil)
	must(err)
	unlock, _, err := keystore.CreateIdentity(filepath.Join(w.home, "identity.txt"))
	must(err)
	store, err := keystore.Create(w.cfg.Keystore, unlock)
	must(err)
	for _, account := range parts.accounts {
		for _, role := range worldRoles {
			must(store.Import(account, role, []byte(nodetest.Key(account, role).WIF())))
		}
	}
	o := ledgerOf(store)
	o.Now = w.before(parts.ago)
	must(ledger.Create(w.cfg.Ledger, o))
	store.Close()
	w.withLedgerOf(parts.ago, func(l *ledger.Ledger, store *keystore.Store) {
		for _, app := range parts.apps {
			info, err := agent.Admin{Ledger: l, Keys: store}.AddApp(context.Background(), app, "", "")
			must(err)
			w.secrets[app] = info.Secret
		}
	})
}

func ledgerOf(store *keystore.Store) ledger.Options {
	return ledger.Options{ID: store.LedgerID(), AEAD: store.LedgerSealer(), Sealer: store.LedgerSealerOf,
		MAC: store.LedgerMAC}
}

// before is the time so long ago.
func (w *killWorld) before(ago time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(-ago) }
}

// withLedger opens the ledger of a wallet that does not run.
func (w *killWorld) withLedger(f func(*ledger.Ledger, *keystore.Store)) {
	w.t.Helper()
	w.withLedgerOf(0, f)
}

// withLedgerOf does the same as if it were so long ago.
func (w *killWorld) withLedgerOf(ago time.Duration, f func(*ledger.Ledger, *keystore.Store)) {
	w.t.Helper()
	source, err := keystore.ParseSource("identity:" + filepath.Join(w.home, "identity.txt"))
	if err != nil {
		w.t.Fatal(err)
	}
	unlock, err := source.Unlock(context.Background(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	store, err := keystore.Open(w.cfg.Keystore, unlock)
	if err != nil {
		w.t.Fatal(err)
	}
	defer store.Close()
	o := ledgerOf(store)
	o.Now = w.before(ago)
	l, err := ledger.Open(w.cfg.Ledger, o)
	if err != nil {
		w.t.Fatalf("the ledger does not open: %v", err)
	}
	f(l, store)
	if err := l.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// start starts the wallet. With a point it dies there.
func (w *killWorld) start(point string) {
	w.t.Helper()
	w.wallet = exec.Command(w.binary, "run", "--home", w.home)
	w.wallet.Env = append(os.Environ(), "CRASHPOINT="+point)
	w.wallet.Stderr = w.stderr
	if err := w.wallet.Start(); err != nil {
		w.t.Fatal(err)
	}
	exited := make(chan error, 1)
	cmd := w.wallet
	go func() { exited <- cmd.Wait() }()
	w.exited = exited
}

// died waits so long for the wallet to die by itself.
func (w *killWorld) died(within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case err := <-w.exited:
		var status *exec.ExitError
		if !errors.As(err, &status) || status.ExitCode() != -1 {
			w.t.Fatalf("the wallet ended by itself: %v\n%s", err, w.stderr.Last(30))
		}
		return true
	case <-timer.C:
		return false
	}
}

// diesStarting waits until the wallet serves, or reports that it died on the way there.
func (w *killWorld) diesStarting() bool {
	w.t.Helper()
	for began := time.Now(); !w.died(10 * time.Millisecond); {
		s, err := w.status(w.t.Context())
		if err == nil && ready(s) {
			return false
		}
		if time.Since(began) > awaitTimeout {
			w.t.Fatalf("the wallet does not serve: %v, %+v\n%s", err, s, w.stderr.Last(30))
		}
	}
	return true
}

// kill ends the wallet as a power cut would.
func (w *killWorld) kill() {
	w.wallet.Process.Kill()
	<-w.exited
}

// interrupt stops the wallet in order.
func (w *killWorld) interrupt() {
	w.t.Helper()
	w.wallet.Process.Signal(os.Interrupt)
	if err := <-w.exited; err != nil {
		w.t.Fatalf("the wallet did not stop in order: %v\n%s", err, w.stderr.Last(30))
	}
}

// status asks the running wallet how it stands.
func (w *killWorld) status(ctx context.Context) (s agent.Status, err error) {
	err = control.Call(ctx, w.cfg.Control, agent.MethodStatus, struct{}{}, &s)
	return s, err
}

// await waits until the wallet's status is as wanted.
func (w *killWorld) await(what string, f func(agent.Status) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), awaitTimeout)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		s, err := w.status(ctx)
		if err == nil && f(s) {
			return
		}
		select {
		case <-ctx.Done():
			w.t.Fatalf("%s did not come: %v, %+v\n%s", what, err, s, w.stderr.Last(30))
		case <-ticker.C:
		}
	}
}

func ready(s agent.Status) bool { return len(s.NotReady) == 0 }

// dial connects an application.
func (w *killWorld) dial(name string) *client.Client {
	w.t.Helper()
	c, err := client.Dial(context.Background(), client.Options{
		Relay: w.relay.URL, App: protocol.AppInfo{Name: name}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// answers is what the relay saw the wallet say, by request. It stands on the wires.
type answers struct {
	mu   sync.Mutex
	said map[string]map[string]bool // uuid → what was answered, without the proof
}

func newAnswers() *answers { return &answers{said: map[string]map[string]bool{}} }

func (a *answers) frame(w *relaytest.Wire, f relaytest.Frame) {
	if f.To == relaytest.ToRelay && f.UUID != "" && strings.HasPrefix(f.Cmd, "sign_") && f.Cmd != "sign_req" {
		a.note(f)
	}
	w.Pass(f)
}

func (a *answers) note(f relaytest.Frame) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.said[f.UUID] == nil {
		a.said[f.UUID] = map[string]bool{}
	}
	var object struct{ Data, Error json.RawMessage }
	if json.Unmarshal(f.Body, &object) == nil {
		a.said[f.UUID][f.Cmd+string(bytes.TrimSpace(object.Data))+string(object.Error)] = true
	}
}

// twofold are the requests that were told two things of which one is false: two transactions, or
// one and a refusal. An answer that did not get as far as the relay before the wallet died may come
// as another that says the same: that nothing was done, or that it is not known and then that it
// was done. What the applications heard is held to the truth by itself.
func (a *answers) twofold() (bad []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for uuid, said := range a.said {
		acks, nacks := 0, 0
		for answer := range said {
			switch {
			case strings.HasPrefix(answer, "sign_ack"):
				acks++
			case strings.HasPrefix(answer, "sign_nack"):
				nacks++
			}
		}
		if acks > 1 || acks == 1 && nacks > 0 {
			bad = append(bad, fmt.Sprintf("%s: %v", uuid, said))
		}
	}
	return bad
}
