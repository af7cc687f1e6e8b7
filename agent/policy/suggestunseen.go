package policy

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// sayUnseen puts a comment above each rule that says in numbers how much it allows that was never
// seen, and adds the numbers up.
func (w *suggester) sayUnseen() {
	p, _ := Compile("suggested.yaml", []byte(w.whole()), Options{TrapsWarn: true})
	if p == nil {
		return
	}
	came := w.came(p)
	named, seen := new(big.Int), int64(0)
	said := map[int][]string{} // by the line of the rule
	for _, r := range p.rules {
		e, n := extentOf(r), int64(len(came[r]))
		named.Add(named, e.named)
		seen += n
		w.out.Free += len(e.free)
		said[r.line] = e.lines(n)
	}
	w.out.Named, w.out.Seen = int64Of(named), seen
	first := len(w.head()) + 2
	var lines []string
	for i, line := range w.out.allow {
		for _, text := range said[first+i] {
			lines = append(lines, "  # "+text)
		}
		lines = append(lines, line)
	}
	w.out.allow = lines
}

func int64Of(n *big.Int) int64 {
	if !n.IsInt64() {
		return math.MaxInt64
	}
	return n.Int64()
}

// extent is how much a rule of a draft allows.
type extent struct {
	named  *big.Int // combinations of the values that it names
	bounds []string // what may be anything between bounds
	free   []string // what may be anything
	lists  bool     // elements of lists were counted, of which there may be any number
}

func extentOf(r *rule) *extent {
	e := &extent{named: big.NewInt(1)}
	all := new(big.Int)
	for _, entry := range r.entries {
		one := e.fresh()
		tested := map[string]bool{}
		for _, f := range entry.fields {
			one.add([]string{f.field}, f.matcher)
			tested[f.field] = true
		}
		d, _ := hive.DefinitionOf(entry.name)
		for name := range fieldsOf(entry.name) {
			if name != payeeField && !tested[name] && !signsAlways(d, name) {
				one.free = append(one.free, name)
			}
		}
		e.take(one)
		if r.ordered {
			e.named.Mul(e.named, one.named)
		} else {
			all.Add(all, one.named)
		}
	}
	if len(r.entries) > 0 && !r.ordered {
		e.named = all
	}
	if r.text != nil {
		one := e.fresh()
		one.add([]string{"text"}, r.text)
		e.take(one)
		e.named = one.named
	}
	e.named.Mul(e.named, big.NewInt(int64(max(1, len(r.accounts)))*int64(1+len(r.behalf))))
	e.bounds, e.free = distinct(e.bounds), distinct(e.free)
	return e
}

func (e *extent) fresh() *extent { return &extent{named: big.NewInt(1)} }

// take notes what another one leaves open.
func (e *extent) take(one *extent) {
	e.bounds, e.free = append(e.bounds, one.bounds...), append(e.free, one.free...)
	e.lists = e.lists || one.lists
}

// add multiplies by the values that a test names. It knows the tests that drafts have.
func (e *extent) add(path []string, m matcher) {
	switch m := m.(type) {
	case oneOf:
		e.addAny(path, m)
	case *literals:
		e.named.Mul(e.named, big.NewInt(int64(len(m.list))))
	case allOf:
		e.addAll(path, m)
	case inside:
		e.add(append(slices.Clone(path), m.path...), m.matcher)
	case each:
		e.lists = true
		e.add(path, m.matcher)
	case exactly:
		for i, one := range m {
			e.add(append(slices.Clone(path), fmt.Sprint(i)), one)
		}
	case isPresent:
		if m {
			e.free = append(e.free, strings.Join(path, "."))
		}
	case bound:
		e.bounds = append(e.bounds, strings.Join(path, "."))
	}
}

func (e *extent) addAny(path []string, list oneOf) {
	sum := new(big.Int)
	for _, m := range list {
		one := e.fresh()
		one.add(path, m)
		e.take(one)
		sum.Add(sum, one.named)
	}
	e.named.Mul(e.named, sum)
}

func (e *extent) addAll(path []string, all allOf) {
	tested := map[string]bool{}
	for _, m := range all {
		e.add(path, m)
		if in, ok := m.(inside); ok {
			tested[in.path[0]] = true
		}
	}
	for _, m := range all {
		for _, name := range slices.Sorted(maps.Keys(namesIn(m))) {
			if !tested[name] {
				e.free = append(e.free, strings.Join(append(slices.Clone(path), name), "."))
			}
		}
	}
}

// namesIn returns the members that JSON may have by a test, nil if it is no test of that.
func namesIn(m matcher) onlyMembers {
	names, _ := m.(onlyMembers)
	return names
}

// lines returns in words how much is allowed, of which so many combinations were seen.
func (e *extent) lines(seen int64) []string {
	never := new(big.Int).Sub(e.named, big.NewInt(seen))
	first := fmt.Sprintf("It allows %v combinations of what it names: %d were seen, %v never", e.named, seen, never)
	switch {
	case e.named.IsInt64() && e.named.Int64() == 1:
		first = "What it names was seen"
	case never.Sign() == 0:
		first = fmt.Sprintf("What it names was seen in each of its %v combinations", e.named)
	}
	if e.lists {
		first += ", in lists of any length"
	}
	lines := []string{first + "."}
	if len(e.bounds) > 0 {
		lines = append(lines, fmt.Sprintf("Anything within bounds: %s.", namesText(e.bounds)))
	}
	if len(e.free) > 0 {
		lines = append(lines, fmt.Sprintf("Anything at all: %s.", namesText(e.free)))
	}
	return lines
}

// namesText names a few, and says how many more there are.
func namesText(names []string) string {
	const most = 6
	more := ""
	if n := len(names) - most; n > 0 {
		names, more = names[:most], fmt.Sprintf(" and %d more", n)
	}
	var words []string
	for _, name := range names {
		words = append(words, yamlText(name))
	}
	return strings.Join(words, ", ") + more
}

// mostCame is how many combinations one operation counts for, if lists in it have many.
const mostCame = 1000

// came returns which combinations of what each rule of the draft names were seen. Of an operation
// with more than [mostCame] it finds so many.
func (w *suggester) came(p *Policy) map[*rule]map[string]bool {
	ruleOf := map[*seenGroup]*rule{}
	found := map[*rule]map[string]bool{}
	for _, r := range p.rules {
		found[r] = map[string]bool{}
		for _, g := range append([]*seenGroup{w.groupOf[r.name]}, w.groupOf[r.name].alike...) {
			ruleOf[g] = r
		}
	}
	for _, seen := range w.all {
		parts := seen.Request.parts()
		s := newScope(seen.Request, parts, seen.Time)
		for _, key := range w.in[seen.Request] {
			g := w.groups[key]
			if r := ruleOf[g]; r != nil {
				for _, one := range cameOf(r, s, parts, g.kind) {
					found[r][one] = true
				}
			}
		}
	}
	return found
}

// cameOf returns the combinations of a request, each in a form of its own.
func cameOf(r *rule, s *scope, parts []*part, k Kind) []string {
	whole := []string{fmt.Sprintf("%q", s.request.Account)}
	if r.ordered {
		for i, e := range r.entries {
			whole = combined(whole, e.came(s, parts[i]))
		}
		return whole
	}
	var all []string
	for _, p := range parts {
		switch {
		case p.kind != k:
		case r.text != nil:
			all = append(all, combined(whole, came(s, r.text, p.textValue()))...)
		case r.entries == nil:
			return whole
		}
		for i, e := range r.entries {
			if o, _ := e.matches(r, s, p); o == yes {
				all = append(all, combined(combined(whole, []string{fmt.Sprint(i)}), e.came(s, p))...)
				break
			}
		}
	}
	return all
}

// came returns the combinations of one operation.
func (e *opEntry) came(s *scope, p *part) []string {
	all := []string{fmt.Sprintf("%q", p.actors)}
	for _, f := range e.fields {
		all = combined(all, came(s.of(p), f.matcher, p.field(f.field)))
	}
	return all
}

// came returns which of the values that a test names a value is. It is one, but for lists.
func came(s *scope, m matcher, v value) []string {
	switch m := m.(type) {
	case oneOf:
		for i, one := range m {
			if one.check(s, v) == yes {
				return combined([]string{fmt.Sprint(i)}, came(s, one, v))
			}
		}
	case *literals:
		return []string{fmt.Sprintf("%q", v.text)}
	case allOf:
		all := []string{""}
		for _, one := range m {
			all = combined(all, came(s, one, v))
		}
		return all
	case inside:
		return came(s, m.matcher, m.reach(v))
	case each:
		items, _ := v.list()
		var all []string
		for _, item := range items {
			all = append(all, came(s, m.matcher, item)...)
		}
		return distinct(all)
	case exactly:
		items, _ := v.list()
		all := []string{""}
		for i := range min(len(m), len(items)) {
			all = combined(all, came(s, m[i], items[i]))
		}
		return all
	}
	return []string{""}
}

// combined returns each of the ones with each of the others, up to [mostCame].
func combined(some, others []string) (all []string) {
	for _, one := range some {
		for _, other := range others {
			if all = append(all, one+" "+other); len(all) == mostCame {
				return all
			}
		}
	}
	return all
}
