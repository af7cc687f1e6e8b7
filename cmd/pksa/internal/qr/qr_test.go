package qr_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf8"

	"pksa/cmd/pksa/internal/qr"
)

// The codes of these texts, one for each size, were read by the decoder of cmd/pksa-qr, as were
// those of all lengths from 1 to 134.
func TestDraw(t *testing.T) {
	const link = "https://wallet.example/enrol#"
	for length, want := range map[int]string{17: "1ec85775", 32: "361b54dd", 53: "e224afe4", 78: "8c2b4969",
		106: "1106f98f", 134: "8211f610"} {
		text := (link + strings.Repeat("aZ9_-x", 30))[:length]
		drawn, err := qr.Draw(text)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(drawn))
		if got := hex.EncodeToString(sum[:4]); got != want {
			t.Errorf("%d bytes: %q\n%s", length, got, drawn)
		}
		lines := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > qr.Columns || n != utf8.RuneCountInString(lines[0]) {
				t.Errorf("%d bytes: a line of %d columns", length, n)
			}
		}
	}
	for _, text := range []string{"", strings.Repeat("x", qr.Most+1)} {
		if _, err := qr.Draw(text); err == nil {
			t.Errorf("%d bytes are drawn", len(text))
		}
	}
}
