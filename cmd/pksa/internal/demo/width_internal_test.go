package demo

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Texts fit a terminal of 80 columns, lose no word, and keep the blanks at their beginning.
func TestFolded(t *testing.T) {
	long := "The wallet had written the request down before it signed, so it knows it even after a crash → é"
	for _, text := range []string{long, "   " + long, "short", "", strings.Repeat("x", 90),
		strings.Repeat("y", 90) + " z"} {
		lines := folded(text, 60)
		if strings.Join(strings.Fields(strings.Join(lines, " ")), " ") != strings.Join(strings.Fields(text), " ") {
			t.Errorf("%q became %q", text, lines)
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > 60 && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("%d columns: %q", n, line)
			}
		}
		if strings.HasPrefix(text, "   ") != strings.HasPrefix(lines[0], "   ") {
			t.Errorf("begins with %q", lines[0])
		}
	}
	for _, line := range policyLines() {
		if n := utf8.RuneCountInString(line); n > 75 {
			t.Errorf("a rule has %d columns: %s", n, line)
		}
	}
}
