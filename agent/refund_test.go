package agent_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/node/nodetest"
	"pksa/agent/refund"
)

// tipsPolicy lets alice pay bob 2 HBD a day.
const tipsPolicy = `version: 1
allow: [{name: tips, request: sign, apps: any, key: active, operations: [transfer: {to: bob}], broadcast: any}]
limits: [{name: tips per day, apps: any, spend: 2.000 HBD per 24h}]
`

// pays is a payload that pays bob.
func pays(amount string, broadcast bool) string {
	return fmt.Sprintf(`{"key_type":"active","ops":[["transfer",{"from":"alice","to":"bob","amount":%q,"memo":""}]],`+
		`"broadcast":%t,"nonce":%d}`, amount, broadcast, nowNonce())
}

// callMethod calls a method of the control socket.
func callMethod[R any](t *testing.T, w *world, method string, params any) (R, error) {
	t.Helper()
	text, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	result, err := w.agent.Methods()[method](t.Context(), text)
	if err != nil {
		var none R
		return none, err
	}
	return result.(R), nil
}

// tips is a world with payments that get lost.
type tips struct {
	*testing.T
	*world
	*scriptedClient
	asked int
}

func withTips(t *testing.T, nodes int, f func(s *tips)) {
	withScriptAndNodes(t, tipsPolicy, nodes, func(t *testing.T, w *world, script *scriptedClient) {
		f(&tips{T: t, world: w, scriptedClient: script})
	})
}

// all are the nodes of the world.
func (s *tips) all() []*nodetest.Node { return append([]*nodetest.Node{s.node}, s.others...) }

// fail sets a fault of a method at all nodes.
func (s *tips) fail(method string, f nodetest.Fault) {
	for _, n := range s.all() {
		n.FailAlways(method, f)
	}
}

// pay asks for a payment, and returns the answer and the number of the request.
func (s *tips) pay(amount string, broadcast bool) (answer string, number uint64) {
	s.Helper()
	s.asked++
	time.Sleep(time.Second)
	m := s.askFor(request("sign_req", uuid(s.asked), authKey, pays(amount, broadcast)), 3*time.Minute)
	page, err := s.trail().Page(s.Context(), audit.Query{Filter: audit.Filter{Kind: "sign"}, Last: true})
	if err != nil {
		s.Fatal(err)
	}
	for _, r := range page.Records {
		if r.Type == "request" {
			number = r.Number
		}
	}
	return answerKind(m), number
}

// room is how the limit stands.
func (s *tips) room() string {
	s.Helper()
	room := s.agent.Status().Policy.Room
	if len(room) != 1 {
		s.Fatalf("room %+v", room)
	}
	if room[0].NotOnChain != "" {
		return room[0].Used + ", not on the chain " + room[0].NotOnChain
	}
	return room[0].Used
}

func (s *tips) wantRoom(what, want string) {
	s.Helper()
	if got := s.room(); got != want {
		s.Errorf("%s: used %s, want %s", what, got, want)
	}
}

func (s *tips) release(number uint64) (refund.Charge, error) {
	s.Helper()
	return callMethod[refund.Charge](s.T, s.world, agent.MethodLimitRelease, agent.ReleaseParams{Number: number})
}

func (s *tips) refused(number uint64, part string) {
	s.Helper()
	if _, err := s.release(number); err == nil || !strings.Contains(err.Error(), part) {
		s.Errorf("release of %d: %v, want %q", number, err, part)
	}
}

// restart ends the process and starts the next one.
func (s *tips) restart() {
	s.Helper()
	s.end()
	if err := s.ledger.Close(); err != nil {
		s.Fatal(err)
	}
	s.openLedger()
	s.world.start()
}

// lost is a broadcast that no node gets, and no answer.
var lost = nodetest.Fault{Lose: true, Reset: true}

// TestChargeOfFailedBroadcast: what a broadcast that never reached the chain was charged is shown
// apart once that is proven, and is given back once, when a person asks for it.
func TestChargeOfFailedBroadcast(t *testing.T) {
	withTips(t, 2, func(s *tips) {
		if got, _ := s.pay("0.500 HBD", true); got != "ack" {
			t.Fatal(got)
		}
		s.fail(broadcastMethod, lost)
		got, failed := s.pay("1.100 HBD", true)
		if got != "nack" {
			t.Fatal(got)
		}
		s.fail(broadcastMethod, nodetest.Fault{})
		s.wantRoom("before the proof", "1.6")
		s.refused(failed+100, "there is no record")
		time.Sleep(6 * time.Minute)
		s.wantRoom("with the proof", "1.6, not on the chain 1.1")
		if events := s.events(refund.RecordAbsent); len(events) != 1 || events[0].Request != failed {
			t.Errorf("events %+v", events)
		}
		s.restart()
		s.wantRoom("after a restart", "1.6, not on the chain 1.1")
		if got, _ := s.pay("1.100 HBD", true); got != "nack" {
			t.Errorf("shown apart is not given back: %s", got)
		}
		done, err := s.release(failed)
		if err != nil || len(done.Charges) != 1 || done.Charges[0].Amount != "1.1" || len(done.Hosts) != 2 {
			t.Fatalf("%+v, %v", done, err)
		}
		s.wantRoom("given back", "0.5")
		if acts := s.events(refund.RecordRelease); len(acts) != 1 || acts[0].Type != "admin" ||
			acts[0].Number != done.Record {
			t.Errorf("acts %+v", acts)
		}
		s.refused(failed, "given back already, in record")
		s.restart()
		s.refused(failed, "given back already, in record")
		s.wantRoom("given back, after a restart", "0.5")
		for _, want := range []string{"ack", "nack"} {
			if got, _ := s.pay("1.500 HBD", true); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		if n := len(s.chain.Transactions()); n != 2 {
			t.Errorf("%d payments", n)
		}
	})
}

// TestChargeOfAskedRequest: the same for a broadcast that a person agreed to. It is shown apart
// without a restart, and the number that people read gives it back.
func TestChargeOfAskedRequest(t *testing.T) {
	ask := strings.Replace(tipsPolicy, "broadcast: any", "broadcast: any, timeout: 30s", 1)
	script := &scriptedClient{}
	within(t, worldOptions{policy: strings.Replace(ask, "allow:", "ask:", 1), nodes: 2, fault: script.fault,
		prepare:   func(w *world) { w.session(authKey) },
		configure: func(c *config.Config) { c.Ask = "pending" },
	}, func(t *testing.T, w *world) {
		s := &tips{T: t, world: w, scriptedClient: script}
		s.fail(broadcastMethod, lost)
		answer := make(chan string, 1)
		go func() { got, _ := s.pay("1.100 HBD", true); answer <- got }()
		s.eventually("question", func() bool { return len(s.pending()) == 1 })
		asked := s.pending()[0].Number
		if err := s.decide(asked, true); err != nil {
			t.Fatal(err)
		}
		if got := <-answer; got != "err" { // the transaction, which allowed for the wait, outlives the request
			t.Fatal(got)
		}
		s.wantRoom("before the proof", "1.1")
		time.Sleep(6 * time.Minute)
		s.wantRoom("with the proof", "1.1, not on the chain 1.1")
		list, err := callMethod[[]refund.Charge](t, s.world, agent.MethodLimitList, struct{}{})
		if err != nil || len(list) != 1 || list[0].Number != asked || len(list[0].Charges) != 1 {
			t.Errorf("listed %+v, %v", list, err)
		}
		s.refused(asked+1, fmt.Sprintf("`pksa limit release %d`", asked)) // the record of the yes
		if _, err := s.release(asked); err != nil {
			t.Fatal(err)
		}
		s.wantRoom("given back", "0")
		s.restart()
		s.wantRoom("given back, after a restart", "0")
		s.refused(asked, "given back already")
	})
}

// TestWhatIsNotGivenBack names the requests of which nothing is given back, and why.
func TestWhatIsNotGivenBack(t *testing.T) {
	withTips(t, 2, func(s *tips) {
		_, signed := s.pay("0.100 HBD", false)
		_, paid := s.pay("0.200 HBD", true)
		s.fail(broadcastMethod, lost)
		_, failed := s.pay("0.300 HBD", true)
		time.Sleep(10 * time.Minute)
		s.refused(signed, "can still be sent")
		s.refused(paid, "is on the chain")
		s.refused(paid+1, fmt.Sprintf("`pksa limit release %d`", paid))
		s.refused(1, "no request that was judged")
		s.others[0].FailAlways("", nodetest.Refused)
		s.refused(failed, "only node.test says so")
		s.node.FailAlways("", nodetest.Refused)
		s.refused(failed, "no node says so")
		s.wantRoom("nothing was given back", "0.6, not on the chain 0.3")
	})
	t.Run("one node", func(t *testing.T) {
		withTips(t, 1, func(s *tips) {
			s.fail(broadcastMethod, lost)
			_, failed := s.pay("0.300 HBD", true)
			time.Sleep(10 * time.Minute)
			s.wantRoom("one word proves nothing", "0.3")
			s.refused(failed, "two Hive API nodes on different hosts")
		})
	})
}

// Nodes that keep a part of the history only do not know a payment of some days ago.
var (
	tooOld = nodetest.Fault{Lose: true, Body: []byte(`{"jsonrpc":"2.0","result":{"status":"too_old"},"id":$id}`)}
	pruned = nodetest.Fault{Lose: true, Body: []byte(`{"jsonrpc":"2.0","error":{"code":-32003,"message":` +
		`"Assert Exception:false: Unknown Transaction 0000"},"id":$id}`)}
)

// withPruned runs f in a world whose limit counts for a week, and gives it what makes the nodes
// forget what is older than they keep.
func withPruned(t *testing.T, f func(s *tips, forget func())) {
	policy := strings.Replace(tipsPolicy, "24h", "7d", 1)
	withScriptAndNodes(t, policy, 2, func(t *testing.T, w *world, script *scriptedClient) {
		s := &tips{T: t, world: w, scriptedClient: script}
		f(s, func() {
			s.fail("transaction_status_api.find_transaction", tooOld)
			s.fail("condenser_api.get_transaction", pruned)
		})
	})
}

// TestAcceptedLongAgo: the word of pruned nodes frees no limit of a request that was accepted.
func TestAcceptedLongAgo(t *testing.T) {
	withPruned(t, func(s *tips, forget func()) {
		got, paid := s.pay("1.500 HBD", true)
		if got != "ack" {
			t.Fatal(got)
		}
		time.Sleep(25 * time.Hour) // nodes are believed for a day
		forget()
		s.refused(paid, "too long ago")
		s.wantRoom("it is on the chain", "1.5")
	})
}

// TestFailedLongAgo: the same for one that was refused and is on the chain all the same, if nobody
// looked in time because the wallet was down.
func TestFailedLongAgo(t *testing.T) {
	withPruned(t, func(s *tips, forget func()) {
		lie := nodetest.Refusal("assert_exception", 10, "Account does not have sufficient funds.")
		lie.Lose, lie.Late = false, 3*time.Second
		s.fail(broadcastMethod, lie)
		got, paid := s.pay("1.500 HBD", true)
		if got == "ack" {
			t.Fatal(got)
		}
		s.end()
		if err := s.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * 24 * time.Hour)
		if n := len(s.chain.Transactions()); n != 1 {
			t.Fatalf("%d payments", n)
		}
		forget()
		s.openLedger()
		s.world.start()
		time.Sleep(3 * time.Hour)
		s.refused(paid, "too long ago")
		s.wantRoom("it is on the chain", "1.5")
		if n := len(s.events(refund.RecordAbsent)); n != 0 {
			t.Errorf("%d proofs", n)
		}
	})
}

// TestReleasedThenOnChain: two nodes lied when a charge was given back. When a third one shows the
// transaction, the charge counts again, for good, and an alarm is raised.
func TestReleasedThenOnChain(t *testing.T) {
	const find, history = "transaction_status_api.find_transaction", "condenser_api.get_transaction"
	unknown := nodetest.Fault{Lose: true, Body: []byte(`{"jsonrpc":"2.0","result":{"status":"unknown"},"id":$id}`)}
	withTips(t, 3, func(s *tips) {
		liars, honest := s.all()[:2], s.all()[2]
		for _, n := range liars { // they pass it on, and deny that they ever saw it
			n.FailAlways(broadcastMethod, nodetest.Fault{Reset: true})
			n.FailAlways(find, unknown)
		}
		honest.FailAlways("", nodetest.Refused)
		_, denied := s.pay("1.500 HBD", true)
		time.Sleep(10 * time.Minute)
		if n := len(s.chain.Transactions()); n != 1 {
			t.Fatalf("%d payments", n)
		}
		s.wantRoom("they lie", "1.5, not on the chain 1.5")
		if _, err := s.release(denied); err != nil {
			t.Fatal(err)
		}
		s.wantRoom("they lied", "0")
		honest.FailAlways("", nodetest.Fault{})
		time.Sleep(90 * time.Minute)
		s.wantRoom("the third one has it", "1.5")
		if n := len(s.events(refund.RecordOnChain)); n != 1 {
			t.Errorf("%d events", n)
		}
		if n := len(s.events("alarm")); n != 1 {
			t.Errorf("%d alarms", n)
		}
		s.refused(denied, "is on the chain, as record")
		s.restart()
		s.wantRoom("after a restart", "1.5")
		time.Sleep(3 * time.Hour)
		if n := len(s.events("alarm")); n != 1 {
			t.Errorf("%d alarms in the end", n)
		}
	})
}

// TestAcceptedAndLost: nodes that take a transaction and lose it are found out, whether it was
// charged for or not. The trail says so, and who asks for one that is on the chain hears its block.
func TestAcceptedAndLost(t *testing.T) {
	taken := nodetest.Fault{Lose: true, Body: []byte(`{"jsonrpc":"2.0","result":{},"id":$id}`)}
	for _, charged := range []bool{true, false} {
		policy := tipsPolicy
		if !charged {
			policy = strings.Split(policy, "limits:")[0]
		}
		withScriptAndNodes(t, policy, 2, func(t *testing.T, w *world, script *scriptedClient) {
			s := &tips{T: t, world: w, scriptedClient: script}
			asksOf := func(number uint64, exact bool) agent.Whereabouts {
				id := ""
				page, err := s.trail().Page(t.Context(), audit.Query{From: number, To: number})
				if err == nil {
					id = page.Records[0].TxID
				}
				now, err := callMethod[agent.Whereabouts](t, s.world, agent.MethodWhereabouts,
					agent.WhereaboutsParams{Transaction: id, Asked: page.Records[0].Time, Long: exact})
				if err != nil || now.Transaction != id {
					t.Errorf("%+v, %v", now, err)
				}
				return now
			}
			asks := func(number uint64) agent.Whereabouts { return asksOf(number, false) }
			got, paid := s.pay("0.100 HBD", true)
			s.fail(broadcastMethod, taken)
			said, lost := s.pay("1.100 HBD", true)
			if got != "ack" || said != "ack" {
				t.Fatalf("%s, %s", got, said)
			}
			if now := asks(lost); now.Found != "" || len(now.Missing) != 2 {
				t.Errorf("soon: %+v", now)
			}
			time.Sleep(6 * time.Minute)
			if events := s.events(refund.RecordAbsent); len(events) != 1 || events[0].Request != lost ||
				!strings.Contains(string(events[0].Content), `"unknown_to":["node`) {
				t.Errorf("charged %t: events %+v", charged, events)
			}
			if now := asks(paid); now.Block == 0 || now.Found == "" {
				t.Errorf("on the chain: %+v", now)
			}
			if charged {
				s.wantRoom("with the proof", "1.2, not on the chain 1.1")
				if _, err := s.release(lost); err != nil {
					t.Error(err)
				}
				s.wantRoom("given back", "0.1")
			}
			time.Sleep(time.Hour)
			if now := asks(lost); len(now.Absent) != 2 {
				t.Errorf("later: %+v", now)
			}
			// One that an application made may live for a day.
			if now := asksOf(lost, true); len(now.Missing) != 2 || now.Never() {
				t.Errorf("later, of an app: %+v", now)
			}
			if _, err := callMethod[agent.Whereabouts](t, s.world, agent.MethodWhereabouts,
				agent.WhereaboutsParams{Transaction: "ab"}); err == nil {
				t.Error("no id was taken")
			}
		})
	}
}
