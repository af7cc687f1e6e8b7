package ledger_test

import (
	"os"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// A ledger that takes the place of a lost one knows no session and no nonce. An application whose
// old secret is given to its new slot can be made to log in again by a relay that has kept its
// requests: none of those that the lost ledger took is new.
func TestAnewTakesNoOldNonce(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	nonce := r.nowMS()
	if got := r.try(s, "payment", nonce); got != ledger.Fresh {
		t.Fatal(got)
	}
	must(t, r.l.Close())
	must(t, os.Remove(r.path))
	r.clock.add(time.Second)
	must(t, ledger.CreateAnew(r.path, r.o))
	r.open()
	r.slot("mybot")
	s = r.session("alice", "mybot", "k1")
	if got := r.try(s, "payment", nonce); got != ledger.NonceForgotten {
		t.Errorf("a request of before: %v", got)
	}
	r.reopen()
	if got := r.try(s, "payment", nonce); got != ledger.NonceForgotten {
		t.Errorf("a request of before, after a restart: %v", got)
	}
	r.clock.add(time.Second)
	if got := r.try(s, "another", r.nowMS()); got != ledger.Fresh {
		t.Errorf("a new request: %v", got)
	}
}
