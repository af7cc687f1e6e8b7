package policy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fileOfTrap = regexp.MustCompile(`testdata/warn/([a-z_]+)\.yaml\)`)

// The page of traps names each file with a trap once, and no other.
func TestThePageListsEveryTrap(t *testing.T) {
	page, err := os.ReadFile("../../examples/docs/traps.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]int{}
	for _, m := range fileOfTrap.FindAllStringSubmatch(string(page), -1) {
		named[m[1]]++
	}
	for _, file := range inputs(t, "warn", 40) {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if strings.HasSuffix(name, ".right") || name == "nothing_to_warn_of" {
			continue
		}
		if named[name] != 1 {
			t.Errorf("examples/docs/traps.md names %s %d times; add a row for it", name, named[name])
		}
		delete(named, name)
	}
	for name := range named {
		t.Errorf("examples/docs/traps.md names %s, which is no file", name)
	}
}
