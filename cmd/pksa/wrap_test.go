package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// Lines break between words; commands that fit and long words stay whole, and nothing is lost.
func TestWrapped(t *testing.T) {
	secret := strings.Repeat("ABCDEFGH", 12)
	texts := []string{
		"pksa: error: reading the passphrase of the keystore from the source that the settings name: no such file",
		"pksa: hint: put a copy back; without one, `pksa init --set-aside` begins anew, then `pksa keys import` again",
		"  " + secret + "\n\nThis secret is shown once.",
		"Policy   /home/alice/.local/share/pksa/policy.yaml, sha256 0123456789abcdef, in force since 2026-01-01 " +
			"12:00:00Z",
		"  pksa --home '/home/alice/a folder with a long name' keys import ACCOUNT --role posting --from prompt",
		"Then `pksa --home '/home/alice/a folder with a long name' keys import ACCOUNT` does it.",
		"         limit \"tips\": 1.6 of 2 HBD used in 24h, of that 1.1 not on the chain", "", "ü ä ö " +
			strings.Repeat("ß ", 60),
	}
	for _, text := range texts {
		if wrapped(text, 0) != text {
			t.Errorf("a pipe gets %q", wrapped(text, 0))
		}
		for width := 40; width <= 130; width++ {
			got := wrapped(text, width)
			if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(text), " ") {
				t.Fatalf("width %d: other words:\n%s", width, got)
			}
			for _, line := range strings.Split(got, "\n") {
				if n := utf8.RuneCountInString(line); n > width && !oneCommand(line) {
					t.Errorf("width %d: %d columns: %q", width, n, line)
				}
				if strings.Count(line, "`")%2 != 0 {
					t.Errorf("width %d: a command is broken: %q", width, line)
				}
			}
		}
	}
}

// oneCommand reports whether a line has one word, or one command, which may be wider than all else.
func oneCommand(line string) bool {
	rest := commandInQuotes.ReplaceAllString(line, "word")
	return len(strings.Fields(rest)) <= 1 || strings.HasPrefix(strings.TrimSpace(line), "pksa --home ")
}

var commandInQuotes = regexp.MustCompile("`[^`]*`")

// Help fits a terminal of 80 columns, and narrower ones.
func TestHelpFits(t *testing.T) {
	noRace(t)
	for _, cmd := range commands((&command{}).root()) {
		var out bytes.Buffer
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		run(t.Context(), args, streams{strings.NewReader(""), &out, &out})
		for _, width := range []int{50, 80} {
			for _, line := range strings.Split(wrapped(out.String(), width), "\n") {
				if n := utf8.RuneCountInString(line); n > width && !oneCommand(line) {
					t.Errorf("%s: %d columns of %d: %q", args, n, width, line)
				}
			}
		}
	}
}
