package hive_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

type specOperation struct {
	ID     int
	Name   string
	State  string
	Fields []struct{ Name, Type string }
	Author struct{ Level, Field, Rule string } `json:"authority"`
}

func specOperations(t *testing.T) []specOperation {
	t.Helper()
	var file struct{ Operations []specOperation }
	if readVectors(t, "operations.json", &file); len(file.Operations) != 50 {
		t.Fatalf("%d operations", len(file.Operations))
	}
	return file.Operations
}

func TestDefinitionsAreThoseOfTheChain(t *testing.T) {
	if n := len(hive.Definitions()); n != 50 {
		t.Fatalf("%d definitions", n)
	}
	states := map[string]hive.State{
		"live": hive.Live, "ended": hive.Dead, "refused": hive.Dead, "witness nodes only": hive.WitnessOnly,
	}
	for _, want := range specOperations(t) {
		d := hive.Definitions()[want.ID]
		if named, ok := hive.DefinitionOf(want.Name); !ok || named != d || d.ID != want.ID || d.Name != want.Name {
			t.Errorf("%d is %s, want %s", want.ID, d.Name, want.Name)
			continue
		}
		if state, ok := states[want.State]; !ok || d.State != state {
			t.Errorf("%s: %s, want %s", d.Name, d.State, want.State)
		}
		if len(d.Fields) != len(want.Fields) {
			t.Errorf("%s: %d fields, want %d", d.Name, len(d.Fields), len(want.Fields))
			continue
		}
		for i, f := range want.Fields {
			if d.Fields[i].Name != f.Name || d.Fields[i].Type != f.Type {
				t.Errorf("%s: field %d is %s %s, want %s %s", d.Name, i, d.Fields[i].Name, d.Fields[i].Type, f.Name,
					f.Type)
			}
		}
		if want.Author.Level != "" && (len(d.Signers) != 1 || d.Signers[0].Role.String() != want.Author.Level ||
			d.Signers[0].Field != want.Author.Field) {
			t.Errorf("%s: signed by %v, want %v", d.Name, d.Signers, want.Author)
		}
	}
}

// Facts use names of fields. A misspelt name must not pass.
func TestDefinitionsNameTheirOwnFields(t *testing.T) {
	for _, d := range hive.Definitions() {
		named := slices.Concat(d.Payees, d.Takeover, d.Price)
		for _, s := range d.Signers {
			named = append(named, s.Field)
		}
		for _, c := range d.Spends {
			named = append(named, c.Field)
			if c.Times != "" {
				named = append(named, c.Times)
			}
		}
		for _, name := range named {
			if _, ok := d.Field(name); !ok && d.Name != "create_proposal" {
				t.Errorf("%s has no field %q", d.Name, name)
			}
		}
		if d.Does == "" || strings.HasSuffix(d.Does, ".") || d.Does[:1] != strings.ToLower(d.Does[:1]) {
			t.Errorf("%s: does %q", d.Name, d.Does)
		}
	}
}

// The policy language names the fields that an operation spends.
func TestDefinitionsSpendWhatThePolicySays(t *testing.T) {
	spent := []string{"amount", "amount_to_sell", "hbd_amount", "hive_amount", "fee", "vesting_shares"}
	for _, d := range hive.Definitions() {
		var want, got []string
		for _, f := range d.Fields {
			if slices.Contains(spent, f.Name) && f.Type == "asset" {
				want = append(want, f.Name)
			}
		}
		for _, c := range d.Spends {
			if d.Name != "create_proposal" {
				got = append(got, c.Field)
			}
			hasExecutions := slices.ContainsFunc(d.Fields,
				func(f hive.FieldDef) bool { return f.Name == "executions" })
			if (c.Times == "executions") != hasExecutions {
				t.Errorf("%s: times %q", d.Name, c.Times)
			}
		}
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s spends %v, want %v", d.Name, got, want)
		}
	}
}

func TestRoles(t *testing.T) {
	roles := func(name string) string {
		d, _ := hive.DefinitionOf(name)
		return fmt.Sprint(d.Roles(), d.OnlyPosting())
	}
	for name, want := range map[string]string{
		"vote": "[posting] true", "transfer": "[active] false", "custom_json": "[posting active] false",
		"account_update": "[active owner] false", "account_update2": "[posting active owner] false",
		"recover_account": "[] false", "decline_voting_rights": "[owner] false",
	} {
		if got := roles(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	var posting []string
	for _, d := range hive.Definitions() {
		if d.OnlyPosting() {
			posting = append(posting, d.Name)
		}
	}
	if want := "[vote comment delete_comment comment_options claim_reward_balance]"; fmt.Sprint(posting) != want {
		t.Errorf("only posting: %v, want %s", posting, want)
	}
}

func TestVirtualOperationsHaveNoDefinition(t *testing.T) {
	for _, name := range []string{"producer_reward", "author_reward", "vote_operation", "Vote", ""} {
		if d, ok := hive.DefinitionOf(name); ok {
			t.Errorf("%q is %s", name, d.Name)
		}
	}
}

func TestRequiredOfUpdates(t *testing.T) {
	authority := `{"weight_threshold":1,"account_auths":[],"key_auths":[["` + keyA + `",1]]}`
	memo := `"memo_key":"` + keyA + `"`
	update2 := func(members string) string {
		return `["account_update2",{"account":"alice",` + members + `,"posting_json_metadata":"{}","extensions":[]}]`
	}
	for text, want := range map[string]string{
		`["account_update",{"account":"alice","owner":` + authority + `,` + memo + `,"json_metadata":""}]`:  "owner",
		`["account_update",{"account":"alice","active":` + authority + `,` + memo + `,"json_metadata":""}]`: "active",
		`["account_update",{"account":"alice",` + memo + `,"json_metadata":""}]`:                            "active",
		update2(`"owner":` + authority + `,"json_metadata":""`):                                             "owner",
		update2(`"owner":` + authority + `,"active":` + authority + `,"json_metadata":"{}"`):                "owner",
		update2(`"active":` + authority + `,"json_metadata":""`):                                            "active",
		update2(`"posting":` + authority + `,"json_metadata":""`):                                           "active",
		update2(memo + `,"json_metadata":""`):                                                               "active",
		update2(`"json_metadata":"{}"`):                                                                     "active",
		update2(`"json_metadata":"","owner":null,"memo_key":null`):                                          "posting",
	} {
		a := parseOp(t, text).Required()
		got := map[string]int{"owner": len(a.Owner), "active": len(a.Active), "posting": len(a.Posting)}
		if got[want] != 1 || len(a.Owner)+len(a.Active)+len(a.Posting) != 1 || a.Other {
			t.Errorf("%s needs %+v, want %s", text, a, want)
		}
	}
}

func TestRequiredOfTransactions(t *testing.T) {
	vote, transfer := parseOp(t, benchOperations[0].text), parseOp(t, benchOperations[1].text)
	other := parseOp(t, `["vote",{"voter":"aaron","author":"bob","permlink":"p","weight":1}]`)
	a := transactionOf(vote, transfer, other, vote).Required()
	if fmt.Sprint(a.Posting, a.Active, a.Owner) != "[aaron alice] [alice] []" {
		t.Errorf("%+v", a)
	}
	witness := parseOp(t, `["witness_block_approve",{"witness":"alice","block_id":"`+strings.Repeat("0", 40)+`"}]`)
	if !witness.Required().Other {
		t.Error("a witness's block signing key is nobody else's key")
	}
}

func TestTakeover(t *testing.T) {
	for text, want := range map[string]bool{
		benchOperations[0].text: false,
		`["account_update",{"account":"alice","memo_key":"` + keyA + `","json_metadata":""}]`: true,
		updateWith(`[["bob",1]]`, `[]`): true,
		`["account_update2",{"account":"alice","memo_key":"` + keyA +
			`","json_metadata":"","posting_json_metadata":"","extensions":[]}]`: true,
		`["account_update2",{"account":"alice","json_metadata":"{}","posting_json_metadata":"{}"}]`: false,
	} {
		if got := parseOp(t, text).Takeover(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

const delegation = `["delegate_vesting_shares",{"delegator":"alice","delegatee":"bob",` +
	`"vesting_shares":"7.000000 VESTS"}]`

func TestSpend(t *testing.T) {
	escrow := `["escrow_transfer",{"from":"alice","to":"bob","agent":"carol","escrow_id":7,
		"hbd_amount":"1.000 HBD","hive_amount":"2.000 HIVE","fee":"%s",
		"ratification_deadline":"2026-01-01T00:00:00","escrow_expiration":"2026-01-02T00:00:00","json_meta":""}]`
	proposal := `["create_proposal",{"creator":"alice","receiver":"bob","start_date":"2026-01-01T00:00:00",` +
		`"end_date":"%s","daily_pay":"9.000 HBD","subject":"s","permlink":"p"}]`
	recurrent := `["recurrent_transfer",{"from":"alice","to":"bob","amount":"%s","memo":"","recurrence":24,` +
		`"executions":%d}]`
	for text, want := range map[string]string{
		benchOperations[0].text:                                    "[]",
		benchOperations[1].text:                                    "[1.000 HBD]",
		fmt.Sprintf(escrow, "0.500 HBD"):                           "[2.000 HIVE 1.500 HBD]",
		fmt.Sprintf(escrow, "0.500 HIVE"):                          "[2.500 HIVE 1.000 HBD]",
		fmt.Sprintf(escrow, "9223372036854775.807 HBD"):            "[2.000 HIVE 9223372036854775.807 HBD]",
		fmt.Sprintf(proposal, "2026-01-02T00:00:00"):               "[10.000 HBD]",
		fmt.Sprintf(proposal, "2026-03-02T00:00:00"):               "[10.000 HBD]", // 60 days
		fmt.Sprintf(proposal, "2026-03-02T23:59:59"):               "[10.000 HBD]", // and no whole one more
		fmt.Sprintf(proposal, "2026-03-03T00:00:00"):               "[11.000 HBD]",
		fmt.Sprintf(recurrent, "0.000 HIVE", 2):                    "[]",
		fmt.Sprintf(recurrent, "1.000 HIVE", 5):                    "[5.000 HIVE]",
		fmt.Sprintf(recurrent, "9223372036854775.000 HIVE", 65535): "[9223372036854775.807 HIVE]",
		delegation: "[7.000000 VESTS]",
		`["claim_account",{"creator":"alice","fee":"3.000 HIVE"}]`: "[3.000 HIVE]",
	} {
		if got := fmt.Sprint(parseOp(t, text).Spend()); got != want {
			t.Errorf("%s spends %s, want %s", text, got, want)
		}
	}
}

func TestPayees(t *testing.T) {
	const route = `["set_withdraw_vesting_route",{"from_account":"alice",` +
		`"to_account":"bob","percent":1,"auto_vest":true}]`
	shared := optionsWith(`[[0,{"beneficiaries":[{"account":"bob","weight":1},{"account":"carol","weight":1}]}]]`)
	for text, want := range map[string]string{
		benchOperations[0].text: "[]",
		benchOperations[1].text: "[bob]",
		`["transfer_to_vesting",{"from":"alice","to":"","amount":"1.000 HIVE"}]`:    "[alice]",
		`["transfer_to_vesting",{"from":"alice","to":"bob","amount":"1.000 HIVE"}]`: "[bob]",
		`["account_witness_proxy",{"account":"alice","proxy":""}]`:                  "[]",
		`["account_witness_proxy",{"account":"alice","proxy":"bob"}]`:               "[bob]",
		delegation:        "[bob]",
		route:             "[bob]",
		optionsWith(`[]`): "[]",
		shared:            "[bob carol]",
		updateWith(`[["bob",1],["carol",1]]`,
			`[]`): "[bob carol]",
	} {
		if got := fmt.Sprint(parseOp(t, text).Payees()); got != want {
			t.Errorf("%s pays %s, want %s", text, got, want)
		}
	}
}

// Who looks for an account or an amount finds it in whatever field it stands.
func TestAccountsAndAmounts(t *testing.T) {
	const vesting = `["transfer_to_vesting",{"from":"alice","to":"","amount":"1.000 HIVE"}]`
	const json = `["custom_json",{"required_auths":[],"required_posting_auths":["alice"],"id":"x",` +
		`"json":"{\"to\":\"bob\"}"}]`
	shared := optionsWith(`[[0,{"beneficiaries":[{"account":"bob","weight":1},{"account":"carol","weight":1}]}]]`)
	for text, want := range map[string]string{
		benchOperations[1].text: "[alice bob] [1.000 HBD]",
		`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":1}]`: "[alice bob] []",
		vesting: "[alice] [1.000 HIVE]",
		json:    "[alice] []",
		shared:  "[alice bob carol] [1000000.000 HBD]",
		updateWith(`[["bob",1],["carol",1]]`, `[]`): "[alice bob carol] []",
	} {
		op := parseOp(t, text)
		if got := fmt.Sprint(op.Accounts(), op.Amounts()); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestPrice(t *testing.T) {
	order := `["limit_order_create",{"owner":"alice","orderid":1,"amount_to_sell":"%s","min_to_receive":"%s",` +
		`"fill_or_kill":false,"expiration":"2026-01-01T00:00:00"}]`
	for text, want := range map[string]string{
		fmt.Sprintf(order, "3.000 HIVE", "1.000 HBD"):                                                      "1/3",
		fmt.Sprintf(order, "1.000 HBD", "3.000 HIVE"):                                                      "1/3",
		`["feed_publish",{"publisher":"alice","exchange_rate":{"base":"0.250 HBD","quote":"1.000 HIVE"}}]`: "1/4",
	} {
		if got, ok := parseOp(t, text).Price(); !ok || got.RatString() != want {
			t.Errorf("%s: %v, %v; want %s", text, got, ok, want)
		}
	}
	if p, ok := parseOp(t, benchOperations[0].text).Price(); ok {
		t.Errorf("a vote names the price %v", p)
	}
}

func TestExtensionsAreOpened(t *testing.T) {
	field := func(text, name string) string {
		v, ok := parseOp(t, text).Field(name)
		return fmt.Sprintf("%T %v %v", v, v, ok)
	}
	update := `["update_proposal",{"proposal_id":7,"creator":"alice","daily_pay":"1.000 ` +
		`HBD","subject":"s","permlink":"p","extensions":%s}]`
	for got, want := range map[string]string{
		field(optionsWith(`[]`),
			"beneficiaries"): "hive.Beneficiaries [] true",
		field(optionsWith(`[[0,{"beneficiaries":[{"account":"bob","weight":5}]}]]`),
			"beneficiaries"): "hive.Beneficiaries [{bob 5}] true",
		field(recurrentWith(`[[1,{"pair_id":255}]]`), "pair_id"): "int64 255 true",
		field(fmt.Sprintf(update, `[[1,{"end_date":"2026-07-01T00:00:00"}]]`),
			"end_date"): "hive.Time 2026-07-01T00:00:00 true",
		field(fmt.Sprintf(update, `[]`), "end_date"):    "<nil> <nil> true",
		field(benchOperations[0].text, "beneficiaries"): "<nil> <nil> false",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for _, d := range hive.Definitions() {
		opened, ok := d.Opened()
		if found, there := d.Field(opened.Name); ok != there || cmp.Compare(found.Type, opened.Type) != 0 {
			t.Errorf("%s: opened field %q is not found", d.Name, opened.Name)
		}
	}
}

func TestPlainMemo(t *testing.T) {
	alice, bob := hive.PrivateKeyFromSeed("memo alice"), hive.PrivateKeyFromSeed("memo bob")
	encrypted, err := alice.EncodeMemo(bob.Public(), "#secret", 7)
	if err != nil {
		t.Fatal(err)
	}
	for memo, want := range map[string]bool{
		"": false, "hi": false, " #hi": false, "#": true, "#hi": true, encrypted: false,
		encrypted[1:]: false, encrypted + "x": true, "#" + encrypted: true,
	} {
		if got := memoTransaction(t, memo).Operations[0].PlainMemo(); got != want {
			t.Errorf("%q: %v", memo, got)
		}
	}
	for _, name := range []string{"transfer_to_savings", "transfer_from_savings", "recurrent_transfer"} {
		d, _ := hive.DefinitionOf(name)
		if f, ok := d.Field("memo"); !ok || !f.Memo {
			t.Errorf("the memo of %s is not looked at", name)
		}
	}
	if parseOp(t, benchOperations[0].text).PlainMemo() {
		t.Error("a vote has a memo")
	}
}
