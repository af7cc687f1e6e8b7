package audit

import (
	"fmt"
	"math"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// Explained is a request with why it is decided as it is.
type Explained struct {
	Request policy.Written `json:"request"`
	Record  *Recorded      `json:"record,omitempty"`
	Cut     int            `json:"cut,omitempty"`    // requests before it of which the trail does not hold all
	Summed  int            `json:"summed,omitempty"` // and those of which it holds a sum only
	policy.Report
}

// Recorded is what the audit trail says of a request.
type Recorded struct {
	Number     uint64         `json:"number"`
	Time       time.Time      `json:"time"`
	Verdict    policy.Verdict `json:"verdict"`
	Admitted   bool           `json:"admitted"`
	Code       policy.Code    `json:"code,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	Policy     string         `json:"policy"`
	SamePolicy bool           `json:"same_policy"`
}

// Explain judges a request of the trail by a policy, at the time of its record and with what was
// counted before it.
func Explain(read Source, t *Request, p *policy.Policy, n *hive.Network) (Explained, error) {
	return explain(read, t, p, n, math.MaxInt)
}

func explain(read Source, t *Request, p *policy.Policy, n *hive.Network, most int) (Explained, error) {
	r := &Recorded{t.Number, t.Time, t.Was, t.Admitted, t.Code, t.Reason, t.Policy, t.Policy == p.Hash()}
	if t.Request == nil {
		return Explained{}, fmt.Errorf("record %d cannot be judged again: %s; then it was: %s", t.Number, t.Lacking,
			r.Text())
	}
	past, err := bookBefore(read, t, p.WindowsOf(t.Request, t.Time), n, most)
	if err != nil {
		return Explained{}, err
	}
	return Explained{Request: policy.Write(t.Request, n), Record: r, Cut: past.Cut, Summed: past.Summed,
		Report: p.Report(t.Request, past.Book, t.Time)}, nil
}

// Text returns what was decided then, in words.
func (r *Recorded) Text() string {
	text := map[policy.Verdict]string{policy.Allow: "allowed", policy.Ask: "a person was asked",
		policy.Deny: "denied"}[r.Verdict]
	switch {
	case r.Code == policy.CodeNobodyToAsk:
		text = "denied, because nobody could be asked (setting ask)"
	case r.Verdict != policy.Deny && !r.Admitted:
		text += ", and not admitted"
	}
	if r.Reason != "" {
		text += ", " + r.Reason
	}
	return text
}
