package ledger_test

import (
	"testing"

	"pksa/agent/ledger"
)

// TestOneReadForEachCommit: however many requests a commit has, and whatever is gathered with it,
// it reads the store once. A store that is not on this machine is as fast as that.
func TestOneReadForEachCommit(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a ledger")
	}
	o := options("test").InMemory(ledger.NewMemDisk())
	o.KeepSegments = 1
	r := newRigWith(t, o)
	var plan faults // which counts, and lets nothing fail
	r.o = r.o.Around(plan.around)
	sessions := r.makeBusy()
	plan.count(true)
	r.inFlight(sessions, 10_000, 64)
	plan.count(false)
	count := tally(plan.met())
	t.Logf("%v", count)
	if count["commit"] > 2000 || count["getMany"] < 100 {
		t.Errorf("%d commits with %d reads of many keys: the requests do not share them", count["commit"],
			count["getMany"])
	}
	// A segment is read in portions beside that.
	if most := count["commit"] + 10_000*3/64; count["getMany"] > most || count["get"] > count["commit"]/20 {
		t.Errorf("for %d commits many keys are read %d times, and one key %d times", count["commit"], count["getMany"],
			count["get"])
	}
	// So does a start, in portions.
	must(t, r.l.Close())
	before := len(plan.met())
	plan.count(true)
	r.open()
	plan.count(false)
	start := tally(plan.met()[before:])
	if start["get"] > 50 || start["getMany"] < 1000*3/256 || start["getMany"] > 50 {
		t.Errorf("a start with 1,000 sessions reads one key %d times, and many keys %d times", start["get"],
			start["getMany"])
	}
}
