package hive_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

// TestLimits tries each limit of the table of operations on both sides of its edge. The operation
// is a template with %s where values are tried.
func TestLimits(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		field, template string
		good, bad       []string
	}{
		{"weight", `["vote",{"voter":"alice","author":"bob","permlink":"p","weight":%s}]`,
			[]string{"-10000", "0", "10000"}, []string{"-10001", "10001"}},
		{"permlink", `["vote",{"voter":"alice","author":"bob","permlink":"%s","weight":1}]`, []string{"", long(255)},
			[]string{long(256), strings.Repeat("é", 128)}},
		{"permlink", `["delete_comment",{"author":"bob","permlink":"%s"}]`, []string{long(255)}, []string{long(256)}},
		{"permlink", `["comment_options",{"author":"alice","permlink":"%s","max_accepted_payout":"0.000 ` +
			`HBD","percent_hbd":1,"allow_votes":true,"allow_curation_rewards":true}]`,
			[]string{long(255)}, []string{long(256)}},
		{"body", comment("body", "%s"), []string{"x"}, []string{""}},
		{"title", comment("title", "%s"), []string{"", long(255)}, []string{long(256)}},
		{"permlink", comment("permlink", "%s"), []string{long(255)}, []string{long(256)}},
		{"parent_permlink", comment("parent_permlink", "%s"), []string{long(255)}, []string{long(256)}},
		{"json_metadata", comment("json_metadata", "%s"), []string{"", "{}", "1", `{\"a\":1,\"a\":2}`, `[\"\\ud800\"]`},
			[]string{"{", "x", "{} {}", "{'a':1}"}},
		{"amount", `["transfer",{"from":"alice","to":"bob","amount":"%s"}]`,
			[]string{"0.001 HIVE", "0.001 HBD"}, []string{"0.000 HIVE", "1.000000 VESTS"}},
		{"memo", `["transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE","memo":"%s"}]`, []string{"", long(2047)},
			[]string{long(2048)}},
		{"amount", `["transfer_to_vesting",{"from":"alice","to":"bob","amount":"%s"}]`,
			[]string{"0.001 HIVE"}, []string{"0.000 HIVE", "1.000 HBD"}},
		{"vesting_shares", `["withdraw_vesting",{"account":"alice","vesting_shares":"%s"}]`, []string{"0.000000 VESTS"},
			[]string{"1.000 HIVE"}},
		{"min_to_receive", `["limit_order_create",{"owner":"alice","orderid":1,%s,"fill_or_kill":false,` +
			`"expiration":"2026-01-01T00:00:00"}]`,
			[]string{`"amount_to_sell":"0.001 HIVE","min_to_receive":"0.001 HBD"`,
				`"amount_to_sell":"0.001 HBD","min_to_receive":"0.001 HIVE"`},
			[]string{`"amount_to_sell":"0.001 HIVE","min_to_receive":"0.001 HIVE"`,
				`"amount_to_sell":"0.000 HIVE","min_to_receive":"0.001 HBD"`,
				`"amount_to_sell":"0.001 HIVE","min_to_receive":"0.000 HBD"`,
				`"amount_to_sell":"0.000001 VESTS","min_to_receive":"0.001 HBD"`}},
		{"exchange_rate", `["feed_publish",{"publisher":"alice","exchange_rate":{%s}}]`,
			[]string{`"base":"0.001 HBD","quote":"0.001 HIVE"`}, []string{`"base":"0.001 HBD","quote":"0.001 HBD"`,
				`"base":"0.000 HBD","quote":"0.001 HIVE"`}},
		{"amount", `["convert",{"owner":"alice","requestid":1,"amount":"%s"}]`, []string{"0.001 HBD"},
			[]string{"0.000 HBD", "0.001 HIVE"}},
		{"amount", `["collateralized_convert",{"owner":"alice","requestid":1,"amount":"%s"}]`, []string{"0.001 HIVE"},
			[]string{"0.000 HIVE", "0.001 HBD"}},
		{"url", witness(`"url":"%s"`), []string{"x", long(2048)}, []string{"", long(2049)}},
		{"proxy", `["account_witness_proxy",{"account":"alice","proxy":"%s"}]`, []string{"", "bob"}, []string{"alice"}},
		{"required_auths", `["custom",{"required_auths":[%s],"id":1,"data":""}]`, []string{`"alice"`, names(40)},
			[]string{"", names(41)}},
		{"data", `["custom",{"required_auths":["alice"],"id":1,"data":"%s"}]`, []string{strings.Repeat("00", 8192)},
			[]string{strings.Repeat("00", 8193)}},
		{"required_auths", `["custom_json",{"required_auths":["zed"],"required_posting_auths":[%s],"id":"x",` +
			`"json":"{}"}]`, []string{"", names(39)}, []string{names(40)}},
		{"id", `["custom_json",{"required_auths":["alice"],"id":"%s","json":"{}"}]`, []string{"", long(32)},
			[]string{long(33), strings.Repeat("é", 17)}},
		{"json", `["custom_json",{"required_auths":["alice"],"id":"x","json":"%s"}]`,
			[]string{"{}", "[" + strings.Repeat(" ", 8190) + "]"}, []string{"", "hello", "{",
				"[" + strings.Repeat(" ", 8191) + "]"}},
		{"max_accepted_payout", `["comment_options",{"author":"alice","permlink":"p","max_accepted_payout":"%s",` +
			`"percent_hbd":1,"allow_votes":true,"allow_curation_rewards":true}]`,
			[]string{"0.000 HBD"}, []string{"1.000 HIVE"}},
		{"percent_hbd", `["comment_options",{"author":"alice","permlink":"p","max_accepted_payout":"0.000 ` +
			`HBD","percent_hbd":%s,"allow_votes":true,"allow_curation_rewards":true}]`,
			[]string{"0", "10000"}, []string{"10001"}},
		{"beneficiaries", optionsWith(`[[0,{"beneficiaries":[%s]}]]`),
			[]string{`{"account":"bob","weight":0}`, `{"account":"bob","weight":9999},{"account":"carol","weight":1}`},
			[]string{`{"account":"bob","weight":10001}`,
				`{"account":"bob","weight":9999},{"account":"carol","weight":2}`}},
		{"percent", `["set_withdraw_vesting_route",{"from_account":"alice","to_account":"bob","percent":%s,` +
			`"auto_vest":false}]`, []string{"0", "10000"}, []string{"10001"}},
		{"amount_to_sell", `["limit_order_create2",{"owner":"alice","orderid":1,"amount_to_sell":"%s",` +
			`"fill_or_kill":true,"exchange_rate":{"base":"0.002 HIVE","quote":"0.003 ` +
			`HBD"},"expiration":"2026-01-01T00:00:00"}]`,
			[]string{"0.001 HIVE"}, []string{"0.001 HBD", "0.000 HIVE"}},
		{"fee", `["claim_account",{"creator":"alice","fee":"%s"}]`, []string{"0.000 HIVE", "1000000.000 HIVE"},
			[]string{"0.000 HBD", "1000000.001 HIVE"}},
		{"fee", `["account_create",{"fee":"%s","creator":"alice","new_account_name":"bob","owner":` +
			authorityJSON(1, 1) + `,"active":` + authorityJSON(1, 1) +
			`,"posting":` + authorityJSON(1, 1) + `,"memo_key":"` + keyA + `","json_metadata":""}]`,
			[]string{"0.000 HIVE", "1000000.000 HIVE"}, []string{"0.000 HBD", "1000000.001 HIVE"}},
		{"json_metadata", `["account_update",{"account":"alice","memo_key":"` + keyA + `","json_metadata":"%s"}]`,
			[]string{"", "{}"}, []string{"x"}},
		{"json_meta", escrow(`"json_meta":"%s"`), []string{"", "{}"}, []string{"x"}},
		{"who", `["escrow_dispute",{"from":"alice","to":"bob","agent":"carol","who":"%s","escrow_id":1}]`,
			[]string{"alice", "bob"}, []string{"carol", "dave"}},
		{"who", `["escrow_approve",{"from":"alice","to":"bob","agent":"carol","who":"%s","escrow_id":1,` +
			`"approve":true}]`, []string{"carol", "bob"}, []string{"alice", "dave"}},
		{"who", release(`"who":"%s","receiver":"bob","hbd_amount":"1.000 HBD"`), []string{"alice", "bob", "carol"},
			[]string{"dave"}},
		{"receiver", release(`"who":"alice","receiver":"%s","hbd_amount":"1.000 HBD"`), []string{"alice", "bob"},
			[]string{"carol", "dave"}},
		{"hbd_amount", release(`"who":"alice","receiver":"bob","hbd_amount":"%s"`), []string{"0.001 HBD"},
			[]string{"0.000 HBD", "1.000 HIVE"}},
		{"agent", escrow(`"agent":"%s"`), []string{"carol"}, []string{"alice", "bob"}},
		{"ratification_deadline", escrow(`"ratification_deadline":"%s"`), []string{"2026-01-01T23:59:59"},
			[]string{"2026-01-02T00:00:00"}},
		{"fee", escrow(`"fee":"%s"`), []string{"0.000 HIVE", "0.000 HBD"}, []string{"1.000000 VESTS"}},
		{"amount", `["transfer_from_savings",{"from":"alice","request_id":1,"to":"bob","amount":"%s"}]`,
			[]string{"0.001 HBD"}, []string{"0.000 HBD"}},
		{"amount", `["transfer_to_savings",{"from":"alice","to":"bob","amount":"%s"}]`, []string{"0.001 HBD"},
			[]string{"0.000 HBD"}},
		{"reward_hive", `["claim_reward_balance",{"account":"alice","reward_hive":"%s","reward_hbd":"0.000 ` +
			`HBD","reward_vests":"0.000000 VESTS"}]`,
			[]string{"0.001 HIVE"}, []string{"0.000 HIVE", "0.001 HBD"}},
		{"vesting_shares", `["delegate_vesting_shares",{"delegator":"alice","delegatee":"bob","vesting_shares":"%s"}]`,
			[]string{"0.000000 VESTS"}, []string{"0.001 HIVE"}},
		{"delegatee", `["delegate_vesting_shares",{"delegator":"alice","delegatee":"%s","vesting_shares":"0.000000 ` +
			`VESTS"}]`, []string{"bob"}, []string{"alice"}},
		{"start_date", proposal(`"start_date":"%s"`), []string{"2026-01-01T23:59:59"}, []string{"2026-01-02T00:00:00",
			"2027-01-01T00:00:00"}},
		{"subject", proposal(`"subject":"%s"`), []string{"x", long(80)}, []string{"", long(81)}},
		{"permlink", proposal(`"permlink":"%s"`), []string{"x", long(255)}, []string{"", long(256)}},
		{"proposal_id", `["update_proposal",{"proposal_id":%s,"creator":"alice","daily_pay":"1.000 ` +
			`HBD","subject":"s","permlink":"p"}]`, []string{"0", "9223372036854775807"}, []string{"-1"}},
		{"permlink", `["update_proposal",{"proposal_id":1,"creator":"alice","daily_pay":"1.000 ` +
			`HBD","subject":"s","permlink":"%s"}]`, []string{"x", long(255)}, []string{"", long(256)}},
		{"daily_pay", proposal(`"daily_pay":"%s"`), []string{"0.000 HBD"}, []string{"0.000 HIVE"}},
		{"proposal_ids", `["update_proposal_votes",{"voter":"alice","proposal_ids":[%s],"approve":true}]`,
			[]string{"0", "1,2,3,4,5"}, []string{"", "-1", "1,2,3,4,5,6"}},
		{"proposal_ids", `["remove_proposal",{"proposal_owner":"alice","proposal_ids":[%s]}]`,
			[]string{"0", "1,2,3,4,5"}, []string{"", "-1", "1,2,3,4,5,6"}},
		{"subject", `["update_proposal",{"proposal_id":1,"creator":"alice","daily_pay":"1.000 ` +
			`HBD","subject":"%s","permlink":"p"}]`, []string{"x", long(80)}, []string{"", long(81)}},
		{"amount", `["recurrent_transfer",{"from":"alice","to":"bob","amount":"%s","recurrence":24,"executions":2}]`,
			[]string{"0.000 HIVE"}, []string{"1.000000 VESTS"}},
		{"recurrence", `["recurrent_transfer",{"from":"alice","to":"bob","amount":"1.000 ` +
			`HIVE","recurrence":%s,"executions":2}]`, []string{"24"}, []string{"23"}},
		{"executions", `["recurrent_transfer",{"from":"alice","to":"bob","amount":"1.000 ` +
			`HIVE","recurrence":24,"executions":%s}]`, []string{"2", "1"}, []string{"0"}},
		{"to", `["recurrent_transfer",{"from":"alice","to":"%s","amount":"1.000 HIVE","recurrence":24,"executions":2}]`,
			[]string{"bob"}, []string{"alice"}},
		{"new_owner_authority", recovery("%s"),
			[]string{authorityJSON(2, 2)}, []string{authorityJSON(1, 1)}},
		{"props", witness(`"props":{%s}`),
			[]string{chainProps("0.001 HIVE", 65536, 0), chainProps("1000000.000 HIVE", 2097152, 10000)},
			[]string{chainProps("0.000 HIVE", 65536, 0), chainProps("1000000.001 HIVE", 65536, 0),
				chainProps("1.000 HBD", 65536, 0),
				chainProps("1.000 HIVE", 65535, 0), chainProps("1.000 HIVE", 2097153, 0),
				chainProps("1.000 HIVE", 65536, 10001)}},
	} {
		for _, value := range c.good {
			parseOp(t, strings.Replace(c.template, "%s", value, 1))
		}
		for _, value := range c.bad {
			err := refused(t, strings.Replace(c.template, "%s", value, 1))
			if fe := fieldError(t, err); fe.Field != c.field || !strings.Contains(c.template, `"`+fe.Operation+`"`) {
				t.Errorf("%v does not name %s", err, c.field)
			}
		}
	}
}

// Operations that break these limits can be read and are not valid.
func TestLateLimits(t *testing.T) {
	var nine []string
	for i := range 9 {
		nine = append(nine, fmt.Sprintf(`{"account":"bob%d","weight":1}`, i))
	}
	const twoYears = `["recurrent_transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE",` +
		`"recurrence":24,"executions":731}]`
	for text, field := range map[string]string{
		optionsWith(`[[0,{"beneficiaries":[` + strings.Join(nine, ",") +
			`]}]]`): "beneficiaries",
		twoYears:                                          "recurrence",
		requestRecovery(authorityOf(41)):                  "new_owner_authority",
		recovery(authorityOf(41)):                         "new_owner_authority",
		recoveryFrom(authorityOf(41)):                     "recent_owner_authority",
		createAccount(authorityOf(41)):                    "active",
		recovery(authorityJSON(0, 1)):                     "new_owner_authority",
		recovery(authorityJSON(2, 1)):                     "new_owner_authority",
		orderAt("0.001", "0.002", "0.001"):                "amount_to_sell", // half a unit
		orderAt("9223372036854775.807", "0.001", "0.002"): "amount_to_sell", // beyond an int64
		orderAt("9223372036854775.807", "0.001", "9.000"): "amount_to_sell", // beyond 64 bits
	} {
		if fe := fieldError(t, parseOp(t, text).Validate()); fe.Field != field {
			t.Errorf("%v does not name %s", fe, field)
		}
	}
	for _, text := range []string{
		optionsWith(`[[0,{"beneficiaries":[` + strings.Join(nine[:8], ",") + `]}]]`),
		`["recurrent_transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE","recurrence":24,"executions":730}]`,
		recovery(authorityJSON(2, 2)),
		requestRecovery(authorityOf(40)), recovery(authorityOf(40)), recoveryFrom(authorityOf(40)),
		createAccount(authorityOf(40)),
		orderAt("0.001", "0.001", "0.001"), orderAt("0.002", "0.002", "0.001"),
		orderAt("9223372036854775.807", "0.001", "0.001"), orderAt("9223372036854775.807", "9223372036854775.807",
			"9223372036854775.807"),
	} {
		if err := parseOp(t, text).Validate(); err != nil {
			t.Error(err)
		}
	}
}

// Operations from bytes have not passed the limits; Validate checks them.
func TestValidateAfterDecoding(t *testing.T) {
	packed := serialize(t, transactionOf(parseOp(t,
		`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":10000}]`)))
	packed[len(packed)-3]++ // weight 10001
	tx, err := hive.Mainnet.DecodeTransaction(packed)
	if err != nil {
		t.Fatal(err)
	}
	if fe := fieldError(t, tx.Operations[0].Validate()); fe.Error() != "vote: weight: 10001 is not within -10000 to "+
		"10000" {
		t.Error(fe)
	}
}

func comment(field, value string) string {
	members := map[string]string{"parent_permlink": "p", "permlink": "p", "title": "t", "body": "b",
		"json_metadata": ""}
	members[field] = value
	text := `["comment",{"parent_author":"","author":"alice"`
	for name, v := range members {
		text += fmt.Sprintf(`,"%s":"%s"`, name, v)
	}
	return text + `}]`
}

func recovery(newOwner string) string {
	return `["recover_account",{"account_to_recover":"alice","new_owner_authority":` + newOwner +
		`,"recent_owner_authority":` + authorityJSON(1, 1) + `}]`
}

// recoveryFrom recovers an account with this old authority.
func recoveryFrom(recentOwner string) string {
	return `["recover_account",{"account_to_recover":"alice","new_owner_authority":` + authorityJSON(1, 1) +
		`,"recent_owner_authority":` + recentOwner + `}]`
}

func requestRecovery(newOwner string) string {
	return `["request_account_recovery",{"recovery_account":"bob","account_to_recover":"alice",` +
		`"new_owner_authority":` + newOwner + `}]`
}

func createAccount(active string) string {
	return `["account_create",{"fee":"3.000 HIVE","creator":"alice","new_account_name":"bob","owner":` +
		authorityJSON(1, 1) + `,"active":` + active + `,"posting":` + authorityJSON(1, 1) + `,"memo_key":"` + keyA +
		`","json_metadata":""}]`
}

// authorityOf returns an authority with so many accounts.
func authorityOf(accounts int) string {
	var list []string
	for i := range accounts {
		list = append(list, fmt.Sprintf(`["bob%02d",1]`, i))
	}
	return `{"weight_threshold":1,"account_auths":[` + strings.Join(list, ",") + `],"key_auths":[]}`
}

// orderAt sells HIVE at a rate of base HIVE for quote HBD.
func orderAt(amount, base, quote string) string {
	return fmt.Sprintf(`["limit_order_create2",{"owner":"alice","orderid":1,"amount_to_sell":"%s `+
		`HIVE","exchange_rate":{"base":"%s HIVE","quote":"%s `+
		`HBD"},"fill_or_kill":true,"expiration":"2026-01-01T00:00:00"}]`, amount, base, quote)
}

// with puts a member in place of the default of the same name.
func with(name, member string, defaults []string) string {
	field, _, _ := strings.Cut(member, ":")
	text := `["` + name + `",{` + member
	for _, d := range defaults {
		if !strings.HasPrefix(d, field+":") {
			text += "," + d
		}
	}
	return text + "}]"
}

func witness(member string) string {
	return with("witness_update", member, []string{
		`"owner":"alice"`, `"url":"x"`, `"block_signing_key":"` + keyA + `"`, `"fee":"0.000 HIVE"`, `"props":{` +
			chainProps("1.000 HIVE", 65536, 0) + `}`,
	})
}

func chainProps(fee string, size, rate int) string {
	return fmt.Sprintf(`"account_creation_fee":"%s","maximum_block_size":%d,"hbd_interest_rate":%d`, fee, size, rate)
}

func escrow(member string) string {
	return with("escrow_transfer", member, []string{
		`"from":"alice"`, `"to":"bob"`, `"agent":"carol"`, `"escrow_id":7`, `"hbd_amount":"1.000 HBD"`,
		`"hive_amount":"0.000 HIVE"`, `"fee":"0.000 HBD"`,
		`"json_meta":""`, `"ratification_deadline":"2026-01-01T00:00:00"`, `"escrow_expiration":"2026-01-02T00:00:00"`,
	})
}

func release(members string) string {
	return `["escrow_release",{"from":"alice","to":"bob","agent":"carol","escrow_id":1,"hive_amount":"0.000 HIVE",` +
		members + `}]`
}

func proposal(member string) string {
	return with("create_proposal", member, []string{
		`"creator":"alice"`, `"receiver":"bob"`, `"start_date":"2026-01-01T00:00:00"`,
		`"end_date":"2026-01-02T00:00:00"`,
		`"daily_pay":"1.000 HBD"`, `"subject":"s"`, `"permlink":"p"`,
	})
}

func names(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"bob%d"`, i)
	}
	return strings.Join(list, ",")
}

func authorityJSON(threshold, weight int) string {
	return fmt.Sprintf(`{"weight_threshold":%d,"account_auths":[],"key_auths":[["%s",%d]]}`, threshold, keyA, weight)
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":65537}]`: `vote: weight: "65537" is ` +
			`out of range`,
		`["vote",{"voter":"alice","author":"bob","permlink":"p"}]`:                      `vote: weight: is missing`,
		`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":1,"extra":1}]`: `vote: has no member "extra"`,
		`["vote",{"voter":"alice","voter":"bob"}]`: `vote: "voter" comes twice ` +
			`in an object`,
		`["transfer",{"from":"alice","to":"bob","amount":"1 HIVE"}]`: `transfer: amount: "1" does ` +
			`not have 3 decimals`,
		`["transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE","memo":null}]`: `transfer: memo: wants text, ` +
			`not null`,
		`["author_reward",{}]`: `"author_reward": no operation has that name`,
		`[2,{}]`:               `operation: no operation has that name`,
		`["custom_json",{"required_auths":["alice"],"id":"x","json":"{}","extensions":[[]]}]`: `custom_json: has no ` +
			`member "extensions"`,
		`["claim_account",{"creator":"alice","fee":"0.000 HIVE","extensions":[[0,{}]]}]`: `claim_account: ` +
			`extensions: there are no extensions of this operation`,
		`not JSON`: `operation: not JSON`,
	} {
		if err := refused(t, text); err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if err := refused(t, "[\"vote\",{\"voter\":\"\xff\"}]"); err.Error() != "vote: voter: text is not UTF-8" {
		t.Error(err)
	}
	long := refused(t, `["vote",{"voter":"`+strings.Repeat("é", 5000)+`"}]`)
	if n := len(long.Error()); n > 300 {
		t.Errorf("an error of %d bytes", n)
	}
	if err := refused(t, `["producer_reward",{}]`); !errors.Is(err, hive.ErrUnknownOperation) {
		t.Errorf("%v is not ErrUnknownOperation", err)
	}
}

// An error without the value keeps the place, and names that are not known. What an application
// sent stays out.
func TestErrorsWithoutValue(t *testing.T) {
	for text, want := range map[string]string{
		`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":3333.33}]`: "vote: weight: is no whole number",
		`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":10001}]`: "vote: weight: is not within " +
			"-10000 to 10000",
		`["transfer",{"from":"alice","to":"bob","amount":"7.0000 HIVE","memo":""}]`: "transfer: amount: does not " +
			"have " +
			"3 decimals",
		`["transfer",{"from":"alice","to":"Bob7","amount":"1.000 HIVE","memo":""}]`: "transfer: to: is not a Hive " +
			"account name: wanted 3 to 16 characters, parts of a-z, 0-9 and - joined by dots",
		`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":1,"x7":77}]`: `vote: has no member "x7"`,
		`["vote",{"voter":"alice","author":"bob","permlink":"p"}]`:                    "vote: weight: is missing",
	} {
		op, err := hive.Mainnet.ParseOperation([]byte(text))
		if err == nil {
			err = op.Validate()
		}
		if got := fmt.Sprint(hive.WithoutValue(err)); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	if err := errors.New("of something else"); hive.WithoutValue(err) != err {
		t.Error("an error of something else became another one")
	}
}
