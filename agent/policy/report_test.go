package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// What an operator reads is in golden files: testdata/report holds a policy, requests, and the
// explanation of each.
func TestReports(t *testing.T) {
	const folder = "testdata/report"
	src, err := os.ReadFile(filepath.Join(folder, "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, problems := policy.Compile("/home/op/policy.yaml", src, policy.Env{})
	if p == nil {
		t.Fatal(problems)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.request.*"))
	if err != nil || len(files) < 12 {
		t.Fatalf("%d requests, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, problems := policy.ReadRequest(file, src, hive.Mainnet)
			if c == nil {
				t.Fatal(problems)
			}
			now := noon
			if !c.Time.IsZero() {
				now = c.Time
			}
			book, problems := p.Counters(file, c, now)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			r := p.Report(c.Request, book, now)
			if d := p.Decide(c.Request, book, now); d.Verdict != r.Verdict || d.Reason != r.Reason {
				t.Errorf("the report says %v, the decision %v", r.Verdict, d.Verdict)
			}
			base, _, _ := strings.Cut(file, ".request.")
			golden(t, base+".golden", r.Text())
		})
	}
}
