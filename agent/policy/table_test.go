package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// samples has one operation of each kind, signed for by alice, that bob gets something from where
// that is possible.
func samples(t testing.TB) map[string]hive.Operation {
	t.Helper()
	public := hive.PrivateKeyFromSeed("sample").Public()
	key := public.String()
	authority := `{"weight_threshold":1,"account_auths":[["bob",1]],"key_auths":[]}`
	other := `{"weight_threshold":1,"account_auths":[["carol",1]],"key_auths":[]}`
	fields := strings.NewReplacer("KEY", `"`+key+`"`, "HEX", fmt.Sprintf(`"%x"`, public[:]), "AUTH", authority,
		"OTHER", other,
		"PROPS", `{"account_creation_fee":"1.000 HIVE","maximum_block_size":65536,"hbd_interest_rate":0}`)
	all := map[string]hive.Operation{}
	for name, text := range sampleFields {
		all[name] = op(t, name, "%s", fields.Replace(text))
	}
	return all
}

var sampleFields = map[string]string{
	"vote": `{"voter":"alice","author":"bob","permlink":"p","weight":100}`,
	"comment": `{"parent_author":"","parent_permlink":"x","author":"alice","permlink":"p",` +
		`"title":"","body":"b","json_metadata":""}`,
	"transfer":            `{"from":"alice","to":"bob","amount":"1.000 HBD","memo":""}`,
	"transfer_to_vesting": `{"from":"alice","to":"bob","amount":"1.000 HIVE"}`,
	"withdraw_vesting":    `{"account":"alice","vesting_shares":"1.000000 VESTS"}`,
	"limit_order_create": `{"owner":"alice","orderid":1,"amount_to_sell":"1.000 HBD","min_to_receive":"1.000 ` +
		`HIVE","fill_or_kill":false,"expiration":"2026-11-21T00:00:00"}`,
	"limit_order_cancel": `{"owner":"alice","orderid":1}`,
	"feed_publish":       `{"publisher":"alice","exchange_rate":{"base":"1.000 HBD","quote":"1.000 HIVE"}}`,
	"convert":            `{"owner":"alice","requestid":1,"amount":"1.000 HBD"}`,
	"account_create": `{"fee":"3.000 ` +
		`HIVE","creator":"alice","new_account_name":"newer","owner":AUTH,"active":AUTH,"posting":AUTH,` +
		`"memo_key":KEY,"json_metadata":""}`,
	"account_update":        `{"account":"alice","active":AUTH,"memo_key":KEY,"json_metadata":""}`,
	"witness_update":        `{"owner":"alice","url":"x","block_signing_key":KEY,"props":PROPS,"fee":"0.000 HIVE"}`,
	"account_witness_vote":  `{"account":"alice","witness":"bob","approve":true}`,
	"account_witness_proxy": `{"account":"alice","proxy":"bob"}`,
	"custom":                `{"required_auths":["alice"],"id":1,"data":"00"}`,
	"delete_comment":        `{"author":"alice","permlink":"p"}`,
	"custom_json":           `{"required_auths":[],"required_posting_auths":["alice"],"id":"x","json":"{}"}`,
	"comment_options": `{"author":"alice","permlink":"p","max_accepted_payout":"0.000 ` +
		`HBD","percent_hbd":0,"allow_votes":true,"allow_curation_rewards":true,"extensions":[[0,` +
		`{"beneficiaries":[{"account":"bob","weight":500}]}]]}`,
	"limit_order_create2": `{"owner":"alice","orderid":1,"amount_to_sell":"1.000 ` +
		`HBD","exchange_rate":{"base":"1.000 HBD","quote":"1.000 ` +
		`HIVE"},"fill_or_kill":false,"expiration":"2026-11-21T00:00:00"}`,
	"claim_account": `{"creator":"alice","fee":"0.000 HIVE","extensions":[]}`,
	"create_claimed_account": `{"creator":"alice","new_account_name":"newer","owner":AUTH,"active":AUTH,` +
		`"posting":AUTH,"memo_key":KEY,"json_metadata":"","extensions":[]}`,
	"recover_account": `{"account_to_recover":"alice","new_owner_authority":AUTH,` +
		`"recent_owner_authority":OTHER,"extensions":[]}`,
	"change_recovery_account": `{"account_to_recover":"alice","new_recovery_account":"bob","extensions":[]}`,
	"escrow_transfer": `{"from":"alice","to":"bob","hbd_amount":"1.000 HBD","hive_amount":"0.000 ` +
		`HIVE","escrow_id":1,"agent":"carol","fee":"0.001 ` +
		`HBD","json_meta":"","ratification_deadline":"2026-11-21T00:00:00","escrow_expiration":"2026-11-22T00:00:00"}`,
	"escrow_dispute": `{"from":"alice","to":"bob","agent":"carol","who":"alice","escrow_id":1}`,
	"escrow_release": `{"from":"alice","to":"bob","agent":"carol","who":"alice","receiver":"bob","escrow_id":1,` +
		`"hbd_amount":"1.000 HBD","hive_amount":"0.000 HIVE"}`,
	"escrow_approve": `{"from":"bob","to":"alice","agent":"carol","who":"alice","escrow_id":1,"approve":true}`,

	"request_account_recovery": `{"recovery_account":"alice","account_to_recover":"bob",` +
		`"new_owner_authority":AUTH,"extensions":[]}`,
	"set_withdraw_vesting_route":   `{"from_account":"alice","to_account":"bob","percent":100,"auto_vest":false}`,
	"transfer_to_savings":          `{"from":"alice","to":"bob","amount":"1.000 HBD","memo":""}`,
	"transfer_from_savings":        `{"from":"alice","request_id":1,"to":"bob","amount":"1.000 HBD","memo":""}`,
	"cancel_transfer_from_savings": `{"from":"alice","request_id":1}`,
	"decline_voting_rights":        `{"account":"alice","decline":true}`,
	"claim_reward_balance": `{"account":"alice","reward_hive":"0.001 HIVE","reward_hbd":"0.000 ` +
		`HBD","reward_vests":"0.000000 VESTS"}`,
	"delegate_vesting_shares": `{"delegator":"alice","delegatee":"bob","vesting_shares":"1.000000 VESTS"}`,
	"witness_set_properties":  `{"owner":"alice","props":[["key",HEX]],"extensions":[]}`,
	"account_update2": `{"account":"alice","active":AUTH,"json_metadata":"","posting_json_metadata":"",` +
		`"extensions":[]}`,
	"create_proposal": `{"creator":"alice","receiver":"bob","start_date":"2026-12-01T00:00:00",` +
		`"end_date":"2027-12-01T00:00:00","daily_pay":"1.000 HBD","subject":"s","permlink":"p","extensions":[]}`,
	"update_proposal_votes": `{"voter":"alice","proposal_ids":[1],"approve":true,"extensions":[]}`,
	"remove_proposal":       `{"proposal_owner":"alice","proposal_ids":[1],"extensions":[]}`,
	"update_proposal": `{"proposal_id":1,"creator":"alice","daily_pay":"1.000 ` +
		`HBD","subject":"s","permlink":"p","extensions":[]}`,
	"collateralized_convert": `{"owner":"alice","requestid":1,"amount":"1.000 HIVE"}`,
	"recurrent_transfer": `{"from":"alice","to":"bob","amount":"1.000 ` +
		`HBD","memo":"","recurrence":24,"executions":2,"extensions":[]}`,
}

// neverSigned are the operations that have no sample because no policy sees them pass.
var neverSigned = []string{"pow", "pow2", "witness_block_approve", "custom_binary", "reset_account",
	"set_reset_account", "account_create_with_delegation"}

func roleOf(o hive.Operation) hive.Role {
	if len(o.Required().Active) > 0 || ofWitness(o) {
		return hive.Active
	}
	return hive.Posting
}

// ofWitness reports whether the signing key of a witness signs the operation. No group has it.
func ofWitness(o hive.Operation) bool {
	_, is := o.WitnessKey()
	return is
}

// TestEveryOperation walks the table of operations: an operation that is added there needs a sample
// here, and whoever adds it sees what reaches it.
func TestEveryOperation(t *testing.T) {
	all := samples(t)
	wide := compile(t, `
allow:
  - {name: posting, request: sign, apps: any, operations: [posting]}
ask:
  - {name: any posting, request: sign, apps: [asking], operations: [posting]}
  - {name: any active, request: sign, apps: [asking], key: active, operations: [active]}
`)
	narrow := []string{"vote", "comment", "delete_comment", "claim_reward_balance"}
	takeovers := []string{"account_update", "account_update2"}
	for _, d := range hive.Definitions() {
		o, ok := all[d.Name]
		if !ok {
			if !slices.Contains(neverSigned, d.Name) {
				t.Errorf("%s has no sample", d.Name)
			}
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			got := wide.Decide(sign("x", roleOf(o), o), nil, noon)
			if (got.Verdict == policy.Allow) != slices.Contains(narrow, d.Name) {
				t.Errorf("the widest allow: %v %s", got.Verdict, got.Reason)
			}
			got = wide.Decide(sign("asking", roleOf(o), o), nil, noon)
			refused := got.Code == policy.CodeUnsupported
			if asked := got.Verdict == policy.Ask; asked == (refused || slices.Contains(takeovers, d.Name) ||
				ofWitness(o)) {
				t.Errorf("the widest ask: %v %s", got.Verdict, got.Reason)
			}
			byName(t, d, o, refused)
			forbidden(t, o, refused)
		})
	}
}

// byName: an operation that is named is allowed, for nobody but the account, and what can take it
// over only if the rule says that too.
func byName(t *testing.T, d *hive.Definition, o hive.Operation, refused bool) {
	t.Helper()
	src := fmt.Sprintf("version: 1\nallow: [{name: x, request: sign, apps: any, key: [posting, active, signing], "+
		"takeover: "+
		"allowed, operations: [%s]}]", d.Name)
	p, problems := policy.Compile("x", []byte(src), policy.Options{})
	if (p == nil) != refused {
		t.Fatalf("naming it: %v", problems)
	}
	if refused {
		return
	}
	q := sign("x", roleOf(o), o)
	if got := p.Decide(q, nil, noon); got.Verdict != policy.Allow {
		t.Errorf("by name: %s", got.Reason)
	}
	q.Account = "erin"
	if got := p.Decide(q, nil, noon); got.Code != policy.CodeForeignAuthority {
		t.Errorf("for another account: %v %q", got.Verdict, got.Code)
	}
	if !o.Takeover() {
		return
	}
	p, _ = policy.Compile("x", []byte(strings.Replace(src, "takeover: allowed, ", "", 1)), policy.Options{})
	if p != nil && p.Decide(sign("x", roleOf(o), o), nil, noon).Verdict != policy.Deny {
		t.Error("taken over without takeover: allowed")
	}
}

// forbidden: a deny rule without words stops everything; one about a group, or about whoever is
// paid, stops what belongs there; none is evaded.
func forbidden(t *testing.T, o hive.Operation, refused bool) {
	t.Helper()
	for src, want := range map[string]bool{
		`deny: [{name: freeze}]`: true,
		fmt.Sprintf(`deny: [{name: x, operations: [%v]}]`,
			roleOf(o)): true,
		fmt.Sprintf(`deny: [{name: x, operations: [%v: {payee: {any: bob}}]}]`,
			roleOf(o)): slices.Contains(o.Payees(), "bob"),
		fmt.Sprintf(`deny: [{name: x, request: sign, key: %v, broadcast: false, operations: [active]}]`,
			roleOf(o)): false,
	} {
		if strings.Contains(src, "broadcast") && roleOf(o) == hive.Posting || ofWitness(o) && want &&
			strings.Contains(src, "operations") {
			continue
		}
		got := compile(t, src).Decide(sign("x", roleOf(o), o), nil, noon)
		if (got.Code == policy.CodeDenied) != (want && !refused) {
			t.Errorf("%s: %v %q", src, got.Verdict, got.Code)
		}
	}
}

// TestEveryFieldTakesTests compiles a test on every field of every operation.
func TestEveryFieldTakesTests(t *testing.T) {
	all := samples(t)
	for _, d := range hive.Definitions() {
		o, ok := all[d.Name]
		if !ok || len(o.Required().Owner) > 0 || o.Required().Other {
			continue
		}
		fields := []string{"payee"}
		for _, f := range d.Fields {
			if f.Name != "extensions" {
				fields = append(fields, f.Name)
			}
		}
		if f, ok := d.Opened(); ok {
			fields = append(fields, f.Name)
		}
		for _, field := range fields {
			if !fieldHasTest(t, d.Name, field) {
				t.Errorf("%s: %s takes no test", d.Name, field)
			}
		}
	}
}

func fieldHasTest(t *testing.T, operation, field string) bool {
	t.Helper()
	for _, test := range []string{"true", "5", "alice", "1.000 HBD", "2027-01-01", "{size: 0}", nullKey,
		"{.weight_threshold: 1}", "{.base: 1.000 HBD}", "{.maximum_block_size: 5}"} {
		src := fmt.Sprintf("version: 1\nallow: [{name: x, request: sign, apps: any, key: [posting, active], "+
			"takeover: allowed, operations: [%s: {%s: %s}]}]", operation, field, test)
		if p, _ := policy.Compile("x", []byte(src), policy.Options{}); p != nil {
			return true
		}
	}
	return false
}
