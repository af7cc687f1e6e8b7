package plain_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pksa/protocol/plain"
)

// hidden are runes that no person sees, or that change how others are shown. Eight packages had a
// cleaner of their own before, and the comments say which runes went through.
var hidden = []struct {
	r    rune
	name string
}{
	// None let these through.
	{'\x00', "null"},
	{'\x07', "bell"},
	{'\x1b', "escape"},
	{'\x7f', "delete"},
	{'\u009b', "control sequence introducer"},
	{'\u202a', "left-to-right embedding"},
	{'\u202e', "right-to-left override"},
	{'\u2066', "left-to-right isolate"},
	{'\u2069', "pop directional isolate"},
	// The cleaner of the node client let these through.
	{'\u00ad', "soft hyphen"},
	{'\u061c', "Arabic letter mark"},
	{'\u180e', "Mongolian vowel separator"},
	{'\u200b', "zero-width space"},
	{'\u200d', "zero-width joiner"},
	{'\u200e', "left-to-right mark"},
	{'\u200f', "right-to-left mark"},
	{'\u2060', "word joiner"},
	{'\u2065', "unassigned"},
	{'\u206a', "inhibit symmetric swapping"},
	{'\ufeff', "byte order mark"},
	{'\ufff9', "interlinear annotation"},
	{'\ue000', "private use"},
	{'\U000e0041', "tag A"},
	{'\U0010ffff', "no character"},
	// All eight let these through: letters, marks and symbols to Unicode.
	{'\u034f', "combining grapheme joiner"},
	{'\u115f', "Hangul filler"},
	{'\u2800', "braille blank"},
	{'\u3164', "Hangul filler, full"},
	{'\ufe0f', "variation selector 16"},
	{'\uffa0', "Hangul filler, half"},
	{'\U000e0100', "variation selector 17"},
}

func TestHidden(t *testing.T) {
	for _, c := range hidden {
		text := "a" + string(c.r) + "b"
		if private := c.r == '\ue000' || c.r > 0x10fff0; plain.Hidden(c.r) == private {
			t.Errorf("%U %s: hidden in a file: %t", c.r, c.name, !private)
		}
		if plain.Visible(c.r) {
			t.Errorf("%U %s is visible", c.r, c.name)
		}
		if got := plain.Line(text, 10); got != "a\ufffdb" {
			t.Errorf("%U %s: line %+q", c.r, c.name, got)
		}
		if got := plain.Quote(text, 10); got != strconv.QuoteToASCII(text) {
			t.Errorf("%U %s: quoted %s", c.r, c.name, got)
		}
		if got := plain.Escape(text); !ascii(got) || unescape(t, got) != text {
			t.Errorf("%U %s: escaped %s", c.r, c.name, got)
		}
	}
	for _, r := range "a~é€ж中アנ🦀\u0301\ufffd " {
		if !plain.Visible(r) || plain.Hidden(r) || plain.OddSpace(r) {
			t.Errorf("%U is not visible", r)
		}
	}
}

func ascii(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}

func unescape(t *testing.T, escaped string) (text string) {
	t.Helper()
	if err := json.Unmarshal([]byte(`"`+escaped+`"`), &text); err != nil {
		t.Errorf("%s is no text in JSON: %v", escaped, err)
	}
	return text
}

func TestLine(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"", 0, ""},
		{"a", 0, "…"},
		{"a", -1, "…"},
		{"plain text, \"quoted\"", 200, "plain text, \"quoted\""},
		{"one\n\x1b[31mtwo\u202e\u2028three", 200, "one \ufffd[31mtwo\ufffd three"},
		{" \t\r\n\v\f\u0085\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000", 0, ""},
		{"\u00a0a\u3000\n b\u2029", 200, "a b"},
		{"a\xffb\xe2\x82", 200, "a\ufffdb\ufffd\ufffd"},
		{"a\ufffdb", 200, "a\ufffdb"},
		{"abc", 3, "abc"},
		{"abc", 2, "ab…"},
		{"ab c", 3, "ab…"},
		{"ab  \n", 2, "ab"},
		{"éé", 3, "é…"},
		{strings.Repeat("é", 150), 200, strings.Repeat("é", 100) + "…"},
		{strings.Repeat("\x00", 100), 10, "\ufffd\ufffd\ufffd…"}, // the cap counts what comes out
	} {
		if got := plain.Line(c.text, c.most); got != c.want {
			t.Errorf("%+q, %d: %+q, want %+q", c.text, c.most, got, c.want)
		}
	}
}

func TestQuote(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"", 0, `""`},
		{"a", 0, `""…`},
		{"it's \"5\\6\"", 20, `"it's \"5\\6\""`},
		{"a\nb\tc\x00\xff", 20, `"a\nb\tc\x00\xff"`},
		{"for \u202e\x1b[2Jyou", 20, `"for \u202e\x1b[2Jyou"`},
		{"abc", 3, `"abc"`},
		{"abc", 2, `"ab"…`},
		{"ab…", 5, `"ab…"`}, // an ellipsis of the text stays inside
		{"é€", 4, `"é"…`},   // a border of runes
		{"€€", 2, `""…`},
	} {
		if got := plain.Quote(c.text, c.most); got != c.want {
			t.Errorf("%+q, %d: %s, want %s", c.text, c.most, got, c.want)
		}
	}
	if got := plain.QuoteRunes("é\n€", 2); got != `"é\n"…` {
		t.Error(got)
	}
}

func TestEscape(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "",
		`{"memo":"a\u202e"}`:    `{"memo":"a\u202e"}`,
		"{\"memo\":\"\u202e\"}": `{"memo":"\u202e"}`,
		"a\nb\u2028":            `a\u000ab\u2028`,
		"\U000e0041":            `\udb40\udc41`,
		"a\xff":                 "a\ufffd",
	} {
		if got := plain.Escape(text); got != want {
			t.Errorf("%+q: %s, want %s", text, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text         string
		most         int
		bytes, runes string
	}{
		{"", 0, "", ""},
		{"a", 0, "…", "…"},
		{"a", -1, "…", "…"},
		{"ab", 2, "ab", "ab"},
		{"abc", 2, "ab…", "ab…"},
		{"é€🦀", 9, "é€🦀", "é€🦀"},
		{"é€🦀", 8, "é€…", "é€🦀"},
		{"é€🦀", 6, "é€…", "é€🦀"},
		{"é€🦀", 5, "é€…", "é€🦀"},
		{"é€🦀", 4, "é…", "é€🦀"},
		{"é€🦀", 2, "é…", "é€…"},
		{"é€🦀", 1, "…", "é…"},
		{"\x80\x80\x80\x80\x80", 4, "\x80\x80\x80\x80…", "\x80\x80\x80\x80…"},
	} {
		if got := plain.Cut(c.text, c.most); got != c.bytes {
			t.Errorf("%+q, %d bytes: %+q, want %+q", c.text, c.most, got, c.bytes)
		}
		if got := plain.CutRunes(c.text, c.most); got != c.runes {
			t.Errorf("%+q, %d runes: %+q, want %+q", c.text, c.most, got, c.runes)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"name", "relays", "relay.listen", "relay.key", "nodes", "pending_requests",
		"claim_reward_balance"}
	for word, want := range map[string]string{
		"nam":                   "name",
		"NAMES":                 "name",
		"realys":                "relays", // neighbours swapped
		"relay":                 "relays",
		"relay.lisen":           "relay.listen",
		"relays.listen":         "relay.listen",
		"pending_requsts":       "pending_requests",
		"claim_rewad_balence":   "claim_reward_balance",
		"claim_rewrd_blnces":    "", // four letters wrong
		"":                      "",
		"n":                     "",
		"web":                   "",
		strings.Repeat("a", 99): "",
	} {
		if got := plain.Nearest(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
	if got := plain.Nearest("ab", []string{"ad", "ac"}); got != "ac" {
		t.Errorf("of two that are equally near: %q", got)
	}
	if got := plain.DidYouMean("name") + plain.DidYouMean(""); got != `; did you mean "name"?` {
		t.Error(got)
	}
}

// FuzzPlain holds every form to what it promises, whatever goes in.
func FuzzPlain(f *testing.F) {
	f.Add("pays \u202e\x1b[2J\n\xff\xe2\x82", 7)
	f.Add("é€🦀 \U000e0041\ufeff\u00ad", 12)
	f.Add(`"\…`, -1)
	f.Fuzz(func(t *testing.T, text string, most int) {
		most = min(most, 1<<20)
		room := max(most, 0) + len(plain.Ellipsis)

		line := plain.Line(text, most)
		checkLine(t, "line", line)
		if len(line) > room {
			t.Errorf("line of %d bytes, allowed are %d", len(line), room)
		}
		if again := plain.Line(line, most); again != line {
			t.Errorf("line is no line again: %+q, %+q", line, again)
		}

		quoted := plain.Quote(text, most)
		checkLine(t, "quoted", quoted)
		if whole, cut := strings.CutSuffix(quoted, plain.Ellipsis); cut != (len(text) > max(most, 0)) {
			t.Errorf("quoted %s of %d bytes, cut at %d", quoted, len(text), most)
		} else if back, err := strconv.Unquote(whole); err != nil || !strings.HasPrefix(text, back) ||
			!cut && back != text {
			t.Errorf("%s unquotes to %+q, %v", quoted, back, err)
		}

		escaped := plain.Escape(text)
		checkLine(t, "escaped", escaped)
		if again := plain.Escape(escaped); again != escaped {
			t.Errorf("escaped twice: %s, %s", escaped, again)
		}

		cut := plain.Cut(text, most)
		if len(cut) > room || plain.Cut(cut, most) != cut || utf8.ValidString(text) && !utf8.ValidString(cut) {
			t.Errorf("cut at %d: %+q", most, cut)
		}
		runes := plain.CutRunes(text, most)
		if utf8.RuneCountInString(runes) > max(most, 0)+1 || utf8.ValidString(text) && !utf8.ValidString(runes) {
			t.Errorf("cut at %d runes: %+q", most, runes)
		}
		plain.Nearest(text, []string{"name", "relays"})
	})
}

func checkLine(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool {
		return !plain.Visible(r) || r != ' ' && unicode.IsSpace(r) || unicode.In(r, unicode.Bidi_Control, unicode.Cc,
			unicode.Cf)
	}) {
		t.Errorf("%s: %+q", what, text)
	}
}

func TestDescribe(t *testing.T) {
	for r, want := range map[rune]string{
		'\r': "U+000D, a carriage return without a line feed, which ends the line for some programs",
		0x1b: "U+001B, a control character", 0x2028: "U+2028, an end of line that editors do not show",
		0x202e: "U+202E, a mark that changes the direction of text", 0x200b: "U+200B, a space without width",
		0xa0: "U+00A0, a no-break space", 0x3000: "U+3000, a space that is not the usual one",
		0xe0041: "U+E0041, an invisible tag", 0x2800: "U+2800, an invisible character",
	} {
		if got := plain.Describe(r); got != want {
			t.Errorf("%U: %s", r, got)
		}
	}
	for r, odd := range map[rune]bool{' ': false, 0xa0: true, 0x2003: true, '\t': false, 0x200b: false} {
		if plain.OddSpace(r) != odd {
			t.Errorf("%U: odd space %t", r, !odd)
		}
	}
}
