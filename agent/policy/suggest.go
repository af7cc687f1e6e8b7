package policy

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
	"pksa/protocol/plain"
	"pksa/protocol/sorts"
)

// Seen is a request that was made, for [Suggest].
type Seen struct {
	Request *Request
	Time    time.Time
	Until   time.Time // of a transaction that the app made: when it expires; else zero
}

// Suggestion is what [Suggest] wrote.
type Suggestion struct {
	YAML   string // the policy; empty if nothing was seen
	Rules  int
	Limits int
	// Named is how many combinations there are of the values that the rules name, for one
	// operation, element of a list or text; at most what fits. Seen is how many of these came. What
	// lies between bounds or is left free comes on top: a comment above each rule has what that is.
	Named, Seen int64
	Free        int // fields, and members of JSON, that are left free

	allow, limits []string // the lines below these words
}

// Suggest writes the narrowest policy that allows what was seen: a rule for each app, key and
// operation, every field held to the values that were seen, JSON to the forms that it had, and
// limits of what went out in 24 hours. Bounds of amounts, numbers and limits lie room percent (0 to
// 100) beyond what was seen, and a comment has what that was. Where a field took many values, or
// one that does not come again, it is left free, and a comment says so; challenges of many texts
// are left out, operations of too many forms, and of many rules those that were seen least. It is a
// draft for a person, who knows which of what was seen is to happen again. A line that [Compile]
// complains of ends with a comment that says to narrow it: version 2 takes the draft only once that
// is done. What cannot be suggested stands in comments at the end.
func Suggest(seen []Seen, room int) Suggestion { return (*Policy)(nil).Suggest(seen, room) }

// Suggest does what the function [Suggest] does. Above a rule it says which rule of the policy p
// would do with a change, and what it wants otherwise: that is often the better edit. Names are new
// beside those of p, and no limit is drafted that would bind what p allows to the same app.
func (p *Policy) Suggest(seen []Seen, room int) Suggestion {
	w := suggester{inForce: p, room: headroom(min(max(room, 0), 100)), groups: map[string]*seenGroup{},
		names: map[string]int{}, in: map[*Request][]string{}, groupOf: map[string]*seenGroup{}}
	if p != nil {
		for _, at := range everyRuleOf(p) {
			w.names[at.rule.name] = 1
		}
	}
	for _, s := range seen {
		w.sort(s)
	}
	w.leaveTexts()
	w.writeBodies()
	w.leaveRules()
	w.write()
	return w.out
}

// seenGroup is what comes to one rule.
type seenGroup struct {
	kind      Kind
	account   string
	app       string
	roles     []hive.Role // of the keys that it needs
	broadcast bool
	exact     bool
	ordered   bool     // a transaction of different operations
	names     []string // of the operations; those of one name and different forms are entries apart
	forms     []string // of each entry
	behalf    map[string]bool
	parts     [][]*part // for each entry, what was seen of it
	times     []time.Time
	texts     []value
	last      Seen

	body     string       // of the rule: all that stands behind its accounts
	accounts []string     // that the rule is for; of none, another group's rule says them
	alike    []*seenGroup // whose rule this is, too
}

type suggester struct {
	inForce *Policy // nil: not known
	room    headroom
	groups  map[string]*seenGroup
	groupOf map[string]*seenGroup // by the name of its rule
	names   map[string]int
	left    []string // what cannot be suggested
	all     []Seen
	in      map[*Request][]string // the keys of a request's groups
	out     Suggestion
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
		g := w.group(s, seenGroup{kind: p.kind, account: string(q.Account), app: q.App, roles: p.roles})
		g.times = append(g.times, s.Time)
		if p.kind == Challenge {
			g.texts = append(g.texts, p.textValue())
		}
	}
}

func (w *suggester) sortSign(s Seen, parts []*part) {
	q := s.Request
	var names, forms []string
	for _, p := range parts {
		names, forms = append(names, p.name), append(forms, formOf(p))
	}
	// Different operations in one transaction belong together, so the rule wants all of them. Equal
	// ones, such as many votes, may come in any number.
	ordered := len(slices.Compact(slices.Clone(names))) > 1
	about := seenGroup{kind: Sign, account: string(q.Account), app: q.App, roles: SigningRoles(q.Ops),
		broadcast: q.Broadcast, exact: q.Exact, ordered: ordered, names: names[:1]}
	if ordered {
		about.names, about.forms = names, forms
	}
	g := w.group(s, about)
	if g.parts == nil {
		g.behalf, g.names = map[string]bool{}, names[:1:1]
		if ordered {
			g.names = names
		}
		g.parts = make([][]*part, len(g.forms))
	}
	for i, p := range parts {
		if !ordered {
			i = g.entry(p.name, forms[i])
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

// formOf returns what differs between operations that need different tests: the id of a
// custom_json, and which fields that need not be there are.
func formOf(p *part) string {
	var b strings.Builder
	known := fieldsOf(p.name)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		switch v := p.field(name); {
		case name == payeeField:
		case v.kind == isAbsent, known[name].kind == aList && len(v.items) == 0,
			known[name].kind == aJSONText && v.text == "":
			fmt.Fprintf(&b, "-%s ", name)
		case p.name == "custom_json" && name == "id":
			fmt.Fprintf(&b, "%q ", v.text)
		}
	}
	return b.String()
}

// entry returns the place of the entry of an operation of this form, which it adds if it is new.
func (g *seenGroup) entry(name, form string) int {
	i := slices.Index(g.forms, form)
	if i >= 0 {
		return i
	}
	g.forms, g.parts = append(g.forms, form), append(g.parts, nil)
	if len(g.forms) > 1 {
		g.names = append(g.names, name)
	}
	return len(g.forms) - 1
}

// writeBodies writes what stands in each rule behind its accounts, and leaves out what nobody can
// write narrowly. Rules that differ by nothing but the account become one.
func (w *suggester) writeBodies() {
	same := map[string]*seenGroup{}
	for _, key := range slices.Sorted(maps.Keys(w.groups)) {
		g := w.groups[key]
		body, err := g.write(w.room)
		if err != nil {
			w.leave("%s of %s for %s: %v", g.about(), g.app, g.account, err)
			delete(w.groups, key)
			continue
		}
		if first := same[body]; first != nil {
			if !slices.Contains(first.accounts, g.account) { // two of its groups may have become alike
				first.accounts = append(first.accounts, g.account)
			}
			first.times = append(first.times, g.times...)
			first.alike = append(first.alike, g)
			continue
		}
		same[body], g.body, g.accounts = g, body, []string{g.account}
	}
	w.forget()
}

// leaveTexts leaves out the challenges of which there were too many texts, too long ones, or such
// that do not come again. Unlike a field, a text is never left free: whoever may have any text
// signed logs in as the account anywhere. JSON is opened instead.
func (w *suggester) leaveTexts() {
	for key, g := range w.groups {
		about := fmt.Sprintf("challenge of %s for %s", g.app, g.account)
		texts := distinctTexts(g.texts)
		switch {
		case slices.ContainsFunc(texts, func(text string) bool { return len(text) > longestChallenge }):
			w.leave("%s: a text of more than %d bytes; write a rule with a pattern for it", about, longestChallenge)
		case allMaps(g.texts):
			continue
		case len(texts) > mostChallenges:
			w.leave("%s: %d different texts; write a rule with a pattern for them", about, len(texts))
		case slices.ContainsFunc(texts, comesOnce.MatchString):
			w.leave("%s: a text that will not come again, such as %s; write a rule with a pattern for it", about,
				plain.QuoteRunes(texts[slices.IndexFunc(texts, comesOnce.MatchString)], 60))
		default:
			continue
		}
		delete(w.groups, key)
	}
	w.forget()
}

// comesOnce finds what makes a text one of its own: a time, a date, a number or letters by chance.
var comesOnce = regexp.MustCompile(`[0-9]{6}|[0-9a-fA-F-]{16}|[0-9]{4}-[0-9]{2}-[0-9]{2}`)

// allMaps reports whether all texts hold a map in JSON, and there is one.
func allMaps(texts []value) bool {
	return len(texts) > 0 && !slices.ContainsFunc(texts, func(v value) bool { return v.open().kind != isMap })
}

// leaveRules leaves out the rules that were seen least, if there are more than a person reads.
func (w *suggester) leaveRules() {
	keys := slices.DeleteFunc(slices.Collect(maps.Keys(w.groups)), func(key string) bool {
		return w.groups[key].accounts == nil
	})
	if len(keys) <= mostRules {
		return
	}
	sorts.By(keys, func(a, b string) int {
		return cmp.Or(len(w.groups[b].times)-len(w.groups[a].times), cmp.Compare(a, b))
	})
	left := map[string]bool{}
	for _, key := range keys[mostRules:] {
		w.leave("a rule of %s: more than %d rules, and it was seen less than others", w.groups[key].app, mostRules)
		left[w.groups[key].body] = true
	}
	maps.DeleteFunc(w.groups, func(_ string, g *seenGroup) bool { return left[g.body] })
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
	return fmt.Sprintf("%q %q %v %v %t %t %q", g.app, g.account, g.kind, g.roles, g.broadcast, g.exact, g.names)
}

func (w *suggester) group(s Seen, g seenGroup) *seenGroup {
	key := g.key()
	w.in[s.Request] = append(w.in[s.Request], key)
	if w.groups[key] == nil {
		w.groups[key] = &g
	}
	if kept := w.groups[key]; !s.Time.Before(kept.last.Time) {
		kept.last = s
	}
	return w.groups[key]
}

// write writes the draft.
func (w *suggester) write() {
	w.out.allow = w.rules()
	w.out.limits = w.limits()
	w.sayUnseen()
	p, problems := w.mark()
	w.check(p, problems)
	w.out.YAML = w.whole() + w.leftText()
}

// rules writes the rules.
func (w *suggester) rules() []string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(w.groups)) {
		if g := w.groups[key]; g.accounts != nil {
			w.rule(&b, g)
		}
	}
	return linesOf(b.String())
}

func linesOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// head returns what stands above the rules.
func (w *suggester) head() []string {
	head := []string{
		"# The narrowest rules for what was seen. Read them before you use them: what was seen once need not be",
		"# right, and will hardly come again with the same values.",
	}
	if w.room > 0 {
		head = append(head, fmt.Sprintf("# Bounds of amounts, numbers and limits lie %d%% beyond what was seen; "+
			"comments have what that was.", w.room))
	}
	return append(head, "version: 2")
}

// whole returns the policy, without what is left out.
func (w *suggester) whole() string {
	lines := w.head()
	for _, block := range w.out.blocks() {
		lines = append(lines, block.section.String()+":")
		lines = append(lines, block.lines...)
	}
	return strings.Join(lines, "\n") + "\n"
}

// lineAt returns a line of the whole that stands in a block, by its number from 1.
func (w *suggester) lineAt(number int) *string {
	first := len(w.head()) + 2 // of the block at hand
	for _, block := range w.out.blocks() {
		if i := number - first; 0 <= i && i < len(block.lines) {
			return &block.lines[i]
		}
		first += len(block.lines) + 1
	}
	return new(string)
}

// block is the rules of a section.
type block struct {
	section section
	lines   []string
}

// blocks returns the sections of a draft that have anything.
func (d *Suggestion) blocks() []block {
	return slices.DeleteFunc([]block{{allowSection, d.allow}, {limitSection, d.limits}},
		func(b block) bool { return len(b.lines) == 0 })
}

// leftText returns comments about what is not suggested.
func (w *suggester) leftText() string {
	var b strings.Builder
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

// mark ends the lines of the draft that are complained of with a comment, and returns the policy
// that it is. It silences nothing: what was seen need not be meant, and what a person does not
// narrow does not get into force.
func (w *suggester) mark() (*Policy, Problems) {
	p, problems := Compile("suggested.yaml", []byte(w.whole()), Options{TrapsWarn: true})
	for _, problem := range problems.Warnings() {
		if line := w.lineAt(problem.Line); !strings.HasSuffix(*line, tooWide) {
			*line += tooWide
		}
	}
	return p, problems
}

const tooWide = " # too wide: narrow it, pksa policy check says how"

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
func (w *suggester) check(p *Policy, problems Problems) {
	if p == nil {
		w.leave("this draft has errors: %s", problems.Errors())
		return
	}
	// In the order of time, with the charges of each: the limits of the draft are judged, too.
	book := &Book{}
	sorts.Stable(w.all, func(a, b Seen) int { return a.Time.Compare(b.Time) })
	for _, s := range w.all {
		d := p.Decide(s.Request, book, s.Time)
		if d.Verdict != Allow {
			w.leave("%s of %s, which these rules do not allow: %s", s.Request.Kind, s.Request.App, d.Reason)
		}
		book.AddUntil(s.Time, s.Until, d.Charges)
	}
}

// name returns a name that is unique in the file.
func (w *suggester) name(text string) string {
	plainly := text
	for n := 2; w.names[text] > 0; n++ {
		text = fmt.Sprintf("%s, %d", plainly, n)
	}
	w.names[text] = 1
	return text
}

// about returns in words what the rule is of.
func (g *seenGroup) about() string {
	if g.kind != Sign {
		return g.kind.String()
	}
	names := slices.Compact(slices.Clone(g.names))
	if n := len(names); n > 2 {
		names = []string{names[0], fmt.Sprintf("%d more", n-1)}
	}
	return strings.Join(names, " and ")
}

func (w *suggester) rule(b *strings.Builder, g *seenGroup) {
	whose := g.accounts[0]
	if n := len(g.accounts); n > 1 {
		whose = fmt.Sprintf("%d accounts", n)
	}
	if near := w.nearest(g); near != "" {
		fmt.Fprintf(b, "  # %s\n", near)
	}
	name := w.name(fmt.Sprintf("%s of %s for %s", g.about(), g.app, whose))
	w.groupOf[name] = g
	w.out.Rules++
	fmt.Fprintf(b, "  - name: %s\n", yamlText(name))
	fmt.Fprintf(b, "    comment: %s\n", yamlText("seen "+times(g.times)))
	var names []string
	for _, name := range g.accounts {
		names = append(names, yamlText(name))
	}
	b.WriteString(strings.Replace(g.body, placeOfAccounts, strings.Join(names, ", "), 1))
}

// nearest returns which rule in force would do with a change for the newest request of a group;
// empty if none is near.
func (w *suggester) nearest(g *seenGroup) string {
	if w.inForce == nil {
		return ""
	}
	q := g.last.Request
	parts := q.parts()
	j := judgement{policy: w.inForce, scope: newScope(q, parts, g.last.Time)}
	for _, p := range parts {
		n := j.nearest(p)
		if p.kind != g.kind || n.rule == nil || n.failed <= onApp || n.failed == onOperation || n.failed == satisfied {
			continue
		}
		return plain.CutRunes(strings.ReplaceAll(fmt.Sprintf("The %s would do, but for: %s",
			w.inForce.ruleText(n.rule), strings.Join(n.rule.misses(j.scope, p), "; ")), "\n", " "), longestNear)
	}
	return ""
}

// longestNear is how much is said of a rule in force that is near, in letters.
const longestNear = 400

// placeOfAccounts stands in a rule's body for its accounts. No text has it: it would be escaped.
const placeOfAccounts = "\x00"

// write returns the body of the rule, or why nobody can write it narrowly.
func (g *seenGroup) write(room headroom) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "    request: %v\n    accounts: [%s]\n    apps: [%s]\n", g.kind, placeOfAccounts, yamlText(g.app))
	switch g.kind {
	case Challenge:
		g.keys(&b)
		return g.text(&b, room)
	case Sign:
		if err := g.operations(&b, room); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// text writes the tests of the texts of challenges.
func (g *seenGroup) text(b *strings.Builder, room headroom) (string, error) {
	if allMaps(g.texts) {
		d := &draft{account: g.account, once: true, room: room}
		test, ok := d.insides(g.texts, []string{"text"})
		if d.err == nil && !ok {
			d.err = fmt.Errorf("%s; write a rule with a pattern for its texts", test)
		}
		fmt.Fprintf(b, "    text:%s\n", strings.ReplaceAll(beside(test), "\n", "\n    "))
		for _, note := range d.notes {
			fmt.Fprintf(b, "    # %s\n", note)
		}
		return b.String(), d.err
	}
	b.WriteString("    text:\n")
	for _, text := range distinctTexts(g.texts) {
		fmt.Fprintf(b, "      - %s\n", yamlText(reference(text)))
	}
	return b.String(), nil
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

func (g *seenGroup) operations(b *strings.Builder, room headroom) error {
	if len(g.names) > mostForms {
		return fmt.Errorf("%d forms of %s; write rules for them yourself", len(g.names), g.names[0])
	}
	g.keys(b)
	if !g.broadcast {
		b.WriteString("    broadcast: false\n")
	}
	if g.exact {
		b.WriteString("    transaction_by: application\n")
	}
	if len(g.behalf) > 0 {
		fmt.Fprintf(b, "    on_behalf_of: [%s]\n", strings.Join(slices.Sorted(maps.Keys(g.behalf)), ", "))
	}
	b.WriteString(map[bool]string{true: "    transaction:\n", false: "    operations:\n"}[g.ordered])
	for i, name := range g.names {
		d := &draft{account: g.account, room: room}
		lines := d.fields(g.parts[i], g.postOf(i))
		if d.err != nil {
			return d.err
		}
		colon := ":"
		if !slices.ContainsFunc(lines, func(line string) bool { return !strings.HasPrefix(line, "#") }) {
			colon = ""
		}
		fmt.Fprintf(b, "      - %s%s\n", name, colon)
		for _, line := range lines {
			fmt.Fprintf(b, "          %s\n", line)
		}
	}
	return nil
}

// postOf returns the place, from 1, of the entry whose post the options at entry i are for in all
// that was seen; without one, zero.
func (g *seenGroup) postOf(i int) int {
	if !g.ordered || g.names[i] != "comment_options" {
		return 0
	}
	return 1 + slices.IndexFunc(g.names, func(name string) bool { return name == "comment" && g.samePosts(i, name) })
}

// samePosts reports whether the options at entry i are for the first comment in all that was seen.
func (g *seenGroup) samePosts(i int, comment string) bool {
	posts := g.parts[slices.Index(g.names, comment)]
	for n, p := range g.parts[i] {
		if p.field("permlink").text != posts[n].field("permlink").text ||
			p.field("author").text != posts[n].field("author").text {
			return false
		}
	}
	return true
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
