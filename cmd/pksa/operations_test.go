package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

var update = flag.Bool("update", false, "rewrite generated parts and golden files")

// The page of operations is made from the table of facts that the program uses.
func TestOperationsTable(t *testing.T) {
	const path, begin, end = "../../examples/docs/operations.md", "-update` -->\n", "<!-- end of operations -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	table, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the page has no place for the table of operations")
	}
	want := operationsTable()
	if *update {
		if err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != want {
		t.Error("the page of operations is not what the program does; run this test with -update")
	}
}

func operationsTable() string {
	var b strings.Builder
	b.WriteString("\n| operation | key | what it can do to the account |\n|---|---|---|\n")
	for _, d := range hive.Definitions() {
		if d.State != hive.Live {
			continue
		}
		var roles []string
		for _, role := range d.Roles() {
			roles = append(roles, role.String())
		}
		key := strings.Join(roles, ", ")
		if key == "" {
			key = "other"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", d.Name, key, d.Does)
	}
	b.WriteString("\n")
	return b.String()
}
