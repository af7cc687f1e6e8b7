package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay/relaytest"
)

// A machine whose clock is wrong does not start: nothing is recorded under that time.
func TestWrongClockAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{fault: relaytest.Pass})
		w.node.SetAhead(time.Hour)
		w.make()
		before := w.records()
		if err := w.agent.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "set the clock") {
			t.Errorf("started: %v", err)
		}
		if after := w.records(); after != before {
			t.Errorf("%d records were written under a wrong clock", after-before)
		}
		w.relay.Close()
		w.ledger.Close()
		w.keys.Close()
	})
}

// aGap is a world with a session that lives for years, whose clock then goes on by two days while
// the wallet is off, and whose nodes do not answer at the next start.
func aGap(t *testing.T, o worldOptions, f func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, o)
		if _, err := w.ledger.AddSession(t.Context(), ledger.NewSession{Account: "alice", App: "app",
			AuthKey: authKey, Origin: ledger.Hand, Expires: w.ledger.Now().Add(365 * 24 * time.Hour)},
			nil); err != nil {
			t.Fatal(err)
		}
		w.reopenLedger(48 * time.Hour)
		w.answerNodes(false)
		f(t, w)
		w.close()
	})
}

// reopenLedger lets time go by while the ledger is closed.
func (w *world) reopenLedger(pause time.Duration) {
	w.t.Helper()
	if err := w.ledger.Close(); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(pause)
	w.openLedger()
}

// answerNodes says whether nodes answer what they are asked about the chain.
func (w *world) answerNodes(answer bool) {
	for _, method := range []string{"condenser_api.get_dynamic_global_properties", "condenser_api.get_block_header",
		"database_api.get_version"} {
		w.node.FailAlways(method, nodetest.Fault{Hang: !answer})
	}
}

// run runs the agent without waiting until it is ready.
func (w *world) run() {
	w.t.Helper()
	w.make()
	ctx, cancel := context.WithCancel(w.t.Context())
	w.stop, w.stopped = cancel, make(chan error, 1)
	go func() { w.stopped <- w.service.Run(ctx) }()
}

// doubts reports whether the agent says that its clock is not confirmed.
func (w *world) doubts() bool {
	return strings.Contains(strings.Join(w.agent.Ready(), "\n"), "is not confirmed")
}

// A clock that nothing confirms, far ahead of the last record: nothing is recorded and nothing is
// served, no session ends, and status says why and what to do. When a node answers, it goes on.
func TestUnconfirmedClock(t *testing.T) {
	script := &scriptedClient{}
	aGap(t, worldOptions{fault: script.fault}, func(t *testing.T, w *world) {
		before := w.records()
		w.run()
		w.eventually("the doubt", w.doubts)
		w.eventually("registration", func() bool { return w.agent.Status().Links[0].Registered == 1 })
		said := strings.Join(w.agent.Status().NotReady, "\n")
		for _, want := range []string{"48h0m0s after the ledger's last record", "no Hive API node", "the kernel does " +
			"not know", "pksa run --trust-clock"} {
			if !strings.Contains(said, want) {
				t.Errorf("status lacks %q: %s", want, said)
			}
		}
		if m := script.ask(request("challenge_req", uuid(1), authKey,
			`{"key_type":"posting","challenge":"hi"}`)); m != nil {
			t.Errorf("it answered %#v", m)
		}
		if _, err := w.ledger.AddSlot(t.Context(), "other", "another secret", nil); !errors.Is(err, ledger.ErrClock) {
			t.Errorf("a command was recorded: %v", err)
		}
		time.Sleep(2 * time.Hour) // of sweeps and hourly sums
		if after := w.records(); after != before {
			t.Errorf("%d records were written", after-before)
		}
		if n := len(w.ledger.Sessions()); n != 1 {
			t.Errorf("%d sessions are left", n)
		}
		w.answerNodes(true)
		w.eventually("service", w.serves)
		if m := script.ask(request("challenge_req", uuid(2), authKey,
			`{"key_type":"posting","challenge":"hi"}`)); answerKind(m) != "ack" {
			t.Errorf("after a node answered: %#v", m)
		}
	})
}

// A request that came while the clock was not confirmed is served as soon as it is.
func TestRequestWaitsForTheClock(t *testing.T) {
	script := &scriptedClient{}
	aGap(t, worldOptions{fault: script.fault}, func(t *testing.T, w *world) {
		w.run()
		w.eventually("registration", func() bool { return w.agent.Status().Links[0].Registered == 1 })
		script.sayAll(request("challenge_req", uuid(1), authKey, `{"key_type":"posting","challenge":"hi"}`))
		time.Sleep(20 * time.Second)
		w.answerNodes(true)
		w.eventually("an answer", func() bool { return script.count() == 1 })
		if m := script.heard()[0]; answerKind(m) != "ack" {
			t.Errorf("%#v", m)
		}
	})
}

// An agent that is stopped before its clock was confirmed has recorded nothing, and ends in order.
func TestStopBeforeTheClockIsConfirmed(t *testing.T) {
	aGap(t, worldOptions{}, func(t *testing.T, w *world) {
		before := w.records()
		w.run()
		w.eventually("the doubt", w.doubts)
		w.end()
		if after := w.records(); after != before {
			t.Errorf("%d records were written", after-before)
		}
		w.stop, w.stopped = func() {}, make(chan error, 1) // for close
		w.stopped <- nil
	})
}

// What confirms a clock without any node: the kernel, or the operator's word. A node that answers
// and contradicts it outweighs both.
func TestClockConfirmedWithoutNodes(t *testing.T) {
	for name, confirm := range map[string]func(*world){
		"by the kernel":       func(w *world) { w.kernelClock = nil },
		"by the operator":     func(w *world) { w.trustClock = true },
		"by both, and denied": func(w *world) { w.kernelClock, w.trustClock = nil, true },
	} {
		t.Run(name, func(t *testing.T) {
			script := &scriptedClient{}
			aGap(t, worldOptions{fault: script.fault}, func(t *testing.T, w *world) {
				confirm(w)
				if strings.Contains(name, "denied") {
					w.answerNodes(true)
					w.node.SetAhead(-24 * time.Hour)
					w.run()
					if err := <-w.stopped; err == nil || !strings.Contains(err.Error(), "set the clock") {
						t.Errorf("started: %v", err)
					}
					w.stopped <- nil // for close
					return
				}
				w.run()
				w.eventually("service", w.serves)
				if m := script.ask(request("challenge_req", uuid(1), authKey,
					`{"key_type":"posting","challenge":"hi"}`)); answerKind(m) != "ack" {
					t.Errorf("answered %#v", m)
				}
			})
		})
	}
}

// Within an hour of the last record, and in a ledger that was just made, the clock needs no
// confirmation: a restart without the network serves.
func TestClockNearTheLastRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		w.answerNodes(false)
		w.reopenLedger(59 * time.Minute)
		w.run()
		w.eventually("service", w.serves)
		time.Sleep(3 * time.Hour)
		if w.doubts() {
			t.Error("a clock that went on by itself is doubted")
		}
		w.close()
	})
}

// records counts the records of the audit trail.
func (w *world) records() int {
	n := 0
	for _, err := range w.ledger.Audit(1) {
		if err != nil {
			w.t.Fatal(err)
		}
		n++
	}
	return n
}
