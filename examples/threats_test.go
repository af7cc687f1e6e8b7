package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// namedTest is a test as a page names it: its folder, then its name.
var namedTest = regexp.MustCompile("`([a-z0-9/-]+) (Test[A-Za-z0-9]+)`")

// Every test that these pages name exists, and every row of their tables names one.
func TestPagesNameTests(t *testing.T) {
	for page, least := range map[string]int{"docs/threats.md": 50, "docs/differences.md": 25, "docs/bounds.md": 40} {
		text := string(read(t, page))
		found := namedTest.FindAllStringSubmatch(text, -1)
		if len(found) < least {
			t.Errorf("%s names %d tests only", page, len(found))
		}
		for _, m := range found {
			if !hasTest(t, filepath.Join("..", m[1]), m[2]) {
				t.Errorf("%s: %s has no %s", page, m[1], m[2])
			}
		}
		for _, row := range tableRows(text) {
			if !namedTest.MatchString(row) {
				t.Errorf("%s: no test shows this: %s", page, row)
			}
		}
	}
}

// tableRows returns the rows of a page's tables, without their heads.
func tableRows(text string) (rows []string) {
	previous := ""
	for line := range strings.Lines(text + "\n") {
		// A row is known by the line after it: one of dashes stands below a head.
		if strings.HasPrefix(previous, "| ") && !strings.HasPrefix(line, "|---") {
			rows = append(rows, previous)
		}
		previous = line
	}
	return rows
}

// edgeTest is a test that a row of the bounds says to try the edge, or to measure where there is
// none.
var edgeTest = regexp.MustCompile("`[a-z0-9/-]+ Test[A-Za-z0-9]+` \\((edge|measured)\\)")

// Every row of the bounds says what grows, by whom, how far, per what, what happens beyond, and
// names the test in its last column: one that tries the edge, or measures. A bound is a number or
// bytes, or both.
func TestBoundsAreWhole(t *testing.T) {
	rows := tableRows(string(read(t, "docs/bounds.md")))
	if len(rows) < 35 {
		t.Errorf("the page has %d bounds", len(rows))
	}
	measured := 0
	for _, row := range rows {
		cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
		if len(cells) != 7 {
			t.Errorf("%d columns: %s", len(cells), row)
			continue
		}
		for i, cell := range cells {
			cells[i] = strings.TrimSpace(cell)
			if cells[i] == "" {
				t.Errorf("column %d is empty: %s", i+1, row)
			}
		}
		if cells[2] == "—" && cells[3] == "—" {
			t.Errorf("neither a number nor bytes: %s", row)
		}
		switch {
		case !edgeTest.MatchString(cells[6]):
			t.Errorf("the last column names no test of the edge: %s", row)
		case !strings.Contains(cells[6], "(edge)"):
			measured++
		}
	}
	if measured > 8 {
		t.Errorf("%d bounds are only measured: try their edges", measured)
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

// The package comments tell of differences on one page, and point to it.
func TestDifferencesAreOnOnePage(t *testing.T) {
	const pointer = "examples/docs/differences.md"
	page := string(read(t, "docs/differences.md"))
	for _, folder := range []string{"agent", "agent/link", "agent/node", "agent/relay", "protocol", "protocol/hive",
		"protocol/seal"} {
		if !strings.Contains(page, "`"+folder+"`") {
			t.Errorf("the page does not name %s", folder)
		}
		if !strings.Contains(string(read(t, filepath.Join("..", folder, "doc.go"))), pointer) {
			t.Errorf("the comment of %s does not point to the page", folder)
		}
	}
}
