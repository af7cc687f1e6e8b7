package policy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// Draft is a file of a policy that is compared with another.
type Draft struct {
	File string // its name, for lines and complaints
	Src  []byte
}

// DiffOptions is how two policies are compared.
type DiffOptions struct {
	Now     time.Time     // around which hours and days are tried
	Network *hive.Network // in whose words requests are written; nil: the main one
	Most    int           // requests to try; 0: as many as the change asks for, 60,000 at most
	// Progress is called now and then with how many requests were tried, of how many; nil: nobody
	// wants to know.
	Progress func(done, all int)
}

// Diff is what changes when one policy follows another.
type Diff struct {
	Old string `json:"old"`
	New string `json:"new"`
	// Same says that both files have the same rules and limits, in whatever order, so that every
	// answer is the same: that is certain, and nothing was searched.
	Same    bool          `json:"same"`
	Changes []FileChange  `json:"changes"`
	Answers []*Difference `json:"answers"`
	// Alike is how many more requests were found that differ as some of Answers do.
	Alike int `json:"alike,omitempty"`
	Tried int `json:"tried"` // requests that were judged by both
	// Proofs are what is certain of each kind of request that a rule or limit which changed may be
	// about. Requests of other kinds get the same verdicts.
	Proofs []Proof `json:"proofs,omitempty"`
	// Unsearched is what the search looks at with made-up values only, or not at all.
	Unsearched []string `json:"unsearched,omitempty"`
}

// Different reports whether a difference was found, or a limit forgets what it counted.
func (d *Diff) Different() bool {
	return len(d.Answers) > 0 || slices.ContainsFunc(d.Changes, func(c FileChange) bool { return c.Forgets })
}

// Difference is a request that both policies judge, and not alike.
type Difference struct {
	Kind string `json:"kind"` // such as "deny → allow"
	// Request is what was judged by both at Time. `policy explain` reads it as it is written.
	Request *Request  `json:"-"`
	Written Written   `json:"request"`
	Time    time.Time `json:"time"`
	// Before is what both policies allowed before, as often as Times says, if the answers differ
	// only then; After is how long after it the request came.
	Before        *Request      `json:"-"`
	WrittenBefore *Written      `json:"before,omitempty"`
	Times         int64         `json:"times,omitempty"`
	After         time.Duration `json:"after,omitempty"` // nanoseconds
	Was           Answer        `json:"was"`
	Is            Answer        `json:"is"`

	was, now Decision
}

// Answer is what of a [Decision] an application or a person notices, and why.
type Answer struct {
	Verdict Verdict       `json:"verdict"`
	Silent  bool          `json:"silent,omitempty"`
	Code    Code          `json:"code,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Rules   []RuleRef     `json:"rules,omitempty"`
	Session time.Duration `json:"session,omitempty"` // nanoseconds, as those below
	Renew   time.Duration `json:"renew,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
	Tell    bool          `json:"tell,omitempty"`
	// Consents are whose yes is demanded.
	Consents []Consent `json:"consents,omitempty"`
	// Observed is the answer with all observed rules and limits in force, if that is another.
	Observed *Answer `json:"observed,omitempty"`
}

func answerOf(d *Decision) Answer {
	a := Answer{d.Verdict, d.Silent, d.Code, d.Reason, d.Rules, d.Session, d.Renew, d.Timeout, d.Tell, d.Consents,
		nil}
	if d.Observed != nil {
		o := answerOf(d.Observed)
		a.Observed = &o
	}
	return a
}

// same reports whether two decisions are the same to whoever asks, waits or watches. Which of the
// rules gave them, and with which code, is not looked at.
func (d *Decision) same(other *Decision) bool {
	plain, others := *d, *other
	plain.Code, others.Code = "", ""
	if plain.differs(&others) || d.Tell != other.Tell {
		return false
	}
	// Of what is observed nothing is said where it would change nothing but the code.
	a, b := cmp.Or(d.Observed, d), cmp.Or(other.Observed, other)
	plain, others = *a, *b
	plain.Code, others.Code = "", ""
	return !plain.differs(&others)
}

// turn names how two decisions differ.
func turn(was, now *Decision) string {
	switch {
	case was.Verdict != now.Verdict:
		return was.Verdict.String() + " → " + now.Verdict.String()
	case was.Silent != now.Silent:
		return map[bool]string{true: "denied in silence", false: "denied with an answer"}[now.Silent]
	case was.Session != now.Session:
		return "another session"
	case was.Renew != now.Renew:
		return "another renewal"
	case was.Timeout != now.Timeout:
		return "another timeout"
	case !slices.EqualFunc(was.Consents, now.Consents, Consent.same):
		return "another consent"
	case was.Tell != now.Tell:
		return map[bool]string{true: "a person is told", false: "nobody is told"}[now.Tell]
	}
	return "observed"
}

// Compare finds what changes when the new policy follows the old one: in the files, and in what is
// answered. Answers are found by a search, with the same result in every run for the same files and
// options: each of them was given by both policies. That none is found proves nothing, unless
// [Diff.Same] says so. The result is nil if one of the files cannot be used; the problems say why.
// The only error is that of the context.
func Compare(ctx context.Context, before, after Draft, o DiffOptions) (*Diff, Problems, error) {
	old, oldFile, problems := compileFile(before.File, before.Src, Options{ErrorsOnly: true})
	now, newFile, more := compileFile(after.File, after.Src, Options{ErrorsOnly: true})
	if problems = append(problems.Errors(), more.Errors()...); len(problems) > 0 {
		return nil, problems, nil
	}
	c := twoFiles{old: old, now: now, oldFile: oldFile, newFile: newFile}
	d := &Diff{Old: before.File, New: after.File, Changes: []FileChange{}, Answers: []*Difference{}}
	c.compareFiles(d)
	all := c.standpoints()
	changed := 0
	for changed < len(all) && !all[changed].same {
		changed++
	}
	if d.Same = changed == 0 && old.otherwise == now.otherwise; d.Same {
		return d, nil, nil
	}
	var err error
	if d.Proofs, err = c.prove(ctx, all); err != nil {
		return nil, nil, err
	}
	s := newSearch(ctx, old, now, all, o.Now)
	s.progress = o.Progress
	s.most = cmp.Or(o.Most, min(4000+2000*changed, 60_000))
	if err := s.run(); err != nil {
		return nil, nil, err
	}
	if err := s.charge(); err != nil {
		return nil, nil, err
	}
	for _, key := range s.order {
		f := s.found[key]
		f.Was, f.Is = answerOf(&f.was), answerOf(&f.now)
		n := cmp.Or(o.Network, hive.Mainnet)
		if f.Written = Write(f.Request, n); f.Before != nil {
			before := Write(f.Before, n)
			f.WrittenBefore = &before
		}
		d.Answers = append(d.Answers, f)
	}
	sorts.Stable(d.Answers, func(a, b *Difference) int { return rankOfKind(a) - rankOfKind(b) })
	d.Alike, d.Tried = s.more, s.tried
	d.Unsearched = s.unsearched()
	return d, nil, nil
}

// kinds are the kinds of differences in the order in which they are told: first what became
// allowed, then what did not.
var kinds = []string{"deny → allow", "ask → allow", "deny → ask", "allow → deny", "ask → deny", "allow → ask",
	"denied in silence", "denied with an answer", "another session", "another renewal", "another timeout",
	"a person is told", "nobody is told", "observed"}

func rankOfKind(f *Difference) int { return slices.Index(kinds, f.Kind) }

// newSearch collects what the files name.
func newSearch(ctx context.Context, old, now *Policy, all []standpoint, at time.Time) *search {
	s := &search{ctx: ctx, old: old, now: now, all: all, chance: &dice{17},
		pools: map[string][]opAxis{}, found: map[string]*Difference{}, classes: map[string]int{},
		counted: map[string][]*passed{}, referred: map[string]bool{},
		dropped: map[string]bool{}, mosts: map[string][]*big.Rat{}}
	s.values = &valueMaker{chance: s.chance, only: onlyInOne(all)}
	accounts, apps := []string{}, []string{}
	for _, from := range all {
		accounts = append(accounts, s.names(from.rule.accounts)...)
		apps = append(apps, s.names(from.rule.apps)...)
	}
	for _, from := range all {
		accounts = append(accounts, s.names(from.rule.behalf)...)
		accounts = append(accounts, s.names(s.accountsTested(from.rule))...)
	}
	accounts = append(accounts, s.names(accountsInTexts(all))...)
	s.accounts = append(slices.DeleteFunc(once(accounts), func(name string) bool { return name == "" }), "the.account")
	s.apps = append(once(apps), "another app")
	s.times = s.instants(at)
	s.values.at = s.times[0]
	for _, from := range all {
		if l := from.limit; l != nil {
			for _, q := range l.quotas {
				s.mosts[l.name+" "+q.unit] = append(s.mosts[l.name+" "+q.unit], q.most)
			}
		}
		from.rule.eachTest(func(m matcher) {
			if ref, ok := m.(sameAs); ok {
				s.referred[ref.field] = true
			}
		})
		if from.rule.text != nil {
			if len(s.texts) < 4*mostChoices {
				s.texts = append(s.texts, s.values.around(from.rule.text, documentShape)...)
			} else {
				s.dropped["text"] = true
			}
		}
	}
	s.distinctTexts()
	return s
}

// distinctTexts keeps of each kind of challenge that some test tells apart a few.
func (s *search) distinctTexts() {
	q := &Request{Account: "the.account"}
	seen := map[string]int{}
	texts := map[string]bool{}
	s.texts = slices.DeleteFunc(append(s.texts, s.values.usual(documentShape)...), func(v any) bool {
		text := textOfMade(v, "the.account")
		p := &part{text: &document{text: text}, actors: []hive.AccountName{q.Account}}
		_, own := v.(ownAccount)
		sign := []byte(text[:min(len(text), 1)])
		if text != "" && text[0] != '{' && text[0] != '[' {
			sign = nil
		}
		for i, from := range s.all {
			switch {
			case from.rule.text == nil:
			case i >= mostChoices:
				s.dropped["text"] = true
			default:
				sign = append(sign, byte('0'+from.rule.text.check(newScope(q, nil, s.times[0]).of(p), p.textValue())))
			}
		}
		again := texts[text] || seen[string(sign)] >= sameSign
		texts[text] = true
		if !again {
			seen[string(sign)]++
		}
		return again && !own
	})
}

// textOfMade returns a challenge as text.
func textOfMade(v any, account string) string {
	switch v := v.(type) {
	case string:
		return v
	case ownAccount:
		return account
	case ownText:
		return v.of(account)
	}
	return string(appendMade(nil, v, account))
}

// onlyInOne returns the texts that tests of one of the files compare with, and those of the other
// do not.
func onlyInOne(all []standpoint) map[string]bool {
	in := map[*Policy]map[string]bool{}
	for _, from := range all {
		if from.same {
			continue // it stands in both
		}
		texts := in[from.policy]
		if texts == nil {
			texts = map[string]bool{}
			in[from.policy] = texts
		}
		maps.Copy(texts, from.rule.accounts)
		maps.Copy(texts, from.rule.apps)
		from.rule.eachTest(func(m matcher) {
			if e, ok := m.(equals); ok {
				texts[e.text] = true
			}
		})
	}
	count := map[string]int{}
	for _, texts := range in {
		for text := range texts {
			count[text]++
		}
	}
	only := map[string]bool{}
	for text, n := range count {
		if n == 1 {
			only[text] = true
		}
	}
	return only
}

// accountsTested returns the accounts that fields are compared with: each may be the one that asks.
func (s *search) accountsTested(r *rule) nameSet {
	set := nameSet{}
	for _, e := range r.entries {
		for _, f := range e.fields {
			if sh := fieldsOf(e.name)[f.field]; sh == accountShape || sh == accountsShape {
				walkTests(f.matcher, func(m matcher) {
					if one, ok := m.(equals); ok && len(set) < mostMade {
						set[one.text] = true
					} else if ok {
						s.values.cut = s.values.cut || !set[one.text]
					}
				})
			}
		}
	}
	return set
}

// mostInTexts bounds the accounts that are taken from texts.
const mostInTexts = 16

// accountsInTexts returns the words of texts that can be names of accounts, if some test has the
// account of the request in a text: another test may have that text whole.
func accountsInTexts(all []standpoint) nameSet {
	set, fills := nameSet{}, false
	for _, from := range all {
		from.rule.eachTest(func(m matcher) {
			if _, is := m.(filled); is {
				fills = true
			}
			one, is := m.(equals)
			if !is {
				return
			}
			for _, word := range strings.FieldsFunc(one.text, func(r rune) bool {
				return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-'
			}) {
				if _, err := hive.ParseAccountName(word); err == nil && word != one.text && len(set) < mostInTexts {
					set[word] = true
				}
			}
		})
	}
	if !fills {
		return nil
	}
	return set
}

// eachTest calls visit with every test of the rule that is no list or map of others.
func (r *rule) eachTest(visit func(matcher)) {
	look := func(m matcher) {
		walkTests(m, visit)
	}
	for _, e := range r.entries {
		for _, f := range e.fields {
			look(f.matcher)
		}
	}
	if r.text != nil {
		look(r.text)
	}
}

// walkTests goes down to the tests inside of others, also behind paths.
func walkTests(m matcher, visit func(matcher)) {
	visit(m)
	eachLeaf(m, func(leaf matcher) bool {
		switch leaf := leaf.(type) {
		case inside:
			visit(leaf)
			walkTests(leaf.matcher, visit)
		case size:
			walkTests(leaf.matcher, visit)
		default:
			visit(leaf)
		}
		return true
	})
}

// names returns some names of a set, those first that one of the files has only.
func (s *search) names(set nameSet) []string {
	all := slices.Sorted(maps.Keys(set))
	sorts.Stable(all, func(a, b string) int {
		return cmp.Compare(map[bool]int{false: 1}[s.values.only[a]], map[bool]int{false: 1}[s.values.only[b]])
	})
	s.values.cut = s.values.cut || len(all) > mostMade
	return all[:min(len(all), mostMade)]
}

// instants returns instants of which each is told from the others by the times of some rule: at,
// just before and just after each, on every day of a week.
func (s *search) instants(now time.Time) []time.Time {
	now = now.UTC().Truncate(time.Minute)
	var when []schedule
	said := map[string]bool{}
	anchors := []time.Time{now}
	minutes := []int{now.Hour()*60 + now.Minute(), 0, 12 * 60}
	for _, from := range s.all {
		w := from.rule.when
		text := w.said()
		if !w.bounded() || said[text] {
			continue
		}
		if len(when) > mostChoices {
			s.dropped["time"] = true
			break
		}
		said[text] = true
		when = append(when, w)
		for _, t := range []time.Time{w.from, w.until} {
			if !t.IsZero() && len(anchors) < 24 {
				anchors = append(anchors, t, t.AddDate(0, 0, -8))
			} else if !t.IsZero() {
				s.dropped["time"] = true
			}
		}
		if w.hours != nil && len(minutes) >= 96 {
			s.dropped["time"] = true
		} else if w.hours != nil {
			minutes = append(minutes, w.hours.start, w.hours.start-1, w.hours.end-1, w.hours.end%(24*60))
		}
	}
	slices.Sort(minutes)
	minutes = slices.Compact(minutes)
	var all []time.Time
	seen := map[string]bool{}
	add := func(t time.Time) {
		sign := make([]byte, len(when))
		for i, w := range when {
			if w.includes(t) {
				sign[i] = 1
			}
		}
		switch {
		case seen[string(sign)]:
		case len(all) < mostChoices:
			seen[string(sign)] = true
			all = append(all, t)
		default:
			s.dropped["time"] = true
		}
	}
	add(now)
	for _, anchor := range anchors {
		add(anchor)
		add(anchor.Add(-time.Second))
		day := anchor.Truncate(24 * time.Hour)
		for n := range 8 {
			for _, minute := range minutes {
				add(day.AddDate(0, 0, n).Add(time.Duration(minute) * time.Minute))
			}
		}
	}
	return all
}

// unsearched names what the search knows only by values that it made up.
func (s *search) unsearched() (all []string) {
	rules := map[string][]string{}
	seen := map[string]bool{}
	for _, from := range s.all {
		if from.same {
			break
		}
		what := from.rule.madeUp()
		if key := from.rule.name + what; what != "" && !seen[key] {
			seen[key] = true
			rules[what] = append(rules[what], from.policy.ruleText(from.rule))
		}
	}
	for _, what := range slices.Sorted(maps.Keys(rules)) {
		list := rules[what]
		text := what + " of " + strings.Join(list[:min(len(list), 4)], ", ")
		if n := len(list) - 4; n > 0 {
			text += fmt.Sprintf(" and %d more", n)
		}
		all = append(all, text)
	}
	if s.values.cut {
		all = append(all, "values that stand in long lists")
	}
	if len(s.dropped) > 0 {
		all = append(all, fmt.Sprintf("some of the values of %s: there are too many",
			namesText(slices.Sorted(maps.Keys(s.dropped)))))
	}
	if s.crowded {
		all = append(all, "rules beside others: there are too many pairs of them")
	}
	return append(all, "several operations in one request", "requests that were allowed before, of one kind")
}

// madeUp names what of a rule can only be tried with some of its values.
func (r *rule) madeUp() string {
	var words []string
	add := func(word string) {
		if !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	r.eachTest(func(m matcher) {
		switch m := m.(type) {
		case pattern:
			add("texts for patterns")
		case filled:
			if m.form != "" {
				add("texts for patterns")
			}
		case inside:
			add("what stands inside of JSON or lists")
		case each, some, exactly, size, onlyMembers:
			add("what stands inside of JSON or lists")
		}
	})
	if r.ordered {
		add("fields of the transaction")
	}
	return strings.Join(words, ", ")
}

// once returns the words without those that came before.
func once(words []string) (all []string) {
	seen := map[string]bool{}
	for _, word := range words {
		if !seen[word] {
			seen[word] = true
			all = append(all, word)
		}
	}
	return all
}
