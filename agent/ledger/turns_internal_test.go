package ledger

import (
	"fmt"
	"testing"
)

// drained takes all steps of a queue, batch by batch.
func drained(q *queue) (batches [][]*op) {
	for {
		ops, _, _ := q.take(true, false)
		if len(ops) == 0 {
			return batches
		}
		batches = append(batches, ops)
	}
}

// An app with a backlog of many commits keeps nobody waiting: each of nine others has a turn in
// each commit, after no more of the noisy one's than it has turns itself.
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
			if n >= turns[o.app] || turns["noisy"] > turns[o.app] {
				t.Errorf("turn %d of %q in commit %d, after %d of the noisy one", turns[o.app], o.app, n+1,
					turns["noisy"])
			}
		}
	}
	if total != backlog+quiet*each+1 || q.eager != 0 || len(q.apps) != 0 || len(q.turns) != 0 {
		t.Errorf("%d steps taken, %d still awaited", total, q.eager)
	}
}

// A commit takes as long as it has steps, so one app that always has a hundred requests on their
// way makes it little longer for nine that ask for one thing after the other. What stands before
// the step of a quiet one is what is left of the commit that is written when it comes, and its own
// commit: neither has more than twice the steps that nine quiet apps make of it, also where the
// noisy one was alone in the queue when it began.
func TestNoisyAppKeepsCommitsShort(t *testing.T) {
	const noisy, quiet, alone = 100, 9, 64
	q := &queue{wake: make(chan struct{}, 1)}
	put := func(app string) {
		o := &op{app: app}
		if app != "" {
			o.done = make(chan error, 1)
		}
		if err := q.put(o); err != nil {
			t.Fatal(err)
		}
	}
	for range noisy {
		put("noisy")
	}
	if ops, _, _ := q.take(false, false); len(ops) != alone {
		t.Errorf("the noisy app alone has %d steps in a commit, want %d", len(ops), alone)
	}
	for range alone {
		put("") // the outcome of an admission, and the next request of the same app
		put("noisy")
	}
	for i := range quiet {
		put(fmt.Sprint("quiet ", i))
	}
	served := 0
	for n := range 100 {
		ops, _, _ := q.take(false, false)
		if most := 2 * 2 * quiet; len(ops) > most {
			t.Errorf("commit %d has %d steps, want %d at most", n, len(ops), most)
		}
		asked := 0
		for _, o := range ops {
			if o.app == "" {
				continue
			}
			put("")
			if o.app == "noisy" {
				put(o.app)
			} else {
				asked++
			}
		}
		if want := (1 - n%2) * quiet; asked != want {
			t.Errorf("commit %d serves %d quiet apps, want %d", n, asked, want)
		}
		for i := range (n % 2) * quiet { // they come back while the noisy one's commit is written
			put(fmt.Sprint("quiet ", i))
		}
		served += len(ops)
	}
	if len(q.own) > noisy+quiet {
		t.Errorf("%d outcomes wait after 100 commits of %d steps: they fall behind", len(q.own), served)
	}
	for n, most := range map[int]int{alongFor - 2: togetherOps, alongFor + 2: alone} {
		fresh := &queue{wake: make(chan struct{}, 1)}
		for range (n + 1) * alone {
			must(fresh.put(&op{app: "noisy", done: make(chan error, 1)}))
		}
		must(fresh.put(&op{app: "quiet", done: make(chan error, 1)}))
		for range n {
			fresh.take(false, false)
		}
		if ops, _, _ := fresh.take(false, false); len(ops) != most {
			t.Errorf("%d commits after the quiet app's, the noisy one has %d steps in one, want %d", n, len(ops), most)
		}
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Each app that waits has a turn in the next commit, however many there are, as long as it holds
// them and the ledger's own steps.
func TestEachAppHasATurn(t *testing.T) {
	for _, apps := range []int{1, 2, togetherOps - 1, togetherOps, togetherOps + 1, batchOps - 1, batchOps,
		batchOps + 1} {
		q := &queue{wake: make(chan struct{}, 1)}
		for range 2 {
			for i := range apps {
				if err := q.put(&op{app: fmt.Sprint(i), done: make(chan error, 1)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		ops, left, _ := q.take(false, false)
		of := map[string]int{}
		for _, o := range ops {
			of[o.app]++
		}
		want := min(2*apps, max(togetherOps, min(apps, batchOps)))
		if len(ops) != want || len(of) != min(apps, batchOps) || left != (want < 2*apps) {
			t.Errorf("%d apps: %d steps of %d of them, others left: %t; want %d steps", apps, len(ops), len(of),
				left, want)
		}
	}
}

// Outcomes wait for company, but when they make half a commit they go: one of many would keep those
// waiting who come while it is written.
func TestManyOutcomesDoNotWait(t *testing.T) {
	q := &queue{wake: make(chan struct{}, 1)}
	for i := range batchOps / 2 {
		if ops, left, _ := q.take(false, false); len(ops) != 0 || left != (i > 0) {
			t.Fatalf("%d outcomes: %d were taken, others left: %t", i, len(ops), left)
		}
		if err := q.put(&op{}); err != nil {
			t.Fatal(err)
		}
	}
	if ops, left, _ := q.take(false, false); len(ops) != aloneOps || !left {
		t.Errorf("%d of %d were taken, others left: %t", len(ops), batchOps/2, left)
	}
}

// Steps of one app keep their order, and so do the ledger's own. While admissions wait, two of
// these go with each, so that outcomes do not fall behind.
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
		own, others := 0, len(batch)
		for _, o := range batch {
			if o != want[o.app][0] {
				t.Fatalf("commit %d: a step of %q is out of order", n+1, o.app)
			}
			want[o.app] = want[o.app][1:]
			if o.app == "" {
				own++
				others--
			}
		}
		if left := len(want[""]); left > 0 && (own < 2*togetherOps || own < 2*others) {
			t.Errorf("commit %d: %d of %d steps are the ledger's own", n+1, own, len(batch))
		}
	}
	for app, left := range want {
		if len(left) > 0 {
			t.Errorf("%d steps of %q were not taken", len(left), app)
		}
	}
}
