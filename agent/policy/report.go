package policy

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"pksa/protocol/plain"
	"pksa/protocol/sorts"
)

// Report is an explanation for people and machines: the answer in one line, why, and what would
// have been needed for another one.
type Report struct {
	Answer string `json:"answer"` // one sentence
	Decision
	File   string       `json:"policy"`
	SHA256 string       `json:"sha256"`
	Time   time.Time    `json:"time"`
	Parts  []ReportPart `json:"parts,omitempty"`
	// All limits that the request touches, also where a rule denied it.
	Touched []ReportLimit `json:"touched,omitempty"`
	Needed  []string      `json:"needed,omitempty"`
}

// ReportPart is what became of one part of a request.
type ReportPart struct {
	Part    string       `json:"part"`
	Content string       `json:"content,omitempty"` // of an operation, as JSON; of a challenge, its text in quotes
	Verdict Verdict      `json:"verdict"`
	By      []RuleRef    `json:"by,omitempty"`
	Doubts  []string     `json:"doubts,omitempty"` // what those could not tell for sure, and count against the request
	Others  []ReportRule `json:"others,omitempty"` // that did not match, the nearest first
	// Left is how many rules are not listed, since the parts before this one had [MostOthers].
	Left int `json:"left,omitempty"`
}

// MostOthers is how many rules that did not match a report lists. With so many of the parts before
// it, a part lists none.
const MostOthers = 10_000

// ForOthers reports whether the request is denied since no rule that permits is about the app that
// asks, whatever it asks for.
func (r *Report) ForOthers() bool {
	others := false
	for _, p := range r.Parts {
		for _, one := range p.Others {
			if one.Section == denySection.String() {
				continue
			}
			if !one.foreign {
				return false
			}
			others = true
		}
	}
	return others && r.Code == CodeUncovered
}

// ReportRule is a rule that did not match, or is not in force, and why.
type ReportRule struct {
	RuleRef
	Section string `json:"section"`
	Why     string `json:"why"`
	near    condition
	passed  int
	foreign bool // it is about other apps
}

// ReportLimit is a limit with what it said.
type ReportLimit struct {
	LimitState
	Says string    `json:"says"`
	Free time.Time `json:"room_at,omitzero"` // when there is room if nothing else is admitted
}

// Report judges a request as the agent does, which asks [Request.NeverSigned] before
// [Policy.Decide], and explains the decision for people.
func (p *Policy) Report(q *Request, counters Counters, now time.Time) Report {
	counters, now = asOf(counters, now)
	r := Report{Decision: p.judge(q, counters, now), File: p.file, SHA256: p.Hash(), Time: now.UTC()}
	if code, _ := q.NeverSigned(); code != "" {
		r.Answer = fmt.Sprintf("Never signed, whatever the policy says: %s. The application hears %q.", r.Reason,
			heard(code))
		r.Needed = q.needForRefused(code)
		return r
	}
	if code, _ := q.refuse(); code != "" {
		r.Answer = "Denied, whatever the policy says: " + r.Reason + "."
		r.Needed = q.needForRefused(code)
		return r
	}
	parts := q.parts()
	w := reporter{judgement: judgement{policy: p, scope: newScope(q, parts, now)}, report: &r, counters: counters}
	for _, part := range parts {
		r.Parts = append(r.Parts, w.reportPart(part))
	}
	w.reportLimits(parts)
	w.needs(parts)
	r.Answer = w.answer()
	return r
}

// judge decides as the agent does from the operations on.
func (p *Policy) judge(q *Request, counters Counters, now time.Time) Decision {
	if code, reason := q.NeverSigned(); code != "" {
		return Decision{Verdict: Deny, Code: code, Reason: string(code) + ": " + reason}
	}
	return p.Decide(q, counters, now)
}

func (q *Request) needForRefused(code Code) []string {
	switch code {
	case CodeWrongKey:
		if roles := SigningRoles(q.Ops); q.Kind == Sign && len(roles) > 0 {
			return []string{fmt.Sprintf("the application has to ask with key_type: %s, as the operations need it; "+
				"no rule "+
				"changes that", keyTypeFor(roles))}
		}
		return []string{"the application has to ask with exactly the key that the request needs; no rule changes that"}
	case CodePlainMemo:
		return []string{"the application has to encrypt the memo, or write one that does not begin with #"}
	}
	return []string{"nothing in the file can allow this"}
}

type reporter struct {
	judgement
	report   *Report
	counters Counters
	others   int // that are listed so far
}

func (w *reporter) reportPart(p *part) ReportPart {
	m := w.match(p)
	out := ReportPart{Part: p.String()}
	switch {
	case p.op.Definition() != nil:
		out.Content = plain.CutRunes(plain.Escape(p.op.String()), 400)
	case p.text != nil && p.kind == Challenge:
		out.Content = quote(p.text.text)
	}
	var by []*rule
	switch {
	case len(m.deny) > 0:
		by = m.deny
	case p.kind == Auth && w.scope.request.ManualSession:
		out.Verdict = Allow
	case len(m.ask) > 0:
		by, out.Verdict = m.ask, Ask
		if w.scope.request.Approved {
			out.Verdict = Allow
		}
	case len(m.allow) > 0:
		by, out.Verdict = m.allow, Allow
	}
	for _, r := range by {
		out.By = append(out.By, r.ref())
	}
	sorts.By(out.By, compareRefs)
	out.Doubts = w.doubts(by, p)
	full := w.others >= MostOthers
	for _, r := range w.policy.rules {
		switch {
		// Rules about other kinds of requests would only make the list long.
		case !r.kinds[p.kind] || slices.Contains(by, r):
		case full:
			out.Left++
		default:
			out.Others = append(out.Others, w.otherRule(r, p))
			w.others++
		}
	}
	sorts.Stable(out.Others, func(a, b ReportRule) int {
		if a.near != b.near {
			return cmp.Compare(b.near, a.near)
		}
		return b.passed - a.passed
	})
	return out
}

func (w *reporter) doubts(rules []*rule, p *part) (all []string) {
	for _, r := range rules {
		if text := r.inDoubt(w.scope, p); text != "" {
			all = append(all, w.at(r.ref())+text)
		}
	}
	slices.Sort(all)
	return all
}

// otherRule returns a rule that has no part in the answer, with the reason.
func (w *reporter) otherRule(r *rule, p *part) ReportRule {
	o, failed := r.matches(w.scope, p)
	other := ReportRule{RuleRef: r.ref(), Section: r.section.String(), near: failed, foreign: failed == onApp}
	switch {
	case r.hit(o) && r.observe:
		other.Why = "it matches, and is only observed"
	case r.hit(o):
		other.Why = "it matches, and another answer comes first"
	default:
		other.Why = r.whyNot(w.scope, p, failed)
		if o == unclear {
			other.Why += " (unclear, and allow needs a clear yes)"
		}
	}
	if failed == onContent {
		_, other.passed = r.nearestEntry(w.scope, p)
	}
	return other
}

// reportLimits lists the limits also where the request is denied by a rule: who mends the rule
// wants to know what comes next.
func (w *reporter) reportLimits(parts []*part) {
	limits := conclusion{policy: w.policy, scope: w.scope, observed: true}
	limits.limits(w.policy.touched(w.scope, parts, new(steady)), w.counters)
	for _, st := range limits.decision.Limits {
		l := w.limitNamed(st.Limit.Name)
		one := ReportLimit{LimitState: st, Says: "room"}
		if !st.Room {
			one.Says = w.policy.limitText(l, st)
			one.Free = w.free(st)
		}
		w.report.Touched = append(w.report.Touched, one)
	}
}

func (w *reporter) limitNamed(name string) *limit {
	i := slices.IndexFunc(w.policy.limits, func(l *limit) bool { return l.name == name })
	return w.policy.limits[i]
}

// free finds the second from which there is room, if ever: what a counter holds only shrinks while
// nothing is added.
func (w *reporter) free(st LimitState) time.Time {
	if st.Unit == unitCounters {
		return time.Time{} // the reason says it
	}
	// Not decimal.rat: the sum of numbers that are short enough to be added up may be longer than
	// they are.
	costRat, okCost := new(big.Rat).SetString(st.Cost)
	mostRat, okMost := new(big.Rat).SetString(st.Most)
	if !okCost || !okMost || st.Window == 0 || costRat.Cmp(mostRat) > 0 {
		return time.Time{}
	}
	room := func(after time.Duration) bool {
		used := w.counters.Used(Counter{st.Limit.Name, st.Split, st.Unit}, st.Window, w.scope.now.Add(after))
		return used.Add(used, costRat).Cmp(mostRat) <= 0
	}
	// Room does not end again once it is there, so the second is found by halving. After the
	// window, a slice of it and one second nothing of today's charges counts.
	low, high := 0, int((st.Window+st.Window/perWindow)/time.Second)+1
	for low < high {
		if middle := (low + high) / 2; room(time.Duration(middle) * time.Second) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return w.scope.now.Add(time.Duration(low) * time.Second)
}

// at names a rule with its place.
func (w *reporter) at(ref RuleRef) string {
	return fmt.Sprintf("%q (%s:%d)", ref.Name, w.policy.base(), ref.Line)
}

func (w *reporter) all(refs []RuleRef) string {
	var words []string
	for _, ref := range refs {
		words = append(words, w.at(ref))
	}
	return strings.Join(words, ", ")
}

// answer returns the first line: what happens, and by which rule or because no rule allows what.
func (w *reporter) answer() string {
	d := &w.report.Decision
	switch d.Verdict {
	case Allow:
		if len(d.Rules) == 0 {
			return "Allowed: the operator made this session, and no rule denies it."
		}
		return "Allowed, by " + w.all(d.Rules) + "."
	case Ask:
		return "A person is asked, because of " + w.all(w.asking()) + "."
	}
	word := "Denied"
	if d.Silent {
		word = "Denied without an answer"
	}
	switch d.Code {
	case CodeDenied:
		return fmt.Sprintf("%s: %s forbids %s.", word, w.all(d.Rules),
			w.partsWith(func(p ReportPart) bool { return p.Verdict == Deny && len(p.By) > 0 }))
	case CodeLimit:
		return fmt.Sprintf("%s: no room in limit %s.", word, w.all(d.Rules))
	case CodeForeignAuthority:
		return fmt.Sprintf("%s: no rule lets %s use another account's authority in %s.", word,
			quote(w.scope.request.App), w.uncoveredParts())
	}
	return fmt.Sprintf("%s: no rule allows %s.", word, w.uncoveredParts())
}

// asking returns the rules and limits that ask.
func (w *reporter) asking() (refs []RuleRef) {
	for _, p := range w.report.Parts {
		if p.Verdict == Ask {
			refs = append(refs, p.By...)
		}
	}
	for _, l := range w.report.Decision.Limits {
		if !l.Room && l.Ask && !l.Observed {
			refs = append(refs, l.Limit)
		}
	}
	sorts.By(refs, compareRefs)
	return slices.Compact(refs)
}

func (w *reporter) uncoveredParts() string {
	return w.partsWith(func(p ReportPart) bool { return p.Verdict == Deny && len(p.By) == 0 })
}

func (w *reporter) partsWith(wanted func(ReportPart) bool) string {
	var words []string
	for _, p := range w.report.Parts {
		if wanted(p) {
			words = append(words, p.Part)
		}
	}
	return strings.Join(words, ", ")
}

// mostNear is how many rules a person is shown as a way to another answer.
const mostNear = 2

// needs adds what would have to be otherwise for the request to be allowed.
func (w *reporter) needs(parts []*part) {
	if w.report.Verdict == Allow {
		return
	}
	for i, p := range parts {
		switch out := w.report.Parts[i]; {
		case out.Verdict == Deny && len(out.By) > 0:
			w.need("%s: %s must not match; what a deny rule matches, no other rule allows", out.Part, w.all(out.By))
		case out.Verdict == Deny && out.Left == 0:
			w.needRule(p, out)
		case out.Verdict == Ask:
			w.need("%s: a person's yes (`pksa pending`), or %s must not match", out.Part, w.all(out.By))
		}
	}
	for _, l := range w.report.Touched {
		if l.Room || l.Observed {
			continue
		}
		switch way := "a higher " + w.at(l.Limit); {
		case !l.Free.IsZero():
			w.need("room in the limit: %s, or to wait until %s with nothing else admitted", way,
				l.Free.Format(time.RFC3339))
		case l.Unit == unitCounters:
			w.need("a request that opens fewer counters, or some of them out of use, for %s", w.at(l.Limit))
		case l.Cost == "unclear":
			w.need("a request whose cost can be read, for %s", w.at(l.Limit))
		case w.policy.namesNo(l.Limit, l.Unit):
			w.need("an amount of %s under spend in %s, which has no room for what it does not name", l.Unit,
				w.at(l.Limit))
		default:
			w.need("a smaller request, or %s", way)
		}
	}
}

func (w *reporter) need(format string, args ...any) {
	w.report.Needed = append(w.report.Needed, fmt.Sprintf(format, args...))
}

// needRule adds all that keeps the nearest rules from matching.
func (w *reporter) needRule(p *part, out ReportPart) {
	shown := 0
	for _, other := range out.Others {
		r := w.ruleNamed(other.Name)
		if _, content := r.matchesContent(w.scope, p); !r.section.permits() || other.near <= onApp ||
			content == onOperation && !r.ordered || shown == mostNear {
			continue
		}
		shown++
		w.need("%s: %s %s, where now: %s", out.Part, other.Section, w.at(other.RuleRef),
			strings.Join(r.misses(w.scope, p), "; "))
	}
	if shown == 0 {
		w.need("%s: a rule in allow or ask for %s; `pksa policy suggest` writes one", out.Part, w.ruleFor(p))
	}
}

func (w *reporter) ruleNamed(name string) *rule {
	i := slices.IndexFunc(w.policy.rules, func(r *rule) bool { return r.name == name })
	return w.policy.rules[i]
}

// ruleFor returns what a rule for the part has to say at least.
func (w *reporter) ruleFor(p *part) string {
	text := fmt.Sprintf("request: %v, apps: [%s]", p.kind, w.scope.request.App)
	if p.kind == Sign {
		text += fmt.Sprintf(", key: %s, operations: [%s]", keyText(p.roles), p.name)
	}
	return text
}

// misses returns all conditions of a rule that do not hold for a part.
func (r *rule) misses(s *scope, p *part) (all []string) {
	if r.observe {
		all = append(all, "mode is observe")
	}
	for _, c := range [...]condition{onKind, onApp, onAccount, onKey, onBroadcast, onMaker} {
		if !r.plainCondition(s.request, p, c) {
			all = append(all, r.whyNot(s, p, c))
		}
	}
	switch content, failed := r.matchesContent(s, p); {
	case failed < onBehalf:
		all = append(all, r.whyNot(s, p, failed))
	case content != yes:
		all = append(all, r.missedFields(s, p)...)
	}
	if !r.matchesActors(s.request, p) {
		all = append(all, r.whyNot(s, p, onBehalf))
	}
	if !r.when.includes(s.now) {
		all = append(all, r.whyNot(s, p, onTime))
	}
	if len(all) == 0 {
		all = append(all, "it matches")
	}
	return all
}

// missedFields returns the fields of the nearest entry that do not fit.
func (r *rule) missedFields(s *scope, p *part) (all []string) {
	if e, _ := r.nearestEntry(s, p); e != nil && r.text == nil {
		for _, f := range e.fields {
			if v := p.field(f.field); f.matcher.check(s.of(p), v) != yes {
				all = append(all, whyNot(s, f.matcher, v, f.field))
			}
		}
	}
	if len(all) == 0 {
		return []string{r.whyNotContent(s, p)}
	}
	return all
}
