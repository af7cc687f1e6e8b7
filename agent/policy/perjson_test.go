package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

const perToken = `version: 2
allow:
  - name: send
    request: sign
    accounts: [alice]
    apps: [app]
    key: active
    operations:
      - custom_json:
          id: ssc-mainnet-hive
          json:
            members: [contractName, contractAction, contractPayload]
            .contractName: tokens
            .contractAction: transfer
            .contractPayload:
              %s
              .quantity: {min: 0.001, max: 100}
              .to: bob
              members: [symbol, quantity, to]
limits:
  - name: of each token
    apps: [app]
    operations: [custom_json: {id: ssc-mainnet-hive}]
    sum: 100 per 24h
    of: {list: json, field: .contractPayload.quantity}
    per: [%s]
`

// A limit has a counter for each value inside JSON, however a number is written, and none where
// JSON does not say which.
func TestPerPathIntoJSON(t *testing.T) {
	p, problems := policy.Compile("p", []byte("version: 1\nallow: [{name: a, request: sign, apps: any, key: active, "+
		"operations: [custom_json]}]\nlimits: [{name: l, operations: [custom_json], count: 9 per 1h, "+
		"per: [.json.a.s]}]"), policy.Options{})
	if p == nil {
		t.Fatal(problems)
	}
	long := strings.Repeat("x", 400)
	for json, want := range map[string]string{
		`{"a":{"s":"BEE"}}`: ".json.a.s=BEE", `{"a":{"s":"bee"}}`: ".json.a.s=bee", `{"a":{"s":""}}`: ".json.a.s=",
		`{"a":{"s":5}}`: ".json.a.s=5", `{"a":{"s":"5"}}`: ".json.a.s=5", `{"a":{"s":5.0}}`: ".json.a.s=5",
		`{"a":{"s":"5.00"}}`: ".json.a.s=5", `{"a":{"s":-0}}`: ".json.a.s=0", `{"a":{"s":"05"}}`: ".json.a.s=05",
		`{"a":{"s":"1&app=x"}}`: ".json.a.s=1%26app%3Dx",
		// A number with an exponent is none here, and what else there may be names no counter.
		`{"a":{"s":5e0}}`: "", `{"a":{"s":null}}`: "", `{"a":{"s":true}}`: "", `{"a":{"s":["BEE"]}}`: "",
		`{"a":{"s":{}}}`: "", `{"a":{}}`: "", `{}`: "", `[]`: "", `[{"a":{"s":"BEE"}}]`: "", `5`: "",
		`{"a":{"s":"BEE"},"a":{"s":"BEE"}}`: "", `{"a":[{"s":"BEE"}]}`: "",
	} {
		d := p.Decide(sign("app", hive.Active, customJSON(t, hive.Active, "x", json)), nil, noon)
		switch {
		case want == "" && (d.Code != policy.CodeLimit || !strings.Contains(d.Reason, "JSON does not say which")):
			t.Errorf("%s: %v %s", json, d.Verdict, d.Reason)
		case want != "" && (d.Verdict != policy.Allow || len(d.Charges) != 1 || d.Charges[0].Split != want):
			t.Errorf("%s: %v %s, %+v", json, d.Verdict, d.Reason, d.Charges)
		}
	}
	d := p.Decide(sign("app", hive.Active, customJSON(t, hive.Active, "x", `{"a":{"s":"`+long+`"}}`)), nil, noon)
	if len(d.Charges) != 1 || !strings.Contains(d.Charges[0].Split, "sha256") {
		t.Errorf("a long text: %+v", d.Charges)
	}
}

// Each token has its own room, and cases name it as an application may write it.
func TestBudgetOfEachToken(t *testing.T) {
	src := fmt.Appendf(nil, perToken, ".symbol: [BEE, 5]", ".json.contractPayload.symbol")
	p, problems := policy.Compile("p", src, policy.Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	book := &policy.Book{}
	for i, one := range []struct {
		symbol, quantity string
		want             policy.Verdict
	}{
		{`"BEE"`, "60", policy.Allow}, {`"5"`, "60", policy.Allow}, {`5.0`, "40.001", policy.Deny},
		{`"BEE"`, "40", policy.Allow}, {`"BEE"`, "0.001", policy.Deny}, {`"5.00"`, "40", policy.Allow},
		{`"SWAP.HIVE"`, "1", policy.Deny},
	} {
		json := fmt.Sprintf(`{"contractName":"tokens","contractAction":"transfer","contractPayload":{"symbol":%s,`+
			`"quantity":"%s","to":"bob"}}`, one.symbol, one.quantity)
		d := p.Decide(sign("app", hive.Active, customJSON(t, hive.Active, "ssc-mainnet-hive", json)), book, noon)
		if d.Verdict != one.want {
			t.Errorf("%d: %s: %v %s", i, json, d.Verdict, d.Reason)
		}
		book.Add(noon, d.Charges)
	}
}

// A budget for each value that an application chooses is none, and a path leads into JSON.
func TestReviewOfPerPath(t *testing.T) {
	for _, tt := range []struct{ symbol, per, want string }{
		{".symbol: [BEE, WEED]", ".json.contractPayload.symbol", ""},
		{".symbol: BEE", ".json.contractPayload.symbol", ""},
		{".symbol: {glob: 'B*'}", ".json.contractPayload.symbol", "each value of a field that the app chooses"},
		{".symbol: [BEE, WEED]", ".json.contractPayload.quantity", "each value of a field that the app chooses"},
		{".symbol: [BEE, WEED]", ".json.symbol", "each value of a field that the app chooses"},
		{".symbol: BEE", ".json", "or a path into JSON such as .json.symbol"},
		{".symbol: BEE", ".id.symbol", "per takes a path into a field that holds JSON"},
		{".symbol: BEE", ".jsn.symbol", `no field "jsn"; did you mean "json"?`},
		{".symbol: BEE", ".json.", "custom_json has no field"},
	} {
		_, problems := policy.Compile("p", fmt.Appendf(nil, perToken, tt.symbol, tt.per), policy.Options{})
		if tt.want == "" && len(problems) > 0 || !strings.Contains(problems.String(), tt.want) {
			t.Errorf("%+v: %v", tt, problems)
		}
	}
}
