package agent_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
