package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each command and each topic has a page with its flags, which the tools of man take without a
// complaint, where they are.
func TestManual(t *testing.T) {
	folder := t.TempDir()
	var out bytes.Buffer
	status := run(t.Context(), []string{"man", folder}, streams{strings.NewReader(""), &out, &out})
	if status != exitOK {
		t.Fatalf("status %d: %s", status, &out)
	}
	page := func(section, name string) string {
		text, err := os.ReadFile(filepath.Join(folder, "man"+section, name+"."+section))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	for _, cmd := range commands(new(command).root()) {
		if cmd.HasParent() && cmd.Parent().Name() == "completion" {
			continue // they are one page
		}
		text := page("1", strings.ReplaceAll(cmd.CommandPath(), " ", "-"))
		for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(cmd.LocalFlags().FlagUsages(), -1) {
			if !strings.Contains(text, strings.ReplaceAll(flag, "-", `\-`)) {
				t.Errorf("%s: %s lacks", cmd.CommandPath(), flag)
			}
		}
		for _, sub := range cmd.Commands() {
			if cmd.Name() != "completion" && !strings.Contains(text, strings.ReplaceAll(sub.Short, "-", `\-`)) {
				t.Errorf("%s: %s lacks", cmd.CommandPath(), sub.Name())
			}
		}
	}
	for _, topic := range topics {
		page("7", "pksa-"+topic.name)
	}
	lintManual(t, folder)
}

// lintManual lets mandoc and groff look at all pages.
func lintManual(t *testing.T, folder string) {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(folder, "man*", "*"))
	if err != nil || len(pages) < 50 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	complaint := regexp.MustCompile(`(?m)^.*(?:WARNING|ERROR|UNSUPP|warning|error).*$`)
	for _, tool := range [][]string{
		{"mandoc", "-T", "lint", "-W", "warning"}, {"groff", "-man", "-T", "utf8", "-ww", "-z"},
	} {
		if _, err := exec.LookPath(tool[0]); err != nil {
			t.Logf("there is no %s", tool[0])
			continue
		}
		said, _ := exec.Command(tool[0], append(tool[1:], pages...)...).CombinedOutput() // judged by what it says
		for _, line := range complaint.FindAllString(string(said), -1) {
			if !strings.Contains(line, `missing date, using ""`) { // of a build without a history
				t.Error(line)
			}
		}
	}
}
