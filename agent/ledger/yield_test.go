package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// TestYield: a yield holds across restarts, until the operator takes it back. Both stand in the
// trail, in the commit that changes the ledger.
func TestYield(t *testing.T) {
	r := newRig(t)
	if _, yielded := r.l.Yielded(); yielded {
		t.Fatal("a new ledger has yielded")
	}
	want := ledger.Yield{At: r.clock.now(), Relay: "wss://relay.test/", Records: 7, Other: 9}
	must(t, r.l.Yield(context.Background(), want, ledger.Entry{Type: ledger.RecordEvent, Outcome: "yielded"}))
	for range 2 {
		if got, yielded := r.l.Yielded(); !yielded || got != want {
			t.Fatalf("%+v, %t", got, yielded)
		}
		r.reopen()
	}
	must(t, r.l.Moved(context.Background(), ledger.Entry{Type: ledger.RecordAdmin, Outcome: "moved"}))
	for range 2 {
		if got, yielded := r.l.Yielded(); yielded {
			t.Fatalf("still yielded: %+v", got)
		}
		r.reopen()
	}
	var told []string
	for record, err := range r.l.Audit(1) {
		must(t, err)
		told = append(told, record.Outcome)
	}
	if len(told) != 2 || told[0] != "yielded" || told[1] != "moved" {
		t.Errorf("the trail tells %q", told)
	}
}

// TestYieldThatIsNotCommitted: the caller is told, and a ledger whose commit failed has not yielded
// in memory either.
func TestYieldThatIsNotCommitted(t *testing.T) {
	r := newRig(t)
	broken := errors.New("no disk")
	r.aroundCommits(func(func() error) error { return broken })
	err := r.l.Yield(context.Background(), ledger.Yield{At: time.Unix(1, 0)}, ledger.Entry{Type: ledger.RecordEvent})
	if err == nil {
		t.Fatal("no error")
	}
	if _, yielded := r.l.Yielded(); yielded {
		t.Error("yielded without a commit")
	}
}
