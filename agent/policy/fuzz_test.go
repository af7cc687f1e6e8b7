package policy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

func seeds(f *testing.F, patterns ...string) {
	f.Helper()
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
}

// FuzzCompile: no file makes the reader panic; a file is either taken or complained about, with
// places inside the file; what is taken decides.
func FuzzCompile(f *testing.F) {
	seeds(f, "testdata/good/*.yaml", "testdata/bad/*.yaml", "testdata/warn/*.yaml")
	f.Add([]byte("version: 1\nallow: [{name: x, <<: *a}]"))
	f.Add([]byte("version: !!int 1\n? [a]\n: b"))
	f.Fuzz(func(t *testing.T, src []byte) {
		p, problems := policy.Compile("x.yaml", src, policy.Options{Apps: []string{"a"},
			Accounts: []hive.AccountName{"bob"}, Now: noon})
		if (p == nil) != (len(problems.Errors()) > 0) {
			t.Fatalf("policy %v, problems:\n%v", p != nil, problems)
		}
		for _, problem := range problems {
			if problem.Line < 1 || problem.Column < 1 || problem.Text == "" {
				t.Errorf("%+v", problem)
			}
		}
		if p == nil {
			return
		}
		for _, o := range fuzzOps {
			d := p.Decide(sign("a", roleOf(o), o), nil, noon)
			if (d.Verdict == policy.Deny) != (d.Code != "") {
				t.Errorf("%+v", d)
			}
			p.Report(sign("a", roleOf(o), o), nil, noon)
		}
	})
}

var fuzzOps = func() (ops []hive.Operation) {
	for _, text := range []string{
		`["vote",{"voter":"bob","author":"alice","permlink":"p","weight":100}]`,
		`["transfer",{"from":"bob","to":"alice","amount":"1.000 HBD","memo":"tip 5"}]`,
		`["custom_json",{"required_auths":[],"required_posting_auths":["bob"],"id":"x","json":"[{\"a\":5}]"}]`,
	} {
		o, err := hive.Mainnet.ParseOperation([]byte(text))
		if err != nil {
			panic(err)
		}
		ops = append(ops, o)
	}
	return ops
}()

// FuzzJSON: no text makes tests panic; a text that encoding/json refuses is unclear; and a rule
// that allows never allows what its own words deny.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"a":5}`, `[{"a":"5"},{"a":{"b":[1,2]}}]`, `{"a":1,"a":2}`, `"\ud83d\ude00"`,
		`{"\u0061":1e5}`, `-0.10`, `[]`, ``, `{"a":"\ud800"}`} {
		f.Add(text)
	}
	compileJSON := func(section string) *policy.Policy {
		p, problems := policy.Compile("x",
			[]byte("version: 1\n"+section+`: [{name: x, request: challenge, apps: any, text: [
  {.a: {present: false}}, {.a: {max: 5}}, {.a: '5'}, {.a: {not: {glob: 'x*'}}}, {each: {.a.b: 5}},
  {members: [a, b]}, {size: 2}, {.0.a: true}]}]`), policy.Options{})
		if p == nil {
			f.Fatal(problems)
		}
		return p
	}
	allow, deny := compileJSON("allow"), compileJSON("deny")
	f.Fuzz(func(t *testing.T, text string) {
		q := &policy.Request{Kind: policy.Challenge, Account: "alice", App: "a", Role: hive.Posting, Text: text}
		allows := allow.Decide(q, nil, noon).Verdict == policy.Allow
		denies := deny.Decide(q, nil, noon).Code == policy.CodeDenied
		if allows && !denies {
			t.Errorf("%q is allowed by what does not deny", text)
		}
		if !json.Valid([]byte(text)) || !utf8.ValidString(text) {
			if allows || !denies {
				t.Errorf("%q is no JSON: allows %t, denies %t", text, allows, denies)
			}
		}
	})
}

// FuzzPattern: a glob says what a naive matcher says, a regular expression what the whole text
// says; none panics.
func FuzzPattern(f *testing.F) {
	f.Add("b*?b", "bob")
	f.Add("a|b", "ab")
	f.Add("", "")
	f.Add("x)|(y", "y")
	f.Fuzz(func(t *testing.T, source, text string) {
		if !utf8.ValidString(source) || !utf8.ValidString(text) || strings.ContainsFunc(source,
			func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 }) {
			return
		}
		for _, kind := range []string{"glob", "regexp"} {
			src := "version: 1\nallow: [{name: x, request: challenge, apps: any, text: {" + kind + ": '" +
				strings.ReplaceAll(source, "'", "''") + "'}}]"
			p, problems := policy.Compile("x", []byte(src), policy.Options{})
			if p == nil {
				if kind == "glob" {
					t.Fatalf("%q: %v", source, problems)
				}
				continue
			}
			got := p.Decide(&policy.Request{Kind: policy.Challenge, Account: "alice", App: "a", Role: hive.Posting,
				Text: text}, nil, noon).Verdict == policy.Allow
			if want := matchesWhole(kind, source, text); got != want {
				t.Errorf("%s %q on %q: %t", kind, source, text, got)
			}
		}
	})
}

func matchesWhole(kind, source, text string) bool {
	if kind == "glob" {
		return globRunes([]rune(source), []rune(text))
	}
	return regexp.MustCompile(`^(?s:`+source+`)$`).FindString(text) == text && regexp.MustCompile(`^(?s:`+source+
		`)$`).MatchString(text)
}

func globRunes(source, text []rune) bool {
	// The usual way with one star remembered: linear in practice, no recursion.
	s, i, star, mark := 0, 0, -1, 0
	for i < len(text) {
		switch {
		case s < len(source) && source[s] == '*':
			star, mark = s, i
			s++
		case s < len(source) && (source[s] == '?' || source[s] == text[i]):
			s, i = s+1, i+1
		case star >= 0:
			mark++
			s, i = star+1, mark
		default:
			return false
		}
	}
	for s < len(source) && source[s] == '*' {
		s++
	}
	return s == len(source)
}
