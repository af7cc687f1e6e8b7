package service_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/node/nodetest"
	"pksa/agent/service"
	"pksa/protocol"
)

// TestOwnRelayWithoutNodes: while no node answers, the relay of this process believes the wallet
// that it lives in, and what needs no chain is served: a login.
func TestOwnRelayWithoutNodes(t *testing.T) {
	h := newHome(t)
	h.write(h.cfg.Policy, "version: 1\nallow:\n  - {name: login, request: auth, apps: any, session: 24h}\n")
	h.cfg.RelayListen = freeAddress(t)
	h.cfg.Relays = []config.Relay{{URL: "ws://" + h.cfg.RelayListen}}
	for _, method := range []string{"condenser_api.get_dynamic_global_properties", "condenser_api.get_accounts",
		"condenser_api.get_block_header", "database_api.get_version", "database_api.find_accounts",
		"condenser_api.get_version", "condenser_api.get_config"} {
		h.node.FailAlways(method, nodetest.Fault{Status: 503})
	}
	o := h.options()
	registered := make(chan struct{}, 1)
	o.Logger = slog.New(slog.NewTextHandler(logWatch{"msg=registered", registered}, nil))
	s, err := service.Open(t.Context(), o)
	h.must(err)
	const secret = "the secret of an app in a test"
	_, err = s.Ledger.AddSlot(t.Context(), "app", secret, nil)
	h.must(err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case <-registered:
	case err := <-ended:
		t.Fatalf("ended: %v", err)
	}
	bot, err := client.Dial(ctx, client.Options{Relay: "ws://" + h.cfg.RelayListen,
		App: protocol.AppInfo{Name: "test"}})
	h.must(err)
	if _, err := bot.Authenticate(ctx, client.Auth{Account: "alice", Secret: secret}); err != nil {
		t.Errorf("login: %v", err)
	}
	var status agent.Status
	h.must(control.Call(ctx, h.cfg.Control, agent.MethodStatus, nil, &status))
	if own := status.OwnRelay; own == nil || !own.Used || own.Hint != "" || own.Wallets != 1 || own.Apps != 1 ||
		own.Requests < 1 || own.Listen != h.cfg.RelayListen {
		t.Errorf("status of the own relay: %+v", own)
	}
	bot.Close()
	stop()
	h.must(<-ended)
	h.must(s.Close())
}

// TestUnusedOwnRelay: a relay that its own wallet does not use is the commonest wrong guess. The
// start and status say so, with the setting.
func TestUnusedOwnRelay(t *testing.T) {
	h := newHome(t)
	h.cfg.RelayListen = freeAddress(t)
	var log buffer
	o := h.options()
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s, err := service.Open(t.Context(), o)
	h.must(err)
	defer func() { h.must(s.Close()) }()
	want := "add ws://" + h.cfg.RelayListen + " to the setting relays"
	if text := log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, want) {
		t.Errorf("the log: %s", text)
	}
	if own := s.Agent.Status().OwnRelay; own == nil || own.Used || !strings.Contains(own.Hint, want) {
		t.Errorf("status: %+v", own)
	}
}

// buffer collects what is logged.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
