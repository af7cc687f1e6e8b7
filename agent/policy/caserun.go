package policy

import (
	"context"
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
	// Doubt is why a case that passes may prove nothing, one sentence; empty if nothing speaks for
	// that. By a policy of version 2 the case fails instead.
	Doubt string `json:"doubt,omitempty"`
	// Step is the step of a case of steps that Wrong and Report are about, from 1: the first that
	// is wrong, else the last. StepLine is its line. Both are 0 for a single request.
	Step     int    `json:"step,omitempty"`
	StepLine int    `json:"step_line,omitempty"`
	Report   Report `json:"report"`
}

// Tested is what became of a file of cases.
type Tested struct {
	Cases []CaseResult
	// Unmet are the rules and limits, sorted, that had no part in any of the cases.
	Unmet    []RuleRef
	Coverage Coverage
}

// RunCases judges the cases of a file.
func (p *Policy) RunCases(t *CaseFile) Tested {
	out := Tested{}
	seen := p.newCoverage()
	for _, c := range t.Cases {
		r, _ := p.runCase(context.Background(), t.File, c, seen)
		out.Cases = append(out.Cases, r)
	}
	out.Unmet, out.Coverage = seen.unmet(), seen.result()
	return out
}

// FailedCases judges the cases of a file until the context ends, and returns those that fail, up to
// most, and how many fail. Its error is that of the context. It keeps nothing of cases that pass.
func (p *Policy) FailedCases(ctx context.Context, t *CaseFile, most int) (failed []CaseResult, n int, err error) {
	for _, c := range t.Cases {
		r, err := p.runCase(ctx, t.File, c, nil)
		if err != nil {
			return failed, n, err
		}
		if r.Passed {
			continue
		}
		if n++; n <= most {
			failed = append(failed, r)
		}
	}
	return failed, n, nil
}

// runCase judges the steps of a case, up to the first that is wrong: what follows it would be
// judged by counters that the case does not mean.
func (p *Policy) runCase(ctx context.Context, file string, c *Case, seen *coverage) (CaseResult, error) {
	book, problems := p.Counters(file, c, c.Time)
	r := CaseResult{Name: c.Name, Line: c.Line}
	steps := c.Steps
	if steps == nil {
		steps = []Step{{Times: 1, Request: c.Request, Expect: c.Expect}}
	}
	now, windows := c.Time, p.Windows()
	for i, step := range steps {
		now = now.Add(step.After)
		// As the agent does, which has old charges take less memory each hour.
		book.Keep(windows, now)
		for n := range step.Times {
			if err := ctx.Err(); err != nil {
				return r, err
			}
			d := p.judge(step.Request, book, now)
			wrong := p.wrong(step.Expect, &d)
			seen.decided(&d)
			if n == 0 {
				switch why := p.misspelt(step.Request, step.Expect, &d); {
				case why != "" && p.version == version2:
					wrong = append(wrong, why)
				case r.Doubt == "":
					r.Doubt = why
				}
			}
			first := n == 0 && seen != nil
			last := seen != nil && i == len(steps)-1 && n == step.Times-1
			if first || last || len(wrong) > 0 {
				r.Report = p.Report(step.Request, book, now)
			}
			if first {
				seen.judged(step.Request, &r.Report, now)
			}
			if d.Verdict == Allow {
				book.Add(now, d.Charges)
			}
			if n == step.Times-1 && len(wrong) == 0 {
				wrong = p.wrongRooms(step.Expect, book, now)
			}
			if i == 0 && n == 0 {
				for _, problem := range problems {
					wrong = append(wrong, problem.Text)
				}
			}
			if c.Steps != nil {
				r.Step, r.StepLine = i+1, step.Line
			}
			if len(wrong) == 0 {
				continue
			}
			for _, one := range wrong {
				if step.Times > 1 {
					one = fmt.Sprintf("the %s of %d times: %s", ordinal(n+1), step.Times, one)
				}
				r.Wrong = append(r.Wrong, one)
			}
			return r, nil
		}
	}
	r.Passed = true
	return r, nil
}

func ordinal(n int) string {
	switch {
	case n%10 == 1 && n%100 != 11:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2 && n%100 != 12:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3 && n%100 != 13:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
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
func (p *Policy) wrong(e *Expectation, d *Decision) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	wrong = p.wrongAnswer(e, d)
	if why := noPolicyHelps[d.Code]; why != "" && e.Verdict == Deny && d.Verdict == Deny && e.Code == "" {
		say("denied as %s, so it proves nothing of the rules: %s; if it is meant so, say code: %[1]s", d.Code, why)
	}
	if e.Silent != nil && d.Silent != *e.Silent {
		say("want silent %t, got %t", *e.Silent, d.Silent)
	}
	if e.Session != 0 && d.Session != e.Session {
		say("want a session of %s, got %s", windowText(e.Session), sessionWord(d.Session))
	}
	if e.Renew != 0 && d.Renew != e.Renew {
		say("want a renewal within %s, got %s", windowText(e.Renew), sessionWord(d.Renew))
	}
	if e.Timeout != 0 && d.Timeout != e.Timeout {
		say("want a timeout of %s, got %s", windowText(e.Timeout), sessionWord(d.Timeout))
	}
	if e.Consents != nil {
		got := []string{}
		for _, c := range d.Consents {
			got = append(got, c.String())
		}
		if len(got) == 0 {
			got = []string{"none"}
		}
		if want := slices.Sorted(slices.Values(e.Consents)); !slices.Equal(got, want) {
			say("want consents: %s; got %s", strings.Join(want, "; "), strings.Join(got, "; "))
		}
	}
	if e.Observed != nil {
		observed := d
		if d.Observed != nil {
			observed = d.Observed
		}
		for _, one := range p.wrongAnswer(e.Observed, observed) {
			say("observed: %s", one)
		}
	}
	return wrong
}

// noPolicyHelps are the codes of denials that come whatever a file allows the app to do for its
// account, with what is to be changed in a case that does not mean them.
var noPolicyHelps = map[Code]string{
	CodeWrongKey:         "key_type must be exactly the key that is needed; left out it is posting",
	CodeForeignAuthority: "an account signs that is not the case's; only on_behalf_of changes that",
	CodeUnsupported:      "it is never signed",
	CodePlainMemo:        "a memo that begins with # has to be encrypted",
	CodeFirewall:         "the text could be something else than a challenge",
	CodeInvalid:          "the chain refuses it",
}

// wrongAnswer compares verdict, code and rules.
func (p *Policy) wrongAnswer(e *Expectation, d *Decision) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if d.Verdict != e.Verdict {
		say("want %v, got %v", e.Verdict, d.Verdict)
	}
	if e.Code != "" && d.Code != e.Code {
		say("want code %s, got %s", e.Code, codeWord(d.Code))
	}
	for _, name := range e.Rules {
		switch {
		case slices.ContainsFunc(d.Rules, func(ref RuleRef) bool { return ref.Name == name }):
		case !p.has(name):
			say("want rule %q, which the policy does not have%s", name, didYouMean(name, p.Names()))
		default:
			say("want rule %q, got %s", name, refNames(d.Rules))
		}
	}
	return wrong
}

// wrongRooms compares what limits have left.
func (p *Policy) wrongRooms(e *Expectation, book *Book, now time.Time) (wrong []string) {
	for _, one := range e.room {
		if why := p.wrongRoom(one, book, now); why != "" {
			wrong = append(wrong, why)
		}
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
