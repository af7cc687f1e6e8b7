package audit_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
	"weak"

	"pksa/agent/audit"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// vote is the record of a vote that was allowed and charged, waited for a person, or was denied.
func vote(number uint64, verdict string, at time.Time) audit.Record {
	content := audit.Content{Result: verdict, Code: policy.CodeUncovered}
	if verdict != "denied" {
		content.Code = ""
	}
	if verdict == "admitted" {
		content.Cost = []policy.Charge{{Limit: "few", Unit: "count", Amount: "1"}}
	}
	return audit.Record{Number: number, Time: at, Type: "request", Verdict: verdict,
		Content: content.Encode(audit.NewDraft(signing(ballot(int(number))), verdict != "denied"), 0, true)}
}

// decision is the record of what a person said to a request.
func decision(number, request uint64, yes bool, at time.Time) audit.Record {
	r := audit.Record{Number: number, Time: at, Type: "decision", Request: request, Verdict: "denied"}
	content := audit.Content{Written: policy.Written{Approved: yes}}
	if yes {
		r.Verdict, content.Cost = "admitted", []policy.Charge{{Limit: "few", Unit: "count", Amount: "1"}}
	}
	r.Content = content.Encode(audit.NewDraft(policy.Written{Request: "sign", Approved: yes}, true), 0, true)
	return r
}

const askOrVote = `version: 1
ask: [{name: asked, request: sign, apps: any, operations: [vote: {permlink: {glob: "*7"}}]}]
allow: [{name: votes, request: sign, apps: any, operations: [vote: {permlink: [post-1, post-2, post-3, {glob: "*5"}]}]}]
limits: [{name: few, apps: any, operations: [vote], count: 3 per 1h}]
`

// someTrail is a trail of votes. Some waited for a person, whose answers come among later requests.
func someTrail(r *rand.Rand, n int) []audit.Record {
	var trail []audit.Record
	var waiting []uint64
	at := madeAt
	for number := uint64(1); number <= uint64(n); number++ {
		at = at.Add(time.Duration(r.IntN(3)) * 7 * time.Minute)
		switch i := r.IntN(5); {
		case i == 0 && len(waiting) > 0:
			k := r.IntN(len(waiting))
			trail = append(trail, decision(number, waiting[k], r.IntN(2) == 0, at))
			waiting = slices.Delete(waiting, k, k+1)
		case i == 1:
			trail = append(trail, vote(number, "pending", at))
			waiting = append(waiting, number)
		case i == 2:
			trail = append(trail, vote(number, "denied", at))
		default:
			trail = append(trail, vote(number, "admitted", at))
		}
	}
	return trail
}

// A trail that is read as a stream is judged as one that is held whole.
func TestStreamAgainstTheWhole(t *testing.T) {
	p := compiled(t, askOrVote)
	turns := map[string]bool{}
	for seed := range uint64(20) {
		trail := someTrail(rand.New(rand.NewPCG(seed, 1)), 60)
		whole, err := audit.ReadTrail(trail, hive.Mainnet)
		if err != nil {
			t.Fatal(err)
		}
		want, book := "", new(policy.Book)
		for _, q := range whole {
			d := p.Decide(q.Request, book, q.Time)
			if d.Verdict != q.Was {
				want += fmt.Sprintf("%d %s→%s; ", q.Number, q.Was, d.Verdict)
			}
			if d.Verdict == policy.Ask && q.Person != audit.Declined {
				yes := *q.Request
				yes.Approved = true
				d = p.Decide(&yes, book, q.Time)
			}
			book.Add(q.Time, d.Charges)
		}
		r, err := audit.Replay(sourceOf(trail...), p, hive.Mainnet)
		got, counted := "", 0
		for _, c := range r.Changes {
			got += fmt.Sprintf("%d %s→%s; ", c.Number, c.Was, c.Now)
			turns[fmt.Sprintf("%s→%s", c.Was, c.Now)] = true
		}
		for _, turn := range r.Turns {
			counted += turn.Requests
		}
		if err != nil || got != want || r.Requests != len(whole) || counted != len(r.Changes) ||
			r.Same+counted != r.Requests {
			t.Fatalf("seed %d: %v, %+v\n%s\nwant\n%s", seed, err, r, got, want)
		}
		for _, q := range whole {
			counts := 0
			for _, other := range whole {
				in := !other.Charged.After(q.Time) && other.Charged.After(q.Time.Add(-time.Hour))
				if before := other.Number < q.Number || other.Charged.Before(q.Time); other.Admitted && in && before &&
					charged(trail, other.Number) < q.Number {
					counts++
				}
			}
			past, err := audit.BookBefore(sourceOf(trail...), &q, p.Windows(), hive.Mainnet)
			used := past.Book.Used(policy.Counter{Limit: "few", Unit: "count"}, time.Hour, q.Time)
			if err != nil || used.RatString() != fmt.Sprint(counts) {
				t.Fatalf("seed %d, before record %d: %s, want %d, %v", seed, q.Number, used.RatString(), counts, err)
			}
		}
	}
	if len(turns) < 5 {
		t.Errorf("these changes came: %v", turns)
	}
}

// charged returns the number of the record that a request was charged with.
func charged(trail []audit.Record, request uint64) uint64 {
	for _, r := range trail {
		if r.Request == request {
			return r.Number
		}
	}
	return request
}

// A replay lists so many changes, and counts all.
func TestReplayOfManyChanges(t *testing.T) {
	p := compiled(t, "version: 1\n")
	for n, left := range map[int]int{2: 0, 3: 0, 4: 1} {
		trail := make([]audit.Record, n)
		for i := range trail {
			trail[i] = vote(uint64(i+1), "admitted", madeAt)
		}
		r, err := audit.ReplayWith(sourceOf(trail...), p, hive.Mainnet, 3, 1)
		if err != nil || len(r.Changes) != n-left || r.NotListed != left || len(r.Turns) != 1 ||
			r.Turns[0] != (audit.Turn{Was: policy.Allow, Now: policy.Deny, Requests: n}) {
			t.Errorf("%d changes: %+v, %v", n, r, err)
		}
	}
	if audit.MostChanges != 10_000 || audit.MostDeclined != 1_000_000 {
		t.Error("the table of bounds has other numbers")
	}
}

// A replay remembers so many answers. A no that it does not remember counts as a yes, and is told.
func TestReplayOfManyAnswers(t *testing.T) {
	p := compiled(t, "version: 1\nask: [{name: a, request: sign, apps: any, operations: [vote]}]\n"+
		"limits: [{name: few, apps: any, operations: [vote], count: 1 per 1h}]\n")
	for n, unknown := range map[int]int{2: 0, 3: 0, 4: 1} {
		var trail []audit.Record
		for i := range n {
			trail = append(trail, vote(uint64(2*i+1), "pending", madeAt), decision(uint64(2*i+2), uint64(2*i+1), false,
				madeAt))
		}
		trail = append(trail, vote(100, "pending", madeAt))
		r, err := audit.ReplayWith(sourceOf(trail...), p, hive.Mainnet, 10, 3)
		if err != nil || r.Unknown != unknown || len(r.Changes) != unknown {
			t.Errorf("%d answers: %+v, %v", n, r, err)
		}
	}
}

// What judges a trail again holds a few of its records, however many there are.
func TestTrailIsReadAsAStream(t *testing.T) {
	p := compiled(t, oneVote)
	const all, most = 400, 8
	for name, judge := range map[string]func(audit.Source) error{
		"replay": func(read audit.Source) error {
			_, err := audit.Replay(read, p, hive.Mainnet)
			return err
		},
		"explain": func(read audit.Source) error {
			q := &audit.Request{Number: all, Time: madeAt.Add(all * time.Second)}
			_, err := audit.BookBefore(read, q, p.Windows(), hive.Mainnet)
			return err
		},
		"each": func(read audit.Source) error {
			return audit.EachRequest(read, audit.Query{}, hive.Mainnet, func(*audit.Request) error { return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := holding{}
			if err := judge(h.source(all)); err != nil || h.records > most || h.grown > all<<8 {
				t.Errorf("%d records and %d KiB are held at once, %v", h.records, h.grown>>10, err)
			}
		})
	}
}

// holding counts how many records a reader holds at once, and how much memory it takes for all.
type holding struct {
	records int
	grown   int64
}

func (h *holding) source(all uint64) audit.Source {
	return func(_ audit.Query, use func(*audit.Record) error) error {
		var made []weak.Pointer[byte]
		first := int64(0)
		for i := range all {
			at := madeAt.Add(time.Duration(i) * time.Second)
			r := vote(i+1, []string{"pending", "", "admitted"}[i%3], at)
			if i%3 == 1 {
				r = decision(i+1, i, true, at)
			}
			made = append(made, weak.Make(&r.Content[0]))
			if err := use(&r); err != nil {
				return err
			}
			if i%50 != 49 {
				continue
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			alive := 0
			for _, r := range made {
				if r.Value() != nil {
					alive++
				}
			}
			first = cmp.Or(first, int64(m.HeapAlloc))
			h.records, h.grown = max(h.records, alive), max(h.grown, int64(m.HeapAlloc)-first)
		}
		return nil
	}
}
