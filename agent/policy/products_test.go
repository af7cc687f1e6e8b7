package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

const spending = `version: 2
allow:
  - name: buy BEE
    request: sign
    accounts: [alice]
    apps: [app]
    key: active
    operations:
      - custom_json:
          id: ssc-mainnet-hive
          json:
            each:
              .contractName: market
              .contractAction: %s
              .contractPayload: {.symbol: BEE, .quantity: {max: 1000000}, .price: {max: 10, min: 0.001}}
limits:
  - name: budget
    apps: [app]
    operations: [custom_json: {id: ssc-mainnet-hive}]
    sum: 100 per 24h
    of: {list: json, field: .contractPayload.quantity, times: %s}
`

// A limit of products counts value: how many, times the price of each, exactly.
func TestSumOfProducts(t *testing.T) {
	p, problems := policy.Compile("p", fmt.Appendf(nil, spending, "buy", ".contractPayload.price"), policy.Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	order := func(quantity, price string) string {
		return fmt.Sprintf(`{"contractName":"market","contractAction":"buy","contractPayload":{"symbol":"BEE",`+
			`"quantity":%s,"price":%s}}`, quantity, price)
	}
	sixty := strings.Repeat("1", 58)
	for _, tt := range []struct {
		orders  []string
		charged string // empty: denied
	}{
		{[]string{order("10", "0.5")}, "5"},
		{[]string{order(`"10"`, `"0.5"`)}, "5"},
		{[]string{order("200", "0.5")}, "100"},
		{[]string{order("200.00000001", "0.5")}, ""},
		{[]string{order("0.1", "0.2"), order("3", "3.00000001")}, "9.02000003"},
		{[]string{order("100", "0.5"), order("100", "0.5"), order("1", "0.01")}, ""},
		{[]string{order("0", "5")}, "nothing"},
		// Products of 60 digits are the longest that are added up.
		{[]string{order("1", "1."+sixty)}, "1." + sixty},
		{[]string{order("0.1", "1."+sixty)}, "0.1" + sixty},
		{[]string{order("0.111", "1."+sixty)}, ""},
		{[]string{order("1."+sixty, "1."+sixty)}, ""},
	} {
		json := "[" + strings.Join(tt.orders, ",") + "]"
		d := p.Decide(sign("app", hive.Active, customJSON(t, hive.Active, "ssc-mainnet-hive", json)), nil, noon)
		got := ""
		switch {
		case d.Verdict == policy.Allow && len(d.Charges) == 0:
			got = "nothing"
		case d.Verdict == policy.Allow:
			got = d.Charges[0].Amount
		}
		if got != tt.charged {
			t.Errorf("%s: %q, want %q (%s)", json, got, tt.charged, d.Reason)
		}
	}
	// What has no price has no room, and neither has a negative one.
	p, problems = policy.Compile("p", []byte("version: 1\nallow: [{name: a, request: sign, apps: any, key: active, "+
		"operations: [custom_json]}]\nlimits: [{name: l, operations: [custom_json], sum: 1000 per 1h, "+
		"of: {list: json, field: .n, times: .price}}]"), policy.Options{})
	if p == nil {
		t.Fatal(problems)
	}
	for json, want := range map[string]policy.Verdict{`{"n":5}`: policy.Deny, `{"n":5,"price":null}`: policy.Deny,
		`{"n":5,"price":-1}`: policy.Deny, `{"n":5,"price":1e1}`: policy.Deny, `{"price":5}`: policy.Deny,
		`{"n":5,"price":[1]}`: policy.Deny, `{"n":5,"price":"200"}`: policy.Allow, `{"n":5,"price":201}`: policy.Deny} {
		if d := p.Decide(sign("app", hive.Active, customJSON(t, hive.Active, "x", json)), nil,
			noon); d.Verdict != want {
			t.Errorf("%s: %v %s", json, d.Verdict, d.Reason)
		}
	}
}

// An edit that makes a budget of value of a budget of tokens is shown by orders of both kinds.
func TestDiffOfProducts(t *testing.T) {
	after := fmt.Sprintf(spending, "buy", ".contractPayload.price")
	before := strings.Replace(after, ", times: .contractPayload.price", "", 1)
	kinds := map[string]bool{}
	for _, one := range compared(t, before, after, 3000).Answers {
		kinds[one.Kind] = true
	}
	if !kinds["allow → deny"] || !kinds["deny → allow"] {
		t.Errorf("differences: %v", kinds)
	}
}

// The product of an order to buy bounds what goes. That of another move does not, nor by another
// member.
func TestReviewOfProducts(t *testing.T) {
	for _, tt := range []struct{ action, times, want string }{
		{"buy", ".contractPayload.price", ""},
		{"sell", ".contractPayload.price", "lets tokens go without any limit"},
		{"buy", ".contractPayload.quantityOf", "finds no .contractPayload.quantityOf in it"},
		{"sell", ".contractName", "lets tokens go without any limit"},
		{"buy", ".contractName", "lets tokens go without any limit"},
		{"buy", ".contractPayload.quantity", "times and field are the same number"},
		{"buy", "price", `"price": a path is written .name`},
		{"buy", "[.a]", "times is a single value"},
	} {
		_, problems := policy.Compile("p", fmt.Appendf(nil, spending, tt.action, tt.times), policy.Options{})
		if tt.want == "" && len(problems) > 0 || !strings.Contains(problems.String(), tt.want) {
			t.Errorf("%+v: %v", tt, problems)
		}
	}
	// What is least of one factor says nothing of the product.
	src := strings.Replace(fmt.Sprintf(spending, "buy", ".contractPayload.price"), "max: 1000000", "min: 200", 1)
	if _, problems := policy.Compile("p", []byte(src), policy.Options{}); strings.Contains(problems.String(),
		"never lets") {
		t.Error(problems)
	}
}
