package yamlnode

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func formatted(t *testing.T, src string) string {
	t.Helper()
	r := NewReader(Options{})
	root, ok := r.Read([]byte(src))
	if !ok || root == nil {
		t.Fatalf("%s\n%v", src, r.Problems())
	}
	out, err := r.Formatted(root)
	if err != nil {
		t.Fatalf("%v:\n%s", err, src)
	}
	return string(out)
}

func TestFormat(t *testing.T) {
	for src, want := range map[string]string{
		"\n\nversion:   2\n\n\n\nallow:\n- {name: a,b: [ x,y ,z ] , c:  {d: e}}   \n\n": "" +
			"version: 2\n\nallow:\n  - {name: a, b: [x, y, z], c: {d: e}}\n",
		"a:\n      b: 1   # one\n      # two\n      c:\n        -   d: 1\n            e: 2\n        - f\n": "" +
			"a:\n  b: 1   # one\n  # two\n  c:\n    - d: 1\n      e: 2\n    - f\n",
		"a: 'x  , y'\nb: \"p\\\n   q\"\nc: x  y\nd:\n     - |\n        text , x\n          more\n     - z\n": "" +
			"a: 'x  , y'\nb: \"p\\\n   q\"\nc: x  y\nd:\n  - |\n     text , x\n       more\n  - z\n",
		"a: [\n      x,   # first\n      y\n   ]\nb: c": "a: [\n      x,   # first\n      y\n   ]\nb: c\n",
		"a: [12,5]\nb: [x,5 , 6]\n":                     "a: [12,5]\nb: [x, 5, 6]\n",
		"a:\r\n    b: 1\r\n":                            "a:\n  b: 1\n",
		"a:\n  - x\n  # behind\nb: y\n# end":            "a:\n  - x\n  # behind\nb: y\n# end\n",
		"a:\n    - b:  'c'\n      d:  [e]\n":            "a:\n  - b: 'c'\n    d: [e]\n",
	} {
		got := formatted(t, src)
		if got != want {
			t.Errorf("%q became\n%q, want\n%q", src, got, want)
		}
		if again := formatted(t, got); again != got {
			t.Errorf("%q became\n%q when it was formatted again", got, again)
		}
	}
}

// What the project shows to others has the usual form.
func TestExamplesAreFormatted(t *testing.T) {
	files, err := filepath.Glob("../../examples/policies/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := formatted(t, string(src)); got != string(src) {
			t.Errorf("%s should be\n%s", path, got)
		}
	}
}

// Whatever is formatted says the same, and is not changed a second time.
func FuzzFormat(f *testing.F) {
	for _, src := range []string{"a: {b: c}\n", "- - a\n  - b:\n     c\n", "? a\n: b\n", "a: >\n  b\n\n  c\nd: e",
		"a:\n- 'b\n\n  c'\n#x\n- d", "{a: [b,c],}", "a:\n  b:\n  c: ~", "- {a: b,\n c: d}\n"} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		r := NewReader(Options{Lenient: true})
		root, ok := r.Read(src)
		if !ok || root == nil {
			return
		}
		out, err := r.Formatted(root)
		if errors.Is(err, ErrFormat) {
			return
		}
		again := NewReader(Options{Lenient: true})
		other, ok := again.Read(out)
		if !ok {
			t.Fatalf("%q became %q: %v", src, out, again.Problems())
		}
		twice, err := again.Formatted(other)
		if err == nil && string(twice) != string(out) {
			t.Errorf("%q became %q, and that %q", src, out, twice)
		}
	})
}
