package ledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// total returns for how many requests the charges stand, and how many there are.
func (x *lossy) total() (requests, charges int) {
	for _, data := range x.charges() {
		requests += weightOf(data)
		charges++
	}
	return requests, charges
}

// Sums take the place of charges, by small steps, and nothing is counted twice or left out, after
// any number of looks and another start.
func TestSumCharges(t *testing.T) {
	x := newLossy(t)
	x.open()
	before, singles := x.total()
	for _, most := range []int{1, 3, 2, 100, 100} {
		must(t, x.l.SumCharges(ctx, x.threes(most), 0))
		if n, _ := x.total(); n != before {
			t.Fatalf("%d requests count, want %d", n, before)
		}
		x.reopen()
	}
	if n, left := x.total(); n != before || left >= singles/2 {
		t.Errorf("%d requests by %d charges, of %d by %d", n, left, before, singles)
	}
	x.clock.add(25 * time.Hour)
	must(t, x.l.TestingSweep(ctx))
	if n, left := x.total(); n != 0 || left != 0 {
		t.Errorf("%d requests by %d charges count after their time", n, left)
	}
	if n := x.l.TestingCount("charges"); n != 0 {
		t.Errorf("%d values are left of them", n)
	}
}

// A look sees a bounded part of the charges at a time, all of them in the end, and none of requests
// that are too young or whose outcome is not known.
func TestSumChargesInSteps(t *testing.T) {
	x := &lossy{rig: newRigWith(t, options("test").WithSegment(lossySegment).WithSumMost(7))}
	x.slot("mybot")
	x.alice = x.session("alice", "mybot", "k1")
	unsettled, err := x.l.Admit(ctx, x.admission(x.alice, "not settled", x.nowMS()), x.charging)
	must(t, err)
	for range 40 {
		x.pay(x.alice)
	}
	must(t, x.l.Flush(ctx))
	var seen []uint64
	steps, young := 0, uint64(0)
	look := func(_ ledger.View, held []ledger.Held) ([]ledger.Sum, uint64) {
		if steps++; len(held) > 7 {
			t.Errorf("%d charges at once", len(held))
		}
		for _, h := range held {
			if young == 0 || h.Number < young {
				seen = append(seen, h.Number)
			}
		}
		return nil, young
	}
	must(t, x.l.SumCharges(ctx, look, 0))
	all := seen
	if values := x.l.TestingCount("charges"); len(all) != values-1 || steps < values/7 {
		t.Errorf("%d charges in %d steps, want those of %d but one", len(all), steps, values)
	}
	for _, number := range all {
		if number == unsettled.Number {
			t.Error("a request without an outcome is among them")
		}
	}
	seen, steps, young = nil, 0, all[10]
	must(t, x.l.SumCharges(ctx, look, 0))
	if len(seen) != 10 || steps > 2 {
		t.Errorf("%d charges are old enough, want 10; %d steps opened some", len(seen), steps)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := x.l.SumCharges(ended, look, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// Cut off before or after any of its commits, a ledger has the charges or the sums of them, and
// never both, nor neither.
func TestSumChargesCutOff(t *testing.T) {
	cut := errors.New("cut off")
	for step := range 6 {
		for _, late := range []bool{false, true} {
			x := newLossy(t)
			commits := -1
			x.o = x.o.WithSumMost(7).Around(func(op string, do func() error) error {
				if op != "commit" || commits < 0 {
					return do()
				}
				if commits++; commits != step+1 {
					return do()
				}
				if late {
					_ = do()
				}
				return cut
			})
			x.open()
			before, _ := x.total()
			commits = 0
			err := x.l.SumCharges(ctx, x.threes(2), 0)
			if commits > step && !errors.Is(err, ledger.ErrCommit) {
				t.Errorf("step %d, late %v: %v", step, late, err)
			}
			if n, _ := x.total(); n != before {
				t.Errorf("step %d, late %v: %d requests count, want %d", step, late, n, before)
			}
			commits = -1
			x.reopen()
			if n, _ := x.total(); n != before {
				t.Errorf("step %d, late %v: %d requests count after a start, want %d", step, late, n, before)
			}
		}
	}
}

// What is lost with a sum is told by the latest request in it: no charge of the sum is later than a
// day after that, nor later than now. What was charged is not known.
func TestLoseSum(t *testing.T) {
	x := newSummed(t)
	x.alter("charges", 0, 20, 21)
	var got ledger.LostCharge
	var lost []ledger.Loss
	_, err := ledger.Mend(ctx, x.path, x.o, ledger.Mending{
		Lose: func(all []ledger.Loss) (bool, error) { lost = all; return true, nil },
		Charge: func(c ledger.LostCharge) (ledger.Charge, error) {
			got = c
			return ledger.Charge{Data: []byte("unknown"), Expires: c.Until}, nil
		},
	})
	must(t, err)
	if len(lost) != 1 || !strings.HasPrefix(lost[0].What, "the sum of what requests up to ") {
		t.Errorf("lost: %v", lost)
	}
	if got.Record != nil || got.Until.IsZero() || got.At.After(x.clock.now()) {
		t.Errorf("counts in its place: %+v", got)
	}
	x.open()
	if n, _ := x.total(); n < 1000 {
		t.Errorf("%d requests count", n)
	}
}

// A sum that is lost counts from no earlier than the latest charge in it, also if a person agreed
// to that long after the request had come, or to an earlier request after a later one had come.
func TestLoseSumOfWaiting(t *testing.T) {
	for name, asked := range map[string]int{"the later": 1, "the earlier": 0} {
		t.Run(name, func(t *testing.T) {
			x := &lossy{rig: newRigWith(t, options("test").WithSegment(lossySegment))}
			x.slot("mybot")
			x.alice = x.session("alice", "mybot", "k1")
			ask := func(ledger.View) ledger.Ruling { return ledger.Ruling{Verdict: ledger.Pending} }
			var waits uint64
			for i := range 2 {
				if i != asked {
					x.pay(x.alice)
					continue
				}
				x.clock.add(time.Second)
				out, err := x.l.Admit(ctx, x.admission(x.alice, "waits", x.nowMS()), ask)
				must(t, err)
				waits = out.Number
			}
			x.clock.add(50 * time.Minute)
			charged, until := x.clock.now(), x.clock.now().Add(90*24*time.Hour)
			_, err := x.l.Decide(ctx, waits, func(ledger.View) ledger.Ruling {
				return ledger.Ruling{Verdict: ledger.Admitted,
					Charges: []ledger.Charge{{Data: []byte("1 HBD"), Expires: until}}}
			})
			must(t, err)
			must(t, x.l.Settle(waits, ledger.Settlement{Outcome: "accepted", Answer: []byte("yes")}))
			for range 3 * lossySegment {
				must(t, x.l.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: "filler"}))
			}
			must(t, x.l.Flush(ctx))
			must(t, x.l.SumCharges(ctx, func(_ ledger.View, held []ledger.Held) ([]ledger.Sum, uint64) {
				sum := ledger.Charge{Data: []byte("sum of 2"), Expires: until}
				return []ledger.Sum{{Of: []int{0, 1}, Charge: sum}}, 0
			}, 0))
			x.clock.add(30 * 24 * time.Hour)
			must(t, x.l.Close())
			x.alter("charges", 0, 20, 21)
			var got ledger.LostCharge
			_, err = ledger.Mend(ctx, x.path, x.o, ledger.Mending{
				Lose: func([]ledger.Loss) (bool, error) { return true, nil },
				Charge: func(c ledger.LostCharge) (ledger.Charge, error) {
					got = c
					return ledger.Charge{Data: []byte("unknown"), Expires: c.Until}, nil
				},
			})
			must(t, err)
			if got.At.Before(charged) || got.At.After(charged.Add(24*time.Hour)) {
				t.Errorf("counts from %v, want from %v to a day later", got.At, charged)
			}
		})
	}
}
