package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"pksa/protocol/hive"
)

// A Case is a request with what it is judged against, read from a file: one
// that `pksa policy explain` is given, or one of the cases of `policy test`.
type Case struct {
	Name     string
	Line     int
	Request  *Request
	Time     time.Time // zero if the file does not say
	Expect   *Expectation
	counters []caseCounter
}

// Expectation is the answer that a case of a test wants.
type Expectation struct {
	Verdict Verdict
	Rules   []string // each is among those that give the decision
	Code    Code     // empty: any
	Silent  *bool
	Session time.Duration // zero: any
}

// A caseCounter is what a limit has counted before.
type caseCounter struct {
	node  *yaml.Node
	limit string
	of    map[string]string
	used  string
	ago   time.Duration
}

// A TestFile is a file of cases.
type TestFile struct {
	File   string
	Policy string // the policy file that it names, "" if it names none
	Cases  []*Case
}

// Keys of request files and test files, with what they say. The reference is made of it.
var (
	requestKeys = []keyDoc{
		{"request", "`auth`, `sign`, `challenge` or `decrypt`"},
		{"account", "whose key would answer"},
		{"app", "the app slot that asks"},
		{"key_type", "`posting`, `active` or `memo`; left out: `posting`, `memo` for decrypt"},
		{"broadcast", "`sign`: `true` (default) or `false`"},
		{"operations", "`sign`: each as `vote: {voter: …}`, or as applications send it; all fields"},
		{"text", "`challenge`: the text to sign"},
		{"challenge", "`auth`: the challenge inside, a map of `key_type`, `text`, `decrypt`"},
		{"by_hand", "`auth`: `true` if the operator made or paired the session"},
		{"approved", "`true` if a person said yes"},
		{"time", "the instant; left out: now for `explain`, 2026-01-01T12:00:00Z for `test`"},
		{"counters", "what limits counted before: a list of maps of `limit`, `used` (`9.500 HBD`, `3`), `of` (which counter of a limit with `per`, as `{.to: bob}`), `ago` (default: just now)"},
	}
	caseKeys = []keyDoc{
		{"name", "of the case, unique in the file"},
		{"comment", "for people"},
		{"expect", "`allow`, `ask` or `deny`"},
		{"rule", "a rule or limit, or a list of them, that must be among those that give the decision"},
		{"code", "the code of the refusal"},
		{"silent", "`true` if the refusal must be silent, `false` if it must not"},
		{"session", "how long the session must live"},
	}
	testFileKeys = []keyDoc{
		{"policy", "the policy file, beside this one; left out: NAME.yaml for NAME_test.yaml"},
		{"account", "for cases that say none"},
		{"app", "for cases that say none"},
		{"time", "for cases that say none"},
		{"cases", "the list of cases"},
	}
	counterKeys   = []string{"limit", "used", "of", "ago"}
	challengeKeys = []string{"key_type", "text", "decrypt"}
)

// A keyDoc is a key with what it says.
type keyDoc struct{ key, says string }

func keysIn(docs ...[]keyDoc) (keys []string) {
	for _, doc := range docs {
		for _, d := range doc {
			keys = append(keys, d.key)
		}
	}
	return keys
}

// recordKeys stand beside a request in the audit trail and say nothing here.
var recordKeys = []string{
	"relay", "uuid", "effects", "text_sha256", "session_until", "policy", "rules", "limits_before", "cost", "result", "code", "reason", "observed",
}

// ReadRequest reads a request file: YAML or JSON, also the content of an audit record.
func ReadRequest(file string, src []byte, n *hive.Network) (*Case, Problems) {
	c := newCaseReader(file, src, n)
	root := c.root(src, "a request")
	if root == nil {
		return nil, c.problems.tidy()
	}
	m, _ := c.mapping(root, "a request", append(keysIn(requestKeys), recordKeys...))
	one := c.readCase(m, defaults{})
	if problems := c.problems.tidy(); len(problems.Errors()) > 0 {
		return nil, problems
	}
	return one, nil
}

// ReadTests reads a file of cases.
func ReadTests(file string, src []byte, n *hive.Network) (*TestFile, Problems) {
	c := newCaseReader(file, src, n)
	root := c.root(src, "a test file")
	if root == nil {
		return nil, c.problems.tidy()
	}
	t := &TestFile{File: file}
	m, _ := c.mapping(root, "a test file", keysIn(testFileKeys))
	d := defaults{time: testTime}
	d.account = c.optional(m, "account")
	d.app = c.optional(m, "app")
	t.Policy = c.optional(m, "policy")
	if m.has("time") {
		d.time = c.caseTime(m)
	}
	if !m.has("cases") {
		c.complain(root, "cases are missing: a list of maps of name, request … and expect")
	} else {
		for _, item := range c.sequence(m.value("cases"), "cases") {
			t.Cases = append(t.Cases, c.testCase(item, d))
		}
	}
	if problems := c.problems.tidy(); len(problems.Errors()) > 0 {
		return nil, problems
	}
	return t, nil
}

// testTime is when cases play that do not say: tests must not change with the calendar.
var testTime = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

type defaults struct {
	account, app string
	time         time.Time
}

type caseReader struct {
	reader
	network *hive.Network
	names   map[string]int
}

func newCaseReader(file string, src []byte, n *hive.Network) *caseReader {
	return &caseReader{reader: reader{file: file, lines: strings.Split(string(src), "\n"), bad: map[*yaml.Node]bool{}},
		network: n, names: map[string]int{}}
}

// root returns the only document. Other than in a policy, empty lists and maps
// mean something: operations have them.
func (c *caseReader) root(src []byte, what string) *yaml.Node {
	start := &yaml.Node{Line: 1, Column: 1}
	if len(src) > longestFile {
		c.complain(start, "the file is larger than %d bytes", longestFile)
		return nil
	}
	root, second, err := parseYAML(yamlOfJSON(src))
	switch {
	case err != nil:
		at, text := c.syntaxError(err)
		c.complain(at, "neither YAML nor JSON: %s", text)
	case root == nil || root.Kind != yaml.MappingNode:
		c.complain(start, "%s is a map", what)
	case second != nil:
		c.complain(second, "a second document begins here")
	default:
		c.vetPlain(root, 0)
		return root
	}
	return nil
}

var escapes = regexp.MustCompile(`(?i)\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|.)`)

// yamlOfJSON makes JSON what YAML reads alike. YAML knows no halves of characters, refuses some
// control characters, and takes others for ends of lines. Anything but JSON is left as it is.
func yamlOfJSON(src []byte) []byte {
	if !json.Valid(src) || !utf8.Valid(src) {
		return src
	}
	joined := escapes.ReplaceAllFunc(src, func(found []byte) []byte {
		m := escapes.FindSubmatch(found)
		if m[1] == nil {
			return found
		}
		high, _ := strconv.ParseUint(string(m[1]), 16, 16)
		low, _ := strconv.ParseUint(string(m[2]), 16, 16)
		return []byte(string(utf16.DecodeRune(rune(high), rune(low))))
	})
	var out []byte
	for _, r := range string(joined) {
		if r > '~' && !strconv.IsPrint(r) {
			out = fmt.Appendf(out, `\U%08X`, r) // in JSON, such can only stand inside a text
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

// vetPlain complains about YAML that is more than values, and about repeated keys.
func (c *caseReader) vetPlain(n *yaml.Node, depth int) {
	switch {
	case depth > deepestFile:
		c.complain(n, "nested deeper than %d levels", deepestFile)
		return
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		c.complain(n, "there are no anchors and aliases here; write the value out")
		return
	case c.tagged(n):
		c.complain(n, "there are no tags here; leave it out")
		return
	}
	seen := map[string]bool{}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if seen[child.Value] || child.Kind != yaml.ScalarNode {
				c.complain(child, "%s stands here twice, or is no plain key", quote(child.Value))
			}
			seen[child.Value] = true
		}
		c.vetPlain(child, depth+1)
	}
}

func (c *caseReader) testCase(n *yaml.Node, d defaults) *Case {
	m, _ := c.mapping(n, "a case", keysIn(caseKeys, requestKeys))
	one := c.readCase(m, d)
	one.Name = c.optional(m, "name")
	switch {
	case !m.has("name"):
		c.complain(n, "a case needs a name")
	case c.names[one.Name] > 0:
		c.complain(m.value("name"), "%s is the name of another case, on line %d", quote(one.Name), c.names[one.Name])
	}
	c.names[one.Name] = n.Line
	e := &Expectation{Code: Code(c.optional(m, "code"))}
	one.Expect = e
	if !m.has("expect") {
		c.complain(n, "a case says what to expect: allow, ask or deny")
	} else if word, ok := c.word(m.value("expect"), "expect", "allow", "ask", "deny"); ok {
		_ = e.Verdict.UnmarshalText([]byte(word))
	}
	if m.has("rule") {
		e.Rules = c.oneOrMore(m.value("rule"), "rule")
	}
	if m.has("silent") {
		word, _ := c.word(m.value("silent"), "silent", "true", "false")
		silent := word == "true"
		e.Silent = &silent
	}
	if m.has("session") {
		e.Session = c.caseSpan(m.value("session"), "session")
	}
	return one
}

func (c *caseReader) oneOrMore(n *yaml.Node, what string) (words []string) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	for _, item := range items {
		if word, ok := c.scalar(item, what); ok {
			words = append(words, word)
		}
	}
	return words
}

func (c *caseReader) optional(m mapping, key string) string {
	if !m.has(key) {
		return ""
	}
	text, _ := c.scalar(m.value(key), key)
	return text
}

func (c *caseReader) caseTime(m mapping) time.Time {
	text, ok := c.scalar(m.value("time"), "time")
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		if at, err = parseInstant(text); err != nil {
			c.complain(m.value("time"), "%v", err)
		}
	}
	return at
}

func (c *caseReader) caseSpan(n *yaml.Node, what string) time.Duration {
	text, ok := c.scalar(n, what)
	if !ok {
		return 0
	}
	d, err := parseSpan(text)
	if err != nil {
		c.complain(n, "%v", err)
	}
	return d
}

func (c *caseReader) readCase(m mapping, d defaults) *Case {
	q := &Request{Account: hive.AccountName(d.account), App: d.app, Broadcast: true}
	one := &Case{Request: q, Time: d.time, Line: m.node.Line}
	if m.has("request") {
		word, _ := c.word(m.value("request"), "request", kindNames[Auth:]...)
		q.Kind, _ = kindNamed(word)
	} else if !m.meant["request"] {
		c.complain(m.node, "request is missing: auth, sign, challenge or decrypt")
	}
	if m.has("account") {
		q.Account = hive.AccountName(c.optional(m, "account"))
	}
	if _, err := hive.ParseAccountName(string(q.Account)); err != nil && !m.meant["account"] {
		c.complain(m.node, "account: %s is no account name", quote(string(q.Account)))
	}
	if m.has("app") {
		q.App = c.optional(m, "app")
	}
	if q.App == "" && !m.meant["app"] {
		c.complain(m.node, "app is missing: the app slot that asks")
	}
	if m.has("time") {
		one.Time = c.caseTime(m)
	}
	c.readAbout(m, q)
	if m.has("counters") {
		for _, item := range c.sequence(m.value("counters"), "counters") {
			one.counters = append(one.counters, c.counter(item))
		}
	}
	return one
}

// readAbout reads what is asked for.
func (c *caseReader) readAbout(m mapping, q *Request) {
	var err error
	if q.Role, err = roleOf(c.optional(m, "key_type"), q.Kind); err != nil {
		c.complain(m.value("key_type"), "%v", err)
	}
	for key, kinds := range map[string][]Kind{
		"key_type": {Sign, Challenge, Decrypt}, "broadcast": {Sign}, "operations": {Sign}, "text": {Challenge}, "challenge": {Auth}, "by_hand": {Auth},
	} {
		if m.has(key) && q.Kind != 0 && !slices.Contains(kinds, q.Kind) {
			c.complain(m.key(key), "%s is not for request: %s, but for %s", key, q.Kind, joinKinds(kinds))
		}
	}
	q.Broadcast = c.yesOrNo(m, "broadcast", true)
	q.ManualSession = c.yesOrNo(m, "by_hand", false)
	q.Approved = c.yesOrNo(m, "approved", false)
	q.Text = c.optional(m, "text")
	switch {
	case q.Kind == Sign && m.missing("operations"):
		c.complain(m.node, "operations are missing")
	case q.Kind == Challenge && m.missing("text"):
		c.complain(m.node, "the text to sign is missing")
	}
	if m.has("challenge") {
		q.AuthChallenge = c.challenge(m.value("challenge"))
	}
	c.checkWhole(m, q)
	if m.has("operations") {
		for _, item := range c.sequence(m.value("operations"), "operations") {
			c.operation(item, q)
		}
	}
}

// checkWhole refuses a text that the audit trail holds only the beginning of.
func (c *caseReader) checkWhole(m mapping, q *Request) {
	text := q.Text
	if q.AuthChallenge != nil {
		text = q.AuthChallenge.Text
	}
	if want := c.optional(m, "text_sha256"); want != "" && hive.HashText(text).String() != want {
		c.complain(m.key("text_sha256"), "the text is not that of which this is the digest; the audit trail keeps the first 2048 bytes")
	}
}

func (c *caseReader) yesOrNo(m mapping, key string, otherwise bool) bool {
	if !m.has(key) {
		return otherwise
	}
	word, _ := c.word(m.value(key), key, "true", "false")
	return word == "true"
}

func (c *caseReader) challenge(n *yaml.Node) *AuthChallenge {
	m, _ := c.mapping(n, "challenge", challengeKeys)
	role, err := roleOf(c.optional(m, "key_type"), Challenge)
	if err != nil {
		c.complain(m.value("key_type"), "%v", err)
	}
	return &AuthChallenge{Role: role, Text: c.optional(m, "text"), Decrypt: c.yesOrNo(m, "decrypt", false)}
}

// operation reads `vote: {…}` or what applications send: ["vote", {…}] or {"type": …, "value": {…}}.
func (c *caseReader) operation(n *yaml.Node, q *Request) {
	if c.bad[n] {
		return
	}
	var raw json.RawMessage
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[1].Kind == yaml.MappingNode {
		name := n.Content[0].Value
		text, _ := json.Marshal(name)
		raw = fmt.Appendf(nil, "[%s,%s]", text, c.fieldsJSON(n.Content[1], name))
	} else {
		raw = nodeJSON(n)
	}
	op, err := c.network.ParseOperation(raw)
	if err != nil {
		c.complain(n, "%v", err)
		return
	}
	q.Ops = append(q.Ops, op)
}

// fieldsJSON lets a field that holds JSON as text be written as a map or list.
func (c *caseReader) fieldsJSON(n *yaml.Node, operation string) []byte {
	d, _ := hive.DefinitionOf(operation)
	members := map[string]json.RawMessage{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, val := n.Content[i].Value, n.Content[i+1]
		members[name] = nodeJSON(val)
		if d == nil || val.Kind == yaml.ScalarNode {
			continue
		}
		if f, ok := d.Field(name); ok && f.JSON {
			members[name], _ = json.Marshal(string(nodeJSON(val)))
		}
	}
	return membersJSON(members)
}

// membersJSON writes a map without touching its values.
func membersJSON(members map[string]json.RawMessage) []byte {
	out := []byte{'{'}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		key, _ := json.Marshal(name)
		out = append(append(append(out, key...), ':'), members[name]...)
	}
	return append(out, '}')
}

// nodeJSON writes a node as JSON: what is quoted is text; true, false, null
// and numbers without quotes are themselves.
func nodeJSON(n *yaml.Node) json.RawMessage {
	switch n.Kind {
	case yaml.MappingNode:
		members := map[string]json.RawMessage{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			members[n.Content[i].Value] = nodeJSON(n.Content[i+1])
		}
		return membersJSON(members)
	case yaml.SequenceNode:
		out := []byte{'['}
		for i, item := range n.Content {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, nodeJSON(item)...)
		}
		return append(out, ']')
	}
	if plain(n) {
		if _, number := parseDecimal(n.Value); number || n.Value == "true" || n.Value == "false" || n.Value == "null" {
			return json.RawMessage(n.Value)
		}
	}
	return jsonText(n.Value)
}

// jsonText writes a text as JSON without escaping for web pages.
func jsonText(text string) json.RawMessage {
	return json.RawMessage(hive.AppendString(nil, text))
}

func (c *caseReader) counter(n *yaml.Node) caseCounter {
	m, _ := c.mapping(n, "a counter", counterKeys)
	one := caseCounter{node: n, limit: c.optional(m, "limit"), used: c.optional(m, "used")}
	if m.missing("limit") || m.missing("used") {
		c.complain(n, "a counter needs limit, its name, and used, such as 9.500 HBD or 3")
	}
	if m.has("ago") {
		one.ago = c.caseSpan(m.value("ago"), "ago")
	}
	if m.has("of") && m.value("of").Kind == yaml.MappingNode {
		one.of = map[string]string{}
		for _, e := range sortedEntries(m.value("of")) {
			one.of[e.key.Value], _ = c.scalar(e.value, "of")
		}
	} else if m.has("of") {
		c.complain(m.value("of"), "of says which counter: {.to: bob}")
	}
	return one
}

// Counters are those of the case for a policy. Problems say which the policy does not have.
func (p *Policy) Counters(file string, c *Case, now time.Time) (*Book, Problems) {
	r := reader{file: file, bad: map[*yaml.Node]bool{}}
	book := &Book{}
	given := slices.Clone(c.counters)
	slices.SortStableFunc(given, func(a, b caseCounter) int { return int(b.ago - a.ago) })
	for _, one := range given {
		if charge, why := p.counterCharge(one); why != "" {
			r.complain(one.node, "%s", why)
		} else {
			book.Add(now.Add(-one.ago), []Charge{charge})
		}
	}
	return book, r.problems.tidy()
}

func (p *Policy) counterCharge(one caseCounter) (Charge, string) {
	i := slices.IndexFunc(p.limits, func(l *limit) bool { return l.name == one.limit })
	if i < 0 {
		return Charge{}, fmt.Sprintf("the policy has no limit %s%s", quote(one.limit), didYouMean(one.limit, slices.Sorted(maps.Keys(p.Limits()))))
	}
	l := p.limits[i]
	charge := Charge{Limit: l.name, Unit: l.measure.String()}
	split := url.Values{}
	for name, text := range one.of {
		if !slices.ContainsFunc(l.per, func(d dimension) bool { return d.name == name }) {
			return charge, fmt.Sprintf("limit %q is not split by %s", l.name, name)
		}
		split.Set(name, text)
	}
	charge.Split = split.Encode()
	if l.measure == measureSpend {
		a, err := parseAmount(one.used)
		if err != nil {
			return charge, err.Error()
		}
		charge.Unit, charge.Amount = a.Symbol.String(), ratText(assetRat(a.Amount, a.Symbol.Decimals()))
		return charge, ""
	}
	d, ok := parseDecimal(one.used)
	if !ok || d.negative {
		return charge, fmt.Sprintf("%s is no number", quote(one.used))
	}
	charge.Amount = d.String()
	return charge, ""
}
