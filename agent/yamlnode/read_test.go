package yamlnode_test

import (
	"runtime"
	"strings"
	"testing"

	"pksa/agent/yamlnode"
)

// read returns the root of a file that must be taken.
func read(t *testing.T, src string) (*yamlnode.Reader, *yamlnode.Node) {
	t.Helper()
	r := yamlnode.NewReader(yamlnode.Options{File: "file"})
	root, ok := r.Read([]byte(src))
	if !ok {
		t.Fatalf("%q:\n%v", src, r.Problems())
	}
	return r, root
}

func TestValuesAreTheTextOfTheFile(t *testing.T) {
	for _, tt := range []struct {
		yaml, text           string
		quoted, null, number bool
	}{
		{"010", "010", false, false, true},
		{"1e3", "1e3", false, false, true},
		{"0x10", "0x10", false, false, true},
		{"-.inf", "-.inf", false, false, true},
		{"yes", "yes", false, false, false},
		{"true", "true", false, false, false},
		{"null", "null", false, true, false},
		{"'null'", "null", true, false, false},
		{"'5'", "5", true, false, false},
		{`"a\tb"`, "a\tb", true, false, false},
		{"2027-01-01", "2027-01-01", false, false, false},
		{"|\n  two\n  lines", "two\nlines\n", true, false, false},
	} {
		_, root := read(t, "key: "+tt.yaml+"\n")
		n := root.Entries[0].Value
		if n.Kind != yamlnode.Scalar || n.Text != tt.text || n.Quoted != tt.quoted || n.Null != tt.null ||
			n.Number != tt.number {
			t.Errorf("%s: %+v", tt.yaml, n)
		}
	}
}

func TestPlaces(t *testing.T) {
	_, root := read(t, "# a comment\nfirst: [é, b]\r\nsecond:\n  third: {x: 1}\n")
	second := root.Entries[1]
	for _, tt := range []struct {
		n            *yamlnode.Node
		line, column int
	}{
		{root, 2, 1}, {root.Entries[0].Value.Items[1], 2, 12}, {second.Key, 3, 1}, {second.Value, 4, 3},
		{second.Value.Entries[0].Value.Entries[0].Value, 4, 14},
	} {
		if tt.n.Line != tt.line || tt.n.Column != tt.column {
			t.Errorf("%+v, want %d:%d", tt.n, tt.line, tt.column)
		}
	}
}

func TestEmptyFiles(t *testing.T) {
	for _, src := range []string{"", "\n", "# a comment", "---\n", "~", "null"} {
		if r, root := read(t, src); root != nil || len(r.Problems()) > 0 {
			t.Errorf("%q: %+v %v", src, root, r.Problems())
		}
	}
}

// TestOneFaultOnce: a node that was complained about is skipped by all that reads it.
func TestOneFaultOnce(t *testing.T) {
	r, root := read(t, "map: !x {a: b}\nlist: !x [a]\nword: !x a\nfine: b\n")
	m, ok := r.Mapping(root, "a file", []string{"map", "list", "word", "fine", "other"})
	if !ok || !m.Has("word") || m.Has("other") || !m.Missing("other") {
		t.Fatalf("%+v", m)
	}
	if _, ok := r.Mapping(m.Value("map"), "map", []string{"c"}); ok {
		t.Error("a map with a tag was read")
	}
	if items := r.Sequence(m.Value("list"), "list"); items != nil {
		t.Error("a list with a tag was read")
	}
	if _, ok := r.OneOf(m.Value("word"), "word", "c"); ok {
		t.Error("a word with a tag was read")
	}
	if !r.BadWithin(root) || r.BadWithin(m.Value("fine")) {
		t.Error("the fault is not where it is")
	}
	if problems := r.Problems(); len(problems) != 3 {
		t.Errorf("%v", problems)
	}
}

func TestWrongShapes(t *testing.T) {
	r, root := read(t, "map: [a]\nlist: a\ntext: {a: b}\nword: yes\nwrod: x\n")
	m, _ := r.Mapping(root, "a file", []string{"map", "list", "text", "word", "true"})
	r.Mapping(m.Value("map"), "map", []string{"a", "b"})
	r.Sequence(m.Value("list"), "list")
	r.Scalar(m.Value("text"), "text")
	r.OneOf(m.Value("word"), "word", "true", "false")
	r.Warn(root, "an opinion")
	if !m.Meant("word") || m.Missing("word") || !m.HasAny("word", "true") || m.HasAny("true") {
		t.Error("a misspelt key is not taken for the one that was meant")
	}
	want := `file:1:6: map is a map of: a, b
file:2:7: list is a list; write [a]
file:3:7: text is a single value
file:4:7: word: "yes" is none of true, false; write true
file:5:1: "wrod" is no key here; did you mean "word"?
file:1:1: warning: an opinion
`
	if got := r.Problems().String(); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// readSeeds are what the fuzzer begins with.
var readSeeds = []string{
	"", "a: b", "a: [b, {c: d}]", "- 'a'\n- |\n  b\n", "a: !!binary aGk=", "a: &x b\nc: *x", "<<: {a: b}",
	"a: b\na: c",
	"%YAML 1.1\n---\na: b\n---\nc", "a: #b", "? [a]\n: b", "a: ! b", "\xff\xfea\x00", "é: [ü, *",
	"a: \"\\ud83d\\ude00\"",
	strings.Repeat("[", 50), "a:\r\n  b: c\r\n", "~: ~",
}

// FuzzRead: whatever the file holds, there is an answer, every node has a place in the file, and
// what strict reading takes, lenient reading takes as the same values.
func FuzzRead(f *testing.F) {
	for _, src := range readSeeds {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		strict := yamlnode.NewReader(yamlnode.Options{File: "file"})
		root, ok := strict.Read(src)
		if !ok && len(strict.Problems().Errors()) == 0 {
			t.Fatal("neither root nor complaint")
		}
		for _, p := range strict.Problems() {
			if p.Line < 1 || p.Column < 1 || p.Text == "" {
				t.Fatalf("a complaint without a place: %+v", p)
			}
		}
		if root == nil || strict.BadWithin(root) {
			return
		}
		lenient := yamlnode.NewReader(yamlnode.Options{File: "file", Lenient: true})
		again, ok := lenient.Read(src)
		if len(strict.Problems()) == 0 && (!ok || len(lenient.Problems()) > 0) {
			t.Fatalf("strict reading takes what lenient reading does not:\n%v", lenient.Problems())
		}
		if ok {
			sameNodes(t, root, again)
		}
	})
}

func sameNodes(t *testing.T, a, b *yamlnode.Node) {
	t.Helper()
	if a.Kind < yamlnode.Scalar || a.Line < 1 || a.Column < 1 {
		t.Fatalf("no node of a file: %+v", a)
	}
	if a.Kind != b.Kind || a.Text != b.Text || a.Quoted != b.Quoted || a.Line != b.Line || a.Column != b.Column ||
		len(a.Items) != len(b.Items) || len(a.Entries) != len(b.Entries) {
		t.Fatalf("%+v and %+v", a, b)
	}
	for i := range a.Items {
		sameNodes(t, a.Items[i], b.Items[i])
	}
	for i := range a.Entries {
		sameNodes(t, a.Entries[i].Key, b.Entries[i].Key)
		sameNodes(t, a.Entries[i].Value, b.Entries[i].Value)
	}
}

// A script writes a list on one line. What reading it takes must grow with its length and not with
// the square: of ten times as many names, about ten times as much memory passes through the reader.
func TestOneLongLineIsReadInItsLength(t *testing.T) {
	allocated := func(names int) uint64 {
		src := []byte("list: [" + strings.Repeat("name, ", names) + "last]\n")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		read(t, string(src))
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := allocated(500), allocated(5_000)
	if many > 20*few {
		t.Errorf("500 names on a line take %d bytes to read, 5,000 take %d", few, many)
	}
}
