package policy

import (
	"fmt"
	"slices"

	"pksa/protocol/hive"
)

// comparedWithItself finds a field of a transaction that is compared with itself, by one step or by
// several, so that the test says nothing.
func comparedWithItself(p *place) string {
	m, ok := p.matcher.(sameAs)
	if !ok || p.name != p.field {
		return ""
	}
	own := sameAs{p.position(), p.field}
	// As many steps as there are operations lead to all that is compared, or round in a circle.
	for at, steps := m, 0; steps <= len(p.rule.entries); steps++ {
		if at == own {
			return fmt.Sprintf("%s: this compares the field with itself%s, so it %s; %s", p.name,
				roundabout(m, own), p.alwaysOrNever(), p.insteadOfItself())
		}
		next, ok := p.rule.entries[at.operation].test(at.field).(sameAs)
		if !ok {
			break
		}
		at = next
	}
	return ""
}

func (p *place) insteadOfItself() string {
	if p.getsPaid() {
		return "name the accounts"
	}
	return fmt.Sprintf("write a value, or leave %s out if it may be anything", p.name)
}

// position returns the number of the operation, from 0, that the test is of.
func (p *place) position() int {
	for i := range p.rule.entries {
		if &p.rule.entries[i] == p.entry {
			return i
		}
	}
	return -1
}

func roundabout(first, own sameAs) string {
	if first == own {
		return ""
	}
	return fmt.Sprintf(", by way of $%d.%s", first.operation+1, first.field)
}

func (p *place) alwaysOrNever() string {
	if p.negated {
		return "never fits"
	}
	return "fits always"
}

// comparedWithFree finds a test of an allow rule which says who is paid, or at what price, by a
// field of another operation that is free itself.
func comparedWithFree(p *place) string {
	m, ok := p.matcher.(sameAs)
	if !ok || !p.allows() || p.negated || comparedWithItself(p) != "" {
		return ""
	}
	other := &p.rule.entries[m.operation]
	// Two fields of the same kind hold each other, and nothing holds both.
	alike := other.name == p.entry.name && m.field == p.field && p.shape.kind == anAccount
	if !p.getsPaid() && p.field != priceField && !alike || p.rule.pins(m, nil) {
		return ""
	}
	if test := other.test(m.field); test != nil && has(test, leavesOthers) {
		return fmt.Sprintf("%s: $%d.%s may be nearly anybody itself, so this may, too; name the accounts in operation "+
			"%[2]d, %[4]s", p.name, m.operation+1, m.field, other.name)
	}
	return fmt.Sprintf("%s: $%d.%s is free itself, so this may be anything; test %s in operation %d, %s, too", p.name,
		m.operation+1, m.field, m.field, m.operation+1, other.name)
}

// pins reports whether a field of one of the rule's operations is tested by something else than
// fields that are free.
func (r *rule) pins(at sameAs, seen []sameAs) bool {
	if slices.Contains(seen, at) {
		return false
	}
	seen = append(seen, at)
	e := &r.entries[at.operation]
	m := e.test(at.field)
	if m == nil {
		return r.signs(e, at.field)
	}
	return r.pinned(m, seen)
}

func (r *rule) pinned(m matcher, seen []sameAs) bool {
	switch m := m.(type) {
	case sameAs:
		return r.pins(m, seen)
	case allOf:
		return slices.ContainsFunc(m, func(one matcher) bool { return r.pinned(one, seen) })
	case oneOf:
		return every(m, func(one matcher) bool { return r.pinned(one, seen) })
	}
	// Whether another test says enough is asked where that stands.
	return !leavesOthers(m)
}

// leavesOthers reports whether a test of accounts takes all but those that it names, or such as
// anybody can make.
func leavesOthers(m matcher) bool {
	switch m.(type) {
	case noneOf, pattern:
		return true
	}
	return false
}

// signs reports whether a field names the account that signs, which is no choice of the
// application.
func (r *rule) signs(e *opEntry, field string) bool {
	d, ok := hive.DefinitionOf(e.name)
	return ok && r.behalf != nil && slices.ContainsFunc(d.Signers, func(s hive.Signer) bool { return s.Field == field })
}
