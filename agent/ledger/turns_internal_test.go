package ledger

import (
	"fmt"
	"testing"
)

// drained takes all steps of a queue, batch by batch.
func drained(q *queue) (batches [][]*op) {
	for {
		ops, _, _ := q.take(true)
		if len(ops) == 0 {
			return batches
		}
		batches = append(batches, ops)
	}
}

// An app with a backlog of many commits keeps nobody waiting: each of nine others is judged in the
// first commit, after no more of the noisy one's than it has turns itself.
func TestAppsTakeTurns(t *testing.T) {
	const backlog, quiet, each = 3 * batchOps, 9, 3
	q := &queue{wake: make(chan struct{}, 1)}
	put := func(app string) {
		if err := q.put(&op{app: app, done: make(chan error, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	for range backlog {
		put("noisy")
	}
	for range each {
		for i := range quiet {
			put(fmt.Sprint("quiet ", i))
		}
	}
	put("")
	batches := drained(q)
	if first := batches[0][0]; first.app != "" {
		t.Errorf("the first step is of %q, want one of the ledger's own", first.app)
	}
	turns, total := map[string]int{}, 0
	for n, batch := range batches {
		total += len(batch)
		for _, o := range batch {
			turns[o.app]++
			if o.app == "noisy" || o.app == "" {
				continue
			}
			if n > 0 || turns["noisy"] > turns[o.app] {
				t.Errorf("turn %d of %q in commit %d, after %d of the noisy one", turns[o.app], o.app, n+1,
					turns["noisy"])
			}
		}
	}
	if total != backlog+quiet*each+1 || q.eager != 0 || len(q.apps) != 0 || len(q.turns) != 0 {
		t.Errorf("%d steps taken, %d still awaited", total, q.eager)
	}
}

// Steps of one app keep their order, and so do the ledger's own; these have half a commit for
// certain, and leave the other half.
func TestStepsKeepTheirOrder(t *testing.T) {
	q := &queue{wake: make(chan struct{}, 1)}
	want := map[string][]*op{}
	for i := range 4 * batchOps {
		o := &op{app: []string{"", "a", "", "b"}[i%4]}
		want[o.app] = append(want[o.app], o)
		if err := q.put(o); err != nil {
			t.Fatal(err)
		}
	}
	for n, batch := range drained(q) {
		own := 0
		for _, o := range batch {
			if o != want[o.app][0] {
				t.Fatalf("commit %d: a step of %q is out of order", n+1, o.app)
			}
			want[o.app] = want[o.app][1:]
			if o.app == "" {
				own++
			}
		}
		if n < 3 && (own != batchOps/2 || len(batch) != batchOps) {
			t.Errorf("commit %d: %d of %d steps are the ledger's own", n+1, own, len(batch))
		}
	}
	for app, left := range want {
		if len(left) > 0 {
			t.Errorf("%d steps of %q were not taken", len(left), app)
		}
	}
}
