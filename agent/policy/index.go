package policy

import (
	"iter"
	"maps"
	"slices"
)

// index finds the rules that can concern a part without looking at the others: by kind, account,
// app and operation, each either said or any, and then by a field that must have certain values.
type index[T any] map[indexKey]*shelf[T]

type indexKey struct {
	kind      Kind
	account   string // "" is any
	app       string
	operation string
}

// shelf holds the rules of one key.
type shelf[T any] struct {
	open  []T // rules that no field keeps away
	racks map[string]*rack[T]
}

// rack holds the rules that want certain texts in one field.
type rack[T any] struct {
	all    []T
	byText map[string][]T
}

// mostKeys bounds what one rule may take in the index. Beyond, the accounts and the fields are left
// to the rule itself.
const mostKeys = 4096

func (x index[T]) add(r *rule, item T) {
	operations := r.operationNames()
	accounts, apps := namesOrAny(r.accounts), namesOrAny(r.apps)
	// The rule compares the account once more anyway, so this costs time and changes no decision.
	if len(accounts)*len(apps)*len(operations) > mostKeys {
		accounts = []string{""}
	}
	for kind, on := range r.kinds {
		if !on {
			continue
		}
		for _, account := range accounts {
			for _, app := range apps {
				for _, operation := range operations {
					x.put(indexKey{kind, account, app, operation}, r, item)
				}
			}
		}
	}
}

// put puts a rule on the shelf of one key.
func (x index[T]) put(k indexKey, r *rule, item T) {
	s := x[k]
	if s == nil {
		s = &shelf[T]{racks: map[string]*rack[T]{}}
		x[k] = s
	}
	field, texts := r.wants(k.operation)
	if field == "" {
		s.open = append(s.open, item)
		return
	}
	p := s.racks[field]
	if p == nil {
		p = &rack[T]{byText: map[string][]T{}}
		s.racks[field] = p
	}
	p.all = append(p.all, item)
	for text := range texts {
		p.byText[text] = append(p.byText[text], item)
	}
}

// wants returns a field of the operation and the texts of which it must have one, or else no entry
// of the rule about this operation matches. The field is "" if there is none.
func (r *rule) wants(operation string) (field string, texts nameSet) {
	if r.ordered || operation == "" {
		return "", nil
	}
	var about []*opEntry
	for i := range r.entries {
		e := &r.entries[i]
		switch {
		case e.group && slices.Contains(e.mayName(r.section), operation):
			return "", nil
		case e.name == operation:
			about = append(about, e)
		}
	}
	for _, f := range about[0].fields {
		t := textsOfAll(about, f.field)
		if t != nil && len(t) <= mostKeys && (texts == nil || len(t) < len(texts)) {
			field, texts = f.field, t
		}
	}
	return field, texts
}

// textsOfAll returns the texts that the entries want in a field, nil if one of them takes others.
func textsOfAll(entries []*opEntry, field string) nameSet {
	all := nameSet{}
	for _, e := range entries {
		var texts nameSet
		for _, f := range e.fields {
			if t := textsOf(f.matcher); f.field == field && t != nil {
				texts = t
			}
		}
		if texts == nil {
			return nil
		}
		maps.Copy(all, texts)
	}
	return all
}

// textsOf returns the texts that a matcher takes, nil if it takes anything else.
func textsOf(m matcher) nameSet {
	switch m := m.(type) {
	case equals:
		if m.kind == isText {
			return nameSet{m.text: true}
		}
	case oneOf:
		all := nameSet{}
		for _, one := range m {
			e, ok := one.(equals)
			if !ok || e.kind != isText {
				return nil
			}
			all[e.text] = true
		}
		return all
	case *literals:
		if len(m.numbers) == 0 {
			return m.texts
		}
	}
	return nil
}

func namesOrAny(set nameSet) []string {
	if set == nil {
		return []string{""}
	}
	return slices.Sorted(maps.Keys(set))
}

// operationNames returns the operations that the rule can be about, once each; "" is any.
func (r *rule) operationNames() []string {
	if r.entries == nil {
		return []string{""}
	}
	var names []string
	for i := range r.entries {
		names = append(names, r.entries[i].mayName(r.section)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// find calls each with every rule that can concern the part, once. Rules that a field keeps away
// for sure are left out.
func (x index[T]) find(q *Request, p *part, each func(T)) {
	for s := range x.shelves(q, p) {
		for _, item := range s.open {
			each(item)
		}
		for field, rack := range s.racks {
			for _, item := range rack.about(p.field(field)) {
				each(item)
			}
		}
	}
}

// about returns the rules that do not surely fail for a value of their field.
func (p *rack[T]) about(v value) []T {
	switch v.kind {
	case isText:
		return p.byText[v.text]
	case isAbsent:
		return nil
	}
	return p.all // the rules themselves know what is unclear
}

// findNear calls each with rules of which one may nearly have matched: with all that concern the
// part by kind, account, app and operation, but no more than most.
func (x index[T]) findNear(q *Request, p *part, most int, each func(T)) {
	for s := range x.shelves(q, p) {
		lists := [][]T{s.open}
		for _, field := range slices.Sorted(maps.Keys(s.racks)) {
			lists = append(lists, s.racks[field].all)
		}
		for _, list := range lists {
			list = list[:min(len(list), most)]
			most -= len(list)
			for _, item := range list {
				each(item)
			}
		}
	}
}

// shelves returns the shelves on which rules about the part stand.
func (x index[T]) shelves(q *Request, p *part) iter.Seq[*shelf[T]] {
	return func(yield func(*shelf[T]) bool) {
		// Account, app and operation, each of them named by the rule or left to any: eight keys. A
		// rule stands under the names that it gives or under any, never under both, so none is
		// found twice.
		for named := range 8 {
			k, ok := keyOf(q, p, named)
			if s := x[k]; ok && s != nil && !yield(s) {
				return
			}
		}
	}
}

// keyOf returns the key for rules that name what the bits of named say: account, app, operation.
func keyOf(q *Request, p *part, named int) (indexKey, bool) {
	k := indexKey{kind: p.kind}
	for bit, name := range [...]string{string(q.Account), q.App, p.name} {
		if named&(1<<bit) == 0 {
			continue
		}
		// An empty name, such as the operation of a session, would find the rules for any again.
		if name == "" {
			return k, false
		}
		switch bit {
		case 0:
			k.account = name
		case 1:
			k.app = name
		case 2:
			k.operation = name
		}
	}
	return k, true
}

// build fills the indexes of the policy.
func (p *Policy) build() {
	p.ruleIndex, p.limitIndex = index[*rule]{}, index[*limit]{}
	for _, r := range p.rules {
		p.ruleIndex.add(r, r)
		p.observes = p.observes || r.observe
		p.asks = p.asks || r.section == askSection
		if r.section == denySection {
			p.forbidsObserved = true
			p.forbidsInForce = p.forbidsInForce || !r.observe
		}
	}
	for _, l := range p.limits {
		p.limitIndex.add(&l.rule, l)
		p.observes = p.observes || l.observe
	}
}
