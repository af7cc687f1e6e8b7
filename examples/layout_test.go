package examples_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The top level holds five folders, four files, and the dot-files that tools look for.
func TestTopLevel(t *testing.T) {
	allowed := []string{"agent", "cmd", "examples", "keystore", "protocol", "README.md", "LICENSE", "go.mod", "go.sum"}
	for _, name := range allowed {
		if _, err := os.Stat("../" + name); err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	built := []string{"pksa", "pksa.exe"} // .gitignore has them
	for _, e := range entries {
		if name := e.Name(); !strings.HasPrefix(name, ".") && !slices.Contains(append(allowed, built...), name) {
			t.Errorf("%s does not belong at the top level", name)
		}
	}
}
