package agent_test

import (
	"strings"
	"testing"
	"time"

	"pksa/agent/node/nodetest"
	"pksa/protocol"
)

const broadcastMethod = "condenser_api.broadcast_transaction"

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
		{"never arrives", []nodetest.Fault{{Lose: true, Reset: true}}, true, "nack", protocol.TextBroadcastExpired, 0,
			"expired"},
	}
	// Pauses between rounds are partly of chance, and whatever they are, the word comes in time.
	for range 20 {
		cases = append(cases, cases[2])
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
				if c.always {
					w.node.FailAlways(broadcastMethod, c.faults[0])
				} else {
					w.node.Fail(broadcastMethod, c.faults...)
				}
				q := request("sign_req", uuid(1), authKey, votePayload("p", nowNonce()))
				m := script.askFor(q, 2*time.Minute)
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

// silentMethods are those that tell what became of a transaction.
var silentMethods = []string{broadcastMethod, "transaction_status_api.find_transaction",
	"condenser_api.get_transaction"}

// testUncertain lets the nodes be silent for so long after the application was told.
func testUncertain(t *testing.T, silence time.Duration) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		for _, method := range silentMethods {
			w.node.FailAlways(method, nodetest.Fault{Reset: true})
		}
		m := script.askFor(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())), 2*time.Minute)
		id, found := strings.CutPrefix(errorText(m, authKey), protocol.TextBroadcastUncertain+" ")
		onChain := w.chain.Transactions()
		if !found || len(onChain) != 1 || onChain[0].ID.String() != id {
			t.Fatalf("%s %q, on chain %d", answerKind(m), errorText(m, authKey), len(onChain))
		}
		time.Sleep(silence)
		if n := w.agent.Uncertain(); n != 1 {
			t.Errorf("%d broadcasts are uncertain", n)
		}
		for _, method := range silentMethods {
			w.node.FailAlways(method, nodetest.Fault{})
		}
		w.eventuallyWithin(10*time.Minute, "outcome", func() bool {
			all := w.outcomes()
			return len(all) > 1 && all[len(all)-1] == "accepted"
		})
		if script.count() != 1 {
			t.Errorf("%d answers", script.count())
		}
		if n := w.agent.Uncertain(); n != 0 {
			t.Errorf("%d broadcasts are uncertain in the end", n)
		}
	})
}

// Requests that wait for a node keep no other one of their account waiting, however many they are.
func TestSlowNodeKeepsNobodyWaiting(t *testing.T) {
	const many = 130 // more than are worked on at once
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		for _, method := range silentMethods {
			w.node.FailAlways(method, nodetest.Fault{Reset: true})
		}
		for n := range many {
			script.vote(w, n+1, authKey)
		}
		before := script.count()
		payload := `{"key_type":"posting","challenge":"hello"}`
		if m := script.askFor(request("challenge_req", uuid(many+1), authKey, payload), time.Second); m == nil ||
			before != 0 {
			t.Errorf("answered: %t, and %d of those that wait for the node", m != nil, before)
		}
	})
}

// Broadcasts whose outcome nobody tells are bounded by number and bytes: beyond that what is to be
// broadcast is answered "busy", and what is only signed is signed. Those that apps made are in
// doubt for as long as these say: they leave room for others.
func TestUncertainBroadcastsAreBounded(t *testing.T) {
	for _, c := range []struct {
		number, bytes int
		busy          bool
	}{
		{4095, 0, false}, {4096, 0, true}, {4097, 0, true},
		{1, 16<<20 - 1, false}, {1, 16 << 20, true}, {1, 16<<20 + 1, true},
	} {
		withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
			w.agent.AddUncertain("", c.number, c.bytes)
			m := script.askFor(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())), time.Minute)
			if busy := errorText(m, authKey) == protocol.TextBusy; busy != c.busy || !busy && answerKind(m) != "ack" {
				t.Errorf("%d of %d bytes: %s %q", c.number, c.bytes, answerKind(m), errorText(m, authKey))
			}
			w.agent.AddUncertain("", -c.number, -c.bytes)
			m = script.askFor(request("sign_req", uuid(2), authKey, votePayload("q", nowNonce()+1)), time.Minute)
			if answerKind(m) != "ack" {
				t.Errorf("later: %s %q", answerKind(m), errorText(m, authKey))
			}
		})
	}
}

// The chain refuses the transaction: the application hears why, in a word of a closed list, and
// none of the node's.
func TestBroadcastReasons(t *testing.T) {
	refusal := func(name string, code int) nodetest.Fault {
		return nodetest.Refusal(name, code, "broadcast failed: balance alice@example")
	}
	category := nodetest.Fault{Lose: true, Body: []byte(`{"jsonrpc":"2.0","error":{"code":-32003,"message":"no",` +
		`"data":{"code":10,"name":"assert_exception","message":"no","stack":[{"format":"no","data":` +
		`{"category":"balance","subject_type":"account","subject":"alice"}}]}},"id":$id}`)}
	for _, c := range []struct {
		name  string
		fault nodetest.Fault
		text  string
	}{
		{"balance", category, protocol.TextBroadcastBalance},
		{"authority", refusal("tx_missing_posting_auth", 3030000), protocol.TextBroadcastAuthority},
		{"credits", refusal("not_enough_rc_exception", 4100100), protocol.TextBroadcastCredits},
		{"anything else", refusal("assert_exception", 10), protocol.TextBroadcastRejected},
		{"a vote that repeats another", nodetest.Refusal("assert_exception", 10,
			"Your current vote on this comment is identical to this vote."), protocol.TextBroadcastRejected},
		{"nobody there", nodetest.Refused, protocol.TextBroadcastNoNode},
	} {
		t.Run(c.name, func(t *testing.T) {
			withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
				w.node.FailAlways(broadcastMethod, c.fault)
				m := script.askFor(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())), time.Minute)
				if errorText(m, authKey) != c.text {
					t.Errorf("%s %q", answerKind(m), errorText(m, authKey))
				}
				if n := len(w.chain.Transactions()); n != 0 {
					t.Errorf("%d transactions", n)
				}
			})
		})
	}
	t.Run("no credits on the chain", func(t *testing.T) {
		withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
			w.chain.Change("alice", func(a *nodetest.Account) { a.Credits = -1 })
			m := script.ask(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())))
			if errorText(m, authKey) != protocol.TextBroadcastCredits {
				t.Errorf("%s %q", answerKind(m), errorText(m, authKey))
			}
		})
	})
}

// One node of several says that the chain refuses a transaction, keeps it, and has it included
// three seconds later. The application never hears that it failed: it would pay again.
func TestRefusalOfOneNode(t *testing.T) {
	lie := nodetest.Refusal("assert_exception", 10, "Account does not have sufficient funds for balance adjustment.")
	lie.Lose, lie.Late = false, 3*time.Second
	t.Run("the others answer", func(t *testing.T) {
		withScriptAndNodes(t, "", 3, func(t *testing.T, w *world, script *scriptedClient) {
			w.node.FailAlways(broadcastMethod, lie)
			m := script.ask(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())))
			if answerKind(m) != "ack" {
				t.Errorf("%s %q", answerKind(m), errorText(m, authKey))
			}
			w.eventually("one transaction", func() bool { return len(w.chain.Transactions()) == 1 })
			if s := w.agent.Status().Nodes[0]; s.Untrue != 1 {
				t.Errorf("status %+v", s)
			}
		})
	})
	t.Run("the others are away", func(t *testing.T) {
		withScriptAndNodes(t, "", 2, func(t *testing.T, w *world, script *scriptedClient) {
			for _, method := range []string{broadcastMethod, "transaction_status_api.find_transaction"} {
				w.others[0].FailAlways(method, nodetest.Refused)
			}
			w.node.FailAlways(broadcastMethod, lie)
			w.node.FailAlways("transaction_status_api.find_transaction", nodetest.Fault{Reset: true})
			m := script.askFor(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())), 2*time.Minute)
			id, found := strings.CutPrefix(errorText(m, authKey), protocol.TextBroadcastUncertain+" ")
			onChain := w.chain.Transactions()
			if !found || len(onChain) != 1 || onChain[0].ID.String() != id {
				t.Fatalf("%s %q, on chain %d", answerKind(m), errorText(m, authKey), len(onChain))
			}
			w.others[0].FailAlways("transaction_status_api.find_transaction", nodetest.Fault{})
			w.eventuallyWithin(10*time.Minute, "outcome", func() bool {
				all := w.outcomes()
				return len(all) > 1 && all[len(all)-1] == "accepted"
			})
		})
	})
}
