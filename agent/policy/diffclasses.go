package policy

import (
	"math/big"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// The classes of the proof. Each list of values here has, for every value that there can be, one of
// which all tests of both files say the same.

// mostStanding bounds the accounts that a proof looks at one by one.
const mostStanding = 64

// absence is the test whether nothing is there.
type absence struct{}

func (absence) check(_ *scope, v value) outcome { return outcomeOf(v.kind == isAbsent) }

// spot is a field of the operation, what a path in it leads to, or the text of a challenge.
type spot struct {
	name  string   // with the path
	known []placed // tests whose outcome a value decides
	free  []placed // patterns, of which texts that nobody names say nothing, and all else
}

// placed is a test at a place.
type placed struct {
	test matcher
	atom int
}

// accountsOf returns accounts of which each other is like one, for all that is tested of a subject.
// The second result is false if there are too many.
func accountsOf(about subject, policies ...*Policy) (accounts []string, ok bool) {
	texts, names := nameSet{}, nameSet{}
	var rules []*rule
	own := false
	for _, p := range policies {
		for _, r := range p.rules {
			if !about.touches(r) {
				continue
			}
			rules = append(rules, r)
			for name := range r.accounts {
				names[name] = true
			}
			r.eachTest(func(m matcher) {
				switch m := m.(type) {
				case isAccount:
					own = true
				case equals:
					texts[m.text] = true
				}
			})
		}
	}
	for name := range texts {
		if own {
			names[name] = true
		}
	}
	stranger := unlike("the.account", names)
	names[stranger] = true
	seen := map[string]bool{}
	for _, name := range names.sorted() {
		sign := ""
		if own && texts[string(name)] {
			sign = string(name) // a text that it may be compared with
		}
		for _, r := range rules {
			sign += map[bool]string{true: "1", false: "0"}[r.accounts.has(string(name))]
		}
		if !seen[sign] {
			seen[sign] = true
			accounts = append(accounts, string(name))
		}
	}
	return accounts, len(accounts) <= mostStanding
}

// unlike returns a text that is none of those.
func unlike(text string, texts nameSet) string {
	for texts[text] {
		text += "x"
	}
	return text
}

// newDim adds a dimension with so many classes, from 0, and returns it.
func (p *prover) newDim(classes ...int) int {
	p.dims = append(p.dims, classes)
	return len(p.dims) - 1
}

// newFree adds an atom of which nothing is known.
func (p *prover) newFree() int {
	dim := p.newDim(int(no), int(unclear), int(yes))
	p.atoms = append(p.atoms, atom{dim, []outcome{no, unclear, yes}, dim})
	return len(p.atoms) - 1
}

// classify adds a dimension of which there are so many values. Each atom gets what it says of each,
// and values of which all atoms say the same become one class.
func (p *prover) classify(values int, atoms []int, say func(atom, value int) outcome) {
	seen := map[string]bool{}
	says := make([][]outcome, len(atoms))
	var classes []int
	for v := range values {
		sign := make([]byte, len(atoms))
		for a := range atoms {
			sign[a] = byte(say(a, v))
		}
		if seen[string(sign)] {
			continue
		}
		seen[string(sign)] = true
		classes = append(classes, len(classes))
		for a := range atoms {
			says[a] = append(says[a], outcome(sign[a]))
		}
	}
	dim := p.newDim(classes...)
	for a, i := range atoms {
		p.atoms[i].dim, p.atoms[i].says = dim, says[a]
	}
}

// newAtom adds an atom that is classified later.
func (p *prover) newAtom() int {
	p.atoms = append(p.atoms, atom{free: -1})
	return len(p.atoms) - 1
}

func (p *prover) atomsOf(n int) (all []int) {
	for range n {
		all = append(all, p.newAtom())
	}
	return all
}

// ofAtom returns the term of an atom.
func ofAtom(i int) *term { return &term{how: termAtom, atom: i} }

var (
	surelyYes = &term{how: termYes}
	surelyNo  = &term{how: termOr}
)

// plain classifies what is no field of an operation and no text.
// The result is false if that is too much.
func (p *prover) plain() bool {
	n := len(p.rules)
	all := make([][]int, 5)
	for i := range all {
		all[i] = p.atomsOf(n)
	}
	p.shared = map[*rule][]int{}
	named := nameSet{}
	for i, r := range p.rules {
		for app := range r.rule.apps {
			named[app] = true
		}
		for _, list := range all {
			p.shared[r.rule] = append(p.shared[r.rule], list[i])
		}
	}
	named[unlike("another app", named)] = true
	apps := named.sorted()
	p.classify(len(apps), all[0], func(r, app int) outcome {
		return outcomeOf(p.rules[r].rule.apps.has(string(apps[app])))
	})
	ways := []Request{{}}
	if p.about.kind == Sign {
		ways = []Request{{}, {Broadcast: true}, {Exact: true}, {Broadcast: true, Exact: true}}
	}
	p.classify(len(ways), all[1], func(r, way int) outcome {
		rule, of := p.rules[r].rule, &part{kind: p.about.kind}
		return outcomeOf(rule.plainCondition(&ways[way], of, onBroadcast) &&
			rule.plainCondition(&ways[way], of, onMaker))
	})
	p.levels(all[2])
	instants := p.instants()
	if (len(instants)+len(apps))*n > mostReps {
		return false
	}
	p.classify(len(instants), all[3], func(r, at int) outcome {
		return outcomeOf(p.rules[r].rule.when.includes(instants[at]))
	})
	p.actors(all[4])
	if p.about.kind == Auth {
		p.manual = p.newAtom()
		p.classify(2, []int{p.manual}, func(_, by int) outcome { return outcomeOf(by == 1) })
	}
	return true
}

// form is what of an operation is no field: the keys that it needs, and what groups look at.
type form struct {
	roles            []hive.Role
	takeover, narrow bool
}

// forms returns all forms that the subject may have, and perhaps some that it cannot have.
func (s subject) forms() (all []form) {
	switch s.kind {
	case Auth:
		return []form{{}}
	case Challenge, Decrypt:
		for _, role := range []hive.Role{hive.Posting, hive.Active, hive.Memo, hive.Owner} {
			all = append(all, form{roles: []hive.Role{role}})
		}
		return all
	}
	d, _ := hive.DefinitionOf(s.name)
	usable := usableRoles(d)
	for set := range 1 << len(usable) {
		var roles []hive.Role
		for i, role := range usable {
			if set&(1<<i) != 0 {
				roles = append(roles, role)
			}
		}
		slices.Sort(roles)
		for _, takeover := range []bool{false, len(d.Takeover) > 0} {
			for _, narrow := range []bool{false, true} {
				may := slices.Equal(roles, []hive.Role{hive.Posting}) && slices.Contains(narrowGroup, s.name)
				if narrow && !may || !narrow && may && s.name != "comment_options" {
					continue
				}
				all = append(all, form{roles, takeover, narrow})
			}
		}
	}
	return all
}

// levels classifies the forms, by the keys that rules list and by the operations that they name.
func (p *prover) levels(keys []int) {
	forms := p.about.forms()
	var atoms []int
	var say []func(form) bool
	p.naming = map[*opEntry]int{}
	for i, one := range p.rules {
		r := one.rule
		atoms = append(atoms, keys[i])
		say = append(say, func(f form) bool { return r.keys == nil || r.listsKeys(f.roles) })
		for k := range r.entries {
			e := &r.entries[k]
			p.naming[e] = p.newAtom()
			atoms = append(atoms, p.naming[e])
			say = append(say, func(f form) bool { return e.takesForm(r, p.about.name, f) })
		}
	}
	p.classify(len(forms), atoms, func(a, f int) outcome { return outcomeOf(say[a](forms[f])) })
}

// takesForm reports whether an entry takes a form, as [opEntry.names] and the test of a takeover
// do.
func (e *opEntry) takesForm(r *rule, name string, f form) bool {
	switch {
	case !e.group && e.name != name,
		e.group && r.section == allowSection && !f.narrow,
		r.section.permits() && f.takeover && (e.group || !r.takeover):
		return false
	case !e.group || r.section == allowSection:
		return true
	}
	return slices.ContainsFunc(f.roles, func(role hive.Role) bool { return role.String() == e.name })
}

// actors classifies in whose name the operation acts: of the account alone, or of others, too, of
// which a rule that permits has to name each and another one at least one.
func (p *prover) actors(atoms []int) {
	values := 1
	if p.about.kind == Sign {
		values = 2
	}
	alike := map[string]int{}
	for i, one := range p.rules {
		r := one.rule
		if len(r.behalf) == 0 {
			continue
		}
		key := r.behalf.text() + map[bool]string{true: "+"}[r.section.permits()]
		if _, known := alike[key]; !known {
			alike[key] = p.newDim(int(no), int(yes))
		}
		p.atoms[atoms[i]].free = alike[key]
		for k, other := range p.rules[:i] {
			if len(other.rule.behalf) == 0 {
				continue
			}
			p.alsoNamed(r, other.rule, atoms[i], atoms[k])
			p.alsoNamed(other.rule, r, atoms[k], atoms[i])
		}
	}
	p.classify(values, atoms, func(a, others int) outcome {
		r := p.rules[a].rule
		switch {
		case r.behalf == nil || others == 0:
			return yes
		case len(r.behalf) == 0:
			return no
		}
		return freely
	})
}

// alsoNamed notes that the accounts which one rule names are named by the other, too.
func (p *prover) alsoNamed(a, b *rule, first, second int) {
	for name := range a.behalf {
		if !b.behalf[name] {
			return
		}
	}
	// Of several accounts one may be named by the first rule, and another by nobody.
	if a.section.permits() || !b.section.permits() {
		p.implied = append(p.implied, [2]int{first, second})
	}
}

// instants returns instants such that at each other the rules hold as at one of these.
func (p *prover) instants() (all []time.Time) {
	bounds := []time.Time{}
	minutes := []int{0}
	for _, r := range p.rules {
		w := r.rule.when
		for _, t := range []time.Time{w.from, w.until} {
			if !t.IsZero() {
				bounds = append(bounds, t.UTC())
			}
		}
		if w.hours != nil {
			minutes = append(minutes, w.hours.start, w.hours.end%(24*60))
		}
	}
	sorts.By(bounds, time.Time.Compare)
	first := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	if len(bounds) > 0 {
		first = bounds[0]
	}
	slices.Sort(minutes)
	minutes = slices.Compact(minutes)
	// A week before all bounds, and one after each: what a week says comes again in the next.
	for _, start := range append([]time.Time{first.AddDate(0, 0, -9)}, bounds...) {
		all = append(all, start)
		day := time.Date(start.Year(), start.Month(), start.Day(), 0, 0, 0, 0, time.UTC)
		for n := range 9 {
			for _, minute := range minutes {
				all = append(all, day.AddDate(0, 0, n).Add(time.Duration(minute)*time.Minute))
			}
		}
	}
	return all
}

// conditions returns what a rule says beside operations and texts.
func (p *prover) conditions(r *rule) []*term {
	if !r.accounts.has(p.account) {
		return []*term{surelyNo}
	}
	var all []*term
	for _, i := range p.shared[r] {
		all = append(all, ofAtom(i))
	}
	return all
}

// content returns what a rule says of operations or of the text.
func (p *prover) content(r *rule) *term {
	if r.text != nil {
		return p.test(r.text, "text", nil)
	}
	if r.entries == nil {
		return surelyYes
	}
	entries := &term{how: termOr}
	for i := range r.entries {
		e := &r.entries[i]
		if !e.group && e.name != p.about.name {
			continue
		}
		says := &term{how: termAnd, list: []*term{ofAtom(p.naming[e])}}
		for _, f := range e.fields {
			says.list = append(says.list, p.test(f.matcher, f.field, nil))
		}
		entries.list = append(entries.list, says)
	}
	if r.ordered {
		// Of the other operations nothing is known, but that this one fits one of the entries.
		return &term{how: termAnd, list: []*term{ofAtom(p.newFree()), entries}}
	}
	return entries
}

// test returns what a test says of a place.
func (p *prover) test(m matcher, field string, path []string) *term {
	if m == (anything{}) {
		return surelyYes
	}
	if decided(m) {
		return ofAtom(p.put(field, path, m, true))
	}
	switch m := m.(type) {
	case allOf:
		n := &term{how: termAnd}
		for _, one := range m {
			n.list = append(n.list, p.test(one, field, path))
		}
		return n
	case oneOf:
		n := &term{how: termOr}
		for _, one := range m {
			n.list = append(n.list, p.test(one, field, path))
		}
		return n
	case inside:
		return p.test(m.matcher, field, slices.Concat(path, m.path))
	case noneOf:
		return &term{how: termNot, list: []*term{p.test(m.matcher, field, path)},
			atom: p.put(field, path, absence{}, true)}
	}
	return ofAtom(p.put(field, path, m, false))
}

// decided reports whether a value decides what a test says, and a few values stand for all.
func decided(m matcher) bool {
	switch m := m.(type) {
	case equals, bound, isAccount, isPresent, *literals, anything:
		return true
	case noneOf:
		return decided(m.matcher)
	case allOf:
		return every(m, decided)
	case oneOf:
		return every(m, decided)
	}
	return false
}

// put returns the atom of a test at a place. Tests that are written alike are one.
func (p *prover) put(field string, path []string, m matcher, known bool) int {
	name := strings.Join(append([]string{field}, path...), "\x00")
	i := slices.IndexFunc(p.spots, func(at *spot) bool { return at.name == name })
	if i < 0 {
		i = len(p.spots)
		p.spots = append(p.spots, &spot{name: name})
	}
	list := &p.spots[i].free
	if known {
		list = &p.spots[i].known
	}
	for _, one := range *list {
		if sameTest(one.test, m) {
			return one.atom
		}
	}
	one := placed{m, p.newAtom()}
	*list = append(*list, one)
	return one.atom
}

// close classifies the values of all places.
func (p *prover) close() bool {
	for _, at := range p.spots {
		if len(at.free) > mostFree {
			return false
		}
		for i, one := range at.free {
			a := &p.atoms[one.atom]
			a.free = p.newDim(int(no), int(unclear), int(yes))
			for _, other := range at.free[:i] {
				p.compare(one, other)
			}
		}
		s := &samples{named: nameSet{}}
		for _, one := range at.known {
			s.look(one.test)
		}
		values, ok := s.values(p.account)
		if !ok || len(values)*(len(at.known)+len(at.free)) > mostReps {
			return false
		}
		tests := append(slices.Clone(at.known), at.free...)
		atoms := make([]int, len(tests))
		for i, one := range tests {
			atoms[i] = one.atom
		}
		scope := newScope(&Request{Kind: p.about.kind, Account: hive.AccountName(p.account)}, nil, time.Time{})
		p.classify(len(values), atoms, func(a, v int) outcome {
			_, isPattern := tests[a].test.(pattern)
			if a < len(at.known) || isPattern && (values[v].kind != isText || s.named[values[v].text]) {
				return tests[a].test.check(scope, values[v])
			}
			return freely
		})
	}
	return true
}

// compare notes what is known of two tests of one place.
func (p *prover) compare(a, b placed) {
	if within(a.test, b.test) {
		p.implied = append(p.implied, [2]int{a.atom, b.atom})
	}
	if within(b.test, a.test) {
		p.implied = append(p.implied, [2]int{b.atom, a.atom})
	}
	if apart(a.test, b.test) || apart(b.test, a.test) {
		p.apart = append(p.apart, [2]int{a.atom, b.atom})
	}
}

// samples is what tests of a place compare with.
type samples struct {
	named   nameSet
	numbers []decimal
	assets  []hive.Asset
	times   []int64
}

func (s *samples) look(m matcher) {
	walkTests(m, func(m matcher) {
		switch m := m.(type) {
		case equals:
			s.named[m.text] = true
			s.add(m.value)
		case bound:
			s.add(m.limit)
		}
	})
}

func (s *samples) add(v value) {
	switch v.kind {
	case isNumber:
		s.numbers = append(s.numbers, v.number)
	case isAsset:
		s.assets = append(s.assets, v.asset)
	case isTime:
		s.times = append(s.times, v.seconds)
	case isText:
		if d, ok := parseDecimal(v.text); ok {
			s.numbers = append(s.numbers, d)
		}
	}
}

// values returns values such that of each other the tests say what they say of one of these. The
// second result is false if there are too many.
func (s *samples) values(account string) (all []value, ok bool) {
	numbers, ok := s.around()
	if !ok {
		return nil, false
	}
	all = []value{{}, {kind: isUnreadable, json: true}, {kind: isNull, text: "null", json: true}, boolValue(true),
		boolValue(false), {kind: isList, json: true}, {kind: isMap, json: true}}
	texts := nameSet{account: true, unlike("\x00other", s.named): true}
	for name := range s.named {
		texts[name] = true
	}
	for _, text := range numbers {
		d, _ := parseDecimal(text)
		all = append(all, value{kind: isNumber, number: d, text: text, json: true})
		texts[text] = true
		// A number has many texts, of which some may be named.
		if !strings.Contains(text, ".") {
			text += "."
		}
		for text += "0"; s.named[text]; {
			text += "0"
		}
		texts[text] = true
	}
	// What is a number to JSON and none here has the text that some test may want.
	for _, name := range append(s.named.sorted(), hive.AccountName(unlike("1e1", s.named))) {
		all = append(all, value{kind: isNumber, odd: true, text: string(name), json: true})
	}
	for _, text := range numbers {
		// Only prices are such, and no test of a price wants a text.
		r, _ := new(big.Rat).SetString(text)
		all = append(all, ratioValue(r))
	}
	for _, t := range append(s.times, 0) {
		for beside := int64(-1); beside <= 1; beside++ {
			all = append(all, timeValue(hive.Time(t+beside)))
		}
	}
	for _, text := range texts.sorted() {
		all = append(all, textValue(string(text)))
	}
	for _, symbol := range []hive.Symbol{hive.HIVE, hive.HBD, hive.VESTS} {
		all = append(all, assetValue(hive.Asset{Symbol: symbol}))
	}
	for _, a := range s.assets {
		for beside := int64(-1); beside <= 1; beside++ {
			all = append(all, assetValue(hive.Asset{Amount: a.Amount + beside, Symbol: a.Symbol}))
		}
	}
	for name := range s.named {
		if a, err := parseAmount(name); err == nil {
			all = append(all, assetValue(a))
		}
		if t, err := hive.ParseTime(strings.TrimSuffix(name, "Z")); err == nil {
			all = append(all, timeValue(t))
		}
	}
	return all, true
}

// mostDigits bounds the numbers of which a proof makes others.
const mostDigits = 60

// around returns the numbers of the tests, and one between each two and at both ends.
func (s *samples) around() (all []string, ok bool) {
	digits := 0
	for _, d := range s.numbers {
		if len(d.whole)+len(d.fraction) > mostDigits {
			return nil, false
		}
		digits = max(digits, len(d.fraction))
	}
	step := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits+1)), nil))
	seen := nameSet{}
	add := func(r *big.Rat) { seen[ratText(r)] = true }
	add(big.NewRat(7, 1))
	for _, d := range s.numbers {
		r, known := d.rat()
		if !known {
			return nil, false
		}
		add(r)
		add(new(big.Rat).Add(r, step))
		add(new(big.Rat).Sub(r, step))
	}
	for _, name := range seen.sorted() {
		all = append(all, string(name))
	}
	return all, true
}
