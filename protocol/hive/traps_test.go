package hive_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

// The twelve traps of signing for Hive, each with a test of its name as far as this package can
// fall into it. Re-broadcasting (9) and error codes (10) are traps of whoever talks to nodes; here
// is what they rest on.

func TestTrap01Sort(t *testing.T) {
	t.Run("sets and maps are sorted as the node sorts them", func(t *testing.T) {
		for _, pair := range [][2]string{
			{`["custom_json",{"required_auths":["zed","bob"],"required_posting_auths":["carol","alice"],"id":"x",` +
				`"json":"{}"}]`,
				`["custom_json",{"required_auths":["bob","zed"],"required_posting_auths":["alice","carol"],"id":"x",` +
					`"json":"{}"}]`},
			{updateWith(`[["zed",1],["bob",2]]`, `[["`+keyB+`",1],["`+keyA+`",2]]`),
				updateWith(`[["bob",2],["zed",1]]`, `[["`+keyA+`",2],["`+keyB+`",1]]`)},
			{propsWith(`["url","00"],["key","` + pointA + `"]`), propsWith(`["key","` + pointA + `"],["url","00"]`)},
		} {
			unsorted, sorted := parseOp(t, pair[0]), parseOp(t, pair[1])
			if !unsorted.Equal(sorted) || unsorted.String() != sorted.String() {
				t.Errorf("%s\nis not %s", unsorted, sorted)
			}
		}
	})
	t.Run("lists that the node refuses unsorted are refused", func(t *testing.T) {
		refused(t, optionsWith(`[[0,{"beneficiaries":[{"account":"zed","weight":1},{"account":"bob","weight":1}]}]]`))
		refused(t, `["remove_proposal",{"proposal_owner":"alice","proposal_ids":[2,1],"extensions":[]}]`)
	})
	t.Run("bytes in another order are refused", func(t *testing.T) {
		a, b := point(t, keyA), point(t, keyB)
		for _, c := range []struct{ text, sorted, swapped string }{
			{`["custom_json",{"required_auths":["bob","zed"],"id":"x","json":"{}"}]`, "\x03bob\x03zed",
				"\x03zed\x03bob"},
			{updateWith(`[["bob",1],["zed",1]]`, `[]`), "\x03bob\x01\x00\x03zed", "\x03zed\x01\x00\x03bob"},
			{updateWith(`[]`, `[["`+keyA+`",1],["`+keyB+`",1]]`), a + "\x01\x00" + b, b + "\x01\x00" + a},
			{propsWith(`["key","` + pointA + `"],["url","00"]`), "\x03url\x01\x00", "\x03aaa\x01\x00"},
			{`["remove_proposal",{"proposal_owner":"alice","proposal_ids":[1,2]}]`,
				"\x01\x00\x00\x00\x00\x00\x00\x00\x02", "\x02\x00\x00\x00\x00\x00\x00\x00\x01"},
		} {
			packed := serialize(t, transactionOf(parseOp(t, c.text)))
			swapped := bytes.Replace(packed, []byte(c.sorted), []byte(c.swapped), 1)
			if bytes.Equal(packed, swapped) {
				t.Fatalf("%s: nothing to swap in %x", c.text, packed)
			}
			if tx, err := hive.Mainnet.DecodeTransaction(swapped); err == nil {
				t.Errorf("read %v", tx)
			}
		}
	})
}

func point(t *testing.T, key string) string {
	t.Helper()
	k, err := hive.ParsePublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(k[:])
}

func TestTrap02JSONEscapes(t *testing.T) {
	const text = "<b>&\u2028\u2029\u007f\u00e9🐝/ \"\\\n\r\t"
	const want = `"<b>&` + "\u2028\u2029\u007f\u00e9🐝" + `/ \"\\\n\r\t"`
	if got := string(hive.AppendString(nil, text)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	sent, err := hive.Mainnet.AppendJSON(nil, hive.SignedTransaction{Transaction: memoTransaction(t, text)})
	if err != nil || !bytes.Contains(sent, []byte(`"memo":`+want)) {
		t.Errorf("%s, %v", sent, err)
	}
}

func TestTrap03StrictRoles(t *testing.T) {
	vote := parseOp(t, benchOperations[0].text).Required()
	if len(vote.Posting) != 1 || len(vote.Active)+len(vote.Owner) != 0 {
		t.Errorf("a vote needs %+v", vote)
	}
	both := parseOp(t, `["custom_json",{"required_auths":["alice"],"required_posting_auths":["alice"],"id":"x",`+
		`"json":"{}"}]`).Required()
	if len(both.Posting) != 1 || len(both.Active) != 1 {
		t.Errorf("active stands in for posting: %+v", both)
	}
}

func TestTrap04SteemInTheBytes(t *testing.T) {
	const tx = `{"ref_block_num":1,"ref_block_prefix":2,"expiration":"2026-01-01T00:00:00","extensions":[],
		"operations":[["transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE","memo":"hi"}]]}`
	const want = "0100" + "02000000" + "00b95569" + "01" + "02" + "05616c696365" + "03626f62" +
		"e803000000000000" + "03535445454d0000" + "026869" + "00" // the example of the specification
	parsed, err := hive.Mainnet.ParseTransaction([]byte(tx))
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(serialize(t, parsed.Transaction)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for text, want := range map[string]string{
		"1.000 HBD":      "0353424400000000",
		"1.000000 VESTS": "0656455354530000",
	} {
		op := parseOp(t, `["claim_reward_balance",{"account":"alice","reward_hive":"0.000 HIVE","reward_hbd":"1.000 `+
			`HBD","reward_vests":"1.000000 VESTS"}]`)
		if got := hex.EncodeToString(serialize(t, transactionOf(op))); !strings.Contains(got, want) {
			t.Errorf("%s: no %s in %s", text, want, got)
		}
	}
}

func TestTrap05ForgivingParser(t *testing.T) {
	const vote = `["vote",{"voter":"alice","author":"bob","permlink":"p","weight":%s}]`
	for _, weight := range []string{
		"65537", "-65535", "10001", "1.5", "1e4", "1E0", `"1e4"`, `"1.0"`, `""`, `" 1"`, `"+1"`, `"01"`, "true", "null",
		"[]", "{}", `"-"`, "-0", `"-0"`,
	} {
		refused(t, fmt.Sprintf(vote, weight))
	}
	for weight, want := range map[string]int64{"10000.0": 10000, `"-10000"`: -10000, "0": 0, "0.00": 0, `"0"`: 0} {
		if got, _ := parseOp(t, fmt.Sprintf(vote, weight)).Field("weight"); got != want {
			t.Errorf("weight %s read as %v", weight, got)
		}
	}
	for _, text := range []string{
		// memo_key would be the null key
		`["account_update",{"account":"alice","json_metadata":""}]`,
		`["account_witness_vote",{"account":"alice","witness":"bob","approve":1}]`,            // ambiguous
		`["account_witness_vote",{"account":"alice","witness":"bob","approve":"True"}]`,       // not exactly a bool
		`["account_witness_vote",{"account":"alice","witness":"bob"}]`,                        // default true
		`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":1,"Weight":2}]`,      // case matters
		`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":1,"weight":1}]`,      // twice
		`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":1,"\u0077eight":2}]`, // twice, hidden
		`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":1}] ` + `[]`,         // more follows
		`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":1},1]`,               // three of them
		`["vote"]`, `[]`, `{}`, `null`, `"vote"`, ``, `[`, `["vote",`, `["vote",{`, `["vote",null]`, // no operation
		`{"type":"vote_operation"}`, `{"value":{}}`, `{"type":"vote_operation","value":{},"x":1}`, // nor these
		`{"type":"vote","value":{"voter":"alice","author":"bob","permlink":"p","weight":1}}`,     // half HF26
		`{"type":"_operation","value":{}}`,                                                       // no name
		"[\"vote\",{\"voter\":\"alice\",\"author\":\"bob\",\"permlink\":\"\xff\",\"weight\":1}]", // not UTF-8
		// half a pair
		`["vote",{"voter":"alice","author":"bob","permlink":"\ud800","weight":1}]`,
		`["vote",{"voter":"alice\u0000","author":"bob","permlink":"p","weight":1}]`,         // no name
		`["custom",{"required_auths":["alice"],"id":1,"data":"0g"}]`,                        // no digit
		`["custom_json",{"required_posting_auths":["alice","alice"],"id":"x","json":"{}"}]`, // twice
		// null for a list
		`["custom_json",{"required_posting_auths":null,"id":"x","json":"{}"}]`,
		// twice in a map
		updateWith(`[["bob",1],["bob",2]]`, `[]`),
		updateWith(`[["bob",65536]]`, `[]`), updateWith(`[["bob"]]`, `[]`), updateWith(`{"bob":1}`, `[]`), // no map
		// the null key signs nothing
		updateWith(`[]`, `[["STM1111111111111111111111111111111114T1Anm",1]]`),
		// no key
		propsWith(`["key","` + pointA + `"],["key","` + pointA + `"]`), propsWith(`["url","00"]`),
		propsWith(`["key","00"]`),
		recurrentWith(`[{"type":"recurrent_transfer_pair_id","value":{"pair_id":1}},` +
			`{"type":"recurrent_transfer_pair_id","value":{"pair_id":2}}]`),
		recurrentWith(`[{"type":0,"value":{}}]`), recurrentWith(`[{"type":"void_t","value":{}}]`),
		recurrentWith(`[{}]`), recurrentWith(`{}`), recurrentWith(`null`),
		`{"type":"update_proposal_operation","value":{"proposal_id":7,"creator":"alice","daily_pay":{"amount":"1",` +
			`"precision":3,"nai":"@@000000013"},` +
			// two spellings in one
			`"subject":"s","permlink":"p","extensions":[[1,{"end_date":"2026-07-01T00:00:00"}]]}}`,
		// nobody, unknown
		optionsWith(`[[0,{"beneficiaries":[]}]]`),
		optionsWith(`[[1,{"beneficiaries":[{"account":"bob","weight":1}]}]]`),
		`["witness_block_approve",{"witness":"alice","block_id":"` + strings.Repeat("00", 19) + `"}]`, // too short
		recurrentWith(`[{"type":1,"value":{"pair_id":1,"x":2}}]`), recurrentWith(`[{"type":1,"value":{}}]`),
		recurrentWith(`[["1",{"pair_id":1}]]`),
	} {
		refused(t, text)
	}
}

func TestTrap05MembersInAnyOrder(t *testing.T) {
	want := parseOp(t, benchOperations[1].text)
	for _, text := range []string{
		`{"value":{"memo":"tip ` +
			`17","amount":{"nai":"@@000000013","precision":3,"amount":"1000"},"to":"bob","from":"alice"},` +
			`"type":"transfer_operation"}`,
		" [ \"transfer\" , { \"\\u0066rom\":\"alice\",\n\"amount\":\"1.000 HBD\",\t\"to\":\"bob\",\"memo\":\"tip " +
			"17\" } ] ",
	} {
		if got := parseOp(t, text); !got.Equal(want) {
			t.Errorf("%s read as %s", text, got)
		}
	}
	withPair := parseOp(t, recurrentWith(`[{"value":{"pair_id":9},"type":"recurrent_transfer_pair_id"}]`))
	if id, _ := withPair.Field("pair_id"); id != int64(9) {
		t.Errorf("pair id %v", id)
	}
}

func TestTrap06FieldOrder(t *testing.T) {
	escrow := parseOp(t,
		`["escrow_transfer",{"from":"alice","to":"bob","agent":"carol","escrow_id":7,"hbd_amount":"0.001 HBD",
		"hive_amount":"0.002 HIVE","fee":"0.003 HBD","ratification_deadline":"2026-01-01T00:00:00",
		"escrow_expiration":"2026-01-02T00:00:00","json_meta":""}]`)
	const hbd, hiveSymbol = "0353424400000000", "03535445454d0000"
	want := "1b" + "05616c696365" + "03626f62" + "0100000000000000" + hbd + "0200000000000000" + hiveSymbol +
		"07000000" + "056361726f6c" + "0300000000000000" + hbd + "00" + "00b95569" + "800a5769"
	if got := hex.EncodeToString(serialize(t, transactionOf(escrow))); !strings.Contains(got, want) {
		t.Errorf("no %s in %s", want, got)
	}
	order := parseOp(t,
		`["limit_order_create2",{"owner":"alice","orderid":1,"amount_to_sell":"0.001 HIVE","fill_or_kill":true,
		"exchange_rate":{"quote":"0.003 HBD","base":"0.002 HIVE"},"expiration":"2026-01-01T00:00:00"}]`)
	want = "15" + "05616c696365" + "01000000" + "0100000000000000" + hiveSymbol + "0200000000000000" + hiveSymbol +
		"0300000000000000" + hbd + "01" + "00b95569"
	if got := hex.EncodeToString(serialize(t, transactionOf(order))); !strings.Contains(got, want) {
		t.Errorf("no %s in %s", want, got)
	}
}

func TestTrap07AssetsNeverThroughAFloat(t *testing.T) {
	for text, want := range map[string]int64{
		"9007199254740.993 HIVE":     9007199254740993, // 2^53 + 1
		"9223372036854775.807 HBD":   9223372036854775807,
		"9223372036854.775807 VESTS": 9223372036854775807,
		"0.001 HIVE":                 1,
		"0.000 HBD":                  0,
	} {
		a, err := hive.ParseAsset(text)
		if err != nil || a.Amount != want || a.String() != text {
			t.Errorf("%s: %d %v, %v", text, a.Amount, a, err)
		}
	}
	const max = `["remove_proposal",{"proposal_owner":"alice","proposal_ids":[%s],"extensions":[]}]`
	op := parseOp(t, fmt.Sprintf(max, "9007199254740991, 9007199254740993, 9223372036854775807"))
	if got := op.String(); !strings.Contains(got, `[9007199254740991,"9007199254740993","9223372036854775807"]`) {
		t.Errorf("numbers above 2^53 are written as numbers: %s", got)
	}
	refused(t, fmt.Sprintf(max, "9223372036854775808"))
}

func TestTrap08RecurrentTransferExtension(t *testing.T) {
	const sent = `[{"type":"recurrent_transfer_pair_id","value":{"pair_id":3}}]`
	for _, spelling := range []string{sent, `[{"type":1,"value":{"pair_id":3}}]`, `[[1,{"pair_id":3}]]`,
		`[["recurrent_transfer_pair_id",{"pair_id":3}]]`} {
		op := parseOp(t, recurrentWith(spelling))
		if !strings.Contains(op.String(), `"extensions":`+sent) {
			t.Errorf("%s is sent as %s", spelling, op)
		}
		if packed := serialize(t, transactionOf(op)); !bytes.HasSuffix(packed, []byte{1, 1, 3, 0}) {
			t.Errorf("%s is packed as %x", spelling, packed)
		}
	}
	// Without the extension the pair id is 0, yet the bytes differ.
	bare, zero := parseOp(t, recurrentWith(`[]`)), parseOp(t, recurrentWith(`[[1,{"pair_id":0}]]`))
	if bare.Equal(zero) {
		t.Error("no extension equals pair id 0")
	}
	for _, op := range []hive.Operation{bare, zero} {
		if id, ok := op.Field("pair_id"); id != int64(0) || !ok {
			t.Errorf("pair id %v, %v", id, ok)
		}
	}
}

func TestTrap09SameTransactionSameBytes(t *testing.T) {
	key := hive.PrivateKeyFromSeed("trap nine")
	first, second := memoTransaction(t, "x"), memoTransaction(t, "x")
	a, b := serialize(t, first), serialize(t, second)
	if !bytes.Equal(a, b) || hive.TransactionID(a) != hive.TransactionID(b) {
		t.Error("one transaction has two sets of bytes")
	}
	s1, err1 := key.Sign(hive.Mainnet.SigningDigest(a))
	s2, err2 := key.Sign(hive.Mainnet.SigningDigest(b))
	if err1 != nil || err2 != nil || s1 != s2 {
		t.Error("one transaction has two signatures")
	}
	first.Expiration++
	if hive.TransactionID(serialize(t, first)) == hive.TransactionID(b) {
		t.Error("a second more does not give another id")
	}
}

func TestTrap11KeysAreOfTheNetwork(t *testing.T) {
	n := *hive.Testnet
	n.KeyPrefix = "TST"
	const update = `["account_update",{"account":"alice","memo_key":"%s","json_metadata":""}]`
	of := func(key string) []byte { return fmt.Appendf(nil, update, key) }
	test := "TST" + strings.TrimPrefix(keyA, "STM")
	if _, err := n.ParseOperation(of(keyA)); err == nil {
		t.Error("a key of another network was taken")
	}
	op, err := n.ParseOperation(of(test))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(n.AppendOperation(nil, op)); got != string(of(test)) {
		t.Errorf("written as %s", got)
	}
	null := parseOp(t, string(of("STM1111111111111111111111111111111114T1Anm")))
	if key, _ := null.Field("memo_key"); key != (hive.PublicKey{}) {
		t.Errorf("the null key is %v", key)
	}
	if packed := serialize(t, transactionOf(null)); !bytes.Contains(packed, make([]byte, 33)) {
		t.Errorf("no null key in %x", packed)
	}
}

func TestTrap12LengthsAreBytes(t *testing.T) {
	packed := serialize(t, memoTransaction(t, "é🐝"))
	if !bytes.Contains(packed, append([]byte{6}, "é🐝"...)) {
		t.Errorf("the length is not in bytes: %x", packed)
	}
	memo := func(text string) string {
		raw, _ := json.Marshal(text)
		return `["transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE","memo":` + string(raw) + `}]`
	}
	parseOp(t, memo(strings.Repeat("é", 1023)+"x"))
	refused(t, memo(strings.Repeat("é", 1024)))
}

const (
	keyA   = "STM6LLegbAgLAy28EHrffBVuANFWcFgmqRMW13wBmTExqFE9SCkg4"
	keyB   = "STM8GC13uCZbP44HzMLV6zPZGwVQ8Nt4Kji8PapsPiNq1BK153XTX"
	pointA = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
)

func updateWith(accounts, keys string) string {
	return `["account_update2",{"account":"alice","posting":{"weight_threshold":1,"account_auths":` + accounts +
		`,"key_auths":` + keys + `},"json_metadata":"","posting_json_metadata":"","extensions":[]}]`
}

func propsWith(pairs string) string {
	return `["witness_set_properties",{"owner":"alice","props":[` + pairs + `],"extensions":[]}]`
}

func optionsWith(extensions string) string {
	return `["comment_options",{"author":"alice","permlink":"p","max_accepted_payout":"1000000.000 HBD",
		"percent_hbd":10000,
		"allow_votes":true,"allow_curation_rewards":true,"extensions":` + extensions + `}]`
}

func recurrentWith(extensions string) string {
	return `["recurrent_transfer",{"from":"alice","to":"bob","amount":"1.000 ` +
		`HIVE","memo":"","recurrence":24,"executions":2,"extensions":` + extensions + `}]`
}
