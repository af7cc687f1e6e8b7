package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

const examplePolicies = "../../examples/policies"

// Every example is a policy without errors, with a paragraph about its risk, with tests that pass,
// and whose tests leave no rule out.
func TestExamplePolicies(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(examplePolicies, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.yaml") {
			continue
		}
		examples++
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, _, _ := strings.Cut(string(src), "version: 2")
			if !strings.Contains(head, "The risk that remains:") {
				t.Error("nothing is said about the risk that remains")
			}
			_, problems := policy.Compile(file, src, policy.Options{})
			for _, p := range append(problems.Errors(), problems.Warnings()...) {
				t.Error(p)
			}
			result := testPolicy(strings.TrimSuffix(file, ".yaml")+"_test.yaml", hive.Mainnet)
			if !result.OK || len(result.Unmet) > 0 {
				var text strings.Builder
				result.writeTo(&text, true)
				t.Error(text.String())
			}
		})
	}
	if examples < 9 {
		t.Errorf("%d examples", examples)
	}
}
