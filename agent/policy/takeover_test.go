package policy_test

import (
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// A rule that lets one operation take the account over by its name does not let the others of its
// group do so.
func TestGroupTakesNothingOver(t *testing.T) {
	p := compile(t, `
ask:
  - {name: keys, request: sign, apps: [one], key: active, takeover: allowed, operations: [active, account_update]}
`)
	named := sign("one", hive.Active, op(t, "account_update", `{"account":"alice","active":{"weight_threshold":1,`+
		`"account_auths":[],"key_auths":[["STM8GC13uCZbP44HzMLV6zPZGwVQ8Nt4Kji8PapsPiNq1BK153XTX",1]]},`+
		`"memo_key":"STM8GC13uCZbP44HzMLV6zPZGwVQ8Nt4Kji8PapsPiNq1BK153XTX","json_metadata":""}`))
	if d := p.Decide(named, nil, noon); d.Verdict != policy.Ask {
		t.Errorf("by name: %v %s", d.Verdict, d.Reason)
	}
	other := sign("one", hive.Active, op(t, "account_update2", `{"account":"alice","active":{"weight_threshold":1,`+
		`"account_auths":[],"key_auths":[["STM8GC13uCZbP44HzMLV6zPZGwVQ8Nt4Kji8PapsPiNq1BK153XTX",1]]},`+
		`"json_metadata":"","posting_json_metadata":"","extensions":[]}`))
	if d := p.Decide(other, nil, noon); d.Verdict != policy.Deny {
		t.Errorf("by the group: %v %s", d.Verdict, d.Reason)
	}
}
