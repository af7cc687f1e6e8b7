package policy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pksa/agent/policy"
)

var (
	fence   = regexp.MustCompile("(?ms)^[ \t]*```[^\n]*\n(.*?)^[ \t]*```")
	written = regexp.MustCompile(`(?ms)^cat >+\S+ <<'END'\n(.*?)^END$`)
	// Behind "ask:" a setting has a word.
	beginsRules = regexp.MustCompile(`(?m)^(?:(?:allow|deny|limits):|ask:[ \t]*(?:[\[#]|$))`)
	versionLine = regexp.MustCompile(`(?m)^version: [0-9]+`)
)

// Every policy that README and documents print, and every file of one among the examples, is of
// version 2, and `check --strict` has nothing to say about it.
func TestEveryPrintedPolicyPleasesTheCheck(t *testing.T) {
	t.Parallel()
	printed, files := 0, 0
	look := func(path string) {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasSuffix(path, ".md"):
			for _, block := range fence.FindAllStringSubmatch(string(src), -1) {
				for _, text := range printedFiles(block[1]) {
					printed += printedPolicy(t, path, text)
				}
			}
		case strings.HasSuffix(path, ".yaml") && !strings.HasSuffix(path, "_test.yaml"):
			files += printedPolicy(t, path, string(src))
		}
	}
	look("../../README.md")
	err := filepath.WalkDir("../../examples", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "node_modules":
			return filepath.SkipDir
		case d.Type().IsRegular():
			look(path)
		}
		return nil
	})
	if err != nil || printed < 11 || files < 11 {
		t.Errorf("%d policies are printed, %d are files, %v", printed, files, err)
	}
}

// printedFiles returns the files that the commands of a block write, each with "cat", or the block.
func printedFiles(block string) []string {
	if !strings.Contains(block, "<<'END'") {
		return []string{block}
	}
	var files []string
	for _, m := range written.FindAllStringSubmatch(block, -1) {
		files = append(files, m[1])
	}
	return files
}

// printedPolicy judges a text if it is a policy, whole or without the line of its version, and
// returns how many it was.
func printedPolicy(t *testing.T, path, text string) int {
	t.Helper()
	if !beginsRules.MatchString(text) {
		return 0
	}
	if !versionLine.MatchString(text) {
		text = "version: 2\n" + text
	}
	_, problems := policy.Compile(path, []byte(text), policy.Options{})
	if len(problems) != len(problems.Silenced()) || !strings.Contains(text, "version: 2") {
		t.Errorf("%s prints what the check complains of:\n%s\n%v", path, text, problems)
	}
	return 1
}
