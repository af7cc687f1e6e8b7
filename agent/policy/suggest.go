package policy

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// Seen is a request that was made, for [Suggest].
type Seen struct {
	Request *Request
	Time    time.Time
}

// Suggest writes the narrowest policy that allows what was seen: a file that compiles, with a rule
// for each app, account, key and operation, every field held to the values that were seen, and
// limits of what was spent in 24 hours. Where a field took many values it is left free, and a
// comment says so; challenges of many texts are left out, and of many rules those that were seen
// least. It is a draft for a person, who knows which of what was seen is to happen again. What
// cannot be suggested stands in comments at the end.
func Suggest(seen []Seen) string {
	w := suggester{groups: map[string]*seenGroup{}, names: map[string]int{}, in: map[*Request][]string{}}
	for _, s := range seen {
		w.sort(s)
	}
	w.leaveTexts()
	w.leaveRules()
	return w.text()
}

// seenGroup is what comes to one rule.
type seenGroup struct {
	kind      Kind
	account   string
	app       string
	roles     []hive.Role // of the keys that it needs
	broadcast bool
	ordered   bool     // a transaction of different operations
	names     []string // of the operations, once if they are all the same
	behalf    map[string]bool
	parts     [][]*part // for each entry, what was seen of it
	times     []time.Time
	texts     []string
}

type suggester struct {
	groups map[string]*seenGroup
	names  map[string]int
	left   []string // what cannot be suggested
	all    []Seen
	in     map[*Request][]string // the keys of a request's groups
}

func (w *suggester) leave(format string, args ...any) {
	w.left = append(w.left, fmt.Sprintf(format, args...))
}

// sort puts a request where it belongs.
func (w *suggester) sort(s Seen) {
	q := s.Request
	if code, reason := q.refuse(); code != "" {
		w.leave("%s of %s: %s: %s", q.Kind, q.App, code, reason)
		return
	}
	// No draft gives an account away, whatever was seen.
	if i := slices.IndexFunc(q.Ops, hive.Operation.Takeover); i >= 0 {
		w.leave("%s of %s: %s can take the account over; write that rule yourself, if at all", q.Kind, q.App,
			q.Ops[i].Name())
		return
	}
	w.all = append(w.all, s)
	parts := q.parts()
	if q.Kind == Sign {
		w.sortSign(s, parts)
		return
	}
	for _, p := range parts {
		// A session that the operator made needs no rule.
		if p.kind == Auth && q.ManualSession {
			continue
		}
		g := w.group(q, seenGroup{kind: p.kind, account: string(q.Account), app: q.App, roles: p.roles})
		g.times = append(g.times, s.Time)
		if p.kind == Challenge {
			g.texts = append(g.texts, p.text.text)
		}
	}
}

func (w *suggester) sortSign(s Seen, parts []*part) {
	q := s.Request
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	// Different operations in one transaction belong together, so the rule wants all of them. Equal
	// ones, such as many votes, may come in any number.
	ordered := len(slices.Compact(slices.Clone(names))) > 1
	if !ordered {
		names = names[:1]
	}
	g := w.group(q, seenGroup{kind: Sign, account: string(q.Account), app: q.App, roles: SigningRoles(q.Ops),
		broadcast: q.Broadcast,
		ordered:   ordered, names: names})
	if g.parts == nil {
		g.parts, g.behalf = make([][]*part, len(names)), map[string]bool{}
	}
	for i, p := range parts {
		if !ordered {
			i = 0
		}
		g.parts[i] = append(g.parts[i], p)
		for _, actor := range p.actors {
			if actor != q.Account {
				g.behalf[string(actor)] = true
			}
		}
	}
	g.times = append(g.times, s.Time)
}

// leaveTexts leaves out the challenges of which there were too many texts, or too long ones. Unlike
// a field, a text is never left free: whoever may have any text signed logs in as the account
// anywhere.
func (w *suggester) leaveTexts() {
	for key, g := range w.groups {
		about := fmt.Sprintf("challenge of %s for %s", g.app, g.account)
		texts := distinct(g.texts)
		switch {
		case len(texts) > mostChallenges:
			w.leave("%s: %d different texts; write a rule with a pattern for them", about, len(texts))
		case slices.ContainsFunc(texts, func(text string) bool { return len(text) > longestChallenge }):
			w.leave("%s: a text of more than %d bytes; write a rule with a pattern for it", about, longestChallenge)
		default:
			continue
		}
		delete(w.groups, key)
	}
	w.forget()
}

// leaveRules leaves out the rules that were seen least, if there are more than a person reads.
func (w *suggester) leaveRules() {
	if len(w.groups) <= mostRules {
		return
	}
	keys := slices.SortedFunc(maps.Keys(w.groups), func(a, b string) int {
		return cmp.Or(len(w.groups[b].times)-len(w.groups[a].times), cmp.Compare(a, b))
	})
	for _, key := range keys[mostRules:] {
		w.leave("a rule of %s: more than %d rules, and it was seen less than others", w.groups[key].app, mostRules)
		delete(w.groups, key)
	}
	w.forget()
}

// forget drops the requests of groups that are left out.
func (w *suggester) forget() {
	w.all = slices.DeleteFunc(w.all, func(s Seen) bool {
		return slices.ContainsFunc(w.in[s.Request], func(key string) bool { return w.groups[key] == nil })
	})
}

// key returns the name of a group, which no other has.
func (g *seenGroup) key() string {
	return fmt.Sprintf("%q %q %v %v %t %q", g.app, g.account, g.kind, g.roles, g.broadcast, g.names)
}

func (w *suggester) group(q *Request, g seenGroup) *seenGroup {
	key := g.key()
	w.in[q] = append(w.in[q], key)
	if w.groups[key] == nil {
		w.groups[key] = &g
	}
	return w.groups[key]
}

func (w *suggester) text() string {
	var b strings.Builder
	b.WriteString("# The narrowest rules for what was seen. Read them before you use them: what was seen once need " +
		"not be\n# right, and will hardly come again with the same values.\nversion: 2\n")
	if len(w.groups) > 0 {
		b.WriteString("allow:\n")
	}
	for _, key := range slices.Sorted(maps.Keys(w.groups)) {
		w.rule(&b, w.groups[key])
	}
	w.limits(&b)
	draft := reasoned(b.String())
	b.Reset()
	b.WriteString(draft)
	// Before the comments about what is left, since the check adds to them.
	w.check(draft)
	if len(w.left) > 0 {
		b.WriteString("# Not suggested:\n")
	}
	slices.Sort(w.left)
	lines, more := 0, 0
	for text, n := range counted(w.left) {
		if lines++; lines > mostLeft {
			more += n
			continue
		}
		fmt.Fprintf(&b, "#   %d × %s\n", n, strings.ReplaceAll(text, "\n", " "))
	}
	if more > 0 {
		fmt.Fprintf(&b, "#   and %d more\n", more)
	}
	return b.String()
}

// reasoned writes on the lines of a draft that are warned of why they are there, so that version 2
// takes the draft. What no reason silences leaves it in version 1.
func reasoned(draft string) string {
	first := strings.Replace(draft, "\nversion: 2\n", "\nversion: 1\n", 1)
	_, problems := Compile("suggested.yaml", []byte(first), Options{})
	lines := strings.Split(draft, "\n")
	for _, p := range problems.Warnings() {
		lines[p.Line-1] += " # pksa: meant so: it was seen so; narrow it"
	}
	draft = strings.Join(lines, "\n")
	if p, _ := Compile("suggested.yaml", []byte(draft), Options{}); p == nil {
		return first
	}
	return draft
}

func counted(sorted []string) func(yield func(string, int) bool) {
	return func(yield func(string, int) bool) {
		for i := 0; i < len(sorted); {
			j := i
			for j < len(sorted) && sorted[j] == sorted[i] {
				j++
			}
			if !yield(sorted[i], j-i) {
				return
			}
			i = j
		}
	}
}

// check judges what was seen by what is suggested, so that the draft promises only what it keeps.
func (w *suggester) check(text string) {
	p, problems := Compile("suggested.yaml", []byte(text), Options{})
	if p == nil {
		w.leave("this draft has errors: %s", problems.Errors())
		return
	}
	// In the order of time, with the charges of each: the limits of the draft are judged, too.
	book := &Book{}
	slices.SortStableFunc(w.all, func(a, b Seen) int { return a.Time.Compare(b.Time) })
	for _, s := range w.all {
		d := p.Decide(s.Request, book, s.Time)
		if d.Verdict != Allow {
			w.leave("%s of %s, which these rules do not allow: %s", s.Request.Kind, s.Request.App, d.Reason)
		}
		book.Add(s.Time, d.Charges)
	}
}

// name returns a name that is unique in the file.
func (w *suggester) name(text string) string {
	text = plain.CutRunes(text, 80)
	w.names[text]++
	if n := w.names[text]; n > 1 {
		text = fmt.Sprintf("%s, %d", text, n)
	}
	return text
}

func (w *suggester) rule(b *strings.Builder, g *seenGroup) {
	about := g.kind.String()
	if g.kind == Sign {
		about = strings.Join(g.names, " and ")
	}
	fmt.Fprintf(b, "  - name: %s\n", yamlText(w.name(fmt.Sprintf("%s of %s for %s", about, g.app, g.account))))
	fmt.Fprintf(b, "    comment: %s\n", yamlText("seen "+times(g.times)))
	fmt.Fprintf(b, "    request: %v\n    accounts: [%s]\n    apps: [%s]\n", g.kind, yamlText(g.account),
		yamlText(g.app))
	switch g.kind {
	case Challenge:
		g.keys(b)
		b.WriteString("    text:\n")
		for _, text := range distinct(g.texts) {
			fmt.Fprintf(b, "      - %s\n", yamlText(reference(text)))
		}
	case Sign:
		g.operations(b)
	}
}

// keys writes the keys of the rule, if they have to be said.
func (g *seenGroup) keys(b *strings.Builder) {
	if text := keyText(g.roles); text != hive.Posting.String() {
		fmt.Fprintf(b, "    key: %s\n", text)
	}
}

// keyText writes roles as a rule does.
func keyText(roles []hive.Role) string {
	if len(roles) == 1 {
		return roles[0].String()
	}
	return fmt.Sprintf("[%s]", joinRoles(roles, ", "))
}

func joinRoles(roles []hive.Role, by string) string {
	var words []string
	for _, role := range roles {
		words = append(words, role.String())
	}
	return strings.Join(words, by)
}

func (g *seenGroup) operations(b *strings.Builder) {
	g.keys(b)
	if !g.broadcast {
		b.WriteString("    broadcast: false\n")
	}
	if len(g.behalf) > 0 {
		fmt.Fprintf(b, "    on_behalf_of: [%s]\n", strings.Join(slices.Sorted(maps.Keys(g.behalf)), ", "))
	}
	b.WriteString(map[bool]string{true: "    transaction:\n", false: "    operations:\n"}[g.ordered])
	for i, name := range g.names {
		lines := g.fields(g.parts[i])
		colon := ":"
		if !slices.ContainsFunc(lines, func(line string) bool { return !strings.HasPrefix(line, "#") }) {
			colon = ""
		}
		fmt.Fprintf(b, "      - %s%s\n", name, colon)
		for _, line := range lines {
			fmt.Fprintf(b, "          %s\n", line)
		}
	}
}

// times returns how often, and from when to when.
func times(at []time.Time) string {
	first, last := slices.MinFunc(at, time.Time.Compare), slices.MaxFunc(at, time.Time.Compare)
	const form = "2006-01-02T15:04:05Z"
	if len(at) == 1 {
		return "once, at " + first.UTC().Format(form)
	}
	return fmt.Sprintf("%d times, %s to %s", len(at), first.UTC().Format(form), last.UTC().Format(form))
}

// limits writes, for each app, the most that was spent within 24 hours.
func (w *suggester) limits(b *strings.Builder) {
	spent := map[string][]Seen{}
	for _, s := range w.all {
		if len(spentBy(s.Request)) > 0 {
			spent[s.Request.App] = append(spent[s.Request.App], s)
		}
	}
	if len(spent) == 0 {
		return
	}
	b.WriteString("limits:\n")
	for _, app := range slices.Sorted(maps.Keys(spent)) {
		fmt.Fprintf(b, "  - name: %s\n    apps: [%s]\n    operations: [%s]\n    spend: [%s]\n",
			yamlText(w.name(app+" in 24h")), yamlText(app),
			strings.Join(spending(spent[app]), ", "), strings.Join(most(spent[app]), ", "))
	}
}

// spending returns the names of the operations that spent, sorted.
func spending(seen []Seen) []string {
	var names []string
	for _, s := range seen {
		for _, op := range s.Request.Ops {
			if len(op.Spend()) > 0 {
				names = append(names, op.Name())
			}
		}
	}
	return distinct(names)
}

func spentBy(q *Request) map[hive.Symbol]*big.Rat {
	sums := map[hive.Symbol]*big.Rat{}
	for _, op := range q.Ops {
		for _, a := range op.Spend() {
			if a.Amount != 0 {
				sums[a.Symbol] = new(big.Rat).Add(cmp.Or(sums[a.Symbol], new(big.Rat)),
					assetRat(a.Amount, a.Symbol.Decimals()))
			}
		}
	}
	return sums
}

// most returns, for each asset, what the fullest 24 hours took.
func most(seen []Seen) (quotas []string) {
	slices.SortStableFunc(seen, func(a, b Seen) int { return a.Time.Compare(b.Time) })
	const window = 24 * time.Hour
	for _, symbol := range []hive.Symbol{hive.HBD, hive.HIVE, hive.VESTS} {
		fullest, sum, oldest := new(big.Rat), new(big.Rat), 0
		for _, s := range seen {
			sum.Add(sum, cmp.Or(spentBy(s.Request)[symbol], new(big.Rat)))
			for ; !seen[oldest].Time.After(s.Time.Add(-window)); oldest++ {
				sum.Sub(sum, cmp.Or(spentBy(seen[oldest].Request)[symbol], new(big.Rat)))
			}
			if sum.Cmp(fullest) > 0 {
				fullest.Set(sum)
			}
		}
		if fullest.Sign() > 0 {
			quotas = append(quotas, fmt.Sprintf("%s %s per 24h", fullest.FloatString(symbol.Decimals()), symbol))
		}
	}
	return quotas
}
