package service_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay/relaytest"
	"pksa/agent/service"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// TestOwnRelayWithoutNodes: while no node answers, the relay of this process believes the wallet
// that it lives in, by proofs of keys that the wallet holds. What needs no chain is served: logins
// and challenges. What needs it is answered, and status says what is missing. A stranger who shows
// no such proof is not served.
func TestOwnRelayWithoutNodes(t *testing.T) {
	for version, fault := range map[string]nodetest.Fault{"0.8": {Status: 503}, "1": {Hang: true}} {
		t.Run("protocol "+version, func(t *testing.T) {
			t.Parallel() // it waits for nodes
			withoutNodes(t, version, fault)
		})
	}
}

func withoutNodes(t *testing.T, version string, fault nodetest.Fault) {
	h := newHome(t)
	h.cfg.RelayProtocol = version
	keys, err := h.openKeys(t.Context())
	h.must(err)
	h.must(keys.Import("alice", hive.Posting, []byte(nodetest.Key("alice", hive.Posting).WIF())))
	keys.Close()
	h.write(h.cfg.Policy, "version: 1\nallow:\n  - {name: login, request: auth, apps: any, session: 24h}\n"+
		"  - {name: texts, request: challenge, apps: any, key: [memo], text: {glob: 'hello *'}}\n"+
		"  - {name: votes, request: sign, apps: any, operations: [vote]}\n")
	h.cfg.RelayListen = freeAddress(t)
	h.cfg.Relays = []config.Relay{{URL: "ws://" + h.cfg.RelayListen}}
	for _, method := range []string{"condenser_api.get_dynamic_global_properties", "condenser_api.get_accounts",
		"condenser_api.get_block_header", "database_api.get_version", "database_api.find_accounts",
		"condenser_api.get_version", "condenser_api.get_config"} {
		h.node.FailAlways(method, fault)
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
	h.askWithoutNodes(ctx, secret)
	stranger := nodetest.Key("mallory", hive.Memo)
	if told := h.registerOld(ctx, "alice", stranger, nil); told != "invalid proof of key: alice" {
		t.Errorf("a stranger was told %q", told)
	}
	stop()
	h.must(<-ended)
	h.must(s.Close())
}

func (h *home) askWithoutNodes(ctx context.Context, secret string) {
	h.t.Helper()
	bot, err := client.Dial(ctx, client.Options{Relay: "ws://" + h.cfg.RelayListen,
		App: protocol.AppInfo{Name: "test"}})
	h.must(err)
	defer bot.Close()
	grant, err := bot.Authenticate(ctx, client.Auth{Account: "alice", Secret: client.Secret(secret)})
	if err != nil {
		h.t.Fatalf("login: %v", err)
	}
	proof, err := bot.Challenge(ctx, grant.Session, client.Challenge{Role: hive.Memo, Text: "hello nodes"})
	if err != nil || proof.Key != nodetest.Key("alice", hive.Memo).Public() {
		h.t.Errorf("challenge: %+v, %v", proof, err)
	}
	_, err = bot.Sign(ctx, grant.Session, client.SignRequest{Role: hive.Posting,
		Operations: []client.Operation{{Name: "vote", Fields: map[string]any{"voter": "alice",
			"author": "bob", "permlink": "p", "weight": 100}}}})
	if err == nil || !strings.Contains(err.Error(), protocol.TextBroadcastNoNode) {
		h.t.Errorf("vote: %v", err)
	}
	var status agent.Status
	h.must(control.Call(ctx, h.cfg.Control, agent.MethodStatus, nil, &status))
	if own := status.OwnRelay; own == nil || !own.Used || own.Hint != "" || own.Wallets != 1 || own.Apps != 1 ||
		own.Requests < 1 || own.Listen != h.cfg.RelayListen {
		h.t.Errorf("status of the own relay: %+v", own)
	}
	if n := status.Links[0].Protocol; fmt.Sprint(n) != h.cfg.RelayProtocol {
		h.t.Errorf("the relay announces %v", n)
	}
	// It says that it signs nothing, and what it does all the same.
	if len(status.Hindrances) != 1 || status.Hindrances[0].Cause != "node" ||
		status.StillServed != "logins and challenges" || !strings.Contains(status.NoNode, "no Hive API node answers") {
		h.t.Errorf("not ready: %+v, still served: %q, without: %q", status.Hindrances, status.StillServed,
			status.NoNode)
	}
}

// registerOld registers an account at the own relay as wallets of protocol 0.8 do, and returns what
// the relay complains of. answer is the wallet's; if the relay takes it, there is no complaint
// until ctx ends.
func (h *home) registerOld(ctx context.Context, account hive.AccountName, key *hive.PrivateKey,
	answer func(protocol.Request) protocol.Message) (complaint string) {
	h.t.Helper()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	wallet := relaytest.Wallet{URL: "ws://" + h.cfg.RelayListen, Old: true, Answer: answer,
		Keys: map[hive.AccountName]*hive.PrivateKey{account: key},
		Heard: func(m protocol.Message) {
			if said, ok := m.(protocol.ErrorMessage); ok {
				complaint = said.Text
				stop()
			}
		}}
	h.must(wallet.Run(ctx))
	return complaint
}

// TestUnprovenAtOwnRelay: a phone wallet of protocol 0.8 is served at the wallet's own relay for
// accounts of others, and for one that this wallet holds only if the setting names it.
func TestUnprovenAtOwnRelay(t *testing.T) {
	for _, c := range []struct {
		name     string
		account  hive.AccountName
		unproven config.Unproven
		served   bool
	}{
		{"another account", "bob", config.Unproven{Others: true}, true},
		{"an account that is held", "alice", config.Unproven{Others: true}, false},
		{"the same, named", "alice", config.Unproven{Names: []hive.AccountName{"alice"}}, true},
		{"none", "bob", config.Unproven{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHome(t)
			h.cfg.RelayListen, h.cfg.RelayUnproven = freeAddress(t), c.unproven
			o, serving := h.options(), make(chan struct{}, 1)
			o.Logger = slog.New(slog.NewTextHandler(logWatch{"msg=serving", serving}, nil))
			s, err := service.Open(t.Context(), o)
			h.must(err)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx) }()
			<-serving
			bot, err := client.Dial(ctx, client.Options{Relay: "ws://" + h.cfg.RelayListen,
				App: protocol.AppInfo{Name: "test"}})
			h.must(err)
			const secret = "secret of the phone"
			key := nodetest.Key(c.account, hive.Memo)
			phone, hangUp := context.WithCancel(ctx)
			login := make(chan error, 1)
			go func() {
				_, err := bot.Authenticate(phone, client.Auth{Account: c.account, Secret: secret})
				login <- err
				hangUp() // the phone waits for no complaint any more
			}()
			told := h.registerOld(phone, c.account, key, func(req protocol.Request) protocol.Message {
				m, err := relaytest.Approve(req, secret, key, "")
				h.must(err)
				return m
			})
			hangUp()
			if err := <-login; (err == nil) != c.served || !c.served && told != protocol.TextBadProof {
				t.Errorf("login: %v; the phone was told %q", err, told)
			}
			bot.Close()
			stop()
			h.must(<-ended)
			h.must(s.Close())
		})
	}
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

// A stranger makes the relay in a wallet keep 6 MiB, and no more.
func TestOwnRelayKeepsLittle(t *testing.T) {
	h := newHome(t)
	h.cfg.RelayListen = freeAddress(t)
	h.cfg.Relays = []config.Relay{{URL: "ws://" + h.cfg.RelayListen}}
	s, err := service.Open(t.Context(), h.options())
	h.must(err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	conn, _, err := websocket.Dial(ctx, "ws://"+h.cfg.RelayListen, nil)
	h.must(err)
	_, _, err = conn.Read(ctx) // connected
	h.must(err)
	const size = 480_000
	frame := []byte(`{"cmd":"sign_req","account":"somebody","data":"` + strings.Repeat("d", size) + `"}`)
	taken := 0
	for ; taken < 50; taken++ {
		h.must(conn.Write(ctx, websocket.MessageText, frame))
		_, answer, err := conn.Read(ctx)
		h.must(err)
		if !strings.Contains(string(answer), "sign_wait") {
			break
		}
	}
	if most := 6 << 20 / size; taken != most {
		t.Errorf("%d requests are kept, not %d", taken, most)
	}
	// Status says what was refused, and what to think of.
	now := s.Agent.Status()
	if now.OwnRelay.TooMany != 1 || len(now.LastHour) != 1 || now.LastHour[0].Kind != "own_relay_too_many" {
		t.Errorf("status: %+v, %v", now.OwnRelay, now.LastHour)
	}
	conn.CloseNow()
	stop()
	h.must(<-ended)
	h.must(s.Close())
}
