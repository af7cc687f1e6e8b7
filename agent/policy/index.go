package policy

import (
	"maps"
	"slices"
)

// index finds the rules that can concern a part without looking at the others: by kind, account,
// app and operation, each either said or any.
type index[T any] map[indexKey][]T

type indexKey struct {
	kind      Kind
	account   string // "" is any
	app       string
	operation string
}

// mostKeys bounds what one rule may take in the index. Beyond, the accounts are left to the rule
// itself.
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
					k := indexKey{kind, account, app, operation}
					x[k] = append(x[k], item)
				}
			}
		}
	}
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

// find calls each with every rule that can concern the part, once.
func (x index[T]) find(q *Request, p *part, each func(T)) {
	// Account, app and operation, each of them named by the rule or left to any: eight keys. A rule
	// stands under the names that it gives or under any, never under both, so none is found twice.
	for named := range 8 {
		k, ok := keyOf(q, p, named)
		if !ok {
			continue
		}
		for _, item := range x[k] {
			each(item)
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
	}
	for _, l := range p.limits {
		p.limitIndex.add(&l.rule, l)
		p.observes = p.observes || l.observe
	}
}
