package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"pksa/protocol/sorts"
)

// Verdict is the answer. The zero value denies.
type Verdict uint8

// The verdicts.
const (
	Deny Verdict = iota
	Ask
	Allow
)

// String returns "deny", "ask" or "allow".
func (v Verdict) String() string {
	switch v {
	case Ask:
		return "ask"
	case Allow:
		return "allow"
	}
	return "deny"
}

// MarshalText writes the word that String returns.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads it back. Anything else is an error, and denies.
func (v *Verdict) UnmarshalText(text []byte) error {
	for _, known := range []Verdict{Deny, Ask, Allow} {
		if string(text) == known.String() {
			*v = known
			return nil
		}
	}
	*v = Deny
	return fmt.Errorf("%s is no verdict", quote(string(text)))
}

// Code is the stable name of a refusal, for logs, metrics and audit.
type Code string

// The codes. The first group is given by [Policy.Decide], the second by those who check what a
// policy cannot know.
const (
	CodeDenied           Code = "denied"            // a deny rule matched
	CodeUncovered        Code = "uncovered"         // no rule named it
	CodeLimit            Code = "limit"             // a limit has no room
	CodeWrongKey         Code = "wrong-key"         // key_type is not exactly the role needed
	CodeMixedAuthority   Code = "mixed-authority"   // in older records only: posting and active in one request
	CodeForeignAuthority Code = "foreign-authority" // another account's, and no rule lets it
	CodeUnsupported      Code = "unsupported"       // never signed, whatever the file says
	CodePlainMemo        Code = "plain-memo"        // a memo that looks encrypted and is not
	CodeFirewall         Code = "firewall"          // a text that could be something else than a challenge
	CodeInvalid          Code = "invalid"           // no valid request, whoever asks

	CodeNonce       Code = "nonce"
	CodeClock       Code = "clock"
	CodeNobodyToAsk Code = "nobody-to-ask"
	CodeTimeout     Code = "timeout"
	CodeRefused     Code = "refused"
)

// codes are all codes that a test may expect.
var codes = []string{
	string(CodeDenied), string(CodeUncovered), string(CodeLimit), string(CodeWrongKey), string(CodeMixedAuthority),
	string(CodeForeignAuthority), string(CodeUnsupported), string(CodePlainMemo), string(CodeFirewall),
	string(CodeInvalid), string(CodeNonce), string(CodeClock), string(CodeNobodyToAsk), string(CodeTimeout),
	string(CodeRefused),
}

// RuleRef names a rule or limit of the file.
type RuleRef struct {
	Name string `json:"name"`
	Line int    `json:"line"`
}

// MostRenew is the longest that a rule may let sessions be renewed after their end.
const MostRenew = 30 * 24 * time.Hour

// Charge is what an admitted request takes from one counter. All are texts, to be stored as they
// are: the limit's name, which of its counters ("" if it has one), the unit ("requests", "count",
// "sum", or an asset) and an exact number.
type Charge struct {
	Limit  string `json:"limit"`
	Split  string `json:"split,omitempty"`
	Unit   string `json:"unit"`
	Amount string `json:"amount"`
	// OpenedBy is the app whose request opened the counter with this charge: nothing of it was in
	// use before. Only charges of limits that are split say it.
	OpenedBy string `json:"opened_by,omitempty"`
}

// LimitState is what a limit said of a request: how much its counter held before, what the request
// costs, and how much there may be.
type LimitState struct {
	Limit  RuleRef       `json:"limit"`
	Split  string        `json:"split,omitempty"`
	Unit   string        `json:"unit"`
	Window time.Duration `json:"window,omitempty"` // 0: the request alone
	Used   string        `json:"used,omitempty"`   // before; empty for a window of one request
	// Waiting is how much of Used waits for a person and is not charged; empty if nothing does.
	Waiting  string `json:"waiting,omitempty"`
	Cost     string `json:"cost"` // "unclear" if it cannot be told
	Most     string `json:"most"`
	Room     bool   `json:"room"`
	Ask      bool   `json:"ask,omitempty"`      // without room a person is asked
	Observed bool   `json:"observed,omitempty"` // not in force
}

// Decision is what a policy says of a request. The zero value denies. As JSON it is fit for an
// audit trail; spans are nanoseconds there.
type Decision struct {
	Verdict Verdict `json:"verdict"`
	Silent  bool    `json:"silent,omitempty"` // denied without an answer, so that another wallet may give one
	Code    Code    `json:"code,omitempty"`   // empty unless denied
	Reason  string  `json:"reason,omitempty"` // empty when allowed: what was missing, or who has a person asked
	// Rules are those that gave the decision, sorted by name.
	Rules []RuleRef `json:"rules,omitempty"`
	// Session is how long the session of an allowed auth request lives; 0 for one that the operator
	// made, who said so himself.
	Session time.Duration `json:"session,omitempty"`
	// Renew is how long after its end a session can be had again by its auth_key; 0 if it cannot.
	Renew time.Duration `json:"renew,omitempty"`
	// Tell says that a person is to be told of it: it is allowed, and one of the rules says so.
	Tell bool `json:"tell,omitempty"`
	// Timeout is how long a person is waited for; 0 if no rule says.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Consents are whose yes the rules demand, each of them. They stand also in the decision on a
	// request that has a yes, for whoever knows whose yes it is.
	Consents []Consent `json:"consents,omitempty"`
	// Charges are to be stored with the admission. There are none unless allowed.
	Charges []Charge `json:"charges,omitempty"`
	// Limits are all limits that the request touches, unless a rule denied it.
	Limits []LimitState `json:"limits,omitempty"`
	// Observed is the decision with all rules and limits in mode observe in force, if it differs in
	// verdict, silence, code or spans; else nil.
	Observed *Decision `json:"observed,omitempty"`

	reserved []Charge
}

// Reserved returns what a request that waits for a person would cost: the charges that a yes would
// make. It is for a [Reserve], and empty unless a person is asked.
func (d *Decision) Reserved() []Charge { return d.reserved }

func (d *Decision) differs(other *Decision) bool {
	return d.Verdict != other.Verdict || d.Silent != other.Silent || d.Code != other.Code ||
		d.Session != other.Session || d.Renew != other.Renew || d.Timeout != other.Timeout ||
		!slices.EqualFunc(d.Consents, other.Consents, Consent.same)
}

func (d *Decision) deny(code Code, reason string) {
	d.Verdict, d.Code, d.Reason = Deny, code, reason
}

func (r *rule) ref() RuleRef { return RuleRef{r.name, r.line} }

// Observed returns the rules and limits with mode: observe, which change no answer, in the order of
// the file.
func (p *Policy) Observed() (refs []RuleRef) {
	for _, r := range p.rules {
		if r.observe {
			refs = append(refs, r.ref())
		}
	}
	for _, l := range p.limits {
		if l.observe {
			refs = append(refs, l.ref())
		}
	}
	sorts.Stable(refs, func(a, b RuleRef) int { return cmp.Compare(a.Line, b.Line) })
	return refs
}

func (d *Decision) addRules(rules []*rule) {
	for _, r := range rules {
		d.Rules = append(d.Rules, r.ref())
	}
}

func (d *Decision) sortRules() {
	sorts.By(d.Rules, compareRefs)
	d.Rules = slices.Compact(d.Rules)
}

// shortest returns the shorter of two spans, where 0 says nothing.
func shortest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
