package yamlnode_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"pksa/agent/config"
	"pksa/agent/policy"
	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
)

// hiddenRunes are of each kind that nobody sees, or that ends lines where no editor does.
var hiddenRunes = []rune{0x00, 0x07, '\v', '\f', '\r', 0x1b, 0x7f, 0x85, 0x9b, 0xad, 0x34f, 0x61c, 0x115f, 0x1160,
	0x17b4,
	0x180b, 0x180e, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2060, 0x2064, 0x2066,
	0x2069,
	0x206a, 0x2800, 0x3164, 0xfe00, 0xfe0f, 0xfeff, 0xffa0, 0xfff9,
	0xfffc, 0x13441, 0x16fe4, 0x1d159, 0x1d173, 0xe0001, 0xe0041, 0xe0100, 0xe01ef}

// Nobody sees such a character, so each is an error with its place, wherever it stands and whatever
// the file is for: the reader of policies, of settings and of requests is one.
func TestHiddenCharacters(t *testing.T) {
	t.Parallel()
	places := []struct {
		name, src string // @ stands for the character
		at        string
	}{
		{"in a comment", "version: 1\n# Reviewed.@allow: [x]\n", "2:12"},
		{"in a key", "version: 1\nal@low: []\n", "2:3"},
		{"in a word", "a: b\r\nc: ä@b\r\n", "2:5"},
		{"in double quotes", "a: \"x@y\"\n", "1:6"},
		{"in single quotes", "a: 'x@y'\n", "1:6"},
		{"in a block", "a: |\n  x\n  x@y\n", "3:4"},
		{"between values", "a: [b,@c]\n", "1:7"},
		{"in a file that is not YAML", "a: [\n@*", "2:1"},
		{"at the end", "a: b@", "1:5"},
	}
	for _, ch := range hiddenRunes {
		for _, p := range places {
			src := strings.Replace(p.src, "@", string(ch), 1)
			want := fmt.Sprintf("file:%s: here is a character that nobody sees (%U, ", p.at, ch)
			complaints := map[string]string{}
			for name, o := range map[string]yamlnode.Options{"strict": {}, "lenient": {Lenient: true}} {
				o.File = "file"
				r := yamlnode.NewReader(o)
				if _, ok := r.Read([]byte(src)); ok {
					t.Errorf("%s: %U %s is taken", name, ch, p.name)
				}
				complaints[name] = r.Problems().String()
			}
			_, problems := policy.Compile("file", []byte(src), policy.Options{})
			complaints["a policy"] = problems.String()
			_, problems = policy.ReadCases("file", []byte(src), hive.Mainnet)
			complaints["cases"] = problems.String()
			_, err := config.Parse("/home/bot", "file", []byte(src), nil)
			complaints["settings"] = fmt.Sprint(err)
			for name, got := range complaints {
				if !strings.Contains(got, want) || strings.Count(got, "here is") != 1 {
					t.Errorf("%s: %U %s: %s, want %s", name, ch, p.name, got, want)
				}
			}
		}
	}
}

// Written as an escape, the character is seen, and a text may hold it. Names may not.
func TestEscapesSayHiddenCharacters(t *testing.T) {
	t.Parallel()
	_, root := read(t, `a: "x\u200dy \U000e0041 \x85 \L"`)
	if got := root.Entries[0].Value.Text; got != "x\u200dy \U000e0041 \u0085 \u2028" {
		t.Errorf("%q", got)
	}
	for _, c := range []struct{ rule, want string }{
		{`{name: "pay\u202e", request: sign, apps: [x], operations: [vote]}`, "p:3:12: "},
		{`{name: pay, request: sign, apps: ["x\u200b"], operations: [vote]}`, "p:3:39: "},
		{`{name: pay, request: challenge, apps: [x], text: {glob: "sign in \u200d*"}}`, ""},
	} {
		p, problems := policy.Compile("p", []byte("version: 1\nallow:\n  - "+c.rule+"\n"), policy.Options{})
		if got := problems.Errors().String(); !strings.HasPrefix(got, c.want) || (p != nil) != (c.want == "") {
			t.Errorf("%s: %v", c.rule, problems)
		}
	}
}

// Keyboards write U+FE0F behind many symbols, to have them shown as pictures. In a comment it is
// taken there, and nowhere else; all else that nobody sees stays an error.
func TestStyleOfAPictureInAComment(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"# \u2764@ by alice\n\na: b # \u2600@ \u203c@ \u25fb@ \u2194@ \u2122@\n": "",
		"# \u2764@":                             "",
		"a: 'b' # it's \u2600@\n":               "",
		"a: |  # \u2600@\n  # x\n":              "",
		"a: | # c\n  # \u2600@\nb: c\n":         "2:6: U+FE0F",
		"a: \u2600@\n":                          "1:5: U+FE0F",
		"a: b#\u2600@\n":                        "1:7: U+FE0F",
		"a\u2600@: b\n":                         "1:3: U+FE0F",
		"a: \"# \u2600@\"\n":                    "1:8: U+FE0F",
		"a: 'b\n  # \u2600@'\n":                 "2:6: U+FE0F",
		"a: {b: 'c # \u2600@', d: e} # \u2600@": "1:14: U+FE0F",
		"# \u2600@@\n":                          "1:5: U+FE0F",
		"# a@ b\n":                              "1:4: U+FE0F",
		"# 1@\u20e3\n":                          "1:4: U+FE0F",
		"# @\n":                                 "1:3: U+FE0F",
		"# \u00e9@\n":                           "1:4: U+FE0F",
		"# \u2800@\n":                           "1:3: U+2800 1:4: U+FE0F",
		"# \u2764@\u200d\U0001f525\n":           "1:5: U+200D",
		"# \u2600\ufe0e\n":                      "1:4: U+FE0E",
		"# \u2600\U000e0101\n":                  "1:4: U+E0101",
	} {
		for _, lenient := range []bool{false, true} {
			r := yamlnode.NewReader(yamlnode.Options{File: "file", Lenient: lenient})
			_, taken := r.Read([]byte(strings.ReplaceAll(src, "@", "\ufe0f")))
			var got []string
			for _, p := range r.Problems() {
				if at, isHidden := strings.CutPrefix(p.Text, "here is a character that nobody sees ("); isHidden {
					number, _, _ := strings.Cut(at, ",")
					got = append(got, fmt.Sprintf("%d:%d: %s", p.Line, p.Column, number))
				}
			}
			if strings.Join(got, " ") != want || taken != (want == "") {
				t.Errorf("%q, lenient %t: %v, taken %t", src, lenient, r.Problems(), taken)
			}
		}
	}
}

// A picture that is made of several characters is told how to be written.
func TestPictureInAText(t *testing.T) {
	t.Parallel()
	r := yamlnode.NewReader(yamlnode.Options{File: "file"})
	r.Read([]byte("memo: \"\U0001f469\u200d\U0001f680\"\n"))
	const want = `file:1:9: here is a character that nobody sees (U+200D, a joiner without width); leave it out, or ` +
		`write "\u200d" inside a text in double quotes if it belongs there` + "\n"
	if got := r.Problems().String(); got != want {
		t.Errorf("got %swant %s", got, want)
	}
}

// One that is everywhere is not listed a thousand times.
func TestManyHiddenCharacters(t *testing.T) {
	t.Parallel()
	r := yamlnode.NewReader(yamlnode.Options{})
	r.Read([]byte(strings.Repeat("# \u200b\n", 1000)))
	if n := len(r.Problems()); n != 21 || !strings.Contains(r.Problems().String(), "980 more characters") {
		t.Errorf("%d complaints", n)
	}
}

// What is not hidden stays: letters of all scripts, marks, symbols, a mark at the beginning that
// editors write, and both ends of lines.
func TestVisibleCharacters(t *testing.T) {
	t.Parallel()
	const text = "\ufeff# über 日本語 עברית e\u0301 🦀 \ue000 \U0001fae8 €\t— “x”\r\na: \"é\u0301 ö\"\nb: c"
	r, root := read(t, text)
	if len(r.Problems()) > 0 || root.Entries[0].Value.Text != "é\u0301 ö" || root.Entries[1].Key.Line != 3 {
		t.Errorf("%+v %v", root, r.Problems())
	}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		var wide, bad []byte
		for _, unit := range utf16.Encode([]rune(text)) {
			wide = order.AppendUint16(wide, unit)
		}
		r := yamlnode.NewReader(yamlnode.Options{Lenient: true, File: "file"})
		if root, ok := r.Read(wide); !ok || len(root.Entries) != 2 || len(r.Problems()) > 0 {
			t.Errorf("UTF-16: %v", r.Problems())
		}
		for _, unit := range utf16.Encode([]rune("\ufeffa: b\n# c\u2028d: e\n")) {
			bad = order.AppendUint16(bad, unit)
		}
		r = yamlnode.NewReader(yamlnode.Options{Lenient: true, File: "file"})
		if _, ok := r.Read(bad); ok || !strings.HasPrefix(r.Problems().String(), "file:2:4: ") {
			t.Errorf("UTF-16: %v", r.Problems())
		}
	}
}

// A space that is not the usual one is an error where YAML wants a blank, and where nobody sees it.
// Inside a text it is a warning, and in a comment nothing.
func TestOddSpaces(t *testing.T) {
	t.Parallel()
	const wrong, doubtful = "error", "warning"
	for _, c := range []struct{ src, at, want string }{
		{"name: pay@# not a comment", "1:10", wrong},
		{"name: pay@ # a comment", "1:10", wrong},
		{"a:\n  - b@\n", "2:6", wrong},
		{"a: {b: c,@d: e}", "1:10", wrong},
		{"a: {b@: c}", "1:6", wrong},
		{"a:\n @ b: c\n", "2:2", wrong},
		{"a: tip@jar", "1:7", doubtful},
		{"@a: b", "1:1", wrong},
		{"a:@b", "1:3", wrong},
		{"a: b\n@\n", "2:1", wrong},
		{"a: 'tip@'", "1:8", doubtful},
		{"a: \"#@#\"", "1:6", doubtful},
		{"a: |\n  tip@\n", "2:6", doubtful},
		{"a: \"x\n  y@ z\" # @", "2:4", doubtful},
		{"# a@comment@\na: b # c@d", "", ""},
		{"a: \"x\\_y\"", "", ""},
	} {
		for _, space := range "\u00a0\u1680\u2000\u2009\u200a\u202f\u205f\u3000" {
			r := yamlnode.NewReader(yamlnode.Options{File: "file"})
			r.Read([]byte(strings.ReplaceAll(c.src, "@", string(space))))
			problems := r.Problems()
			if c.want == "" && len(problems) == 0 {
				continue
			}
			if len(problems) != 1 || problems[0].Place() != "file:"+c.at ||
				problems[0].Warning != (c.want == doubtful) ||
				!strings.Contains(problems[0].Text, fmt.Sprintf("%U, ", space)) {
				t.Errorf("%q with %U: %v, want %s at %s", c.src, space, problems, c.want, c.at)
			}
		}
	}
}
