package agent_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

var (
	hostileSteps = flag.Int("hostilesteps", 5_000,
		"how many hostile steps the relay takes; .ci/run takes 20,000, a long run a million")
	hostileSeed = flag.Uint64("hostileseed", 0, "seed of the hostile relay; zero takes one from the clock")
)

// seedOf is the seed of a flag, or one from the real clock: that of a bubble always says the same.
func seedOf(t *testing.T, given uint64) uint64 {
	if given == 0 {
		given = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", given)
	return given
}

const hostilePolicy = `version: 1
allow:
  - {name: login, request: auth, apps: any, session: 24h}
  - {name: votes, request: sign, apps: any, operations: [vote: {author: bob}]}
  - {name: texts, request: challenge, apps: any, key: [posting], text: {glob: 'honest *'}}
`

// twoRelays starts a world whose agent serves two relays: one that the adversary owns, and an
// honest one.
func twoRelays(t *testing.T, adv *adversary) *world {
	adv.t, adv.asked, adv.keys = t, map[string]int{}, map[string]bool{}
	w := newWorld(t, worldOptions{
		policy: hostilePolicy, fault: adv.fault, accounts: []hive.AccountName{"alice", "carol"},
		configure: func(c *config.Config) {
			c.Relays = []config.Relay{{URL: "ws://hostile", Plaintext: true}, {URL: "ws://honest", Plaintext: true}}
		},
	})
	adv.world = w
	known := map[hive.AccountName][]hive.PublicKey{
		"alice": {keyOf("alice", hive.Memo).Public()}, "carol": {keyOf("carol", hive.Memo).Public()},
	}
	honest, err := relaytest.Start(relaytest.Options{Relay: relay.Options{Keys: relay.FixedKeys(known),
		Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	adv.honest = honest
	w.dialRelay = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "honest") {
			return honest.DialContext(ctx, network, address)
		}
		return w.relay.DialContext(ctx, network, address)
	}
	w.start()
	w.eventually("registration at both relays", func() bool {
		for _, l := range w.agent.Status().Links {
			if l.Registered != 2 {
				return false
			}
		}
		return true
	})
	return w
}

// dialAt connects an application to one of the relays.
func (w *world) dialAt(s *relaytest.Server) *client.Client {
	w.t.Helper()
	c, err := client.Dial(w.t.Context(), client.Options{
		Relay: s.URL, Plaintext: true, DialContext: s.DialContext, App: protocol.AppInfo{Name: "test"},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// TestHostileRelay lets a relay do whatever it can think of to the frames of one link for a long
// time. Nothing happens that an application did not ask for, nothing happens twice, nothing that
// the agent says helps to forge; and on the other link everything goes its way.
func TestHostileRelay(t *testing.T) {
	steps := *hostileSteps
	if testing.Short() {
		steps /= 5
	}
	seed := seedOf(t, *hostileSeed)
	synctest.Test(t, func(t *testing.T) {
		adv := newAdversary(seed)
		w := twoRelays(t, adv)
		stop := make(chan struct{})
		ended := make(chan struct{})
		go adv.victims(stop, ended)
		good := w.dialAt(adv.honest)
		session := adv.login(good)
		for n := range steps {
			adv.step()
			if n%500 == 499 { // in the middle of the storm
				adv.honestWork(good, session, n)
			}
		}
		close(stop)
		<-ended
		adv.calm()
		adv.inspect()
		w.close()
		adv.honest.Close()
	})
}

// honestWork is done over the honest link, and is done.
func (adv *adversary) honestWork(c *client.Client, s *client.Session, n int) {
	adv.t.Helper()
	signed, err := c.Sign(adv.t.Context(), s, adv.vote(fmt.Sprintf("honest-%d", n)))
	if err != nil {
		adv.t.Fatalf("step %d: a vote over the honest link: %v", n, err)
	}
	if adv.world.chain.Count(signed.ID) != 1 {
		adv.t.Errorf("step %d: the vote is on the chain %d times", n, adv.world.chain.Count(signed.ID))
	}
	if _, err := c.Challenge(adv.t.Context(), s, client.Challenge{Role: hive.Posting,
		Text: "honest text"}); err != nil {
		adv.t.Fatalf("step %d: a challenge over the honest link: %v", n, err)
	}
}

// calm: without the adversary's doing a fresh session of the same account works over the hostile
// link too, whatever is in quarantine.
func (adv *adversary) calm() {
	adv.t.Helper()
	adv.rest()
	adv.t.Logf("%d sessions are in quarantine", len(adv.world.agent.Status().Quarantine))
	adv.world.eventuallyWithin(10*time.Minute, "registration at the hostile relay",
		func() bool { return adv.registered() })
	c := adv.world.dialAt(adv.world.relay)
	s := adv.login(c)
	if _, err := c.Sign(adv.t.Context(), s, adv.vote("after the storm")); err != nil {
		adv.t.Errorf("a vote after the storm: %v", err)
	}
}

// inspect holds chain and ledger against what was asked.
func (adv *adversary) inspect() {
	adv.mu.Lock()
	defer adv.mu.Unlock()
	adv.t.Logf("%d steps: %v", adv.steps, adv.did)
	adv.t.Logf("%d votes asked, %d on the chain, %d answers and %d proofs looked at, drops %v", len(adv.asked),
		len(adv.world.chain.Transactions()), adv.answers, adv.proofs, adv.world.drops())
	for _, tx := range adv.world.chain.Transactions() {
		ops := tx.Transaction.Operations
		permlink, _ := ops[0].Field("permlink")
		weight, _ := ops[0].Field("weight")
		author, _ := ops[0].Field("author")
		text, _ := permlink.(string)
		if n, asked := adv.asked[text]; len(ops) != 1 || !asked || weight != int64(100) ||
			author != hive.AccountName("bob") {
			adv.t.Errorf("nobody asked for this: %s", tx.JSON)
		} else if n > 0 {
			adv.t.Errorf("%q was asked for once, and is there twice", text)
		}
		adv.asked[text]++
	}
	if _, err := adv.world.ledger.Verify(adv.t.Context()); err != nil {
		adv.t.Errorf("audit trail: %v", err)
	}
	if n := len(adv.world.ledger.Sessions()); n > adv.logins {
		adv.t.Errorf("%d sessions of %d logins", n, adv.logins)
	}
	if adv.answers == 0 || adv.proofs == 0 {
		adv.t.Error("the agent said nothing to the hostile relay")
	}
}

// drops are the frames that were thrown away, by reason, as the metrics say.
func (w *world) drops() (lines []string) {
	answer := httptest.NewRecorder()
	w.agent.Metrics().Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(answer.Body.String()) {
		if strings.Contains(line, "drop") && !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// said decodes an object of a frame without any strictness.
func said(body []byte) (object map[string]any) {
	_ = json.Unmarshal(body, &object)
	return object
}
