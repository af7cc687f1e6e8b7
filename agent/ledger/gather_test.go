package ledger_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

// chargedRequest has a request judged that is charged under its text, with a nonce or without.
func (r *rig) chargedRequest(s *ledger.Session, text string, nonce int64) {
	r.t.Helper()
	out, err := r.l.Admit(ctx, r.admission(s, text, nonce), func(v ledger.View) ledger.Ruling {
		if v.Replay != ledger.Fresh {
			r.t.Errorf("%s: %v", text, v.Replay)
		}
		return ledger.Ruling{Verdict: ledger.Admitted, TxBytes: []byte(text),
			Charges: []ledger.Charge{{Data: []byte(text), Expires: v.Now.Add(24 * time.Hour)}}}
	})
	must(r.t, err)
	must(r.t, r.l.Settle(out.Number, ledger.Settlement{Outcome: "done", Answer: []byte(text)}))
}

// What a commit gathers depends on what it writes, and not on how much has come since the last
// time: else requests would wait for it. It is all gathered before as much has come again.
func TestGatherInPortions(t *testing.T) {
	const segment, few = 128, 4
	synctest.Test(t, func(t *testing.T) {
		r := newRigWith(t, options("test").WithSegment(segment).Gathering(few).InMemory(ledger.NewMemDisk()))
		r.slot("mybot")
		s := r.session("alice", "mybot", "k1")
		count := func() int { return r.l.TestingCount("requests") + r.l.TestingCount("charges") }
		before, gathered := count(), r.l.Gathered()
		for i := range 3 * segment {
			r.chargedRequest(s, fmt.Sprint("text ", i), 0)
			must(t, r.l.Flush(ctx))
			now := count()
			if most := 2 * (few + 3*2); now-before > most { // two commits at most
				t.Errorf("request %d: %d more values in the buckets, want %d at most", i, now-before, most)
			}
			before = now
			if number, _ := r.l.Head(); number-r.l.Gathered() > 2*segment+2 {
				t.Fatalf("the last of %d records that is gathered is %d", number, r.l.Gathered())
			}
		}
		if r.l.Gathered() < gathered+4*segment {
			t.Errorf("records are gathered up to %d", r.l.Gathered())
		}
	})
}

// The number of the gathered record stays while digests or requests are left, also when none of
// them was charged: a process that ends in the middle finds all of them in the trail.
func TestKilledWhileGatheringWithoutCharges(t *testing.T) {
	const segment, few = 32, 1
	for more := range 8 { // requests after those that fill a segment: the gathering takes four
		synctest.Test(t, func(t *testing.T) {
			disk := ledger.NewMemDisk()
			r := newRigWith(t, options("test").WithSegment(segment).Gathering(few).InMemory(disk))
			r.slot("mybot")
			s := r.session("alice", "mybot", "k1")
			keys := map[string]ledger.RequestKey{}
			for i := range segment/2 + more {
				text := fmt.Sprint("text ", i)
				a := r.admission(s, text, 0)
				out, err := r.l.Admit(ctx, a, allowFresh)
				must(t, err)
				must(t, r.l.Settle(out.Number, ledger.Settlement{Outcome: "done", Answer: []byte(text)}))
				must(t, r.l.Flush(ctx))
				keys[text] = a.Key
			}
			disk.PowerCut()
			_ = r.l.Close() // nothing of it gets to the disk any more
			r.open()
			for text, key := range keys {
				b, err := r.l.Begin(r.arrival(key, text))
				must(t, err)
				if b.State != ledger.Answered || string(b.Answer) != text {
					t.Errorf("%d more, %s: state %v, answer %q", more, text, b.State, b.Answer)
				}
				if got := r.try(s, text, 0); got == ledger.Fresh {
					t.Errorf("%d more: %s under another uuid is fresh again", more, text)
				}
			}
		})
	}
}

// The process ends at each commit of a life in which changes are gathered over many commits, before
// and after it. Nothing counts twice then, or not at all, and neither does it when all is gathered.
func TestKilledWhileGathering(t *testing.T) {
	plain := faults{few: 1}
	synctest.Test(t, func(t *testing.T) { plain.live(t, ledger.NewMemDisk()) })
	commits := 0
	for _, op := range plain.met() {
		if op == "commit" {
			commits++
		}
	}
	for at := range commits {
		for _, last := range []fate{lost, unheard} {
			t.Run(fmt.Sprintf("%d %v", at, last), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { killAtCommit(t, at, last) })
			})
		}
	}
}

func killAtCommit(t *testing.T, at int, last fate) {
	met, over := 0, false
	plan := faults{few: 1, decide: func(_ int, op string) fate {
		if op == "commit" {
			met++
		}
		switch {
		case over:
			return lost
		case op == "commit" && met == at+1:
			over = true
			return last
		}
		return done
	}}
	disk := ledger.NewMemDisk()
	st := plan.live(t, disk)
	st.next(disk)
	st.check(st.signed, nil) // nobody was told that an outcome got there
	for i := range 20 {
		st.chargedRequest(st.s, fmt.Sprint("later ", i), 0)
	}
	st.check(st.signed, nil)
	st.reopen()
	st.check(st.signed, nil)
	must(t, st.l.Close())
}

// A program that commits a little and ends, as commands beside a wallet that is stopped do, gathers
// what those before it left: else each start would read more.
func TestGatherInShortLives(t *testing.T) {
	const segment = 16
	synctest.Test(t, func(t *testing.T) {
		r := newRigWith(t, options("test").WithSegment(segment).Gathering(1).InMemory(ledger.NewMemDisk()))
		r.slot("mybot")
		s := r.session("alice", "mybot", "k1")
		for i := range 2 * segment {
			r.chargedRequest(s, fmt.Sprint("text ", i), 0)
			r.reopen()
			if number, _ := r.l.Head(); number-r.l.Gathered() > segment+4 {
				t.Fatalf("the last of %d records that is gathered is %d", number, r.l.Gathered())
			}
		}
	})
}
