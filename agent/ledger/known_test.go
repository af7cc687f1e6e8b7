package ledger_test

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"

	"pksa/agent/ledger"
)

// Keys or digests whose hashes meet are never answered for each other.
func TestHashesThatMeet(t *testing.T) {
	r := newRig(t)
	key, digest := ledger.RequestKey{Relay: "relay", UUID: "1"}, [32]byte{1}
	begin := func(key ledger.RequestKey, digest [32]byte) ledger.Begun {
		t.Helper()
		b, err := r.l.Begin(ledger.Arrival{Key: key, Digest: digest, Expires: r.clock.now()})
		must(t, err)
		return b
	}
	if b := begin(key, digest); b.State != ledger.New {
		t.Fatalf("%+v", b)
	}
	must(t, r.l.Reject(key, ledger.Rejection{Answer: []byte("answer")}))
	must(t, r.l.Flush(ctx))
	if b := begin(key, digest); b.State != ledger.Answered || string(b.Answer) != "answer" {
		t.Errorf("the request again: %+v", b)
	}
	if b := begin(key, [32]byte{2}); b.State != ledger.Conflict {
		t.Errorf("other content under its uuid: %+v", b)
	}
	other := ledger.RequestKey{Relay: "relay", UUID: "2"}
	if !r.l.TestingMeet(other, key, digest) {
		t.Fatal("the request is not done")
	}
	if b := begin(other, digest); b.State != ledger.Conflict || b.Answer != nil {
		t.Errorf("another key with the same hash: %+v", b)
	}
	r.l.TestingMeet(key, key, [32]byte{2})
	if b := begin(key, [32]byte{2}); b.State != ledger.Conflict || b.Answer != nil {
		t.Errorf("another digest with the same hash: %+v", b)
	}
	answer, err := r.l.AnswerTo([32]byte{2})
	if must(t, err); answer != nil {
		t.Errorf("the answer to another digest with the same hash: %q", answer)
	}
}

// An outcome that waits in the queue is given once, also if the commit that has it fails and the
// store, which is read again, does not know it.
func TestOutcomeInTheQueueIsGivenOnce(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	var watching atomic.Bool
	commits, begun, queued, failed := 0, make(chan struct{}), make(chan struct{}), errors.New("the disk")
	var again error
	var number uint64
	r.aroundCommits(func(commit func() error) error {
		if !watching.Load() {
			return commit()
		}
		commits++
		switch commits {
		case 1: // of the answer; the outcome comes meanwhile
			close(begun)
			<-queued
		case 2: // of the outcome
			return failed
		case 3: // the same again, after the store was read
			again = r.l.Settle(number, ledger.Settlement{Outcome: "again"})
		}
		return commit()
	})
	out, err := r.l.Admit(ctx, r.admission(s, "text", r.nowMS()), allowFresh)
	must(t, err)
	must(t, r.l.Flush(ctx))
	number = out.Number
	watching.Store(true)
	must(t, r.l.Settle(number, ledger.Settlement{Outcome: "broadcast", Open: true, Answer: []byte("yes")}))
	<-begun
	must(t, r.l.Settle(number, ledger.Settlement{Outcome: "included"}))
	close(queued)
	for r.l.Flush(ctx) != nil { // whoever waits for the commit that fails hears of it
		runtime.Gosched()
	}
	must(t, r.l.Close())
	if !errors.Is(again, ledger.ErrNoRun) || commits < 3 {
		t.Errorf("after %d commits: %v", commits, again)
	}
}
