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

// The posting key alone changes no authority, so a rule for it is warned of; with the active key
// beside it, as the warning says, the rule matches.
func TestTakeoverNeedsTheActiveKey(t *testing.T) {
	update := sign("one", hive.Active, op(t, "account_update2", `{"account":"alice","posting":{"weight_threshold":1,`+
		`"account_auths":[],"key_auths":[["STM8GC13uCZbP44HzMLV6zPZGwVQ8Nt4Kji8PapsPiNq1BK153XTX",1]]},`+
		`"json_metadata":"","posting_json_metadata":"","extensions":[]}`))
	for key, want := range map[string]policy.Verdict{"posting": policy.Deny, "[posting, active]": policy.Allow} {
		p := compile(t, "allow: [{name: a, request: sign, accounts: [alice], apps: [one], takeover: allowed, key: "+key+
			", operations: [account_update2: {posting: {present: true}}]}]")
		if d := p.Decide(update, nil, noon); d.Verdict != want {
			t.Errorf("key: %s: %v %s, want %v", key, d.Verdict, d.Reason, want)
		}
	}
}
