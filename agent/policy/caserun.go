package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// CaseResult is how one case of a file came out.
type CaseResult struct {
	Name   string   `json:"name"`
	Line   int      `json:"line"`
	Passed bool     `json:"passed"`
	Wrong  []string `json:"wrong,omitempty"` // what is not as the case says, one sentence each
	Report Report   `json:"report"`
}

// RunCases judges the cases of a file. The second result are the rules and limits, sorted, that had
// no part in any of them.
func (p *Policy) RunCases(t *CaseFile) ([]CaseResult, []RuleRef) {
	var results []CaseResult
	met := map[string]bool{}
	for _, c := range t.Cases {
		book, problems := p.Counters(t.File, c, c.Time)
		r := CaseResult{Name: c.Name, Line: c.Line, Report: p.Report(c.Request, book, c.Time)}
		for _, problem := range problems {
			r.Wrong = append(r.Wrong, problem.Text)
		}
		r.Wrong = append(r.Wrong, p.wrong(c.Expect, &r.Report)...)
		r.Passed = len(r.Wrong) == 0
		for _, ref := range r.Report.concerned() {
			met[ref.Name] = true
		}
		results = append(results, r)
	}
	// A rule that no case meets may never match, or match too much, and nobody would notice.
	var unmet []RuleRef
	for _, r := range p.rules {
		if !met[r.name] {
			unmet = append(unmet, r.ref())
		}
	}
	for _, l := range p.limits {
		if !met[l.name] {
			unmet = append(unmet, l.ref())
		}
	}
	slices.SortFunc(unmet, compareRefs)
	return results, unmet
}

// concerned returns the rules and limits that had a part in the answer.
func (r *Report) concerned() []RuleRef {
	refs := slices.Clone(r.Rules)
	for _, p := range r.Parts {
		refs = append(refs, p.By...)
	}
	if r.Observed != nil {
		refs = append(refs, r.Observed.Rules...)
	}
	for _, l := range r.Touched {
		refs = append(refs, l.Limit)
	}
	return refs
}

// wrong returns what is not as expected, one sentence each.
func (p *Policy) wrong(e *Expectation, r *Report) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if r.Verdict != e.Verdict {
		say("want %v, got %v", e.Verdict, r.Verdict)
	}
	if e.Code != "" && r.Code != e.Code {
		say("want code %s, got %s", e.Code, codeWord(r.Code))
	}
	for _, name := range e.Rules {
		switch {
		case slices.ContainsFunc(r.Rules, func(ref RuleRef) bool { return ref.Name == name }):
		case !p.has(name):
			say("want rule %q, which the policy does not have%s", name, didYouMean(name, p.Names()))
		default:
			say("want rule %q, got %s", name, refNames(r.Rules))
		}
	}
	if e.Silent != nil && r.Silent != *e.Silent {
		say("want silent %t, got %t", *e.Silent, r.Silent)
	}
	if e.Session != 0 && r.Session != e.Session {
		say("want a session of %s, got %s", windowText(e.Session), sessionWord(r.Session))
	}
	if e.Renew != 0 && r.Renew != e.Renew {
		say("want a renewal within %s, got %s", windowText(e.Renew), sessionWord(r.Renew))
	}
	return wrong
}

func sessionWord(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return windowText(d)
}

func codeWord(c Code) string {
	if c == "" {
		return "none"
	}
	return string(c)
}

func refNames(refs []RuleRef) string {
	var names []string
	for _, ref := range refs {
		names = append(names, fmt.Sprintf("%q", ref.Name))
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}

// Names returns the names of all rules and limits.
func (p *Policy) Names() (names []string) {
	for _, r := range p.rules {
		names = append(names, r.name)
	}
	for _, l := range p.limits {
		names = append(names, l.name)
	}
	return names
}

func (p *Policy) has(name string) bool { return slices.Contains(p.Names(), name) }
