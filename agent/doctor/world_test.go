package doctor_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/doctor"
	"pksa/agent/harden"
	"pksa/agent/ledger"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/agent/service"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// world is a healthy wallet with two nodes and a relay, in virtual time. A test breaks one thing.
type world struct {
	t       *testing.T
	cfg     *config.Config
	chain   *nodetest.Chain
	nodes   []*nodetest.Node
	fault   relaytest.Fault // of the relay; nil: none
	known   bool            // the relay knows the keys of alice
	place   doctor.Place
	options func(*doctor.Options)
	agent   func(ctx context.Context, method string, params, result any) error // nil: none runs
}

var heldRoles = []hive.Role{hive.Memo, hive.Posting}

func newWorld(t *testing.T) *world {
	w := &world{t: t, cfg: config.Default(t.TempDir()), chain: nodetest.NewChain(nodetest.Options{}), known: true}
	w.must(os.Chmod(w.cfg.Home, 0o700))
	w.chain.AddUser("alice")
	w.chain.AddUser("hiveio")
	w.cfg.Nodes = nil
	for _, name := range []string{"one.test", "two.test"} {
		n := w.chain.NewNode(name)
		w.nodes, w.cfg.Nodes = append(w.nodes, n), append(w.cfg.Nodes, n.URL())
	}
	w.write(filepath.Join(w.cfg.Home, "config.yaml"), "")
	w.write(w.cfg.Policy, "version: 1\nallow:\n  - {name: login, request: auth, apps: [bot], session: 24h}\n")
	unlock, _, err := keystore.CreateIdentity(w.identity())
	w.must(err)
	keys, err := keystore.Create(w.cfg.Keystore, unlock)
	w.must(err)
	defer keys.Close()
	for _, role := range heldRoles {
		w.must(keys.Import("alice", role, []byte(nodetest.Key("alice", role).WIF())))
	}
	w.must(ledger.Create(w.cfg.Ledger, w.ledgerOptions(keys)))
	w.inLedger(func(l *ledger.Ledger) error {
		_, err := l.AddSlot(t.Context(), "bot", "the secret of the slot", nil)
		return err
	})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) identity() string { return filepath.Join(w.cfg.Home, "identity.txt") }

func (w *world) write(path, text string) {
	w.t.Helper()
	w.must(os.WriteFile(path, []byte(text), 0o600))
}

func (w *world) ledgerOptions(keys *keystore.Store) ledger.Options {
	return service.LedgerOptions(w.cfg, keys, slog.New(slog.DiscardHandler))
}

func (w *world) openKeys(ctx context.Context) (*keystore.Store, error) {
	source, err := keystore.ParseSource(w.cfg.Unlock)
	if err != nil {
		return nil, err
	}
	unlock, err := source.Unlock(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer unlock.Wipe()
	return keystore.Open(w.cfg.Keystore, unlock)
}

func (w *world) openLedger(keys *keystore.Store) (*ledger.Ledger, error) {
	return ledger.Open(w.cfg.Ledger, w.ledgerOptions(keys))
}

// inLedger changes the ledger.
func (w *world) inLedger(change func(*ledger.Ledger) error) {
	w.t.Helper()
	keys, err := w.openKeys(w.t.Context())
	w.must(err)
	defer keys.Close()
	l, err := w.openLedger(keys)
	w.must(err)
	w.must(change(l))
	w.must(l.Close())
}

// examine runs the doctor on the world.
func (w *world) examine() doctor.Report {
	w.t.Helper()
	server := w.relay()
	defer server.Close()
	return w.examineAt(server)
}

// relay starts the relay.
func (w *world) relay() *relaytest.Server {
	w.t.Helper()
	known := map[hive.AccountName][]hive.PublicKey{}
	if w.known {
		for _, role := range heldRoles {
			known["alice"] = append(known["alice"], nodetest.Key("alice", role).Public())
		}
	}
	server, err := relaytest.Start(relaytest.Options{Fault: w.fault,
		Relay: relay.Options{Keys: relay.FixedKeys(known), Logger: slog.New(slog.DiscardHandler)}})
	w.must(err)
	return server
}

// examineAt runs the doctor on the world, with a relay that runs.
func (w *world) examineAt(server *relaytest.Server) doctor.Report {
	w.t.Helper()
	if len(w.cfg.Relays) != 1 || strings.HasPrefix(w.cfg.Relays[0].URL, "wss://hive-auth") {
		w.cfg.Relays = []config.Relay{{URL: server.URL, Plaintext: true}}
	}
	o := doctor.Options{Config: w.cfg, OpenKeys: w.openKeys, OpenLedger: w.openLedger, Dial: server.DialContext,
		Call: func(ctx context.Context, method string, params, result any) error {
			if w.agent == nil {
				return control.ErrNoAgent
			}
			return w.agent(ctx, method, params, result)
		},
		Resolve:   func(context.Context, string) error { return nil },
		Transport: nodetest.Transport(w.nodes...),
		Kernel:    func() error { return nil },
		Files:     fstest.MapFS{},
		Place:     func(string) doctor.Place { return w.place },
		Foresee:   func() []harden.Measure { return nil },
	}
	if w.options != nil {
		w.options(&o)
	}
	return doctor.Run(w.t.Context(), o)
}

// examined runs the doctor on a world that was broken, in a bubble of its own.
func examined(t *testing.T, damage func(*world)) (r doctor.Report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if damage != nil {
			damage(w)
		}
		r = w.examine()
	})
	return r
}

// refused is a dialler that leads nowhere.
func refused(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("connection refused")
}

// webServer returns a dialler that leads to a web server, which answers all with one status.
func webServer(status int) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go http.Serve(&oneConnection{server}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
		}))
		return client, nil
	}
}

// oneConnection is a listener that takes one connection, and then ends.
type oneConnection struct{ net.Conn }

func (l *oneConnection) Accept() (c net.Conn, err error) {
	if c, l.Conn = l.Conn, nil; c == nil {
		err = io.EOF
	}
	return c, err
}

func (*oneConnection) Close() error   { return nil }
func (*oneConnection) Addr() net.Addr { return &net.UnixAddr{} }
