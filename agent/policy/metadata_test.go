package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// The chain takes an empty text where metadata may stand. It says what {} says: nothing.
func TestEmptyMetadata(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		test, metadata string
		allowed, free  bool // an allow rule with the test takes it; a deny rule with the test lets it pass
	}{
		{`{.beneficiaries: {present: false}}`, ``, true, false},
		{`{.app: {present: true}}`, ``, false, true},
		{`{.app: {glob: spam/*}}`, ``, false, true},
		{`{.app: {not: spam}}`, ``, false, false}, // what is absent is unclear to not
		{`{.a.b: {present: false}}`, ``, true, false},
		{`{members: [app, tags]}`, ``, true, false},
		{`{each: {.app: {present: false}}}`, ``, true, false},
		{`{any: {.app: x}}`, ``, false, true},
		{`{size: 1}`, ``, true, false},
		{`{exactly: [{members: [app]}]}`, ``, true, false},
		{`{.0: {present: true}}`, ``, false, true},
		{`""`, ``, true, false},
		{`["", {.app: x}]`, ``, true, false},
		// An empty text, and nothing else that holds no member. The chain refuses what is no JSON.
		{`{.app: {present: false}}`, `""`, false, false},
		{`""`, `{}`, false, true},
	} {
		for _, name := range []string{"comment", "account_update2"} {
			rule := fmt.Sprintf("- {name: r, request: sign, apps: [x], operations: [comment: {json_metadata: %s}]}",
				c.test)
			src := fmt.Sprintf(`{"parent_author":"","parent_permlink":"a","author":"alice","permlink":"p","title":"",`+
				`"body":"b","json_metadata":%q}`, c.metadata)
			if name == "account_update2" {
				rule = strings.NewReplacer("comment: {json_metadata",
					"account_update2: {posting_json_metadata").Replace(rule)
				src = fmt.Sprintf(`{"account":"alice","json_metadata":"","posting_json_metadata":%q,"extensions":[]}`,
					c.metadata)
			}
			allow := compile(t, "allow:\n  "+rule+"\n")
			deny := compile(t, "allow:\n  - {name: all, request: sign, apps: any, operations: ["+name+"]}\ndeny:\n  "+
				strings.Replace(rule, "apps: [x], ", "", 1)+"\n")
			q := sign("x", hive.Posting, op(t, name, "%s", src))
			if got := allow.Decide(q, &policy.Book{}, noon).Verdict == policy.Allow; got != c.allowed {
				t.Errorf("%s: allow %s takes %q: %t", name, c.test, c.metadata, got)
			}
			if got := deny.Decide(q, &policy.Book{}, noon).Verdict == policy.Allow; got != c.free {
				t.Errorf("%s: deny %s lets %q pass: %t", name, c.test, c.metadata, got)
			}
		}
	}
}

// Where an operation is taken with an empty text in the place of JSON, rules read it as nothing.
// The chain refuses a custom_json without JSON, and JSON of blanks, so these are never judged.
func TestWhereMetadataMayBeEmpty(t *testing.T) {
	t.Parallel()
	for _, d := range hive.Definitions() {
		for _, f := range d.Fields {
			if f.JSON && f.MayBeEmpty == (d.Name == "custom_json") {
				t.Errorf("%s %s: may be empty: %t", d.Name, f.Name, f.MayBeEmpty)
			}
		}
	}
	const fields = `["custom_json",{"required_auths":[],"required_posting_auths":["alice"],"id":"a","json":%q}]`
	for _, text := range []string{"", " "} {
		if _, err := hive.Mainnet.ParseOperation(fmt.Appendf(nil, fields, text)); err == nil {
			t.Errorf("%q is taken for JSON", text)
		}
	}
}
