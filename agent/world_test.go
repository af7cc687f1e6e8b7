package agent_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent"
	"pksa/agent/audit"
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

// secret is that of the slot "app" in all tests.
const secret = "the secret of the slot, in plain sight"

// keyOf derives a test key from its label.
func keyOf(account hive.AccountName, role hive.Role) *hive.PrivateKey {
	return hive.PrivateKeyFromPassword(account, role, "password")
}

// single is the authority of the account's test key.
func single(account hive.AccountName, role hive.Role) hive.Authority {
	return nodetest.Single(keyOf(account, role).Public())
}

// world is an agent with everything around it in memory: relay, chain, home folder.
type world struct {
	t      *testing.T
	home   string
	keys   *keystore.Store
	ledger *ledger.Ledger
	chain  *nodetest.Chain
	node   *nodetest.Node   // the first
	others []*nodetest.Node // the nodes after it
	relay  *relaytest.Server
	config *config.Config
	log    *slog.Logger
	beside *world // whose relay and chain it uses; nil: its own

	transport   func(http.RoundTripper) http.RoundTripper // changes the way to the nodes; nil: it stays
	notify      http.RoundTripper                         // the servers of notifiers
	trustClock  bool
	kernelClock error // what the kernel says of its clock

	dialRelay func(ctx context.Context, network, address string) (net.Conn, error) // nil: to relay
	tls       *tls.Config                                                          // towards relays; nil: the system's
	service   *service.Service                                                     // of the agent, made by make
	agent     *agent.Agent
	made      func()                         // called when the agent was made, if set
	written   func() (*config.Config, error) // the settings as they are written now; nil: they cannot be read

	stop    context.CancelFunc
	stopped chan error
}

// worldOptions say what differs from the usual world.
type worldOptions struct {
	policy    string
	accounts  []hive.AccountName // of the keystore; alice if none
	nodes     int                // of Hive; 1 if it is 0
	fault     relaytest.Fault
	relay     func(*relay.Options) // changes the options of the relay
	configure func(*config.Config)
	startAt   time.Time    // of the bubble's clock; zero leaves it
	prepare   func(*world) // before the agent starts
	// probes is for tests of other copies, and of hostile relays. In all others the relay counts as
	// the agent's own, at which there are no probes: they hold what the wallet says to silence.
	probes bool
	// beside is a world whose relay and chain this wallet uses, too. Its relay must know the
	// accounts.
	beside *world
	log    *slog.Logger // of everything in the world; nil: none, or the test's own with -v
}

// allowAll lets the slot "app" do what the tests do unless they say otherwise.
const allowAll = `version: 1
allow:
  - {name: login, request: auth, apps: any, session: 24h}
  - {name: votes, request: sign, apps: any, operations: [vote, custom_json], broadcast: any}
  - {name: pay, request: sign, apps: any, key: active, operations: [transfer: {to: bob}]}
  - {name: texts, request: challenge, apps: any, key: [posting, active, memo], text: {glob: '*'}}
  - {name: memos, request: decrypt, apps: any}
`

// within runs a test in a bubble of virtual time, with an agent that has registered its accounts.
func within(t *testing.T, o worldOptions, f func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if !o.startAt.IsZero() {
			time.Sleep(time.Until(o.startAt))
		}
		w := newWorld(t, o)
		if o.prepare != nil {
			o.prepare(w)
		}
		w.start()
		defer w.close()
		f(t, w)
	})
}

func newWorld(t *testing.T, o worldOptions) *world {
	w := &world{t: t, home: t.TempDir(), log: slog.New(slog.DiscardHandler),
		kernelClock: errors.New("the kernel does not know")}
	if err := os.Chmod(w.home, 0o700); err != nil {
		t.Fatal(err)
	}
	if testing.Verbose() {
		w.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if o.log != nil {
		w.log = o.log
	}
	if len(o.accounts) == 0 {
		o.accounts = []hive.AccountName{"alice"}
	}
	w.makeKeys(o.accounts)
	if w.beside = o.beside; w.beside != nil {
		w.chain, w.node, w.relay = o.beside.chain, o.beside.node, o.beside.relay
	} else {
		w.chain = nodetest.NewChain(nodetest.Options{})
		w.node = w.chain.NewNode("node.test")
	}
	known := map[hive.AccountName][]hive.PublicKey{}
	for _, name := range append([]hive.AccountName{"bob"}, o.accounts...) {
		w.chain.AddAccount(nodetest.Account{
			Name: name, Owner: single(name, hive.Owner), Active: single(name, hive.Active),
			Posting: single(name, hive.Posting),
			Memo:    keyOf(name, hive.Memo).Public(), HIVE: 1_000_000, HBD: 1_000_000,
		})
		for _, role := range []hive.Role{hive.Memo, hive.Posting, hive.Active} {
			known[name] = append(known[name], keyOf(name, role).Public())
		}
	}
	served := relay.Options{Keys: relay.FixedKeys(known), Logger: w.log}
	if o.relay != nil {
		o.relay(&served)
	}
	if w.relay == nil {
		var err error
		if w.relay, err = relaytest.Start(relaytest.Options{Relay: served, Fault: o.fault}); err != nil {
			t.Fatal(err)
		}
	}
	w.config = config.Default(w.home)
	w.config.Relays = []config.Relay{{URL: w.relay.URL, Plaintext: true}}
	w.config.Nodes = []string{w.node.URL()}
	for i := 2; i <= o.nodes; i++ {
		other := w.chain.NewNode(fmt.Sprintf("node%d.test", i))
		w.others, w.config.Nodes = append(w.others, other), append(w.config.Nodes, other.URL())
	}
	if !o.probes {
		w.config.RelayListen = strings.TrimPrefix(w.relay.URL, "ws://") + ":80"
	}
	if o.configure != nil {
		o.configure(w.config)
	}
	if o.policy == "" {
		o.policy = allowAll
	}
	w.write("policy.yaml", o.policy)
	if err := ledger.Create(w.config.Ledger, w.ledgerOptions()); err != nil {
		t.Fatal(err)
	}
	w.openLedger()
	if _, err := w.ledger.AddSlot(t.Context(), "app", secret, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) makeKeys(accounts []hive.AccountName) {
	unlock, _, err := keystore.CreateIdentity(filepath.Join(w.home, "identity.txt"))
	if err != nil {
		w.t.Fatal(err)
	}
	if w.keys, err = keystore.Create(filepath.Join(w.home, "keystore.age"), unlock); err != nil {
		w.t.Fatal(err)
	}
	for _, name := range accounts {
		for _, role := range []hive.Role{hive.Memo, hive.Posting, hive.Active} {
			if err := w.keys.Import(name, role, []byte(keyOf(name, role).WIF())); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

func (w *world) ledgerOptions() ledger.Options {
	return service.LedgerOptions(w.config, w.keys, w.log)
}

func (w *world) openLedger() {
	var err error
	if w.ledger, err = ledger.Open(w.config.Ledger, w.ledgerOptions()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(name, text string) {
	if err := os.WriteFile(filepath.Join(w.home, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// make makes the agent without running it.
func (w *world) make() {
	w.t.Helper()
	dial := w.dialRelay
	if dial == nil {
		dial = w.relay.DialContext
	}
	var err error
	nodes := nodetest.Transport(append(w.others, w.node)...)
	if w.transport != nil {
		nodes = w.transport(nodes)
	}
	w.service, err = service.Open(w.t.Context(), service.Options{
		Config: w.config, Logger: w.log, Keys: w.keys, Ledger: w.ledger, Embedded: true,
		Dial: dial, Transport: nodes, Notify: w.notify, ReadSettings: w.written,
		TLS: w.tls, TrustClock: w.trustClock, KernelClock: func() error { return w.kernelClock },
		InPlace: func(text string) string { return strings.ReplaceAll(text, "`pksa ", "`pksa --home w ") },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.agent = w.service.Agent
	if w.made != nil {
		w.made()
	}
}

// start runs the agent and returns once its accounts are registered.
func (w *world) start() {
	w.t.Helper()
	w.run()
	w.eventually("registration", w.serves)
}

// serves reports whether requests are served. Without nodes those of transactions fail.
func (w *world) serves() bool {
	s := w.agent.Status()
	return len(s.NotReady) == 0 || s.StillServed != ""
}

// eventually waits in virtual time for something to become true.
func (w *world) eventually(what string, f func() bool) {
	w.t.Helper()
	w.eventuallyWithin(time.Minute, what, f)
}

func (w *world) eventuallyWithin(patience time.Duration, what string, f func() bool) {
	w.t.Helper()
	for range patience / (100 * time.Millisecond) {
		if synctest.Wait(); f() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatalf("%s did not come within %s", what, patience)
}

// end stops the agent and waits for it.
func (w *world) end() {
	w.t.Helper()
	w.stop()
	if err := <-w.stopped; err != nil {
		w.t.Errorf("agent ended with %v", err)
	}
}

func (w *world) close() {
	w.t.Helper()
	w.end()
	if w.beside == nil {
		w.relay.Close()
	}
	if err := w.ledger.Close(); err != nil {
		w.t.Errorf("closing the ledger: %v", err)
	}
	w.keys.Close()
}

// dial connects an application to the relay.
func (w *world) dial() *client.Client {
	w.t.Helper()
	c, err := client.Dial(w.t.Context(), client.Options{
		Relay: w.relay.URL, Plaintext: true, DialContext: w.relay.DialContext,
		App: protocol.AppInfo{Name: "test"}, Logger: w.log,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// login gets a session for alice in service mode.
func (w *world) login(c *client.Client) *client.Session {
	w.t.Helper()
	grant, err := c.Authenticate(w.t.Context(), client.Auth{Account: "alice", Secret: secret})
	if err != nil {
		w.t.Fatalf("login: %v", err)
	}
	return grant.Session
}

// session makes a session of alice by hand, for a day.
func (w *world) session(authKey string) *ledger.Session {
	w.t.Helper()
	return w.sessionFor(authKey, 24*time.Hour)
}

func (w *world) sessionFor(authKey string, lifetime time.Duration) *ledger.Session {
	w.t.Helper()
	s, err := w.ledger.AddSession(w.t.Context(), ledger.NewSession{
		Account: "alice", App: "app", AuthKey: ledger.Secret(authKey), Origin: ledger.Hand,
		Expires: w.ledger.Now().Add(lifetime),
	}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// hangNodes lets no node answer, and what is known of the chain grow too old.
func (w *world) hangNodes() {
	for _, method := range []string{"condenser_api.get_dynamic_global_properties", "condenser_api.get_block_header",
		"database_api.get_version"} {
		w.node.FailAlways(method, nodetest.Fault{Hang: true})
	}
	time.Sleep(time.Minute)
}

// release lets every session, and the logins of every app, listen to every relay again.
func (w *world) release() {
	all := []agent.ListenParams{{App: "app"}}
	for _, s := range w.ledger.Sessions() {
		all = append(all, agent.ListenParams{ID: s.ID})
	}
	for _, p := range all {
		params, _ := json.Marshal(p)
		w.agent.Methods()[agent.MethodRelease](w.t.Context(), params) // an error says that there was nothing to release
	}
}

// outcomes reads the outcomes of requests from the audit trail. trail is the audit trail of the
// world's ledger.
func (w *world) trail() audit.Trail {
	return agent.Admin{Ledger: w.ledger, Keys: w.keys}.Trail()
}

func (w *world) outcomes() []string {
	w.t.Helper()
	if err := w.ledger.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	page, err := w.trail().Page(w.t.Context(), audit.Query{})
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, r := range page.Records {
		if r.Type == "outcome" {
			all = append(all, r.Outcome)
		}
	}
	return all
}

// events reads the events and administrators' acts of the audit trail whose name is given.
func (w *world) events(what string) []audit.Record {
	w.t.Helper()
	if err := w.ledger.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	page, err := w.trail().Page(w.t.Context(), audit.Query{Filter: audit.Filter{Result: what}})
	if err != nil {
		w.t.Fatal(err)
	}
	return page.Records
}
