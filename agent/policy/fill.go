package policy

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
)

// Names that are known with the request.
const accountName, actorName = "account", "actor"

// isActor compares with the account whose authority the part needs.
type isActor struct{}

func (isActor) check(s *scope, v value) outcome {
	if v.kind == isAbsent {
		return no
	}
	return s.eachActor(func(name hive.AccountName) outcome { return compareEqual(textValue(string(name)), v) })
}

func namesOf(accounts []hive.AccountName) (names []string) {
	for _, name := range accounts {
		names = append(names, string(name))
	}
	return names
}

// of returns the scope, for a test of a part.
func (s *scope) of(p *part) *scope {
	s.actors = p.actors
	return s
}

// eachActor returns what a test says of all accounts whose authority the part needs. Where it says
// one thing of some and another of others, the answer is doubt, and that counts against the
// request.
func (s *scope) eachActor(say func(hive.AccountName) outcome) outcome {
	first := unclear
	for i, name := range s.actors {
		switch said := say(name); {
		case i == 0:
			first = said
		case said != first:
			return unclear
		}
	}
	return first
}

// filled is a text or a pattern with names in it that are known with the request.
type filled struct {
	form   string // glob or regexp; empty: a text
	source string // as it stands in the file
	pieces []piece
	sample matcher // with names that stand for all: what the review knows of texts, it knows of this
	size   int     // of the pattern in memory, roughly
	made   *made   // of the policy
}

// piece is what stands between two names, or a name.
type piece struct {
	text string
	name string // account or actor; empty: the text
}

func (m filled) check(s *scope, v value) outcome {
	switch {
	case v.kind == isAbsent:
		return no
	// Whoever compares rules with rules has no account: then anything can be.
	case s.request.Account == "":
		return unclear
	case !slices.ContainsFunc(m.pieces, func(one piece) bool { return one.name == actorName }):
		return m.with(s, s.request.Account, "").check(s, v)
	}
	return s.eachActor(func(actor hive.AccountName) outcome {
		// An application names them as it likes, and each makes another pattern.
		if m.form != "" && actor != s.request.Account && s.others > mostOthers {
			return unclear
		}
		return m.with(s, s.request.Account, actor).check(s, v)
	})
}

const (
	// mostOthers is the number of other accounts in whose name the operations of a request act, up
	// to which patterns with their names are made.
	mostOthers = 16
	// mostFilled is how many bytes of patterns with names a policy keeps.
	mostFilled = 4 << 20
)

// others returns in the name of how many accounts beside that of the request its operations act.
func others(q *Request, parts []*part) int {
	var named map[hive.AccountName]bool
	for _, p := range parts {
		for _, actor := range p.actors {
			if actor == q.Account {
				continue
			}
			if named == nil {
				named = map[hive.AccountName]bool{}
			}
			named[actor] = true
		}
	}
	return len(named)
}

// made keeps patterns with names in them from one request to the next: those of the wallet's own
// accounts come again and again. Beyond its bytes those leave that were used longest ago. The zero
// value is ready, and may be used concurrently.
type made struct {
	mu       sync.Mutex
	patterns generation // that were made or used since the last time it was half full
	older    generation // the others
}

// generation is patterns by their forms and texts.
type generation struct {
	by    map[string]madePattern
	bytes int
}

type madePattern struct {
	pattern
	size int // with its key
}

func (g *generation) add(key string, p madePattern) {
	if g.by == nil {
		g.by = map[string]madePattern{}
	}
	g.by[key] = p
	g.bytes += p.size
}

func (m *made) find(key string) (pattern, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, ok := m.patterns.by[key]; ok {
		return p.pattern, true
	}
	p, ok := m.older.by[key]
	if ok {
		delete(m.older.by, key)
		m.older.bytes -= p.size
		m.keepLocked(key, p)
	}
	return p.pattern, ok
}

func (m *made) keep(key string, p pattern, size int) {
	size += len(key)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.patterns.by[key]; !ok && size <= mostFilled {
		m.keepLocked(key, madePattern{p, size})
	}
}

// keepLocked keeps one that is in neither generation.
func (m *made) keepLocked(key string, p madePattern) {
	if m.patterns.bytes+p.size > mostFilled/2 {
		m.older, m.patterns = m.patterns, generation{}
	}
	if m.older.bytes+m.patterns.bytes+p.size > mostFilled {
		m.older = generation{}
	}
	m.patterns.add(key, p)
}

// What an instruction of a compiled expression takes, and each letter or end of a range of letters
// in it.
const instruction, letter = 256, 16

// sizeOf returns about how many bytes a pattern takes.
func sizeOf(p pattern) int {
	re, err := syntax.Parse(p.String(), syntax.Perl)
	if err != nil {
		return mostFilled
	}
	program, err := syntax.Compile(re.Simplify())
	if err != nil {
		return mostFilled
	}
	size := 0
	for _, one := range program.Inst {
		size += instruction + letter*len(one.Rune)
	}
	return size
}

// text returns the text, or the source of the pattern, for these names. In a pattern they are no
// pattern: they stand for themselves, whatever is in them.
func (m filled) text(account, actor string) string {
	var b strings.Builder
	for _, one := range m.pieces {
		name := account
		switch {
		case one.name == "":
			b.WriteString(one.text)
			continue
		case one.name == actorName:
			name = actor
		}
		// In brackets, since what follows may repeat it. A name has no sign of a glob.
		if m.form == "regexp" {
			name = "(?:" + regexp.QuoteMeta(name) + ")"
		}
		b.WriteString(name)
	}
	return b.String()
}

// with returns the text or pattern for these names. The scope keeps patterns while it is judged: a
// request has few accounts, and a rule looks at many operations.
func (m filled) with(s *scope, account, actor hive.AccountName) matcher {
	text := m.text(string(account), string(actor))
	if m.form == "" {
		return equals{textValue(text)}
	}
	key := m.form + text
	one, known := s.patterns[key]
	if known {
		return one
	}
	if one, known = m.made.find(key); !known {
		one, _ = newPattern(m.form, text) // it was tried with another name
		m.made.keep(key, one, m.size)
	}
	if s.patterns == nil {
		s.patterns = map[string]pattern{}
	}
	s.patterns[key] = one
	return one
}

func newPattern(form, source string) (pattern, error) {
	if form == "regexp" {
		return newRegexp(source)
	}
	return newGlob(source)
}

// nameMark matches a name that is filled in. With two dollar signs it is a text with one.
var nameMark = regexp.MustCompile(`\$?\$(?:account|actor)\b`)

// fill parses a text or pattern in which names stand. The second result is false if there is none:
// then it is what it always was. In version 1 it never is, since a text with such a name was taken
// there as it stands.
func (c *compiler) fill(form, source string) (filled, bool) {
	m := filled{form: form, source: source}
	if c.version != version2 || !strings.Contains(source, "$a") {
		return m, false
	}
	if c.made == nil {
		c.made = new(made)
	}
	m.made = c.made
	from, found := 0, false
	add := func(end int, more string) {
		if text := source[from:end] + more; text != "" {
			m.pieces = append(m.pieces, piece{text: text})
		}
	}
	if form == "" && strings.HasPrefix(source, "$$") {
		from = 1 // two signs begin a text with one
	}
	standsAlone := outsideClasses(source)
	for _, at := range nameMark.FindAllStringIndex(source, -1) {
		mark := source[at[0]:at[1]]
		name := strings.TrimLeft(mark, "$")
		_, isList := c.lists[name]
		switch {
		case isList, at[0] <= from && from == 1: // the first sign is that of the text
			continue
		// Of two signs in an expression the first is the end of the text, behind which nothing
		// stands.
		case form == "regexp" && (mark[1] == '$' || !standsAlone(at[0])):
			continue
		case mark[1] == '$':
			add(at[0], mark[1:])
		default:
			add(at[0], "")
			m.pieces = append(m.pieces, piece{name: name})
		}
		from, found = at[1], true
	}
	add(len(source), "")
	return m, found
}

// outsideClasses returns a function that tells of rising places in a regular expression whether
// what stands there stands for itself or for an operator: neither within brackets nor behind a
// backslash.
func outsideClasses(source string) func(at int) bool {
	i := 0
	return func(at int) bool {
		for i < at {
			switch quoted, isQuoted := strings.CutPrefix(source[i:], `\Q`); {
			case isQuoted:
				end := strings.Index(quoted, `\E`)
				if end < 0 {
					return false
				}
				i += len(`\Q`) + end + len(`\E`)
			case source[i] == '\\':
				i += 2
			case source[i] == '[':
				i = endOfClass(source, i+1)
			default:
				i++
			}
		}
		return i == at
	}
}

// endOfClass returns what follows a class of characters, given the place behind its bracket.
func endOfClass(source string, i int) int {
	if strings.HasPrefix(source[i:], "^") {
		i++
	}
	for first := true; i < len(source); first = false {
		switch {
		case source[i] == ']' && !first:
			return i + 1
		case source[i] == '\\':
			i += 2
		case strings.HasPrefix(source[i:], "[:") && strings.Contains(source[i:], ":]"):
			i += strings.Index(source[i:], ":]") + len(":]")
		default:
			i++
		}
	}
	return i
}

// Names that stand for those of a request where the file is reviewed. No word of them is longer
// than a letter, so none tells of a site, and nobody has them.
const sampleAccount, sampleActor = "a7a7a7", "a8a8a8"

var (
	withSamples    = strings.NewReplacer("$"+accountName, sampleAccount, "$"+actorName, sampleActor)
	withoutSamples = strings.NewReplacer("(?:"+sampleAccount+")", "$"+accountName, "(?:"+sampleActor+")", "$"+actorName,
		sampleAccount, "$"+accountName, sampleActor, "$"+actorName)
)

// sampled returns a test of a value with such names in it.
func sampled(m matcher) matcher {
	all := func(list []matcher) (out []matcher) {
		for _, one := range list {
			out = append(out, sampled(one))
		}
		return out
	}
	switch m := m.(type) {
	case filled:
		return m.sample
	case noneOf:
		return noneOf{sampled(m.matcher)}
	case allOf:
		return allOf(all(m))
	case oneOf:
		return oneOf(all(m))
	}
	return m
}

func isFilled(m matcher) bool {
	_, is := m.(filled)
	return is
}

// sampled returns the place with such names in it.
func (p *place) sampled() *place {
	if !has(p.whole, isFilled) {
		return p
	}
	with := *p
	text := *p.node
	with.matcher, with.whole, with.node, with.filledIn = sampled(p.matcher), sampled(p.whole), &text, true
	text.Text = withSamples.Replace(text.Text)
	with.beside = slices.Clone(p.beside)
	for i, one := range with.beside {
		with.beside[i] = sampled(one)
	}
	return &with
}

// filledText compiles a text with names in it. It reports false if there are none, or the value is
// no text.
func (c *compiler) filledText(n *yamlnode.Node, sh *shape) (matcher, bool) {
	if !isTextual(sh) && sh.kind != aJSON && sh.kind != aDocument && sh.kind != aJSONText || sh.kind == aKey {
		return nil, false
	}
	m, ok := c.fill("", n.Text)
	if !ok {
		return nil, false
	}
	c.fillsIn = true
	m.sample = equals{textValue(m.text(sampleAccount, sampleActor))}
	if sh.kind == anAccount {
		// As long as the shortest name makes a name, there may be one.
		if _, err := accountLiteral(m.text("abc", "abc")); err != nil {
			c.Complain(n, "%s: no account has such a name, whatever is filled in", quote(n.Text))
			return anything{}, true
		}
	}
	return m, true
}
