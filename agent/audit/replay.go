package audit

import (
	"slices"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// Change is a request that the new policy decides differently.
type Change struct {
	Number  uint64           `json:"number"`
	Time    time.Time        `json:"time"`
	Kind    string           `json:"request"`
	App     string           `json:"app"`
	Account string           `json:"account"`
	What    string           `json:"what"` // the operations, or the kind again
	Was     policy.Verdict   `json:"was"`
	Now     policy.Verdict   `json:"now"`
	Code    policy.Code      `json:"code,omitempty"`
	Reason  string           `json:"reason,omitempty"` // of now; of then, if now it is allowed
	Rules   []policy.RuleRef `json:"rules,omitempty"`  // of now
}

// Replayed is the result of judging a trail by another policy.
type Replayed struct {
	Requests  int      `json:"requests"` // that were judged again
	Same      int      `json:"same"`
	Undecided int      `json:"undecided"`  // refused before a policy was asked, then and now
	Lacking   int      `json:"lacking"`    // of which the trail does not hold enough
	Cut       int      `json:"cut"`        // of these, those that were cut when they were recorded
	Summed    int      `json:"summed"`     // denied, and in sums of denied requests only
	Unknown   int      `json:"unknown"`    // answers of persons that were not remembered: they count as yes
	Turns     []Turn   `json:"turns"`      // all changes, counted
	NotListed int      `json:"not_listed"` // changes that do not stand in the list
	Changes   []Change `json:"changes"`    // the first of them
}

// Turn counts the requests that were decided one way and are now decided another.
type Turn struct {
	Was      policy.Verdict `json:"was"`
	Now      policy.Verdict `json:"now"`
	Requests int            `json:"requests"`
}

const (
	// mostChanges is how many changes a replay lists.
	mostChanges = 10_000
	// mostDeclined is of how many requests a replay remembers that a person declined.
	mostDeclined = 1_000_000
)

// Replay judges the requests of a trail by another policy, each at its time. The limits count what
// this policy admits. Where it asks and a person was asked then, that answer holds again; where
// nobody was asked, the answer is yes, so that limits are as full as they can get. What could not
// be carried out then, because a key or a node was missing, is not charged.
//
// It reads the trail twice, so that it need not hold a request until the record of the answer
// comes: first the answers, of which it holds the numbers of declined requests, then one request at
// a time.
func Replay(read Source, p *policy.Policy, n *hive.Network) (Replayed, error) {
	r := replay{policy: p, windows: p.Windows(), mostChanges: mostChanges, mostDeclined: mostDeclined}
	return r.run(read, n)
}

type replay struct {
	policy   *policy.Policy
	windows  map[string]time.Duration
	book     policy.Book
	kept     time.Time // when the book last dropped what is old
	declined []uint64  // sorted, once all are there
	out      Replayed

	mostChanges, mostDeclined int

	// Of a trial:
	before     *policy.Policy // nil: what was answered then is compared
	beforeBook policy.Book
	from       uint64       // the first record
	mostBytes  int          // of a book; zero: any
	end        func() error // why it ends early; nil: nothing ends it
}

func (r *replay) run(read Source, n *hive.Network) (Replayed, error) {
	r.out.Changes, r.out.Turns = []Change{}, []Turn{} // lists in JSON, too
	answers := Query{From: r.from, Filter: Filter{Kind: recordTypes[ledger.RecordDecided]}}
	if err := read(answers, r.answer); err != nil {
		return r.out, err
	}
	slices.Sort(r.declined)
	err := EachRequest(read, Query{From: r.from}, n, func(t *Request) error {
		if r.end != nil {
			if err := r.end(); err != nil {
				return err
			}
		}
		r.judge(t)
		if r.mostBytes > 0 && max(r.book.Bytes(), r.beforeBook.Bytes()) > r.mostBytes {
			return errTrialLarge
		}
		return nil
	})
	return r.out, err
}

// answer remembers a person's no.
func (r *replay) answer(record *Record) error {
	d, err := decisionOf(record)
	switch {
	case err != nil || d == nil || d.Approved:
		return err
	case len(r.declined) >= r.mostDeclined:
		r.out.Unknown++
		return nil
	}
	r.declined = append(r.declined, record.Request)
	return nil
}

func (r *replay) judge(t *Request) {
	switch {
	case t.Summed > 0:
		r.out.Summed += t.Summed
		return
	case t.Undecided:
		r.out.Undecided++
		return
	case t.Request == nil:
		r.out.Lacking++
		if t.Cut {
			r.out.Cut++
		}
		return
	}
	if _, no := slices.BinarySearch(r.declined, t.Number); no {
		t.Person = Declined
	}
	if t.Time.Sub(r.kept) >= time.Hour { // as the agent does, so that a long trail takes no more memory
		r.book.Keep(r.windows, t.Time)
		if r.before != nil {
			r.beforeBook.Keep(r.before.Windows(), t.Time)
		}
		r.kept = t.Time
	}
	r.out.Requests++
	doable := t.doable()
	if r.before != nil {
		was := r.before.Decide(t.Request, &r.beforeBook, t.Time)
		t.Was, t.Reason = was.Verdict, was.Reason
		if doable {
			r.beforeBook.AddUntil(t.Time, t.Until, t.charges(r.before, &r.beforeBook, was))
		}
	}
	d := r.policy.Decide(t.Request, &r.book, t.Time)
	if d.Verdict == t.Was {
		r.out.Same++
	} else {
		r.change(t, d)
	}
	if doable {
		r.book.AddUntil(t.Time, t.Until, t.charges(r.policy, &r.book, d))
	}
}

// change counts a change, and lists it if there is room.
func (r *replay) change(t *Request, d policy.Decision) {
	r.out.Turns = counted(r.out.Turns, t.Was, d.Verdict)
	if len(r.out.Changes) >= r.mostChanges {
		r.out.NotListed++
		return
	}
	r.out.Changes = append(r.out.Changes, t.change(d))
}

// doable reports false for what the policy allowed and could not be carried out.
func (t *Request) doable() bool { return t.Was != policy.Allow || t.Admitted }

func (t *Request) charges(p *policy.Policy, book *policy.Book, d policy.Decision) []policy.Charge {
	if d.Verdict != policy.Ask || t.Person == Declined {
		return d.Charges
	}
	yes := *t.Request
	yes.Approved = true
	return p.Decide(&yes, book, t.Time).Charges
}

func (t *Request) change(d policy.Decision) Change {
	c := Change{
		Number: t.Number, Time: t.Time, Kind: t.Request.Kind.String(), App: t.Request.App,
		Account: string(t.Request.Account),
		What:    what(t.Request), Was: t.Was, Now: d.Verdict, Code: d.Code, Reason: d.Reason, Rules: d.Rules,
	}
	if d.Verdict == policy.Allow {
		c.Reason = t.Reason
	}
	return c
}

// what returns the names of the operations, or the kind of another request.
func what(q *policy.Request) string {
	if len(q.Ops) == 0 {
		return q.Kind.String()
	}
	text := q.Ops[0].Name()
	for i, op := range q.Ops[1:] {
		if i == 2 {
			return text + ", …"
		}
		text += ", " + op.Name()
	}
	return text
}
