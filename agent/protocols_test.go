package agent_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// generation is a relay of one protocol that knows nothing of the other: what the other one has is
// taken out of the wallet's frames before they reach it.
type generation struct {
	name     string
	old      bool
	silent   bool     // it does not say which protocol it speaks
	unknown  []string // members of an account in register_req that it does not know
	answerTo bool     // it looks at proofs in answers

	mu      sync.Mutex
	refuse  int                        // so many registrations are refused from now on
	forms   []protocol.RegisterAccount // that the wallet sent
	answers []protocol.Answer
	tokens  []string // that applications sent beside their requests
}

func generations() []*generation {
	return []*generation{
		{name: "1", unknown: []string{"key_type", "challenge"}, answerTo: true},
		{name: "0.8", old: true, unknown: []string{"pok"}},
		{name: "none", old: true, silent: true, unknown: []string{"pok"}},
	}
}

// options are those of the world that has this relay.
func (g *generation) options() worldOptions {
	return worldOptions{fault: g.carry, relay: func(o *relay.Options) {
		o.Version08, o.Unproven = g.old, func(hive.AccountName) bool { return g.old }
	}}
}

func (g *generation) carry(w *relaytest.Wire, f relaytest.Frame) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var object map[string]any
	json.Unmarshal(f.Body, &object)
	switch {
	case f.Cmd == "connected" && g.silent:
		delete(object, "protocol")
	case f.Cmd == "register_req":
		m, err := protocol.DecodeForRelay(f.Body)
		if err == nil {
			g.forms = append(g.forms, m.(protocol.RegisterReq).Accounts...)
		}
		if g.refuse > 0 {
			g.refuse--
			w.Send(relaytest.ToClient, []byte(`{"cmd":"error","error":"invalid challenge"}`))
			return
		}
		for _, account := range object["accounts"].([]any) {
			for _, member := range g.unknown {
				delete(account.(map[string]any), member)
			}
		}
	case f.To == relaytest.ToRelay && strings.HasSuffix(f.Cmd, "_req") && object["token"] != nil:
		g.tokens = append(g.tokens, object["token"].(string))
	case f.To == relaytest.ToRelay:
		if m, err := protocol.DecodeForRelay(f.Body); err == nil {
			if answer, ok := m.(protocol.Answer); ok {
				g.answers = append(g.answers, answer)
			}
		}
		if !g.answerTo {
			delete(object, "pok")
		}
	}
	body, err := json.Marshal(object)
	if err != nil || object == nil {
		body = f.Body
	}
	w.Send(f.To, body)
}

// The wallet works with relays that know one protocol alone: it registers in the form of each and
// proves each answer, and its applications get a token and need none.
func TestRelayOfEachProtocol(t *testing.T) {
	for _, g := range generations() {
		t.Run(g.name, func(t *testing.T) {
			within(t, g.options(), func(t *testing.T, w *world) {
				want := map[string]float64{"1": 1, "0.8": 0.8, "none": 0}[g.name]
				if got := w.agent.Status().Links[0].Protocol; got != want {
					t.Errorf("status says protocol %v", got)
				}
				app := w.dial()
				session := w.login(app)
				for range 2 { // the second time with the token
					w.askAll(app, session)
					if _, err := app.Authenticate(t.Context(), client.Auth{Account: "alice",
						Secret: secret}); err != nil {
						t.Fatalf("second login: %v", err)
					}
				}
				g.check(t, w)
			})
		})
	}
}

// askAll has one request of each kind answered, and one refused.
func (w *world) askAll(c *client.Client, s *client.Session) {
	w.t.Helper()
	vote := func(author string) error {
		_, err := c.Sign(w.t.Context(), s, client.SignRequest{Role: hive.Posting, Operations: []client.Operation{
			{Name: "vote", Fields: map[string]any{"voter": "alice", "author": author, "permlink": "p",
				"weight": 100}}}})
		return err
	}
	if err := vote("bob"); err != nil {
		w.t.Errorf("vote: %v", err)
	}
	if _, err := c.Challenge(w.t.Context(), s, client.Challenge{Role: hive.Posting, Text: "hello"}); err != nil {
		w.t.Errorf("challenge: %v", err)
	}
	_, err := c.Sign(w.t.Context(), s, client.SignRequest{Role: hive.Active, Operations: []client.Operation{
		{Name: "transfer", Fields: map[string]any{"from": "alice", "to": "carol", "amount": "1.000 HIVE",
			"memo": ""}}}})
	if err == nil {
		w.t.Error("a transfer to carol was made")
	}
}

// check looks at what went over the wire.
func (g *generation) check(t *testing.T, w *world) {
	t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.forms) != 1 {
		t.Fatalf("%d registrations", len(g.forms))
	}
	form := g.forms[0]
	memo, err := hive.ParseMemo(form.PoK)
	if err != nil || form.Name != "alice" || form.KeyType != "memo" || form.Challenge != form.PoK ||
		memo.From != keyOf("alice", hive.Memo).Public() || memo.To != w.relay.Relay().PublicKey() {
		t.Errorf("registration: %+v, %v", form, err)
	}
	for _, answer := range g.answers {
		if memo, err := hive.ParseMemo(answer.Proof()); err != nil || memo.To != w.relay.Relay().PublicKey() {
			t.Errorf("the %s of %s has no proof: %v", answer.Cmd(), answer.RequestUUID(), err)
		}
	}
	if len(g.answers) < 8 {
		t.Errorf("%d answers", len(g.answers))
	}
	for _, token := range g.tokens {
		if _, err := protocol.ParseUUID(token); err != nil || token != g.tokens[0] {
			t.Errorf("tokens: %q", g.tokens)
		}
	}
	if len(g.tokens) == 0 {
		t.Error("the application got no token")
	}
}

// A relay of each protocol that refuses a registration is asked again, and a connection that breaks
// is made again: what waits meanwhile is answered.
func TestRelayOfEachProtocolComesBack(t *testing.T) {
	for _, g := range generations() {
		t.Run(g.name, func(t *testing.T) {
			g.refuse = 2
			within(t, g.options(), func(t *testing.T, w *world) {
				app := w.dial()
				session := w.login(app)
				g.mu.Lock()
				if n := len(g.forms); n != 3 {
					t.Errorf("registered after %d attempts", n)
				}
				g.refuse = 1
				g.mu.Unlock()
				w.relay.Cut()
				synctest.Wait()
				asked := make(chan error, 1)
				go func() { // before the wallet is back
					_, err := app.Challenge(t.Context(), session, client.Challenge{Role: hive.Posting, Text: "hello"})
					asked <- err
				}()
				begun := time.Now()
				if err := <-asked; err != nil {
					t.Errorf("challenge: %v", err)
				}
				l := w.agent.Status().Links[0]
				if l.Registered != 1 || l.Reconnects != 1 || l.RelayError != "" || time.Since(begun) > 30*time.Second {
					t.Errorf("after %s: %+v", time.Since(begun), l)
				}
				w.askAll(app, session)
			})
		})
	}
}
