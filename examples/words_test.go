package examples_test

import (
	"regexp"
	"strings"
	"testing"
)

// What a newcomer meets in the README and may not know has a row among the words, and the README
// leads there.
func TestWordsAreExplained(t *testing.T) {
	words := string(read(t, "docs/glossary.md"))
	readme := string(read(t, "../README.md"))
	explained := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \|`).FindAllStringSubmatch(words, -1) {
		if explained[row[1]] && row[1] != "word" {
			t.Errorf("%s has two rows", row[1])
		}
		explained[row[1]] = true
	}
	for _, word := range []string{"relay", "node", "application", "app", "slot", "session", "nonce", "challenge",
		"posting key", "active key", "memo key", "owner key", "auth_key", "secret", "Landlock", "mark", "ledger",
		"keystore", "policy", "limit"} {
		if !explained[word] {
			t.Errorf("%s is not explained", word)
		}
	}
	for _, section := range []string{"parts", "keys", "requests", "files"} {
		if !strings.Contains(readme, "examples/docs/glossary.md#"+section+")") {
			t.Errorf("the README does not lead to %s", section)
		}
	}
}
