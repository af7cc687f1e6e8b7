package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestMain(m *testing.M) {
	if served, err := serveAsPart(os.Stdin, os.Stdout); served {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// small cases try everything that the program measures, and measure nothing.
var small = sizes{widths: []int{2}, sessions: 3, accounts: []int{1, 3}, far: 5 * time.Millisecond}

// buildWallet builds the real program.
func buildWallet(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pksa")
	if out, err := exec.Command("go", "build", "-o", path, "../pksa").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return path
}

// TestEveryCase runs every case for a moment and looks at the report in its three forms.
func TestEveryCase(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what the wallet uses is read from /proc, which Linux alone has")
	}
	if testing.Short() {
		t.Skip("builds the wallet and starts it ten times")
	}
	folder := t.TempDir()
	if kind, err := fileSystem(folder); err != nil || inMemory(kind) {
		t.Skipf("the temporary folder is in memory (%s, %v): the program measures on disks only", kind, err)
	}
	b := bench{progress: io.Discard, options: options{pksa: buildWallet(t), folder: folder,
		each: 60 * time.Millisecond}}
	cases := allCases(small, b.options.each)
	r, err := b.measure(t.Context(), cases)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cases) != len(cases) || r.failed() {
		t.Errorf("of %d cases %d were measured; failed: %v", len(cases), len(r.Cases), r.failed())
	}
	for _, c := range r.Cases {
		if c.Requests == 0 || c.PerSecond <= 0 || c.P50 <= 0 || c.P50 > c.P95 || c.P95 > c.P99 || c.P99 > c.Max {
			t.Errorf("%s: %d requests, %v a second, latency %v %v %v %v", c.Name, c.Requests, c.PerSecond, c.P50, c.P95,
				c.P99, c.Max)
		}
		if c.Memory.Anonymous <= 0 || c.Memory.File <= 0 || c.Memory.Resident <= 0 || c.Registered <= 0 {
			t.Errorf("%s: memory %+v, registered after %v s", c.Name, c.Memory, c.Registered)
		}
	}
	for _, s := range r.Steps.List {
		if s.Micros <= 0 {
			t.Errorf("step %s takes no time", s.Name)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v, %v are left behind", left, err)
	}
	checkForms(t, r)
}

// checkForms looks at a report as JSON, as a table, and compared with itself.
func checkForms(t *testing.T, r *report) {
	t.Helper()
	var text bytes.Buffer
	if err := r.writeJSON(&text); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "before.json")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := readReport(path)
	if err != nil {
		t.Fatal(err)
	}
	r.compare(before)
	for _, c := range r.ratios() {
		if c.PerSecond != 1 || c.P50 != 1 || c.P99 != 1 || c.Anonymous != 1 || c.Registered != 1 {
			t.Errorf("compared with itself: %+v", c)
		}
	}
	text.Reset()
	if err := r.writeTable(&text); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if utf8.RuneCountInString(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("wider than 80 columns: %q", line)
		}
	}
	for _, c := range r.Cases {
		if strings.Count(text.String(), "\n"+c.Name+" ") < 2 {
			t.Errorf("%s does not stand in the table and in the comparison:\n%s", c.Name, &text)
		}
	}
}

// A comparison divides what is now by what was, whatever the machine, and passes over cases that
// were not measured before.
func TestBaseline(t *testing.T) {
	of := func(name string, perSecond, cpu float64) result {
		return result{caseSpec: caseSpec{Name: name}, PerSecond: perSecond, CPU: cpu, Written: -1}
	}
	r := &report{Cases: []result{of("vote-8", 300, 50), of("vote-64", 1, 1)}}
	r.compare(&report{Machine: machine{Processor: "another"}, Cases: []result{of("vote-8", 100, 200)}})
	got := r.ratios()
	if len(got) != 1 || got[0] != (ratios{Case: "vote-8", PerSecond: 3, CPU: 0.25}) {
		t.Errorf("%+v", got)
	}
	var text strings.Builder
	if err := r.writeTable(&text); err != nil || !strings.Contains(text.String(), "another machine") {
		t.Errorf("%v: it does not say that the machine is another one:\n%s", err, &text)
	}
	for name, content := range map[string]string{"no JSON": "req/s", "another version": `{"version":99}`,
		"no report": `{}`} {
		path := filepath.Join(t.TempDir(), "before.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readReport(path); !errors.As(err, new(usageError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Answers that are lost or wrong stand in the report, in both forms, and make the program fail.
func TestFailureShows(t *testing.T) {
	r := &report{Cases: []result{{caseSpec: caseSpec{Name: "vote-8"}, tally: tally{Requests: 3}}}}
	if r.failed() {
		t.Error("failed without a fault")
	}
	r.Cases[0].fault(errLost)
	r.Cases[0].fault(errors.New("the signer is another one"))
	if !r.failed() {
		t.Error("not failed")
	}
	var text strings.Builder
	if err := r.writeTable(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"3 requests, 1 lost, 1 wrong", "vote-8: no answer",
		"vote-8: the signer is another one"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing:\n%s", want, &text)
		}
	}
	var machines bytes.Buffer
	if err := r.writeJSON(&machines); err != nil {
		t.Fatal(err)
	}
	var read struct{ Cases []struct{ Lost, Wrong int } }
	err := json.Unmarshal(machines.Bytes(), &read)
	if err != nil || read.Cases[0].Lost != 1 || read.Cases[0].Wrong != 1 {
		t.Errorf("%+v, %v", read, err)
	}
}

func TestChoose(t *testing.T) {
	cases := allCases(fullSize, 0)
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.Name] || len(c.Name) > 18 {
			t.Errorf("%q is there twice, or too long for the table", c.Name)
		}
		seen[c.Name] = true
	}
	for only, want := range map[string]string{
		"*":                            "",
		"vote-8":                       "vote-8",
		"vote-*-far,accounts-1":        "vote-1-far vote-8-far vote-64-far accounts-1",
		"sessions-1000,challenge-64":   "challenge-64 sessions-1000",
		"accounts-10000*":              "accounts-10000 accounts-10000-far",
		"auth-new-[18],auth-known-64*": "auth-new-1 auth-new-8 auth-known-64",
	} {
		chosen, err := choose(cases, only)
		var names []string
		for _, c := range chosen {
			names = append(names, c.Name)
		}
		got := strings.Join(names, " ")
		if err != nil || want != "" && got != want || want == "" && len(names) != len(cases) {
			t.Errorf("%s: %s, %v", only, got, err)
		}
	}
	for _, only := range []string{"vote", "vote-8,", "soak", "vote-[", ""} {
		if _, err := choose(cases, only); !errors.As(err, new(usageError)) {
			t.Errorf("%q: %v", only, err)
		}
	}
}

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{{"-for", "0s"}, {"-soak", "-1s"}, {"vote-8"}, {"-fast"}, {"-only", "no-such-case"},
		{"-baseline", filepath.Join(t.TempDir(), "missing.json")}} {
		if err := run(context.Background(), args, io.Discard, io.Discard); !errors.As(err, new(usageError)) &&
			runtime.GOOS == "linux" {
			t.Errorf("%q: %v", args, err)
		}
	}
	var help strings.Builder
	if _, err := parse([]string{"-help"}, &help); err == nil || !strings.Contains(help.String(), "accounts-10000-far") {
		t.Errorf("%v\n%s", err, &help)
	}
	for line := range strings.Lines(help.String()) {
		if len(line) > 81 {
			t.Errorf("wider than 80 columns: %q", line)
		}
	}
}
