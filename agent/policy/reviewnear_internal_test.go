package policy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pksa/agent/yamlnode"
)

// nearOf returns what is found of the limits of a policy, so many steps after others.
func nearOf(p *Policy, taken steps) *compiler {
	c := &compiler{Reader: yamlnode.NewReader(yamlnode.Options{}), version: version1, steps: taken,
		nodes: map[*rule]*yamlnode.Node{}}
	for _, r := range p.rules {
		c.nodes[r] = &yamlnode.Node{Line: r.line, Column: 1}
	}
	for _, l := range p.limits {
		c.nodes[&l.rule] = &yamlnode.Node{Line: l.line, Column: 1}
	}
	c.reviewNear(p)
	return c
}

// What is found without a look at all limits is what a look at all finds.
func TestNearLimitsAreThoseThatTouch(t *testing.T) {
	files, _ := filepath.Glob("testdata/*/*.yaml")
	if len(files) < 300 {
		t.Fatal("no files")
	}
	touched := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := Compile(file, src, Options{ErrorsOnly: true})
		if p == nil {
			continue
		}
		c := nearOf(p, 0)
		for _, r := range p.rules {
			for i, e := range r.asked() {
				found, compared := c.near.of(r, i)
				want := slices.DeleteFunc(slices.Clone(p.limits), func(l *limit) bool { return !l.touches(r, e) })
				if compared != r.section.permits() || compared && !slices.Equal(found, want) {
					t.Errorf("%s:%d: %d limits, of %d that touch it", file, r.line, len(found), len(want))
				}
				touched += len(found)
			}
		}
	}
	if touched < 100 {
		t.Errorf("only %d limits touched anything", touched)
	}
}

// manyPayments returns a policy of so many rules for one recipient each, with a limit for each.
func manyPayments(n int) []byte {
	var rules, limits strings.Builder
	for i := range n {
		fmt.Fprintf(&rules, "  - {name: r%d, request: sign, accounts: [alice], apps: [shop], key: active, "+
			"operations: [transfer: {to: payee-%d, amount: {max: 1.000 HBD}}]}\n", i, i)
		fmt.Fprintf(&limits, "  - {name: l%d, apps: [shop], operations: [transfer: {to: payee-%d}], "+
			"spend: 10.000 HBD per 24h}\n", i, i)
	}
	return []byte("version: 2\nallow:\n" + rules.String() + "limits:\n" + limits.String())
}

// Each rule of many is compared with the limit for its recipient alone.
func TestLimitsOfOneRecipientTakeFewSteps(t *testing.T) {
	const rules = 300
	p, problems := Compile("p.yaml", manyPayments(rules), Options{ErrorsOnly: true})
	if p == nil {
		t.Fatal(problems)
	}
	if c := nearOf(p, 0); c.steps > 2*rules {
		t.Errorf("%d steps for %d rules", c.steps, rules)
	}
}

// A rule that denies tokens to somebody is compared with those that let them go there, not with
// each rule that moves some.
func TestDeniedTokensTakeFewSteps(t *testing.T) {
	const rules = 100
	var allowed, denied strings.Builder
	for i := range rules {
		fmt.Fprintf(&allowed, "  - {name: a%d, request: sign, accounts: [alice], apps: [app%[1]d], key: active, "+
			"operations: [custom_json: {id: ssc-mainnet-hive, json: {each: {.contractName: tokens, "+
			".contractAction: transfer, .contractPayload: {.symbol: T%[1]d, .to: vendor%[1]d}}}}]}\n", i)
		fmt.Fprintf(&denied, "  - {name: d%d, operations: [custom_json: {id: ssc-mainnet-hive, "+
			"json: {any: {.contractPayload.to: {regexp: '(?i) *bad%[1]d *'}}}}]}\n", i)
	}
	p, problems := Compile("p.yaml", []byte("version: 1\nallow:\n"+allowed.String()+"deny:\n"+denied.String()),
		Options{ErrorsOnly: true})
	if p == nil {
		t.Fatal(problems)
	}
	c := nearOf(p, 0)
	c.reviewed = p.rules
	for _, r := range p.rules {
		for i := range r.entries {
			if e := &r.entries[i]; r.section == denySection {
				for _, says := range []string{c.otherSpelling(r, e, p.rules), c.besideMember(r, e, p.rules),
					c.otherLetters(r, e, p.rules), c.tokensPass(r, e, p.rules)} {
					if says != "" {
						t.Error(says)
					}
				}
			}
		}
	}
	if c.steps > rules*(stepsOfMatch+100) {
		t.Errorf("%d steps for %d rules", c.steps, rules)
	}
}

// Where the steps are used up, nothing is said of limits that were not compared but that.
func TestUncomparedLimitsAreNotJudged(t *testing.T) {
	p, problems := Compile("p.yaml", manyPayments(3), Options{})
	if p == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	for left := range 300 {
		c := nearOf(p, steps(mostSteps-left))
		for _, r := range p.rules {
			c.reviewLimits(r, p.rules)
			c.reviewTokens(r, p.rules)
			c.reviewShadow(r, p.rules)
		}
		for _, l := range p.limits {
			c.reviewUnmet(l, p.rules, p.limits)
		}
		c.reviewSize(p)
		said := c.settle(nil, false)
		if len(said) > 1 || left == 0 && len(said) != 1 ||
			len(said) == 1 && !strings.Contains(said[0].Text, "not all of them") {
			t.Errorf("%d steps left: %v", left, said)
		}
	}
}
