package policy

import (
	"fmt"
	"strings"
	"testing"

	"pksa/agent/yamlnode"
)

// Where the check of a large file stops to compare, it says so, as a warning in both versions: a
// file that an earlier program took goes on.
func TestCheckSaysWhereItStops(t *testing.T) {
	p, problems := Compile("p.yaml", []byte("version: 2\nallow:\n  - {name: r, request: sign, accounts: [alice], "+
		"apps: [app], operations: [vote]}\n"), Options{})
	if p == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	for name, c := range map[string]struct {
		steps steps
		tried int
		want  int
	}{
		"all compared": {mostSteps, mostPayments - 1, 0}, "patterns": {mostSteps + 1, 0, 1},
		"payments": {0, mostPayments, 1},
	} {
		reviewer := &compiler{Reader: yamlnode.NewReader(yamlnode.Options{}), version: version2, steps: c.steps,
			tried: c.tried, nodes: map[*rule]*yamlnode.Node{p.rules[0]: {Line: 3, Column: 5}}}
		reviewer.reviewSize(p)
		got := reviewer.settle(nil, false)
		if len(got) != c.want || len(got.Warnings()) != c.want ||
			c.want == 1 && !strings.Contains(got[0].Text, "not all of them were compared") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// BenchmarkCompileLarge compiles files of many rules of which each concerns another app, account or
// token.
func BenchmarkCompileLarge(b *testing.B) {
	const rules = 500
	const pays = "{name: a%d, request: sign, apps: [app%d], key: active, " +
		"operations: [transfer: {to: vendor%d, amount: {max: 1.000 HBD}}]}"
	for name, of := range map[string][2]string{
		"denied payees": {pays, "deny: {name: d%d, operations: [active: {payee: {any: bad%d}}]}"},
		"limits of apps": {pays, "limits: {name: l%d, apps: [app%d], operations: [transfer], " +
			"spend: 10.000 HBD per 24h}"},
		"limits of payees": {pays, "limits: {name: l%d, operations: [transfer: {to: vendor%d}], " +
			"spend: 10.000 HBD per 24h}"},
		"limits of tokens": {"{name: a%d, request: sign, accounts: [alice], apps: [app], key: active, " +
			"operations: [custom_json: {id: ssc-mainnet-hive, json: {.contractName: tokens, " +
			".contractAction: transfer, .contractPayload: {.symbol: T%d, .to: bob, .quantity: {max: 5}}}}]}",
			"limits: {name: l%d, apps: [app], operations: [custom_json: {id: ssc-mainnet-hive}], " +
				"sum: 10 per 24h, of: {list: json, where: {.contractPayload.symbol: T%d}, " +
				"field: .contractPayload.quantity}}"},
		"denied tokens": {"{name: a%d, request: sign, accounts: [alice], apps: [app%d], key: active, " +
			"operations: [custom_json: {id: ssc-mainnet-hive, json: {each: {.contractName: tokens, " +
			".contractAction: transfer, .contractPayload: {.symbol: T%d, .to: vendor%d, .quantity: {max: 5}}}}}]}",
			"deny: {name: d%d, operations: [custom_json: {id: ssc-mainnet-hive, " +
				"json: {any: {.contractPayload.to: {regexp: '(?i) *bad%d *'}}}}]}"},
		"patterns": {"{name: a%d, request: challenge, accounts: [alice], apps: [app%d], " +
			"text: {regexp: 'log ?in [a-z0-9]{1,40} %d'}}",
			"deny: {name: d%d, request: challenge, text: {regexp: 'log ?in [a-f0-9]{1,30} x%d.*'}}"},
	} {
		var first, second strings.Builder
		section, form, _ := strings.Cut(of[1], ": ")
		for i := range rules {
			fmt.Fprintf(&first, "  - %s\n", strings.ReplaceAll(of[0], "%d", fmt.Sprint(i)))
			fmt.Fprintf(&second, "  - %s\n", strings.ReplaceAll(form, "%d", fmt.Sprint(i)))
		}
		src := []byte("version: 1\nallow:\n" + first.String() + section + ":\n" + second.String())
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				if p, problems := Compile("p.yaml", src, Options{}); p == nil {
					b.Fatal(problems)
				}
			}
		})
	}
}
