package agent_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/node/nodetest"
	"pksa/protocol"
)

const broadcastMethod = "condenser_api.broadcast_transaction"

// outcomes reads the outcomes of requests from the audit trail.
// trail is the audit trail of the world's ledger.
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

func TestBroadcastOutcomes(t *testing.T) {
	cases := []struct {
		name   string
		faults []nodetest.Fault
		always bool
		want   string
		text   string
		chain  int // transactions in the end
		last   string
	}{
		{"accepted", nil, false, "ack", "", 1, "accepted"},
		{"answer lost, found again", []nodetest.Fault{{Reset: true}}, false, "ack", "", 1, "accepted"},
		{"never arrives", []nodetest.Fault{{Lose: true, Reset: true}}, true, "err", protocol.TextBroadcastFailed, 0,
			"expired"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			puppets(t, "", func(t *testing.T, w *world, p *puppet) {
				if c.always {
					w.node.FailAlways(broadcastMethod, c.faults[0])
				} else {
					w.node.Fail(broadcastMethod, c.faults...)
				}
				q := request("sign_req", uuid(1), authKey, votePayload("p", nowNonce()))
				m := p.askFor(q, 2*time.Minute)
				if got := answerKind(m); got != c.want || !strings.HasPrefix(errorText(m, authKey), c.text) {
					t.Errorf("got %s %q", got, errorText(m, authKey))
				}
				w.eventuallyWithin(10*time.Minute, "outcome", func() bool {
					all := w.outcomes()
					return len(all) > 0 && all[len(all)-1] == c.last
				})
				if n := len(w.chain.Transactions()); n != c.chain {
					t.Errorf("%d transactions", n)
				}
			})
		})
	}
}

// When nobody can tell in time, the application hears so, with the id, and nothing after it; the
// outcome is recorded when it is known.
func TestBroadcastUncertain(t *testing.T) {
	t.Run("for minutes", func(t *testing.T) { testUncertain(t, 0) })
	t.Run("for an hour", func(t *testing.T) { testUncertain(t, time.Hour) })
}

// testUncertain lets the nodes be silent for so long after the application was told.
func testUncertain(t *testing.T, silence time.Duration) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		silent := []string{broadcastMethod, "transaction_status_api.find_transaction", "condenser_api.get_transaction"}
		for _, method := range silent {
			w.node.FailAlways(method, nodetest.Fault{Reset: true})
		}
		m := p.askFor(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())), 2*time.Minute)
		id, found := strings.CutPrefix(errorText(m, authKey), protocol.TextBroadcastUncertain+" ")
		onChain := w.chain.Transactions()
		if !found || len(onChain) != 1 || onChain[0].ID.String() != id {
			t.Fatalf("%s %q, on chain %d", answerKind(m), errorText(m, authKey), len(onChain))
		}
		time.Sleep(silence)
		for _, method := range silent {
			w.node.FailAlways(method, nodetest.Fault{})
		}
		w.eventuallyWithin(10*time.Minute, "outcome", func() bool {
			all := w.outcomes()
			return len(all) > 1 && all[len(all)-1] == "accepted"
		})
		if p.count() != 1 {
			t.Errorf("%d answers", p.count())
		}
	})
}

// The chain refuses the transaction: the application hears that it failed.
func TestBroadcastRefused(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		w.chain.Change("alice", func(a *nodetest.Account) { a.Credits = -1 })
		m := p.ask(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())))
		if errorText(m, authKey) != protocol.TextBroadcastFailed {
			t.Errorf("%s %q", answerKind(m), errorText(m, authKey))
		}
	})
}

// While no node answers, what would be allowed fails and what is denied is still refused.
func TestNoNode(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		for _, method := range []string{"condenser_api.get_dynamic_global_properties", "condenser_api.get_block_header",
			"database_api.get_version"} {
			w.node.FailAlways(method, nodetest.Fault{Refuse: true})
		}
		time.Sleep(5 * time.Minute) // the head in the cache is too old by now
		m := p.ask(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())))
		if errorText(m, authKey) != protocol.TextBroadcastFailed {
			t.Errorf("allowed: %s %q", answerKind(m), errorText(m, authKey))
		}
		transfer := strings.Replace(votePayload("p", nowNonce()+1), `"posting"`, `"active"`, 1)
		if got := answerKind(p.ask(request("sign_req", uuid(2), authKey, transfer))); got != "nack" {
			t.Errorf("denied: %s", got)
		}
		if n := len(w.chain.Transactions()); n != 0 {
			t.Errorf("%d transactions", n)
		}
	})
}

// A stop while the chain is silent leaves the request unfinished; the next start finds out what
// became of the transaction, never sends again, and answers who asks once more.
func TestUnfinishedAfterRestart(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		w.config.StopTimeout = time.Second
		w.node.FailAlways(broadcastMethod, nodetest.Fault{Reset: true}) // it arrives, and no answer comes back
		w.node.FailAlways("transaction_status_api.find_transaction", nodetest.Fault{Refuse: true})
		w.node.FailAlways("condenser_api.get_transaction", nodetest.Fault{Refuse: true})
		q := request("sign_req", uuid(1), authKey, votePayload("p", nowNonce()))
		if m := p.askFor(q, 5*time.Second); m != nil {
			t.Fatalf("answered already: %s", answerKind(m))
		}
		w.end()
		if n := len(w.chain.Transactions()); n != 1 {
			t.Fatalf("%d transactions before the restart", n)
		}
		sent := len(w.node.Broadcasts())
		if err := w.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{broadcastMethod, "transaction_status_api.find_transaction",
			"condenser_api.get_transaction"} {
			w.node.FailAlways(method, nodetest.Fault{})
		}
		w.openLedger()
		if left, err := w.ledger.Unfinished(); err != nil || len(left) != 1 {
			t.Fatalf("unfinished: %v, %v", left, err)
		}
		w.start()
		if got := answerKind(p.ask(q)); got != "ack" {
			t.Errorf("asked again after the restart: %s", got)
		}
		if n := len(w.node.Broadcasts()); n != sent {
			t.Errorf("%d broadcasts after the restart", n-sent)
		}
	})
}

// A stop in order lets an admitted request finish, and its answer reach the application.
func TestStopFinishesAdmitted(t *testing.T) {
	p := &puppet{}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{fault: p.fault})
		w.session(authKey)
		w.start()
		w.node.FailAlways(broadcastMethod, nodetest.Fault{Slow: 5 * time.Second})
		answered := make(chan protocol.Message)
		go func() { answered <- p.ask(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce()))) }()
		time.Sleep(time.Second)
		w.stop()
		if got := answerKind(<-answered); got != "ack" {
			t.Errorf("a request that was admitted before the stop: %s", got)
		}
		w.close()
	})
}

// Sessions made by an ended slot end with it.
func TestRemovedAppIsSilent(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		if _, err := (agent.Admin{Ledger: w.ledger, Keys: w.keys}).RemoveApp(t.Context(), "app"); err != nil {
			t.Fatal(err)
		}
		if got := answerKind(p.ask(request("sign_req", uuid(1), authKey,
			votePayload("p", nowNonce())))); got != "nothing" {
			t.Errorf("a session of a removed app: %s", got)
		}
	})
}
