package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThreats checks that every test that threats.md names exists, and that every row names one.
func TestThreats(t *testing.T) {
	text := string(read(t, "threats.md"))
	named := regexp.MustCompile("`([a-z/]+) (Test[A-Za-z0-9]+)`")
	found := named.FindAllStringSubmatch(text, -1)
	if len(found) < 50 {
		t.Fatalf("only %d tests are named", len(found))
	}
	for _, m := range found {
		if !hasTest(t, filepath.Join("..", m[1]), m[2]) {
			t.Errorf("%s has no %s", m[1], m[2])
		}
	}
	for line := range strings.Lines(text) {
		if row := strings.HasPrefix(line, "| "); row && !strings.Contains(line, "shown by") &&
			!named.MatchString(line) {
			t.Errorf("no test shows this: %s", line)
		}
	}
}

func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), "\nfunc "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}
