package service_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay/relaytest"
	"pksa/agent/service"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// home is a home folder with a key of alice, and a chain that knows it.
type home struct {
	t      *testing.T
	cfg    *config.Config
	unlock string
	node   *nodetest.Node
	dials  atomic.Int32 // connections to relays
	opened atomic.Int32 // keystores
}

func newHome(t *testing.T) *home {
	t.Helper()
	dir := t.TempDir()
	h := &home{t: t, cfg: config.Default(dir), unlock: filepath.Join(dir, "identity.txt")}
	h.must(os.Chmod(dir, 0o700))
	chain := nodetest.NewChain(nodetest.Options{})
	chain.AddUser("alice")
	chain.AddUser("bob")
	h.node = chain.NewNode("node.test")
	h.cfg.Nodes = []string{h.node.URL()}
	h.cfg.Relays = []config.Relay{{URL: "ws://localhost:1", Plaintext: true}}
	h.cfg.Hardening.Off = true // it would shut in the test's own process
	h.cfg.StopTimeout = time.Second
	h.write(h.cfg.Policy, "version: 1\n")

	unlock, _, err := keystore.CreateIdentity(h.unlock)
	h.must(err)
	store, err := keystore.Create(h.cfg.Keystore, unlock)
	h.must(err)
	defer store.Close()
	h.must(store.Import("alice", hive.Memo, []byte(nodetest.Key("alice", hive.Memo).WIF())))
	h.must(ledger.Create(h.cfg.Ledger, service.LedgerOptions(h.cfg, store, slog.New(slog.DiscardHandler))))
	return h
}

func (h *home) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) write(path, text string) {
	h.t.Helper()
	h.must(os.WriteFile(path, []byte(text), 0o600))
}

func (h *home) openKeys(ctx context.Context) (*keystore.Store, error) {
	h.opened.Add(1)
	source, err := keystore.ParseSource("identity:" + h.unlock)
	h.must(err)
	unlock, err := source.Unlock(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer unlock.Wipe()
	return keystore.Open(h.cfg.Keystore, unlock)
}

func (h *home) options() service.Options {
	return service.Options{
		Config: h.cfg, Logger: slog.New(slog.DiscardHandler), OpenKeys: h.openKeys,
		Transport: nodetest.Transport(h.node),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			h.dials.Add(1)
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
}

// occupied is an address of loopback that is taken.
func occupied(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

// TestOpenFails: whatever fails, no relay was called, and everything is closed again, so that the
// next start succeeds.
func TestOpenFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(h *home) (mend func())
		step  service.Step
		want  string
	}{
		{"network", func(h *home) func() {
			h.cfg.Network = "steem"
			return func() { h.cfg.Network = "mainnet" }
		}, 0, `there is no "steem"`},
		{"keystore", func(h *home) func() {
			was := h.unlock
			h.unlock += ".gone"
			return func() { h.unlock = was }
		}, 0, "identity.txt.gone"},
		{"ledger", func(h *home) func() {
			was := h.cfg.Ledger
			h.cfg.Ledger += ".gone"
			return func() { h.cfg.Ledger = was }
		}, service.StepLedger, ""},
		{"policy", func(h *home) func() {
			h.write(h.cfg.Policy, "version: 1\nalow: []\n")
			return func() { h.write(h.cfg.Policy, "version: 1\n") }
		}, service.StepPolicy, `policy.yaml:2:1`},
		{"control socket", func(h *home) func() {
			h.write(h.cfg.Control, "no socket")
			return func() { h.must(os.Remove(h.cfg.Control)) }
		}, 0, "control socket"},
		{"socket of the console", func(h *home) func() {
			h.cfg.ConsoleSocket = filepath.Join(h.cfg.Home, "console.sock")
			h.write(h.cfg.ConsoleSocket, "no socket")
			return func() { h.must(os.Remove(h.cfg.ConsoleSocket)) }
		}, service.StepConsole, "console.socket"},
		{"user of the console", func(h *home) func() {
			h.cfg.ConsoleSocket, h.cfg.ConsoleUser = filepath.Join(h.cfg.Home, "console.sock"), "no-such-user"
			return func() { h.cfg.ConsoleUser = "4242" }
		}, service.StepConsole, `no user "no-such-user"`},
		{"a console of everybody that is not known", func(h *home) func() {
			h.cfg.ConsoleSocket, h.cfg.ConsoleUser = filepath.Join(h.cfg.Home, "console.sock"), "65534"
			return func() { h.cfg.ConsoleUser = "4242" }
		}, service.StepConsole, "a user of its own"},
		{"status address", func(h *home) func() {
			h.cfg.StatusListen = occupied(h.t)
			return func() { h.cfg.StatusListen = "127.0.0.1:0" }
		}, service.StepStatus, "status.listen: "},
		{"relay address", func(h *home) func() {
			h.cfg.RelayListen = occupied(h.t)
			return func() { h.cfg.RelayListen = "127.0.0.1:0" }
		}, service.StepRelay, "relay.listen: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t)
			mend := tt.spoil(h)
			s, err := service.Open(t.Context(), h.options())
			if s != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, error %v", s, err)
			}
			var failed *service.StepError
			if errors.As(err, &failed); failed != nil && failed.Step != tt.step || failed == nil && tt.step != 0 {
				t.Errorf("the step that failed is %+v, want %d", failed, tt.step)
			}
			mend()
			if s, err = service.Open(t.Context(), h.options()); err != nil {
				t.Fatalf("after mending: %v", err)
			}
			h.must(s.Close())
			if n := h.dials.Load(); n > 0 {
				t.Errorf("%d connections to relays", n)
			}
		})
	}
}

// TestMistakeInSettingsAsksForNothing: nobody types a passphrase for a start that cannot succeed.
func TestMistakeInSettingsAsksForNothing(t *testing.T) {
	h := newHome(t)
	h.cfg.Nodes = []string{"ftp://node.test"}
	if _, err := service.Open(t.Context(), h.options()); err == nil || h.opened.Load() > 0 {
		t.Errorf("error %v, the keystore was opened %d times", err, h.opened.Load())
	}
}

// TestRun serves with all listeners, through the relay of its own, and leaves nothing behind.
func TestRun(t *testing.T) {
	h := newHome(t)
	h.cfg.StatusListen = "127.0.0.1:0"
	h.cfg.ConsoleSocket = filepath.Join(h.cfg.Home, "console.sock")
	h.cfg.RelayListen = freeAddress(t)
	h.cfg.Relays = []config.Relay{{URL: "ws://" + h.cfg.RelayListen, Plaintext: true}}
	o := h.options()
	registered := make(chan struct{}, 1)
	o.Logger = slog.New(slog.NewTextHandler(logWatch{"msg=registered", registered}, nil))
	s, err := service.Open(t.Context(), o)
	h.must(err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case <-registered:
	case err := <-ended:
		t.Fatalf("ended: %v", err)
	}
	if err := control.Call(ctx, h.cfg.Control, "status", nil, nil); err != nil {
		t.Errorf("the control socket: %v", err)
	}
	if err := control.Call(ctx, h.cfg.ConsoleSocket, "status", nil, nil); err != nil {
		t.Errorf("the socket of the console: %v", err)
	}
	if err := control.Call(ctx, h.cfg.ConsoleSocket, "decide", nil, nil); err == nil ||
		!strings.Contains(err.Error(), "does not know") {
		t.Errorf("a decision of the console: %v", err)
	}
	stop()
	h.must(<-ended)
	h.must(s.Close())
	if err := control.Call(t.Context(), h.cfg.Control, "status", nil, nil); !errors.Is(err, control.ErrNoAgent) {
		t.Errorf("the control socket after the stop: %v", err)
	}
	if s, err = service.Open(t.Context(), h.options()); err != nil {
		t.Fatalf("a second start: %v", err)
	}
	h.must(s.Close())
}

// logWatch is a log that reports when a text is written.
type logWatch struct {
	text string
	seen chan<- struct{}
}

func (l logWatch) Write(p []byte) (int, error) {
	if strings.Contains(string(p), l.text) {
		select {
		case l.seen <- struct{}{}:
		default:
		}
	}
	return len(p), nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := relaytest.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// TestEmbedded opens no socket, and leaves what the caller opened to the caller.
func TestEmbedded(t *testing.T) {
	h := newHome(t)
	keys, err := h.openKeys(t.Context())
	h.must(err)
	l, err := ledger.Open(h.cfg.Ledger, service.LedgerOptions(h.cfg, keys, slog.New(slog.DiscardHandler)))
	h.must(err)
	o := h.options()
	o.Embedded, o.Keys, o.Ledger, o.OpenKeys = true, keys, l, nil
	o.Config.StatusListen, o.Config.RelayListen = occupied(t), occupied(t)
	for range 2 {
		s, err := service.Open(t.Context(), o)
		h.must(err)
		if _, err := os.Lstat(h.cfg.Control); err == nil {
			t.Error("there is a control socket")
		}
		h.must(s.Close())
	}
	if _, ok := keys.LowestKey("alice"); !ok {
		t.Error("the keystore is closed")
	}
	h.must(l.Close())
	keys.Close()
}
