package doctor

import (
	"errors"
	"strings"

	"pksa/protocol/sorts"
)

// Level is how bad a finding is.
type Level string

// The levels of findings.
const (
	Note    Level = "note"    // worth to know; the exit status stays 0
	Warning Level = "warning" // it works, and something should be done
	Error   Level = "error"   // something does not work, or a start would fail
)

// Finding is one thing that is wrong.
type Finding struct {
	Check   string `json:"check"` // that found it: one of the names of [Checks]
	Level   Level  `json:"level"`
	What    string `json:"what"`              // is wrong
	Where   string `json:"where,omitempty"`   // a file, an address, an account
	Meaning string `json:"meaning,omitempty"` // for the wallet and those who use it
	// Next is what a person does about it. [Report.Add] lets none be without.
	Next string `json:"next"`
}

// The states of a check.
const (
	Done    = "done"
	Skipped = "skipped" // it needs what an earlier check did not find
)

// Checked is one check that was made, or not.
type Checked struct {
	Name  string `json:"name"`
	State string `json:"state"`
	MS    int64  `json:"ms"`
}

// Report is all that was looked at and found. Its JSON is documented in examples/docs/doctor.md.
type Report struct {
	Version  int       `json:"version"` // of this form: 1
	Agent    bool      `json:"agent"`   // one runs, and was asked
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Notes    int       `json:"notes"`
	Findings []Finding `json:"findings"` // errors first
	Checks   []Checked `json:"checks"`
	// Relays are what was seen of those that could be asked, well or not.
	Relays []Relay `json:"relays,omitempty"`
}

// Relay is what was seen of one relay.
type Relay struct {
	Relay      string  `json:"relay"`
	Protocol   float64 `json:"protocol,omitempty"` // by its own word; zero: it did not say
	Server     string  `json:"server,omitempty"`   // the same; not known of a running agent's
	Version    string  `json:"version,omitempty"`
	Registered int     `json:"registered"` // accounts
	// Largest is the size in bytes of the largest request to ourselves that came back; zero: none
	// was sent.
	Largest int `json:"largest,omitempty"`
}

// Add adds findings, and keeps the report in its order. One that does not say what to do is given
// what its check says in general.
func (r *Report) Add(found ...Finding) {
	r.Version = 1
	for _, f := range found {
		if f.Next == "" {
			f.Next = nextOf(f.Check)
		}
		r.Findings = append(r.Findings, f)
		switch f.Level {
		case Error:
			r.Errors++
		case Warning:
			r.Warnings++
		default:
			r.Notes++
		}
	}
	rank := map[Level]int{Error: 0, Warning: 1, Note: 2}
	sorts.Stable(r.Findings, func(a, b Finding) int { return rank[a.Level] - rank[b.Level] })
}

// Adviser is an error that says what a person can do about it.
type Adviser interface {
	error
	Advice() string
}

// Of returns the finding that an error is, with its advice: its own, or else that of its check.
func Of(check string, err error, meaning string) Finding {
	f := Finding{Check: check, Level: Error, What: err.Error(), Meaning: meaning, Next: nextOf(check)}
	var adviser Adviser
	if errors.As(err, &adviser) {
		f.Next = adviser.Advice()
		// Some errors end with their advice, which is not said twice.
		f.What = strings.TrimSuffix(f.What, ": "+f.Next)
	}
	return f
}
