package policy

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
)

// Case is a request with what it is judged against, read from a file: one that `pksa policy
// explain` is given, or one of the cases of `policy test`.
type Case struct {
	Name     string
	Line     int
	Request  *Request  // nil for a case of steps
	Time     time.Time // zero if the file does not say
	Expect   *Expectation
	Steps    []Step // one after the other, each charged before the next; nil for a single request
	counters []caseCounter
}

// Step is one request of a case that tells a story.
type Step struct {
	Line    int
	After   time.Duration // since the step before, of the first one since the time of the case
	Times   int           // how often, all at the same instant; 1 or more
	Request *Request
	Expect  *Expectation
}

// Expectation is the answer that a case wants.
type Expectation struct {
	Verdict  Verdict
	Rules    []string // each is among those that give the decision
	Code     Code     // empty: any
	Silent   *bool
	Session  time.Duration // zero: any
	Renew    time.Duration // zero: any
	Timeout  time.Duration // zero: any
	Consents []string      // all of them, as [Consent] says them, or "none"; nil: any
	Observed *Expectation  // of the rules and limits in mode observe as if they were in force; nil: any
	room     []caseRoom
}

// CaseFile is a file of cases.
type CaseFile struct {
	File   string
	Policy string // the policy file that it names, "" if it names none
	Cases  []*Case
}

var (
	counterKeys   = []string{"limit", "used", "of", "ago"}
	roomKeys      = []string{"limit", "left", "of", "window"}
	observedKeys  = []string{"expect", "code", "rule"}
	challengeKeys = []string{"key_type", "text", "decrypt"}
)

// recordKeys stand beside a request in the audit trail and say nothing here.
var recordKeys = []string{
	"relay", "uuid", "keys", "effects", "text_sha256", "session_until", "policy", "rules", "limits_before", "cost",
	"result", "code", "reason", "observed", "approval", "more_approvals", "told_by", "cut",
}

// ReadRequest reads a request file: YAML or JSON, also the content of an audit record.
func ReadRequest(file string, src []byte, n *hive.Network) (*Case, Problems) {
	c := newCaseReader(file, n)
	root := c.root(src, "a request")
	if root == nil {
		return nil, c.Problems()
	}
	switch {
	case isPolicy(root):
		c.Complain(root, "this is a policy and no request to judge by one; write the request into a file of its own")
		return nil, c.Problems()
	case hasKey(root, "cases"):
		c.Complain(root, "this is a file of cases and no single request; `pksa policy test FILE` judges all of them")
		return nil, c.Problems()
	}
	m, _ := c.Mapping(root, "a request", append(keysIn(requestKeys), recordKeys...))
	one := c.readCase(m, defaults{})
	if problems := c.Problems(); len(problems.Errors()) > 0 {
		return nil, problems
	}
	return one, nil
}

// ReadCases reads a file of cases.
func ReadCases(file string, src []byte, n *hive.Network) (*CaseFile, Problems) {
	c := newCaseReader(file, n)
	root := c.root(src, "a test file")
	if root == nil {
		return nil, c.Problems()
	}
	if isPolicy(root) && !hasKey(root, "cases") {
		c.Complain(root, "this is a policy and no cases for one; cases stand in NAME_test.yaml beside NAME.yaml")
		return nil, c.Problems()
	}
	t := &CaseFile{File: file}
	m, _ := c.Mapping(root, "a test file", keysIn(caseFileKeys))
	d := defaults{time: defaultCaseTime}
	d.account = c.optional(m, "account")
	d.app = c.optional(m, "app")
	t.Policy = c.optional(m, "policy")
	if m.Has("time") {
		d.time = c.caseTime(m)
	}
	if !m.Has("cases") {
		c.Complain(root, "cases are missing: a list of maps of name, request … and expect")
	} else {
		for _, item := range c.Sequence(m.Value("cases"), "cases") {
			t.Cases = append(t.Cases, c.expectedCase(item, d))
		}
	}
	if problems := c.Problems(); len(problems.Errors()) > 0 {
		return nil, problems
	}
	return t, nil
}

// defaultCaseTime is the instant of cases that do not name one: what they expect must not change
// with the calendar.
var defaultCaseTime = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

type defaults struct {
	account, app string
	time         time.Time
}

type caseReader struct {
	*yamlnode.Reader
	network *hive.Network
	names   map[string]int
	asked   int // requests that steps repeat
}

func newCaseReader(file string, n *hive.Network) *caseReader {
	return &caseReader{Reader: yamlnode.NewReader(yamlnode.Options{
		// Other than in a policy, empty lists and maps mean something: operations have them.
		File: file, Noun: "a file of requests", NotYAML: "neither YAML nor JSON", Lenient: true,
		Nearest: nearestWord, KeyHint: keyHint, MostProblems: 200,
	}), network: n, names: map[string]int{}}
}

// root returns the only document.
func (c *caseReader) root(src []byte, what string) *yamlnode.Node {
	root, ok := c.Read(yamlOfJSON(src))
	switch {
	case !ok:
		return nil
	case root == nil || root.Kind != yamlnode.Map:
		c.Complain(&yamlnode.Node{Line: 1, Column: 1}, "%s is a map", what)
		return nil
	}
	return root
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

func (c *caseReader) expectedCase(n *yamlnode.Node, d defaults) *Case {
	m, _ := c.Mapping(n, "a case", keysIn(caseKeys, expectKeys, requestKeys))
	var one *Case
	if m.Has("steps") {
		one = c.story(m, d)
	} else {
		one = c.readCase(m, d)
		one.Expect = c.expectation(m, "a case")
	}
	one.Name = c.optional(m, "name")
	switch {
	case !m.Has("name"):
		c.Complain(n, "a case needs a name")
	case c.names[one.Name] > 0:
		c.Complain(m.Value("name"), "%s is the name of another case, on line %d", quote(one.Name), c.names[one.Name])
	}
	c.names[one.Name] = n.Line
	return one
}

func (c *caseReader) oneOrMore(n *yamlnode.Node, what string) (words []string) {
	for _, item := range n.Each() {
		if word, ok := c.Scalar(item, what); ok {
			words = append(words, word)
		}
	}
	return words
}

func (c *caseReader) optional(m yamlnode.Mapping, key string) string {
	if !m.Has(key) {
		return ""
	}
	text, _ := c.Scalar(m.Value(key), key)
	return text
}

func (c *caseReader) caseTime(m yamlnode.Mapping) time.Time {
	text, ok := c.Scalar(m.Value("time"), "time")
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		if at, err = parseInstant(text); err != nil {
			c.Complain(m.Value("time"), "%v", err)
		}
	}
	return at
}

func (c *caseReader) caseSpan(n *yamlnode.Node, what string) time.Duration {
	text, ok := c.Scalar(n, what)
	if !ok {
		return 0
	}
	d, err := parseSpan(text)
	if err != nil {
		c.Complain(n, "%v", err)
	}
	return d
}
