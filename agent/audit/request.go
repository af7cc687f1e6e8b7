package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// Request is a request of the audit trail in a form that a policy can judge again.
type Request struct {
	Number  uint64
	Time    time.Time
	App     string
	Request *policy.Request // nil if the trail does not hold all of it; Lacking says why
	Lacking string
	Cut     bool // what is lacking was cut when the record was made

	// Was is the first verdict of the policy of that time: "ask" also where nobody could be asked,
	// and "allow" also where the request could not be carried out. Undecided is a request that was
	// refused before the policy was asked.
	Was       policy.Verdict
	Undecided bool
	Summed    int // denied requests that this one stands for, of which nothing else is kept
	Code      policy.Code
	Reason    string
	Rules     []policy.RuleRef
	Policy    string // the hash of that policy
	Observed  *policy.Decision

	Person   Answer // the operator's answer to an ask
	Admitted bool
	Charged  time.Time // when it was charged, if it was admitted
	Charges  []policy.Charge
	Until    time.Time // when the transaction expires, if the app made it; zero if the trail does not say
}

// Answer is the operator's answer to an ask.
type Answer uint8

// The answers. An operator who does not answer in time has declined.
const (
	NotAsked Answer = iota
	Approved
	Declined
)

// OfRequest reports whether a record has a part in what [ReadTrail] reads.
func (r *Record) OfRequest() bool {
	return len(r.Content) > 0 && (r.Type == recordTypes[ledger.RecordJudged] ||
		r.Type == recordTypes[ledger.RecordDecided])
}

// ReadTrail returns the requests among records of the audit trail, in their order, with what was
// decided about them in those records. It is for a few records: a trail may be larger than memory,
// and is read by [Replay], [BookBefore] and [EachRequest].
func ReadTrail(records []Record, n *hive.Network) ([]Request, error) {
	var all []Request
	byNumber := map[uint64]int{}
	for _, r := range records {
		d, err := decisionOf(&r)
		if err != nil {
			return nil, err
		}
		if i, ok := byNumber[r.Request]; ok && d != nil {
			all[i].decided(&r, d)
		}
		t, err := judgedOf(&r, n)
		if err != nil {
			return nil, err
		}
		if t != nil {
			byNumber[r.Number] = len(all)
			all = append(all, *t)
		}
	}
	return all, nil
}

// Source reads the records of a trail that a query picks, in their order, and hands each to use,
// whose error ends it and is returned. It may hand over more than was asked for. Who reads twice
// gets the same records, and those that were written meanwhile or none of them.
type Source func(q Query, use func(*Record) error) error

// EachRequest hands each request of a trail to use, in their order, as it was first judged,
// whatever a person decided later. It holds one record at a time.
func EachRequest(read Source, q Query, n *hive.Network, use func(*Request) error) error {
	return read(q, func(r *Record) error {
		t, err := judgedOf(r, n)
		if err != nil || t == nil {
			return err
		}
		return use(t)
	})
}

// judgedOf returns the request, or the sum of requests, that a record tells of; nil if it tells of
// none.
func judgedOf(r *Record, n *hive.Network) (*Request, error) {
	if d, ok := r.Denials(); ok && d.Requests > 0 {
		return &Request{Number: r.Number, Time: r.Time, App: r.App, Summed: d.Requests, Undecided: true,
			Lacking: "it is the sum of denied requests, of which nothing else is kept"}, nil
	}
	if !r.OfRequest() || r.Type == recordTypes[ledger.RecordDecided] {
		return nil, nil
	}
	content, err := r.content()
	if err != nil {
		return nil, err
	}
	t := requestOf(r, content, n)
	return &t, nil
}

// decisionOf returns the content of a record of what a person decided, nil of any other.
func decisionOf(r *Record) (*Content, error) {
	if !r.OfRequest() || r.Type != recordTypes[ledger.RecordDecided] {
		return nil, nil
	}
	return r.content()
}

func (r *Record) content() (*Content, error) {
	var content Content
	if err := json.Unmarshal(r.Content, &content); err != nil {
		return nil, fmt.Errorf("record %d of the audit trail: %w", r.Number, err)
	}
	return &content, nil
}

func requestOf(r *Record, content *Content, n *hive.Network) Request {
	t := Request{
		Number: r.Number, Time: r.Time, App: content.App, Code: content.Code, Reason: content.Reason,
		Rules:  content.Rules,
		Policy: content.Policy, Observed: content.Observed, Until: content.Expires,
	}
	var err error
	if t.Request, err = content.request(n); err != nil {
		t.Lacking, t.Cut = err.Error(), errors.Is(err, ErrCut) || errors.Is(err, errCutText)
	}
	switch r.Verdict {
	case "admitted":
		t.Was, t.Admitted = policy.Allow, true
		t.Charged, t.Charges = r.Time, content.Cost
	case "pending":
		t.Was = policy.Ask
	default:
		t.refused(content)
	}
	return t
}

// request returns the whole request, and unpacks what was compressed.
func (c *Content) request(n *hive.Network) (*policy.Request, error) {
	if err := c.Unpack(); err != nil {
		return nil, err
	}
	q, err := c.Read(n)
	switch {
	case err != nil:
		return nil, err
	case wasCut(q, c.TextSHA256):
		return nil, errCutText
	}
	return q, nil
}

// refused finds out whether a refusal was made by the policy, before it or after it.
func (t *Request) refused(content *Content) {
	switch content.Code {
	case policy.CodeNonce, policy.CodeFirewall, policy.CodeClock, CodeBusy, CodePaused, CodeEnded, CodeGuard:
		t.Undecided = true
	case policy.CodeUnsupported:
		// There may be more operations than settings allow, or unknown ones: then none is recorded.
		t.Undecided = t.Request != nil && t.Request.Kind == policy.Sign && len(t.Request.Ops) == 0
	case policy.CodeNobodyToAsk:
		t.Was = policy.Ask
	case CodeSession, CodeUnavailable:
		t.Was = policy.Allow
	case policy.CodeWrongKey:
		// The policy's own reasons begin with the code; this one is that we do not hold the key.
		if !strings.HasPrefix(content.Reason, string(policy.CodeWrongKey)+":") {
			t.Was = policy.Allow
		}
	}
}

func (t *Request) decided(r *Record, content *Content) {
	_ = content.Unpack() // its cost; the request itself is that of the first record
	t.Person = Declined
	if content.Approved {
		t.Person = Approved
	}
	if r.Verdict == "admitted" {
		t.Admitted, t.Charged, t.Charges, t.Until = true, r.Time, content.Cost, content.Expires
	}
}

// Past is what the trail says of the time before a request.
type Past struct {
	Book   *policy.Book // what was charged
	Cut    int          // requests that were cut when they were recorded
	Summed int          // denied requests that stand in sums only
}

// BookBefore returns the counters as they were before a request of the trail. windows are those of
// the policy that is asked about, as [policy.Policy.Windows] says: what was charged before the
// longest of them is not read, and what is charged to other limits does not count. It holds one
// record at a time.
func BookBefore(read Source, t *Request, windows map[string]time.Duration, n *hive.Network) (Past, error) {
	return bookBefore(read, t, windows, n, math.MaxInt)
}

// errManyCharges is that a book would be larger than it may be.
var errManyCharges = errors.New("the limits that it touches hold too much to count it here")

func bookBefore(read Source, t *Request, windows map[string]time.Duration, n *hive.Network, most int) (Past, error) {
	past := Past{Book: new(policy.Book)}
	past.Book.Keep(windows, t.Time)
	charged := 0
	q := Query{To: t.Number}
	q.Since = t.Time.Add(-reach(windows))
	// What is charged to a request that waited for a person stands in the record of the decision.
	err := read(q, func(r *Record) error {
		if r.Number >= t.Number {
			return nil
		}
		d, err := decisionOf(r)
		if err != nil {
			return err
		}
		other := new(Request)
		if d != nil {
			other.decided(r, d)
		} else if other, err = judgedOf(r, n); err != nil || other == nil {
			return err
		}
		if past.Summed += other.Summed; other.Cut {
			past.Cut++
		}
		if other.Admitted && !other.Charged.After(t.Time) {
			asked := slices.DeleteFunc(other.Charges, func(c policy.Charge) bool {
				_, ok := windows[c.Limit]
				return !ok
			})
			past.Book.FillUntil(other.Charged, other.Until, asked)
			if charged++; charged%keepAfter == 0 {
				past.Book.Keep(windows, t.Time)
			}
			if past.Book.Bytes() > most {
				return errManyCharges
			}
		}
		return nil
	})
	return past, err
}

// keepAfter is after how many admissions a book drops what no window can hold.
const keepAfter = 4096

// reach returns how far back a charge may count: the longest window, what a slice may leave it
// late, a day that a transaction lives which its app made, and one more.
func reach(windows map[string]time.Duration) time.Duration {
	longest := time.Duration(0)
	for _, w := range windows {
		longest = max(longest, w)
	}
	return longest + longest/8 + 2*24*time.Hour
}
