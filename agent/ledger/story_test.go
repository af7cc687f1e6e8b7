package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// story is a run of requests of every sort, and what its caller may conclude from the answers.
type story struct {
	*rig
	s           *ledger.Session
	signed      []delivered  // admitted, as Admit told the caller
	signedSoFar atomic.Int64 // their number, for other goroutines
	answered    []delivered  // with what the caller sent
	charged     map[string]bool
	book        map[string]bool // kept by the judges, as an agent keeps its counters
	version     uint64
	miscount    string // what the last judge found wrong; nothing, if what it saw could not be read whole
	failures    int
}

// delivered is a request and the number under which it was admitted.
type delivered struct {
	key    ledger.RequestKey
	text   string
	nonce  int64
	number uint64
	answer string
}

// tell runs the story. Every error must be one of the disk's; then the request is rejected.
func (st *story) tell() {
	st.charged, st.book = map[string]bool{}, map[string]bool{}
	base := st.nowMS()
	for i := range 6 {
		text, nonce := fmt.Sprint("request ", i), base+int64(i)
		if i%2 == 1 {
			nonce = 0
		}
		st.request(text, nonce, false)
		st.request(fmt.Sprint("asked ", i), base+int64(i)+100, true)
		base += 200
		key := st.arrive(fmt.Sprint("damaged ", i))
		st.reject(delivered{key: key, text: fmt.Sprint("damaged ", i)})
	}
}

func (st *story) request(text string, nonce int64, ask bool) {
	a := st.admission(st.s, text, nonce)
	what := delivered{key: a.Key, text: text, nonce: nonce}
	judge := func(v ledger.View) ledger.Ruling { return st.judge(v, text) }
	first := judge
	if ask {
		first = func(v ledger.View) ledger.Ruling {
			st.keepBook(v)
			return ledger.Ruling{Verdict: ledger.Pending, TxBytes: []byte(text)}
		}
	}
	out, err := st.l.Admit(ctx, a, first)
	if err != nil {
		st.failed(err)
		st.reject(what)
		return
	}
	what.number = out.Number
	if ask {
		if _, err = st.l.Decide(ctx, out.Number, judge); err != nil {
			st.failed(err)
			st.settle(what, "internal error")
			return
		}
	}
	if st.miscount != "" {
		st.t.Error(st.miscount)
	}
	st.signed = append(st.signed, what)
	st.signedSoFar.Add(1)
	st.charged[text] = true
	switch text {
	case "request 4":
		return // never settled: the process dies before
	case "request 3":
		st.settle(what, "maybe")
		return
	}
	st.settle(what, "yes "+text)
}

func (st *story) keepBook(v ledger.View) {
	if st.version == v.Generation {
		return
	}
	st.version = v.Generation
	clear(st.book)
	for c := range v.Charges() {
		st.book[string(c.Data)] = true
	}
}

func (st *story) judge(v ledger.View, text string) ledger.Ruling {
	st.keepBook(v)
	var all []string
	for c := range v.Charges() {
		all = append(all, string(c.Data))
	}
	st.miscount = ""
	if len(all) != len(st.book) {
		st.miscount = fmt.Sprintf("%s: the book has %d charges, the ledger %d", text, len(st.book), len(all))
	}
	st.book[text] = true
	return ledger.Ruling{
		Verdict: ledger.Admitted, TxBytes: []byte(text),
		Charges: []ledger.Charge{{Data: []byte(text), Expires: v.Now.Add(24 * time.Hour)}},
	}
}

func (st *story) failed(err error) {
	st.t.Helper()
	st.failures++
	if !errors.Is(err, ledger.ErrCommit) && !errors.Is(err, ledger.ErrUnavailable) {
		st.t.Fatalf("error is %v", err)
	}
}

func (st *story) settle(what delivered, answer string) {
	st.t.Helper()
	late := answer == "maybe"
	must(st.t, st.l.Settle(what.number, ledger.Settlement{Outcome: "done", Answer: []byte(answer), Open: late}))
	if late {
		_ = st.l.Flush(ctx) // its commit may be the one that fails
		must(st.t, st.l.Settle(what.number, ledger.Settlement{Outcome: "done late"}))
	}
	what.answer = answer
	st.answered = append(st.answered, what)
}

func (st *story) reject(what delivered) {
	st.t.Helper()
	what.answer = "internal error"
	must(st.t, st.l.Reject(what.key, ledger.Rejection{Outcome: "failed", Answer: []byte(what.answer)}))
	st.answered = append(st.answered, what)
}

// check holds a ledger against what callers were told: nothing that was signed may be taken again.
func (st *story) check(signed, answered []delivered) {
	st.t.Helper()
	if _, err := st.l.Verify(ctx); err != nil {
		st.t.Error(err)
	}
	charges := st.charges()
	if once := slices.Compact(slices.Sorted(slices.Values(charges))); len(once) != len(charges) {
		st.t.Errorf("charged twice: %q", charges)
	}
	for _, w := range answered {
		b, err := st.l.Begin(st.arrival(w.key, w.text))
		must(st.t, err)
		if b.State != ledger.Answered || string(b.Answer) != w.answer {
			st.t.Errorf("%s: state %v, answer %q, want %q", w.text, b.State, b.Answer, w.answer)
		}
	}
	for _, w := range signed {
		b, err := st.l.Begin(st.arrival(w.key, w.text))
		must(st.t, err)
		if b.State != ledger.Answered && b.State != ledger.InWork {
			st.t.Errorf("%s: state %v though it was signed", w.text, b.State)
		}
		if !slices.Contains(charges, w.text) {
			st.t.Errorf("%s was signed and not charged", w.text)
		}
		if got := st.try(st.s, w.text, w.nonce); got == ledger.Fresh {
			st.t.Errorf("%s under another uuid is fresh again", w.text)
		}
	}
}

// checkUnfinished expects one request whose outcome nobody told, if it was admitted.
func (st *story) checkUnfinished() {
	st.t.Helper()
	list, err := st.l.Unfinished()
	must(st.t, err)
	for _, u := range list {
		if string(u.TxBytes) != "request 4" {
			st.t.Errorf("unfinished: %+v", u)
		}
	}
}

// checkOutcomes expects that each judged request has its outcome in the trail once, or is
// unfinished.
func (st *story) checkOutcomes() {
	st.t.Helper()
	open, seen := map[uint64]bool{}, map[string]bool{}
	for rec, err := range st.l.Audit(0) {
		must(st.t, err)
		open[rec.Number] = rec.Type == ledger.RecordJudged
		open[rec.Ref] = false
		if rec.Type != ledger.RecordSettled && rec.Type != ledger.RecordRejected {
			continue
		}
		name := fmt.Sprint(rec.Key, rec.Outcome)
		if seen[name] {
			st.t.Errorf("outcome %q of %v stands twice", rec.Outcome, rec.Key)
		}
		seen[name] = true
	}
	list, err := st.l.Unfinished()
	must(st.t, err)
	for _, u := range list {
		open[u.Number] = false
	}
	for number, lost := range open {
		if lost {
			st.t.Errorf("request %d has no outcome, and is not unfinished", number)
		}
	}
}

func newStory(t *testing.T) *story { return newStoryWith(t, options("test")) }

func newStoryWith(t *testing.T, o ledger.Options) *story {
	st := &story{rig: newRigWith(t, o)}
	st.o = st.o.WithSegment(8)
	st.reopen()
	st.slot("mybot")
	st.s = st.session("alice", "mybot", "k1")
	return st
}
