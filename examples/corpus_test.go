package examples_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Inputs of a fuzz target lie in a folder of its name. After a target is renamed nothing reads them
// any more, and no tool says so.
func TestFuzzInputsHaveTargets(t *testing.T) {
	folders := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || filepath.Base(filepath.Dir(path)) != "fuzz" ||
			filepath.Base(filepath.Dir(filepath.Dir(path))) != "testdata" {
			return err
		}
		folders++
		target := regexp.MustCompile(`(?m)^func ` + entry.Name() + `\(`)
		tests, err := filepath.Glob(filepath.Join(filepath.Dir(path), "..", "..", "*_test.go"))
		if err != nil {
			return err
		}
		var sources strings.Builder
		for _, name := range tests {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			sources.Write(text)
		}
		if !target.MatchString(sources.String()) {
			t.Errorf("%s: the package has no such fuzz target", path)
		}
		return nil
	})
	if err != nil || folders == 0 {
		t.Fatalf("%d folders of inputs read: %v", folders, err)
	}
}
