package policy

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
)

// The search looks where a difference must be. A request that no changed rule or limit matches has
// the same answer by both policies, for all that decides it is in both. So for each rule that only
// one of the files has as it is, requests are made that it matches: by the values that the tests of
// both files say, first those which the rule takes and its counterpart of the other file does not.
// A rule that forbids, asks or counts matters where another one allows, so such pairs are tried.

// trial is a request in the making.
type trial struct {
	kind      Kind
	account   string
	app       string
	broadcast bool
	exact     bool
	byHand    bool
	role      hive.Role // of a challenge
	text      any       // of a challenge
	challenge bool      // of an auth request: it has one
	at        time.Time
	ops       []madeOp
	copies    int // of the operations
}

// request returns the request as it would be judged, nil if there can be none such.
func (t *trial) request() *Request {
	q := &Request{Kind: t.kind, Account: hive.AccountName(t.account), App: t.app, Role: t.role,
		Broadcast: t.broadcast, Exact: t.exact, ManualSession: t.byHand}
	text := textOfMade(t.text, t.account)
	switch {
	case t.kind == Challenge:
		q.Text = text
	case t.kind == Auth && t.challenge:
		q.AuthChallenge = &AuthChallenge{Role: t.role, Text: text}
		q.Role = 0
	case t.kind == Auth:
		q.Role = 0
	case t.kind == Decrypt:
		q.Role, q.Text = hive.Memo, "#"
	case t.kind == Sign:
		for _, one := range t.ops {
			op, ok := one.make(t.account, t.ops)
			if !ok {
				return nil
			}
			q.Ops = append(q.Ops, op)
		}
		if q.Ops = slices.Repeat(q.Ops, max(t.copies, 1)); len(q.Ops) == 0 || len(SigningRoles(q.Ops)) == 0 {
			return nil
		}
		q.Role = keyTypeFor(SigningRoles(q.Ops))
	}
	return q
}

// axis is one thing of a request that can have several values. The first is the plain one: it is
// taken by the rules that the request is for, and by their counterparts.
type axis struct {
	name    string
	values  []func(*trial)
	telling []bool // the rules and their counterparts do not say the same of it
	cut     bool   // there were more that tell something
	hits    int    // how many of them the rules take
}

// standpoint is a rule as it stands in one of the files, with what the other file has in its place.
type standpoint struct {
	rule   *rule
	limit  *limit // if it is the rule of one
	other  *rule  // nil if the other file has none of this name
	same   bool   // the other file has the same
	policy *Policy
}

// driver is a reason to try requests: rules that all have to match.
type driver struct {
	kind  Kind
	rules []standpoint
	slots []slot
	axes  []axis // nil: not made yet
}

// slot is one operation of the requests, with the entries that are about it.
type slot struct {
	name    string
	entries []want
}

type want struct {
	from  standpoint
	entry *opEntry
}

// search looks for requests that two policies answer differently.
type search struct {
	ctx      context.Context
	old, now *Policy
	values   *valueMaker
	chance   *dice
	all      []standpoint // of both files, those that changed first
	accounts []string
	apps     []string
	times    []time.Time
	texts    []any
	pools    map[string][]opAxis
	drivers  []*driver

	most, tried int
	steps       int // to plain requests
	until       int // as many as are tried with the driver at hand
	progress    func(done, all int)
	found       map[string]*Difference
	classes     map[string]int
	order       []string
	more        int                  // differences like those that were found
	counted     map[string][]*passed // by changed limit

	limitChanged bool
	referred     map[string]bool       // fields that another operation of the transaction may have to have
	mosts        map[string][]*big.Rat // by limit and unit, of both files
	crowded      bool                  // there were more drivers than are tried
	dropped      map[string]bool       // of what not all values are tried, in words
}

// passed is a request that both policies let pass and that a changed limit counts.
type passed struct {
	plain   *Request
	request *Request // with the yes of a person, if it needs one
	at      time.Time
	sign    string // what it costs by both
}

// opAxis is a field of an operation with values that some test tells apart.
type opAxis struct {
	name    string
	choices []choice
}

type choice struct {
	fields fields
	part   *part // of the operation with these fields
}

// mostChoices bounds the values of one field.
const mostChoices = 400

// pool returns the fields of an operation with all values that can make a difference.
func (s *search) pool(name string) []opAxis {
	if known, ok := s.pools[name]; ok {
		return known
	}
	d, _ := hive.DefinitionOf(name)
	tests := map[string][]matcher{}
	for _, from := range s.all {
		for i := range from.rule.entries {
			e := &from.rule.entries[i]
			if e.name != name && !(e.group && slices.Contains(e.mayName(from.rule.section), name)) {
				continue
			}
			for _, f := range e.fields {
				if len(tests[f.field]) < mostChoices {
					tests[f.field] = append(tests[f.field], f.matcher)
				} else {
					s.dropped[name+"."+f.field] = true
				}
			}
		}
		// Limits tell costs apart at what they say there may be.
		if l := from.limit; l != nil {
			for field, m := range l.bounds(name) {
				tests[field] = append(tests[field], m)
			}
		}
	}
	var axes []opAxis
	for _, field := range fieldNames(name) {
		if field == payeeField {
			continue
		}
		kept := s.keeper(name, field, tests)
		s.offer(kept, d)
		if a := kept.axis(); len(a.choices) > 1 {
			axes = append(axes, a)
		}
	}
	s.pools[name] = axes
	return axes
}

// offer makes the values of a field that can make a difference. Each is kept or dropped as soon as
// it is made, since the tests of large files make more than memory should hold.
func (s *search) offer(k *keeper, d *hive.Definition) {
	field := k.field
	sh := fieldsOf(k.name)[field]
	k.add(fields{})
	if field == priceField {
		for _, m := range k.tests[field] {
			k.add(s.values.prices(d, m)...)
		}
		return
	}
	for _, v := range s.signing(d, field, sh) {
		k.add(fields{field: v})
		if field == "required_auths" && k.name == "custom_json" {
			k.add(fields{field: v, "required_posting_auths": []any{}})
		}
	}
	for _, m := range k.tests[field] {
		if k.full() {
			return
		}
		values := s.values.around(m, sh)
		for _, v := range append(s.summed(field, values), values...) {
			k.add(fields{field: v})
			k.add(exchanged(d, field, v)...)
		}
	}
	if slices.Contains(d.Payees, field) {
		for _, m := range k.tests[payeeField] {
			for _, f := range s.values.paying(d, m) {
				if _, is := f[field]; is {
					k.add(f)
				}
			}
		}
	}
	for _, v := range s.values.usual(sh) {
		k.add(fields{field: v})
	}
	if sh.absent {
		k.add(fields{field: leftOut{}})
	}
}

// signing returns values of a field that says whose authority the operation needs.
func (s *search) signing(d *hive.Definition, field string, sh *shape) (all []any) {
	if !slices.ContainsFunc(d.Signers, func(by hive.Signer) bool { return by.Role != 0 && by.Field == field }) {
		return nil
	}
	for _, name := range append([]string{madeStranger}, s.accounts[:min(len(s.accounts), 12)]...) {
		if sh.kind == anAccount {
			all = append(all, name)
			continue
		}
		all = append(all, []any{ownAccount{}}, []any{name}, []any{ownAccount{}, name}, []any{})
	}
	return all
}

// bounds returns tests at whose bounds a limit's cost of an operation changes its mind.
func (l *limit) bounds(name string) map[string]matcher {
	tests := map[string]oneOf{}
	for _, q := range l.quotas {
		switch l.measure {
		case measureSpend:
			for field, sh := range fieldsOf(name) {
				if a, err := parseAmount(q.text); err == nil && sh.kind == anAsset {
					tests[field] = append(tests[field], bound{assetValue(a), true})
				}
			}
		case measureSum:
			if d, ok := parseDecimal(ratText(q.most)); ok && fieldsOf(name)[l.of.list] != nil {
				at := inside{l.of.field, bound{value{kind: isNumber, number: d}, true}}
				tests[l.of.list] = append(tests[l.of.list], at, some{at})
				if l.of.where != nil {
					tests[l.of.list] = append(tests[l.of.list], allOf{l.of.where, at}, some{allOf{l.of.where, at}})
				}
			}
		}
	}
	all := map[string]matcher{}
	for field, test := range tests {
		all[field] = test
	}
	return all
}

// summed returns JSON as a test wants it, with small numbers where a limit that changed adds up.
func (s *search) summed(field string, values []any) (all []any) {
	for _, from := range s.all {
		l := from.limit
		if from.same || len(values) == 0 {
			return all
		}
		if l == nil || l.of == nil || l.of.list != field {
			continue
		}
		for _, n := range l.factors() {
			item := nest(l.of.field, n[0])
			if l.of.times != nil {
				item = merged(item, nest(l.of.times, n[1]))
			}
			if _, isList := values[0].([]any); isList {
				item = []any{item}
			}
			all = append(all, merged(values[0], item))
		}
	}
	return all
}

// factors returns numbers that a sum may add up, each with what it may be multiplied by: small
// ones, and where they are multiplied, such whose product is at a bound or beyond it.
func (l *limit) factors() [][2]number {
	all := [][2]number{{"1", "1"}, {"0.001", "1"}}
	for _, q := range l.quotas {
		if l.of.times != nil {
			most, twice := number(ratText(q.most)), number(ratText(new(big.Rat).Add(q.most, q.most)))
			all = append(all, [2]number{most, "1.5"}, [2]number{twice, "0.5"}, [2]number{most, "1"})
		}
	}
	return all
}

// sameSign is how many values are kept of those that no test tells apart.
const sameSign = 2

// keeper keeps of each kind of value that some test tells apart a few.
type keeper struct {
	search      *search
	name, field string
	tests       map[string][]matcher
	request     *Request
	choices     []choice
	seen        map[string]int // by what the tests say
	texts       map[uint64]bool
	hash        maphash.Seed
}

func (s *search) keeper(name, field string, tests map[string][]matcher) *keeper {
	return &keeper{search: s, name: name, field: field, tests: tests,
		request: &Request{Kind: Sign, Account: "the.account", App: madeStranger},
		seen:    map[string]int{}, texts: map[uint64]bool{}, hash: maphash.MakeSeed()}
}

// full reports whether nothing more is kept, and notes it: that is asked where there is more.
func (k *keeper) full() bool {
	if len(k.choices) < mostChoices {
		return false
	}
	k.search.dropped[k.name+"."+k.field] = true
	return true
}

func (k *keeper) add(made ...fields) {
	for _, f := range made {
		if k.full() {
			return
		}
		op, ok := madeOp{k.name, []fields{f}}.make(string(k.request.Account), nil)
		if !ok {
			continue
		}
		p := &part{kind: Sign, op: op, name: k.name, roles: levels(op), actors: actorsOf(op)}
		if len(p.roles) == 0 {
			continue
		}
		_, ref := f[k.field].(fieldOf)
		_, own := f[k.field].(ownAccount)
		// Of the texts no more than a number is held: two that have the same cost one value.
		text := maphash.String(k.hash, fmt.Sprint(op.String(), ref, own))
		if k.texts[text] {
			continue
		}
		k.texts[text] = true
		if sign := fmt.Sprint(ref, own) + k.search.sign(k.request, p, k.field, k.tests); k.seen[sign] < sameSign {
			k.seen[sign]++
			k.choices = append(k.choices, choice{f, p})
		}
	}
}

func (k *keeper) axis() opAxis {
	if len(k.seen) == 1 && !k.search.referred[k.field] {
		k.choices = k.choices[:min(len(k.choices), 1)]
	}
	return opAxis{name: k.field, choices: k.choices}
}

// sign returns what the tests of both files, and what is fixed, say of an operation.
func (s *search) sign(q *Request, p *part, field string, tests map[string][]matcher) string {
	at := newScope(q, nil, s.times[0])
	var sign []byte
	for _, name := range []string{field, payeeField, priceField} {
		for _, m := range tests[name] {
			sign = append(sign, byte('0'+m.check(at.of(p), p.field(name))))
		}
	}
	sign = fmt.Append(sign, p.roles, p.actors, p.op.Takeover(), inNarrowGroup(p))
	for i, from := range s.all {
		l := from.limit
		if l == nil || l.measure != measureSpend && l.measure != measureSum {
			continue
		}
		if i > mostChoices {
			s.dropped["what limits charge"] = true
			break
		}
		c := &cost{units: map[string]*big.Rat{}}
		l.charge(at, p, c)
		for _, unit := range sortedUnits(c) {
			sign = append(sign, unit...)
			times := map[string]bool{}
			for _, most := range s.mosts[l.name+" "+unit] {
				sign = fmt.Append(sign, c.units[unit].Cmp(most))
				n := new(big.Rat).Quo(most, c.units[unit])
				times[new(big.Int).Quo(n.Num(), n.Denom()).String()] = true
			}
			// A cost that both limits take as often shows nothing of their room.
			sign = fmt.Append(sign, len(times))
		}
		sign = fmt.Append(sign, c.unclear)
	}
	return string(sign)
}

// plan makes the drivers: first for each rule that changed alone, then beside each rule that
// permits.
func (s *search) plan() {
	for _, from := range s.all {
		if from.same {
			break
		}
		s.limitChanged = s.limitChanged || from.limit != nil
		for kind := Auth; kind <= Decrypt; kind++ {
			if from.rule.kinds[kind] {
				s.drive(kind, from, standpoint{})
			}
		}
	}
	if s.old.otherwise != s.now.otherwise {
		nobody := standpoint{rule: &rule{section: denySection}}
		for kind := Auth; kind <= Decrypt; kind++ {
			s.drive(kind, nobody, standpoint{})
		}
	}
	for _, from := range s.all {
		if from.same {
			break
		}
		for kind := Auth; kind <= Decrypt; kind++ {
			n := 0
			for _, by := range s.all {
				if from.rule.section != allowSection && from.rule.kinds[kind] && by.rule.section.permits() &&
					by.rule != from.rule && by.rule.kinds[kind] && by.rule.mayMeet(from.rule) {
					if n++; n > mostPartners {
						s.crowded = true
						break
					}
					s.drive(kind, from, by)
				}
			}
		}
	}
}

const (
	mostPartners = 24   // rules that permit, beside one that changed
	mostDrivers  = 4000 // reasons to try requests
)

// drive adds drivers for a rule and, if there is one, another rule that has to match too.
func (s *search) drive(kind Kind, from, by standpoint) {
	rules := []standpoint{from}
	if by.rule != nil {
		rules = append(rules, by)
	}
	add := func(slots ...slot) {
		if s.crowded = s.crowded || len(s.drivers) >= mostDrivers; len(s.drivers) < mostDrivers {
			s.drivers = append(s.drivers, &driver{kind: kind, rules: rules, slots: slots})
		}
	}
	if kind != Sign {
		add()
		return
	}
	for _, list := range s.rows(from) {
		if by.rule == nil && list[0].name == "" {
			continue
		}
		if by.rule == nil || len(list) != 1 {
			add(list...)
			continue
		}
		for _, other := range s.rows(by) {
			for i := range other {
				if other[i].name != list[0].name && list[0].name != "" && other[i].name != "" {
					continue
				}
				row := slices.Clone(other)
				row[i].name = max(row[i].name, list[0].name)
				row[i].entries = slices.Concat(list[0].entries, row[i].entries)
				if row[i].name == "" {
					row[i].name = "transfer"
				}
				add(row...)
				break
			}
		}
	}
}

// rows returns the lists of operations that a rule is about, each of one unless it is a
// transaction. An operation without a name is any.
func (s *search) rows(from standpoint) (all [][]slot) {
	r := from.rule
	if r.entries == nil {
		return [][]slot{{{}}, {{name: "transfer"}}, {{name: "vote"}}, {{name: "custom_json"}}}
	}
	if r.ordered {
		var row []slot
		for i := range r.entries {
			row = append(row, slot{r.entries[i].name, []want{{from, &r.entries[i]}}})
		}
		return [][]slot{row}
	}
	for i := range r.entries {
		e := &r.entries[i]
		for _, name := range e.mayName(r.section) {
			if d, ok := hive.DefinitionOf(name); ok && refusedAlways(d) == "" {
				all = append(all, []slot{{name, []want{{from, e}}}})
			}
		}
	}
	return all
}

// prepare makes the axes of a driver.
func (s *search) prepare(d *driver) {
	first := d.rules[0]
	names := func(name string, all []string, of func(*rule) nameSet, set func(*trial, string)) {
		d.axes = append(d.axes, sorted(name, all, func(v string) (bool, bool) {
			hit := everyRule(d.rules, func(r standpoint) bool { return of(r.rule).has(v) })
			return hit, first.other != nil && of(first.rule).has(v) != of(first.other).has(v)
		}, set))
	}
	names("account", s.accounts, func(r *rule) nameSet { return r.accounts },
		func(t *trial, v string) { t.account = v })
	names("app", s.apps, func(r *rule) nameSet { return r.apps }, func(t *trial, v string) { t.app = v })
	d.axes = append(d.axes, sorted("time", s.times, func(v time.Time) (bool, bool) {
		hit := everyRule(d.rules, func(r standpoint) bool { return r.rule.when.includes(v) })
		return hit, first.other != nil && first.rule.when.includes(v) != first.other.when.includes(v)
	}, func(t *trial, v time.Time) { t.at = v }))
	both := []bool{true, false}
	switch d.kind {
	case Sign:
		says := func(r *rule, v bool) bool { return r.broadcast == nil || *r.broadcast == v }
		d.axes = append(d.axes, sorted("broadcast", both, func(v bool) (bool, bool) {
			hit := everyRule(d.rules, func(r standpoint) bool { return says(r.rule, v) })
			return hit, first.other != nil && says(first.rule, v) != says(first.other, v)
		}, func(t *trial, v bool) { t.broadcast = v }))
		by := func(r *rule, v bool) bool { return r.exact == nil || *r.exact == v }
		// Mostly no rule lets pass what an app made: then it is denied by both files.
		passes := func(r *rule) bool { return r != nil && r.section.permits() && by(r, true) }
		if slices.ContainsFunc(d.rules, func(r standpoint) bool { return passes(r.rule) || passes(r.other) }) {
			d.axes = append(d.axes, sorted("transaction_by", []bool{false, true}, func(v bool) (bool, bool) {
				hit := everyRule(d.rules, func(r standpoint) bool { return by(r.rule, v) })
				return hit, first.other != nil && by(first.rule, v) != by(first.other, v)
			}, func(t *trial, v bool) { t.exact = v }))
		}
		for i := range d.slots {
			for _, field := range s.pool(d.slots[i].name) {
				d.axes = append(d.axes, s.opAxis(d, i, field))
			}
		}
		d.axes = append(d.axes, sorted("copies", copiesOf(d), func(int) (bool, bool) { return true, false },
			func(t *trial, v int) { t.copies = v }))
	case Auth:
		d.axes = append(d.axes, sorted("by hand", both, func(v bool) (bool, bool) { return !v, false },
			func(t *trial, v bool) { t.byHand = v }))
		d.axes = append(d.axes, sorted("challenge", both, func(v bool) (bool, bool) { return !v, false },
			func(t *trial, v bool) { t.challenge = v }))
	}
	if d.kind == Auth || d.kind == Challenge {
		s.textAxes(d)
	}
	for _, a := range d.axes {
		if a.cut && !strings.Contains(a.name, ".") { // fields are noted where their operation is known
			s.dropped[a.name] = true
		}
	}
}

// everyRule reports whether something holds for all of a list of rules.
func everyRule(list []standpoint, holds func(standpoint) bool) bool {
	return !slices.ContainsFunc(list, func(r standpoint) bool { return !holds(r) })
}

func (s *search) textAxes(d *driver) {
	first := d.rules[0]
	roles := []hive.Role{hive.Posting, hive.Active, hive.Memo}
	lists := func(r *rule, v hive.Role) bool { return r.keys == nil || r.keys[v] }
	d.axes = append(d.axes, sorted("key", roles, func(v hive.Role) (bool, bool) {
		hit := everyRule(d.rules, func(r standpoint) bool { return lists(r.rule, v) })
		return hit, first.other != nil && lists(first.rule, v) != lists(first.other, v)
	}, func(t *trial, v hive.Role) { t.role = v }))
	takes := func(r *rule, v any) bool {
		if r.text == nil {
			return true
		}
		text := textOfMade(v, "the.account")
		at := newScope(&Request{Account: "the.account"}, nil, s.times[0])
		p := &part{text: &document{text: text}, actors: []hive.AccountName{"the.account"}}
		return r.hit(r.text.check(at.of(p), p.textValue()))
	}
	d.axes = append(d.axes, sorted("text", s.texts, func(v any) (bool, bool) {
		hit := everyRule(d.rules, func(r standpoint) bool { return takes(r.rule, v) })
		return hit, first.other != nil && takes(first.rule, v) != takes(first.other, v)
	}, func(t *trial, v any) { t.text = v }))
}

// copiesOf returns how often the operations of a request are tried in it.
func copiesOf(d *driver) []int {
	all := []int{1}
	for _, from := range d.rules {
		if from.limit == nil {
			continue
		}
		all = append(all, 2, 3)
		for _, q := range from.limit.quotas {
			if n := q.most.Num(); from.limit.measure == measureCount && n.IsInt64() && n.Int64() <= 60 {
				all = append(all, int(n.Int64()), int(n.Int64())+1)
			}
		}
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(n int) bool { return n == 0 })
}

// opAxis sorts the values of a field by whether the rules take them.
func (s *search) opAxis(d *driver, at int, field opAxis) axis {
	definition, _ := hive.DefinitionOf(d.slots[at].name)
	about := func(name string) bool {
		return name == field.name || name == payeeField && slices.Contains(definition.Payees, field.name) ||
			name == priceField && slices.Contains(definition.Price, field.name)
	}
	scope := newScope(&Request{Kind: Sign, Account: "the.account", App: madeStranger}, nil, s.times[0])
	// Of a field that says who signs, the rules take what they name keys and accounts for.
	roles, actors := false, false
	for _, c := range field.choices {
		roles = roles || !slices.Equal(c.part.roles, field.choices[0].part.roles)
		actors = actors || !slices.Equal(c.part.actors, field.choices[0].part.actors)
	}
	takes := func(r *rule, e *opEntry, c choice) bool {
		if roles && r.keys != nil && !r.listsKeys(c.part.roles) || actors && !r.matchesActors(scope.request, c.part) {
			return false
		}
		if c.part.op.Takeover() && (e.group || !r.takeover) {
			return false // a rule that permits does not, and of another one it shows nothing then
		}
		return !slices.ContainsFunc(e.fields, func(f fieldMatcher) bool {
			_, ref := c.fields[field.name].(fieldOf)
			return about(f.field) && !ref && !r.hit(f.matcher.check(scope.of(c.part), c.part.field(f.field)))
		})
	}
	a := sorted(fmt.Sprint(at, ".", field.name), field.choices, func(c choice) (hit, telling bool) {
		hit = true
		for _, w := range d.slots[at].entries {
			hit = hit && takes(w.from.rule, w.entry, c)
			if r := w.from.other; r != nil && !w.from.same {
				other := slices.ContainsFunc(r.entries, func(e opEntry) bool {
					return (e.name == w.entry.name || e.group) && takes(r, &e, c)
				})
				telling = telling || takes(w.from.rule, w.entry, c) != other
			}
		}
		return hit, telling
	}, func(t *trial, c choice) { t.ops[at].parts = append(t.ops[at].parts, c.fields) })
	if a.cut {
		s.dropped[d.slots[at].name+"."+field.name] = true
	}
	return a
}

// Of the values of one axis that many are tried.
const (
	mostHits   = 64
	mostMisses = 8
)

// sorted makes an axis: first values that the rules and their counterparts take, then those that
// the rules take and their counterparts do not, then some that they do not take.
func sorted[T any](name string, all []T, look func(T) (hit, telling bool), set func(*trial, T)) axis {
	var groups [4][]T
	for _, v := range all {
		switch hit, telling := look(v); {
		case hit && !telling:
			groups[0] = append(groups[0], v)
		case hit:
			groups[1] = append(groups[1], v)
		case telling:
			groups[2] = append(groups[2], v)
		default:
			groups[3] = append(groups[3], v)
		}
	}
	most := [...]int{max(mostHits-len(groups[1]), mostHits/2), mostHits / 2, mostMisses, mostMisses}
	a := axis{name: name}
	for i, group := range groups {
		a.cut = a.cut || i < 3 && len(group) > most[i]
		for _, v := range group[:min(len(group), most[i])] {
			a.values = append(a.values, func(t *trial) { set(t, v) })
			a.telling = append(a.telling, i == 1 || i == 2)
		}
		if i == 1 {
			a.hits = len(a.values)
		}
	}
	return a
}

// trialAt makes a request by the numbers of its values.
func (d *driver) trialAt(at []int) trial {
	t := trial{kind: d.kind, broadcast: true, role: hive.Posting, text: "x"}
	for _, one := range d.slots {
		t.ops = append(t.ops, madeOp{name: one.name})
	}
	for i, a := range d.axes {
		if len(a.values) > 0 {
			a.values[min(at[i], len(a.values)-1)](&t)
		}
	}
	return t
}

// run tries requests until there were enough: of each driver as many as of the others.
func (s *search) run() error {
	s.plan()
	// First one value beside plain ones: that makes the requests that say most.
	for _, plain := range []bool{true, false} {
		for i, d := range s.drivers {
			if s.ctx.Err() != nil {
				return s.ctx.Err()
			}
			left := s.most - s.tried
			if plain {
				left -= s.most / 2
			}
			s.until = s.tried + max(left, 0)/(len(s.drivers)-i)
			s.prepare(d)
			if plain {
				s.singles(d)
			} else {
				s.pairs(d, (s.until-s.tried)/2)
			}
			for !plain && s.tried < s.until && s.ctx.Err() == nil {
				s.random(d)
			}
			d.axes = nil // they take memory, and there may be many drivers
		}
	}
	return s.ctx.Err()
}

// plain returns the values that a driver's others are tried beside: the first of each axis, unless
// these together make no request that its rules match, or another rule decides.
func (s *search) plain(d *driver) []int { return s.climb(d, make([]int, len(d.axes)), -1) }

// climb goes from some values a few steps to a request that a driver's rules match and the first of
// them decides. Each step brings some rule further. One axis stays as it is; -1: none.
func (s *search) climb(d *driver, at []int, kept int) []int {
	at = slices.Clone(at)
	reached, most := s.reached(d, at)
	for range 2 {
		for i, a := range d.axes {
			for v := range min(len(a.values), mostPlainSteps) {
				if reached == most || s.steps >= s.most {
					return at
				}
				if i == kept {
					break
				}
				s.steps++
				was := at[i]
				at[i] = v
				if n, _ := s.reached(d, at); n > reached {
					reached = n
				} else {
					at[i] = was
				}
			}
		}
	}
	return at
}

// mostPlainSteps is how many values of an axis are looked at for a request that the rules match.
const mostPlainSteps = 12

// reached returns how far the rules of a driver come with a request, and how far they can.
func (s *search) reached(d *driver, at []int) (reached, most int) {
	t := d.trialAt(at)
	q := t.request()
	for _, from := range d.rules {
		if len(from.rule.kinds) == 0 {
			continue // it stands for nobody's rule
		}
		most += int(satisfied)
		if q == nil {
			continue
		}
		parts := q.parts()
		scope := newScope(q, parts, t.at)
		furthest := condition(0)
		for _, p := range parts {
			o, c := from.rule.matches(scope, p)
			if from.rule.hit(o) {
				c = satisfied
			}
			furthest = max(furthest, c)
		}
		reached += int(furthest)
	}
	// A rule that another one beats, such as one that forbids all of today, shows nothing.
	if most > 0 {
		if most++; q != nil && reached == most-1 && d.rules[0].decides(q, t.at) {
			reached++
		}
	}
	return reached, most
}

// decides reports whether the rule or limit has a part in an answer of its policy.
func (s standpoint) decides(q *Request, at time.Time) bool {
	d := s.policy.Decide(q, nil, at)
	d = *cmp.Or(d.Observed, &d)
	if s.limit != nil {
		return slices.ContainsFunc(d.Limits, func(l LimitState) bool { return l.Limit.Name == s.rule.name })
	}
	return slices.ContainsFunc(d.Rules, func(r RuleRef) bool { return r.Name == s.rule.name })
}

// singles tries each value beside plain ones, and first those of which the rule and its counterpart
// do not say the same.
func (s *search) singles(d *driver) {
	plain := s.plain(d)
	s.try(d, plain, nil)
	telling := slices.Clone(plain)
	for i, a := range d.axes {
		if a.hits > 0 && a.telling[a.hits-1] {
			telling[i] = a.hits - 1
		}
	}
	s.try(d, telling, nil)
	at := slices.Clone(plain)
	for _, first := range []bool{true, false} {
		for i, a := range d.axes {
			for v := range a.values {
				at[i] = v
				switch {
				case a.telling[v] != first || v == plain[i]:
				case first && v < a.hits:
					// An author who is the account that asks, where the rule is about others, needs
					// another account.
					s.try(d, s.climb(d, at, i), nil)
				default:
					s.try(d, at, nil)
				}
			}
			at[i] = plain[i]
		}
	}
}

// mostOfPair is how many values of an axis are tried with each value of another.
const mostOfPair = 7

// pairs tries two values beside plain ones, each with each.
func (s *search) pairs(d *driver, most int) {
	begun := s.tried
	plain := s.plain(d)
	at := slices.Clone(plain)
	few := func(a axis) []int {
		all := s.chance.Perm(len(a.values))
		slices.Sort(all[:min(len(all), mostOfPair)])
		return all[:min(len(all), mostOfPair)]
	}
	for i := range d.axes {
		for k := range i {
			for _, v := range few(d.axes[i]) {
				for _, w := range few(d.axes[k]) {
					if s.tried-begun >= most {
						return
					}
					if at[i], at[k] = v, w; v != plain[i] && w != plain[k] {
						s.try(d, at, nil)
					}
				}
			}
			at[i], at[k] = plain[i], plain[k]
		}
	}
}

// random tries values by chance, at times with other operations beside.
func (s *search) random(d *driver) {
	at := make([]int, len(d.axes))
	for i, a := range d.axes {
		switch n := s.chance.IntN(8); {
		case len(a.values) == 0 || n < 2:
		case n < 7 && a.hits > 0:
			at[i] = s.chance.IntN(a.hits)
		default:
			at[i] = s.chance.IntN(len(a.values))
		}
	}
	var beside []madeOp
	if d.kind == Sign && s.chance.IntN(4) == 0 {
		for range 1 + s.chance.IntN(2) {
			other := s.drivers[s.chance.IntN(len(s.drivers))]
			if len(other.slots) == 0 || other.slots[0].name == "" {
				continue
			}
			op := madeOp{name: other.slots[s.chance.IntN(len(other.slots))].name}
			for _, field := range s.pool(op.name) {
				if s.chance.IntN(2) == 0 {
					op.parts = append(op.parts, field.choices[s.chance.IntN(len(field.choices))].fields)
				}
			}
			beside = append(beside, op)
		}
	}
	s.try(d, at, beside)
}

// try judges one request by both policies.
func (s *search) try(d *driver, at []int, beside []madeOp) {
	if s.tried >= s.until || s.ctx.Err() != nil {
		return
	}
	if s.tried++; s.tried%256 == 0 && s.progress != nil {
		s.progress(s.tried, s.most)
	}
	q, when, was, now := s.judge(d, at, beside)
	if q == nil {
		return
	}
	s.remember(q, when, &was, &now)
	if was.same(&now) {
		return
	}
	label := turn(&was, &now)
	// The plainest request that shows the same: what is not needed for the difference is left out.
	at = slices.Clone(at)
	keeps := func(at []int, beside []madeOp) bool {
		q, _, was, now := s.judge(d, at, beside)
		return q != nil && !was.same(&now) && turn(&was, &now) == label
	}
	if len(beside) > 0 && keeps(at, nil) {
		beside = nil
	}
	// Twice, since what one value needs may be left out with another: a signer and his account.
	for range 2 {
		for i, v := range slices.Backward(at) {
			if v == 0 {
				continue
			}
			if at[i] = 0; !keeps(at, beside) {
				at[i] = v
			}
		}
	}
	var needed []string
	for i, v := range at {
		if v < len(d.axes[i].telling) && d.axes[i].telling[v] {
			needed = append(needed, d.axes[i].name)
		}
	}
	if q, when, was, now = s.judge(d, at, beside); q == nil || was.same(&now) {
		return
	}
	// What stands beside is told only where nothing else shows the like.
	if len(beside) > 0 && s.classes[label] > 0 {
		s.more++
		return
	}
	s.note(&Difference{Request: q, Time: when, was: was, now: now}, label, needed)
}

func (s *search) judge(d *driver, at []int, beside []madeOp) (q *Request, when time.Time, was, now Decision) {
	t := d.trialAt(at)
	t.ops = append(t.ops, beside...)
	if q = t.request(); q == nil {
		return nil, when, was, now
	}
	was, now = s.old.Decide(q, nil, t.at), s.now.Decide(q, nil, t.at)
	if !was.same(&now) {
		// What is never signed shows nothing, whatever the files say of it.
		if code, _ := q.NeverSigned(); code != "" {
			return nil, when, was, now
		}
	}
	return q, t.at, was, now
}

// How many requests are shown of one change by the same rules, and of one kind of change.
const (
	mostAlike  = 4
	mostOfKind = 50
)

// note keeps a difference unless there is one like it.
func (s *search) note(f *Difference, label string, needed []string) {
	f.Kind = label
	class := strings.Join([]string{label, by(&f.was), by(&f.now)}, "|")
	slices.Sort(needed)
	names := map[string]bool{}
	for _, op := range f.Request.Ops {
		names[op.Name()] = true
	}
	key := fmt.Sprint(class, f.Request.Kind, slices.Sorted(maps.Keys(names)), needed, f.Times > 0, f.After)
	// One operation says more than several, of which one may make the difference.
	several := len(f.Request.Ops) > 1 && s.classes[class] > 0
	again := slices.ContainsFunc(s.order, func(key string) bool { return s.found[key].alike(f) })
	if s.found[key] != nil || again || several || s.classes[class] >= mostAlike || s.classes[label] >= mostOfKind {
		s.more++
		return
	}
	s.classes[class]++
	s.classes[label]++
	s.found[key] = f
	s.order = append(s.order, key)
}

// alike reports whether both differences are of the same operations, at the same time.
func (f *Difference) alike(other *Difference) bool {
	return f.Kind == other.Kind && f.Times == other.Times && f.After == other.After && f.Time.Equal(other.Time) &&
		f.Request.App == other.Request.App && f.Request.Account == other.Request.Account &&
		f.Request.Broadcast == other.Request.Broadcast && len(f.Request.Ops) > 0 &&
		slices.EqualFunc(f.Request.Ops, other.Request.Ops, hive.Operation.Equal)
}

// by returns who gave an answer: the rules of one that allows, else the reason up to the rule that
// it names, without numbers.
func by(d *Decision) string {
	text := string(d.Code)
	if d.Verdict == Allow {
		for _, r := range d.Rules {
			text += " " + r.Name
		}
	} else {
		reason, _, _ := strings.Cut(d.Reason, ")")
		text += strings.Map(func(r rune) rune {
			if '0' <= r && r <= '9' {
				return -1
			}
			return r
		}, reason)
	}
	if d.Observed != nil {
		text += " observed " + by(d.Observed)
	}
	return text
}
