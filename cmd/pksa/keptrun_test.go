package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent"
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

// keptPassword is what the keys of all accounts of the kept homes derive from, in plain sight.
const keptPassword = "password of the kept home, in plain sight"

// keptRun is today's agent at work in a copy of a kept home, with a relay and a chain in memory.
type keptRun struct {
	*keptHome
	keys   *keystore.Store
	ledger *ledger.Ledger
	chain  *nodetest.Chain
	relay  *relaytest.Server
	agent  *agent.Agent
	wire   keptWire
	stop   context.CancelFunc
	ended  chan error
}

// keptWire is the relay's side of the wallet's connection: it says requests that no relay took, and
// catches the answers to them.
type keptWire struct {
	mu      sync.Mutex
	wallet  *relaytest.Wire
	asked   map[string]bool // uuids of the requests that were said here
	answers map[string]protocol.Message
}

func (k *keptWire) fault(w *relaytest.Wire, f relaytest.Frame) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f.To == relaytest.ToRelay && f.Cmd == "register_req" {
		k.wallet = w
	}
	if f.To == relaytest.ToRelay && k.asked[f.UUID] {
		k.answers[f.UUID], _ = protocol.DecodeForRelay(f.Body)
		return
	}
	w.Pass(f)
}

// ask says a request to the wallet, and returns its answer, nil after three seconds of silence.
func (k *keptWire) ask(request map[string]any) protocol.Message {
	uuid := request["uuid"].(string)
	body, err := json.Marshal(request)
	if err != nil {
		panic(err)
	}
	k.mu.Lock()
	k.asked[uuid] = true
	delete(k.answers, uuid)
	k.wallet.Send(relaytest.ToClient, body)
	k.mu.Unlock()
	time.Sleep(3 * time.Second) // of virtual time
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.answers[uuid]
}

// runKept starts the agent and returns once its accounts are registered.
func runKept(k *keptHome) *keptRun {
	k.t.Helper()
	r := &keptRun{keptHome: k, wire: keptWire{asked: map[string]bool{}, answers: map[string]protocol.Message{}}}
	cfg, err := config.Load(k.home, filepath.Join(k.home, "config.yaml"), nil)
	k.must(err)
	r.open(cfg)
	r.surround(cfg)
	n := r.chain.NewNode("node.test")
	cfg.Nodes = []string{n.URL()}
	s, err := service.Open(k.t.Context(), service.Options{
		Config: cfg, Keys: r.keys, Ledger: r.ledger, Embedded: true, Dial: r.relay.DialContext,
		Transport: nodetest.Transport(n), Logger: slog.New(slog.DiscardHandler),
	})
	k.must(err)
	r.agent = s.Agent
	ctx, cancel := context.WithCancel(k.t.Context())
	r.stop, r.ended = cancel, make(chan error, 1)
	go func() { r.ended <- s.Run(ctx) }()
	for range 100 {
		if synctest.Wait(); len(r.agent.Ready()) == 0 {
			return r
		}
		time.Sleep(100 * time.Millisecond)
	}
	k.t.Fatalf("the agent is not ready: %q", r.agent.Ready())
	return nil
}

// open opens keystore and ledger.
func (r *keptRun) open(cfg *config.Config) {
	r.t.Helper()
	c := &command{streams: streams{strings.NewReader(""), os.Stdout, os.Stderr}}
	var err error
	r.keys, err = c.openKeys(r.t.Context(), cfg)
	r.must(err)
	log := slog.New(slog.DiscardHandler)
	r.ledger, err = ledger.Open(cfg.Ledger, service.LedgerOptions(cfg, r.keys, log))
	r.must(err)
}

// surround makes the accounts' chain, and the relay that brought the requests of the kept home.
func (r *keptRun) surround(cfg *config.Config) {
	r.t.Helper()
	var was agent.Status
	r.read("status.json", &was)
	r.chain = nodetest.NewChain(nodetest.Options{})
	known := map[hive.AccountName][]hive.PublicKey{}
	for _, name := range []hive.AccountName{"alice", "bob", "carol", "dave"} {
		key := func(role hive.Role) hive.PublicKey {
			return hive.PrivateKeyFromPassword(name, role, keptPassword).Public()
		}
		r.chain.AddAccount(nodetest.Account{
			Name: name, Owner: nodetest.Single(key(hive.Owner)), Active: nodetest.Single(key(hive.Active)),
			Posting: nodetest.Single(key(hive.Posting)), Memo: key(hive.Memo), HIVE: 1_000_000, HBD: 1_000_000,
		})
		known[name] = []hive.PublicKey{key(hive.Memo), key(hive.Posting), key(hive.Active)}
	}
	var err error
	r.relay, err = relaytest.Start(relaytest.Options{
		Fault: r.wire.fault, Relay: relay.Options{Keys: relay.FixedKeys(known), Logger: slog.New(slog.DiscardHandler)},
	})
	r.must(err)
	cfg.Relays = []config.Relay{{URL: was.Links[0].Relay}}
}

func (r *keptRun) close() {
	r.t.Helper()
	r.stop()
	r.must(<-r.ended)
	r.relay.Close()
	r.must(r.ledger.Close())
	r.keys.Close()
}

// session is one that an application kept.
func (r *keptRun) session(name string) *client.Session {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.said, "sessions", name+".json"))
	r.must(err)
	s, err := client.LoadSession(text)
	r.must(err)
	return s
}

// sign has an application ask for one operation.
func (r *keptRun) sign(s *client.Session, role hive.Role, name string, fields map[string]any) error {
	r.t.Helper()
	c, err := client.Dial(r.t.Context(), client.Options{
		Relay: r.relay.URL, Plaintext: true, DialContext: r.relay.DialContext,
		App: protocol.AppInfo{Name: "kept"}, Logger: slog.New(slog.DiscardHandler),
	})
	r.must(err)
	defer c.Close()
	_, err = c.Sign(r.t.Context(), s, client.SignRequest{Role: role,
		Operations: []client.Operation{{Name: name, Fields: fields}}})
	return err
}

func (r *keptRun) vote(s *client.Session, permlink string) error {
	r.t.Helper()
	return r.sign(s, hive.Posting, "vote", map[string]any{"voter": "alice", "author": "bob", "permlink": permlink,
		"weight": 100})
}

func (r *keptRun) tip(s *client.Session, to, amount string) error {
	r.t.Helper()
	return r.sign(s, hive.Active, "transfer", map[string]any{"from": "alice", "to": to, "amount": amount,
		"memo": "tip 99"})
}

// voteRequest is a request for a vote as a relay brings it, sealed by the session.
func voteRequest(s *client.Session, uuid int, nonce int64) map[string]any {
	payload := fmt.Sprintf(`{"key_type":"posting","ops":[["vote",{"voter":"alice","author":"bob","permlink":"p",`+
		`"weight":1}]],`+
		`"broadcast":true,"nonce":%d}`, nonce)
	return map[string]any{"cmd": "sign_req", "account": "alice", "data": relaytest.Seal(s.AuthKey(), payload),
		"uuid": keptUUID(uuid), "expire": inAMinute()}
}

// keptUUID names a request that today's tests make.
func keptUUID(n int) string { return fmt.Sprintf("00000000-0000-4000-9000-%012d", n) }

func inAMinute() int64 { return time.Now().Add(time.Minute).UnixMilli() }

// Sessions go on above their last nonce, and limits hold where the earlier program left them.
func TestKeptHomeGoesOn(t *testing.T) {
	withKept(t, func(k *keptHome) {
		r := runKept(k)
		k.checkRoom(r.agent.Status().Policy.Room)
		curator, payer := r.session("curator"), r.session("payer")
		var saved struct{ Nonce int64 }
		text, err := curator.Save()
		k.must(errors.Join(err, json.Unmarshal(text, &saved)))
		// The records of the earlier program show that this very request was never judged.
		r.wantText(r.wire.ask(voteRequest(curator, 1, saved.Nonce)), curator.AuthKey(), protocol.TextNonce)
		if ack, ok := r.wire.ask(voteRequest(curator, 2, saved.Nonce+1)).(protocol.Ack); !ok {
			k.t.Errorf("the next nonce is not taken: %v", ack)
		}
		k.must(r.vote(curator, "a-post-of-today"))
		k.must(r.vote(r.session("paired"), "a-post-of-the-paired"))

		// 6.75 of 10 HBD are spent, 3.5 of 4 to bob.
		if err := r.tip(payer, "bob", "3.500 HBD"); !errors.Is(err, client.ErrRefused) {
			k.t.Errorf("a payment above the limit: %v", err)
		}
		k.must(r.tip(payer, "bob", "0.500 HBD"))
		r.close()
		k.pksa("audit", "verify")
	})
}

func (r *keptRun) wantText(m protocol.Message, authKey, want string) {
	r.t.Helper()
	n, ok := m.(protocol.Nack)
	if !ok {
		r.t.Errorf("got %T, want a nack", m)
		return
	}
	if uuid, err := relaytest.Open(authKey, n.Data); err != nil || uuid != string(n.UUID) || n.Error != want {
		r.t.Errorf("got %q, sealed %q (%v), want %q", n.Error, uuid, err, want)
	}
}

// Whatever the earlier program was asked gets no second effect: under its own uuid it gets its
// recorded answer or silence, and under another one the same. The auth_req of a session that lives
// may be confirmed, but it makes no session and moves no end.
func TestKeptHomeRefusesReplays(t *testing.T) {
	withKept(t, func(k *keptHome) {
		r := runKept(k)
		before, sessions := len(r.chain.Transactions()), r.ends()
		var frames []map[string]any
		k.read("frames.json", &frames)
		answered, recorded := 0, map[string]bool{}
		for _, frame := range slices.Backward(frames) { // the newest first: answers are kept for minutes only
			frame["expire"] = inAMinute()
			if first, ok := r.wire.ask(frame).(protocol.Ack); ok {
				answered++
				recorded[string(first.Data)] = true
			}
		}
		for i, frame := range slices.Backward(frames) {
			again := maps.Clone(frame)
			again["uuid"], again["expire"] = keptUUID(i), inAMinute()
			if m, ok := r.wire.ask(again).(protocol.Ack); ok && m.Kind != protocol.Auth &&
				!recorded[string(m.Data)] {
				k.t.Errorf("request %d (%s) was granted again: %v", i, frame["cmd"], m)
			}
		}
		if n := len(r.chain.Transactions()); n != before {
			k.t.Errorf("%d transactions came of old requests", n-before)
		}
		if now := r.ends(); !maps.Equal(now, sessions) {
			k.t.Errorf("sessions and their ends were %v and are %v", sessions, now)
		}
		if answered < 20 || len(frames) < 30 {
			k.t.Errorf("of %d requests %d had a recorded grant", len(frames), answered)
		}
		r.close()
	})
}

// ends are the live sessions and when they end.
func (r *keptRun) ends() map[ledger.SessionID]int64 {
	ends := map[ledger.SessionID]int64{}
	for _, s := range r.ledger.Sessions() {
		ends[s.ID] = s.Expires.UnixMilli()
	}
	return ends
}

// Sessions that ended stay ended: by their end, by the operator, with their app.
func TestKeptHomeRemembersEnds(t *testing.T) {
	withKept(t, func(k *keptHome) {
		r := runKept(k)
		for i, name := range []string{"brief", "revoked", "leaver"} {
			s := r.session(name)
			if m := r.wire.ask(voteRequest(s, 10+i, time.Now().UnixMilli())); m != nil {
				r.wantText(m, s.AuthKey(), protocol.TextSessionExpired)
			}
			if slices.ContainsFunc(r.ledger.Sessions(),
				func(l *ledger.Session) bool { return string(l.AuthKey) == s.AuthKey() }) {
				k.t.Errorf("session %s lives", name)
			}
		}
		r.close()
	})
}

// What was in work when the earlier program was killed is not signed again, and gets an outcome.
func TestKeptHomeFinishesWork(t *testing.T) {
	withKept(t, func(k *keptHome) {
		r := runKept(k)
		time.Sleep(5 * time.Minute) // of virtual time: transactions have expired
		left, err := r.ledger.Unfinished()
		if err != nil || len(left) > 0 {
			k.t.Errorf("%d requests are unfinished (%v): %+v", len(left), err, left)
		}
		if n := len(r.chain.Transactions()); n > 0 {
			k.t.Errorf("%d transactions were broadcast", n)
		}
		r.close()
		k.pksa("audit", "verify")
	})
}
