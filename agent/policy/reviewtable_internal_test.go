package policy

import (
	"os"
	"path/filepath"
	"testing"
)

// Each trap of the tables catches something in the files that are warned of: without it the
// warnings of a file would be others.
func TestEachTrapHasAFile(t *testing.T) {
	caught := map[int]bool{}
	tests, entries := testTraps, entryTraps
	defer func() { testTraps, entryTraps = tests, entries }()
	testTraps, entryTraps = nil, nil
	for i, trap := range tests {
		testTraps = append(testTraps, func(p *place) string {
			says := trap(p)
			caught[i] = caught[i] || says != ""
			return says
		})
	}
	for i, trap := range entries {
		entryTraps = append(entryTraps, func(r *rule, e *opEntry) string {
			says := trap(r, e)
			caught[len(tests)+i] = caught[len(tests)+i] || says != ""
			return says
		})
	}
	files, err := filepath.Glob("testdata/warn/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		Compile(file, src, Options{})
	}
	for i := range len(tests) + len(entries) {
		if !caught[i] {
			t.Errorf("nothing is caught by trap %d of %d", i+1, len(tests)+len(entries))
		}
	}
}

// What is known of a pattern by its form alone is what a match of odd texts gives.
func TestPatternsThatTakeAll(t *testing.T) {
	for _, source := range []string{"*", "**", "?", "??*", "*?", "?*?", "", "a*", "*a", "* *", `*\*`} {
		p, err := newGlob(source)
		if err != nil || p.takesAll() != p.takesOddTexts() {
			t.Errorf("glob %q: %t, %v", source, p.takesAll(), err)
		}
	}
	for source, all := range map[string]bool{
		".*": true, "^.*$": true, ".+": true, "(.*)": true, "(?s).*": true, "[^7]*": false, ".?": false, "a|.*": true,
		".*a": false, ".{1,1000}": false, "(?-s).*": false,
	} {
		p, err := newRegexp(source)
		if err != nil || p.takesAll() != all || p.takesOddTexts() != all {
			t.Errorf("regexp %q: %t, by odd texts %t, %v", source, p.takesAll(), p.takesOddTexts(), err)
		}
	}
}
