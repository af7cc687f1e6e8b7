package policy

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"pksa/protocol/hive"
)

// A Case is a request with what it is judged against, read from a file: one that `pksa policy
// explain` is given, or one of the cases of `policy test`.
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

// A TestFile is a file of cases.
type TestFile struct {
	File   string
	Policy string // the policy file that it names, "" if it names none
	Cases  []*Case
}

var (
	counterKeys   = []string{"limit", "used", "of", "ago"}
	challengeKeys = []string{"key_type", "text", "decrypt"}
)

// recordKeys stand beside a request in the audit trail and say nothing here.
var recordKeys = []string{
	"relay", "uuid", "effects", "text_sha256", "session_until", "policy", "rules", "limits_before", "cost", "result",
	"code", "reason", "observed",
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

// root returns the only document. Other than in a policy, empty lists and maps mean something:
// operations have them.
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
