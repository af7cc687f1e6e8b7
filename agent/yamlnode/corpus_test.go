package yamlnode_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pksa/agent/policy"
	"pksa/agent/yamlnode"
)

var corpusFile = flag.String("corpus", "", "write texts and what is read from them to this `file`")

// reading is a text and what strict reading makes of it.
type reading struct {
	Text string `json:"text"`
	// Tree is a text, a list, or a map as {"map": [key, value, key, value, …]}; nil if the text is
	// refused, or warned of.
	Tree any `json:"tree"`
}

func readingOf(text string) reading {
	r := yamlnode.NewReader(yamlnode.Options{})
	root, ok := r.Read([]byte(text))
	if !ok || root == nil || len(r.Problems()) > 0 {
		return reading{Text: text}
	}
	return reading{Text: text, Tree: treeOf(root)}
}

func treeOf(n *yamlnode.Node) any {
	switch n.Kind {
	case yamlnode.List:
		items := []any{}
		for _, item := range n.Items {
			items = append(items, treeOf(item))
		}
		return items
	case yamlnode.Map:
		entries := []any{}
		for _, e := range n.Entries {
			entries = append(entries, treeOf(e.Key), treeOf(e.Value))
		}
		return map[string]any{"map": entries}
	}
	return n.Text
}

// corpusParts are put together to texts. They are what parsers of YAML differ about.
var corpusParts = []string{"a", "b: ", "c:", "- ", "-", "? ", ": ", ":", ", ", ",", "[", "]", "{", "}", "#", " # x",
	"'", `"`,
	"\n", "\n", "\n  ", "\n    ", "\n ", "\r\n", "\t", " ", "|", ">", "|-\n", ">+\n", "|2\n", ">1-\n", "\\", `\n`,
	`\x41`, `\/`, `\_`,
	"\\\n", "''", "!", "!!str ", "&x ", "*x", "%YAML 1.2\n", "---\n", "...\n", "--- ", "@", "`", "~", "null", "yes",
	"010", "0o7", "1e3",
	"<<: ", "key with blanks: ", "é", "word#no", "a:b", "- - x", "\n\n", "  \n", "a: b\n", "- a\n", "  x: y\n",
	"\n\t"}

// corpus makes texts, the same ones each time: put together from parts, and files of the language
// with a few changes.
func corpus(t *testing.T, size int) []string {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var texts []string
	for _, pattern := range []string{"../policy/testdata/*/*.yaml", "../../examples/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 10 {
			t.Fatalf("%d files at %s, %v", len(files), pattern, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(src))
		}
	}
	files := slices.Clone(texts)
	for i := range size {
		switch i % 3 {
		case 0:
			var b strings.Builder
			for range 2 + r.IntN(12) {
				b.WriteString(corpusParts[r.IntN(len(corpusParts))])
			}
			texts = append(texts, b.String())
			continue
		case 1:
			texts = append(texts, writer{r}.node(2, "")+"\n")
			continue
		}
		// Large files would take the time, and small ones have all that large ones have.
		src := files[r.IntN(len(files))]
		for len(src) > 1500 {
			src = files[r.IntN(len(files))]
		}
		for range 1 + r.IntN(3) {
			at := r.IntN(len(src) + 1)
			end := min(len(src), at+r.IntN(4))
			src = src[:at] + corpusParts[r.IntN(len(corpusParts))] + src[end:]
		}
		texts = append(texts, src)
	}
	return append(texts, fuzzed(t)...)
}

// fuzzed returns what the fuzzer begins with and what it found: here, and in policies.
func fuzzed(t *testing.T) (texts []string) {
	t.Helper()
	texts = slices.Concat(readSeeds, commentSeeds)
	for _, pattern := range []string{"testdata/fuzz/*/*", "../policy/testdata/fuzz/FuzzCompile/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%d files at %s, %v", len(files), pattern, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, quoted, _ := strings.Cut(string(src), "[]byte(")
			text, err := strconv.Unquote(strings.TrimSuffix(strings.TrimSpace(quoted), ")"))
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			texts = append(texts, text)
		}
	}
	// The corpus is written as JSON, which has no other texts.
	return slices.DeleteFunc(texts, func(text string) bool { return !utf8.ValidString(text) })
}

// The comparison with npm's yaml has all that the fuzzer found.
func TestCorpusHoldsWhatTheFuzzerFound(t *testing.T) {
	t.Parallel()
	if texts := fuzzed(t); len(texts) < 30 || !slices.Contains(texts, "\r!\r\r\r\r\r\r+") {
		t.Errorf("%d texts: %q", len(texts), texts)
	}
}

// writer writes values in each way that YAML has, most of them right.
type writer struct{ *rand.Rand }

func (w writer) pick(of ...string) string { return of[w.IntN(len(of))] }

// node writes a value behind a key or a dash; what is below it is indented by more than indent.
func (w writer) node(depth int, indent string) string {
	in := indent + w.pick(" ", "  ", "  ", "    ")
	end := w.pick("\n", "\n", "\n", "\r\n", " # c\n", "\n\n", "\n# c\n", "\t\n", "\n  # c\n")
	kind := w.IntN(8)
	if depth == 0 {
		kind = 7
	}
	var b strings.Builder
	switch kind {
	case 0, 1, 2:
		for range 1 + w.IntN(3) {
			key := w.pick("a", "b c", "'d'", `"e"`, "f#g", "? h\n"+in, "1", "i ")
			b.WriteString(end + in + key + ":" + w.pick(" ", " ", "  ", "\t") + w.node(depth-1, in))
		}
		return b.String()
	case 3, 4:
		for range 1 + w.IntN(3) {
			b.WriteString(end + in + "-" + w.pick(" ", " ", "   ", "\t") + w.node(depth-1, in))
		}
		return b.String()
	case 5:
		return w.flow(depth)
	case 6:
		header := w.pick("|", ">") + w.pick("", "", "-", "+", "2", "1-") + w.pick("", "", " # c")
		for range 1 + w.IntN(4) {
			b.WriteString("\n" + w.pick(in, in, in+" ", in+"\t", "", " ") + w.pick("x", "# y", "- z", "",
				"k: v", "'"))
		}
		return header + b.String()
	}
	return w.scalar(in)
}

func (w writer) flow(depth int) string {
	var parts []string
	for range 1 + w.IntN(3) {
		one := w.scalar(" ")
		if depth > 1 && w.IntN(3) == 0 {
			one = w.flow(depth - 1)
		}
		if w.IntN(2) == 0 {
			one = w.scalar(" ") + w.pick(": ", ": ", ":", " : ", ":\n ") + one
		}
		parts = append(parts, one)
	}
	inside := strings.Join(parts, w.pick(", ", ",", " ,\n  ", ", # c\n "))
	if w.IntN(2) == 0 {
		return "[" + inside + w.pick("]", "]", ",]", " ]")
	}
	return "{" + inside + w.pick("}", "}", ",}", "\n }")
}

func (w writer) scalar(in string) string {
	lineEnd := w.pick("\n", "\n\n", " \n", "\r\n", "\t\n") + in
	return w.pick("x", "x", "a b", "a"+lineEnd+"b", "'x'", "'it''s'", "'a"+lineEnd+"b'", `"x"`, `"a\tb"`,
		`"a`+lineEnd+`b"`,
		`"a \`+"\n"+in+`b"`, `"\x41\u00e9\U0001F600\/\_\e\0"`, "010", "0x1F", "1e3", "yes", "-1", "a:b", "a#b",
		"http://x", "-x", "?x",
		":x", "a - b", "a, b", "$a", "5%", "*x", "%x", "a\"b", "a'b", "2027-01-01", "10:20:30", "<<", "=", "", `""`,
		"''", "é", "~x",
		"a]", "{x", "x # c", "x #", "a  b", "a\tb", "!x", ">x", "|x", "..", "--- x", "...")
}

// TestWriteCorpus writes what examples/interop/run compares with npm's yaml.
func TestWriteCorpus(t *testing.T) {
	if *corpusFile == "" {
		t.Skip("writes a file for examples/interop/run; say -corpus FILE")
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, text := range corpus(t, 9000) {
		if err := enc.Encode(readingOf(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(*corpusFile, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What npm's yaml (YAML 1.2, as editors read it) takes, strict reading reads alike, refuses, or
// warns of. The answers were recorded by examples/interop/yaml/alike.mjs, which compares more of
// them; the first ones are those that were read differently without a word.
func TestReadsAsNpmDoes(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/npm.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	both, texts := 0, 0
	for line := range strings.Lines(string(src)) {
		var recorded struct {
			Text string
			Npm  any
		}
		if err := json.Unmarshal([]byte(line), &recorded); err != nil {
			t.Fatal(err)
		}
		texts++
		ours := readingOf(recorded.Text).Tree
		if ours == nil {
			continue
		}
		both++
		if !reflect.DeepEqual(ours, recorded.Npm) {
			t.Errorf("%q: %v, npm reads %v", recorded.Text, ours, recorded.Npm)
		}
	}
	if texts < 200 || both < 60 {
		t.Errorf("%d texts, of which %d are taken by both", texts, both)
	}
}

// What was read differently is warned of, with what to do.
func TestReadDifferentlyElsewhere(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"a: >\n  b":              "1:4: warning: the file ends within this text",
		"a: |-\n  b\nc: |\n  d":  "3:4: warning: the file ends within this text",
		"|\n  b\n":               "1:1: warning: a text in a block stands alone",
		"a: |1-\n     \n":        "1:4: warning: this text ends with a line of blanks",
		"a: [b, c:]\n":           `1:8: warning: "c:" ends with a colon`,
		"a: {b: c:}\n":           `1:8: warning: "c:" ends with a colon`,
		"a: [b,\n ?c : d]\n":     "2:3: warning: some readers take the ? for a part of the key",
		"a: |\n  b\n\nc: 'd:'\n": "",
		"a: [b, ? c : d]\n":      "",
		"a: b:\n":                "",
	} {
		for _, lenient := range []bool{false, true} {
			r := yamlnode.NewReader(yamlnode.Options{File: "f", Lenient: lenient})
			_, ok := r.Read([]byte(src))
			got := r.Problems().String()
			if want == "" && got != "" && ok || want != "" && (!ok || !strings.HasPrefix(got, "f:"+want)) {
				t.Errorf("lenient %v: %q: %s, want %s", lenient, src, got, want)
			}
		}
	}
}

// A policy that holds it goes on in version 1, and is refused in version 2.
func TestReadDifferentlyInAPolicy(t *testing.T) {
	t.Parallel()
	const src = "version: 1\nallow:\n  - name: in\n    request: challenge\n    accounts: [alice]\n    apps: [x]\n" +
		"    key: posting\n    text: |-\n      log in"
	for version, taken := range map[string]bool{"1": true, "2": false} {
		p, problems := policy.Compile("p", []byte(strings.Replace(src, "1", version, 1)), policy.Options{})
		if (p != nil) != taken || len(problems) != 1 || problems[0].Place() != "p:8:11" {
			t.Errorf("version %s: %v", version, problems)
		}
	}
}
