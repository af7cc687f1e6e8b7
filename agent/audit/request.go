package audit

import (
	"encoding/json"
	"errors"
	"fmt"
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

// ReadTrail returns the requests among records of the audit trail, in their order.
func ReadTrail(records []Record, n *hive.Network) ([]Request, error) {
	var all []Request
	byNumber := map[uint64]int{}
	for _, r := range records {
		if d, ok := r.Denials(); ok && d.Requests > 0 {
			all = append(all, Request{Number: r.Number, Time: r.Time, App: r.App, Summed: d.Requests, Undecided: true,
				Lacking: "it is the sum of denied requests, of which nothing else is kept"})
			continue
		}
		if !r.OfRequest() {
			continue
		}
		var content Content
		if err := json.Unmarshal(r.Content, &content); err != nil {
			return nil, fmt.Errorf("record %d of the audit trail: %w", r.Number, err)
		}
		if r.Type == recordTypes[ledger.RecordDecided] {
			if i, ok := byNumber[r.Request]; ok {
				all[i].decided(r, &content)
			}
			continue
		}
		byNumber[r.Number] = len(all)
		all = append(all, requestOf(r, &content, n))
	}
	return all, nil
}

func requestOf(r Record, content *Content, n *hive.Network) Request {
	t := Request{
		Number: r.Number, Time: r.Time, App: content.App, Code: content.Code, Reason: content.Reason,
		Rules:  content.Rules,
		Policy: content.Policy, Observed: content.Observed,
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

func (t *Request) decided(r Record, content *Content) {
	_ = content.Unpack() // its cost; the request itself is that of the first record
	t.Person = Declined
	if content.Approved {
		t.Person = Approved
	}
	if r.Verdict == "admitted" {
		t.Admitted, t.Charged, t.Charges = true, r.Time, content.Cost
	}
}

// BookBefore returns the counters as they were before a request of the trail, as far back as the
// trail goes.
func BookBefore(trail []Request, number uint64) *policy.Book {
	book := new(policy.Book)
	at := time.Time{}
	for _, t := range trail {
		if t.Number == number {
			at = t.Time
		}
	}
	// A request that waited for a person may be charged after later requests.
	for _, t := range byCharge(trail) {
		if t.Number != number && !t.Charged.After(at) && (t.Number < number || t.Charged.Before(at)) {
			book.Add(t.Charged, t.Charges)
		}
	}
	return book
}
