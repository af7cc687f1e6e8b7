package effect_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"pksa/agent/effect"
	"pksa/protocol/hive"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// operation reads one as an application writes it.
func operation(t testing.TB, text string) hive.Operation {
	t.Helper()
	op, err := hive.Mainnet.ParseOperation([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return op
}

var evesKey = hive.PrivateKeyFromPassword("eve", hive.Posting, "password").Public().String()

func TestOf(t *testing.T) {
	for _, c := range []struct{ op, want string }{
		{`["transfer",{"from":"alice","to":"bob","amount":"1.000 HBD","memo":""}]`, "pays 1.000 HBD from alice to bob"},
		{`["transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE","memo":"for \u202e\u001b[2Jyou"}]`,
			`pays 1.000 HIVE from alice to bob, with the memo "for \u202e\x1b[2Jyou"`},
		{`["vote",{"voter":"alice","author":"bob","permlink":"post","weight":10000}]`,
			"votes 100% for @bob/post as alice"},
		{`["vote",{"voter":"alice","author":"bob","permlink":"a post","weight":-1250}]`,
			`votes 12.5% against @bob/"a post" as alice`},
		{`["vote",{"voter":"alice","author":"bob","permlink":"post","weight":0}]`,
			"takes back the vote of alice for @bob/post"},
		{`["vote",{"voter":"alice","author":"bob","permlink":"post","weight":1}]`,
			"votes 0.01% for @bob/post as alice"},
		{`["transfer_to_vesting",{"from":"alice","to":"","amount":"1.000 HIVE"}]`,
			"turns 1.000 HIVE of alice into Hive Power"},
		{`["transfer_to_vesting",{"from":"alice","to":"bob","amount":"1.000 HIVE"}]`,
			"turns 1.000 HIVE of alice into Hive Power of bob"},
		{`["withdraw_vesting",{"account":"alice","vesting_shares":"0.000000 VESTS"}]`, "stops the power-down of alice"},
		{`["delegate_vesting_shares",{"delegator":"alice","delegatee":"bob","vesting_shares":"0.000000 VESTS"}]`,
			"takes back what alice delegated to bob"},
		{`["claim_reward_balance",{"account":"alice","reward_hive":"0.000 HIVE","reward_hbd":"0.123 ` +
			`HBD","reward_vests":"0.000001 VESTS"}]`,
			"claims rewards of 0.123 HBD and 0.000001 VESTS for alice"},
		{`["custom_json",{"required_auths":["alice"],"required_posting_auths":[],"id":"ssc-mainnet-hive",` +
			`"json":"{\"a\":1}"}]`,
			`sends the custom_json ssc-mainnet-hive as alice (active): "{\"a\":1}"`},
		{`["recurrent_transfer",{"from":"alice","to":"bob","amount":"1.000 HBD","memo":"","recurrence":24,` +
			`"executions":1,"extensions":[]}]`, "pays 1.000 HBD from alice to bob every 24 hours, once"},
		{`["recurrent_transfer",{"from":"alice","to":"bob","amount":"1.000 HBD","memo":"","recurrence":24,` +
			`"executions":2,"extensions":[]}]`, "pays 1.000 HBD from alice to bob every 24 hours, 2 times"},
		{`["account_witness_proxy",{"account":"alice","proxy":""}]`, "takes back the voting proxy of alice"},
		{`["account_update2",{"account":"alice","json_metadata":"","posting_json_metadata":"{}","extensions":[]}]`,
			"changes the profile of alice"},
		{`["account_update2",{"account":"alice","posting":{"weight_threshold":2,"account_auths":[["bob",2]],` +
			`"key_auths":[["` +
			evesKey + `",1]]},"json_metadata":"","posting_json_metadata":"","extensions":[]}]`,
			"changes who holds alice: posting 2 of " + evesKey + " + 2×bob"},
	} {
		if got := effect.Of(operation(t, c.op)); got != c.want {
			t.Errorf("%s\n%s\nwant\n%s", c.op, got, c.want)
		}
	}
}

// Every operation of the chain has its sentence. The golden file is what a person reviews.
func TestEveryOperationHasItsEffect(t *testing.T) {
	files, err := filepath.Glob("../../protocol/hive/testdata/tx/[0-9][0-9]-*.json")
	if err != nil || len(files) != 50 {
		t.Fatalf("%d files of vectors, want 50 (%v)", len(files), err)
	}
	var all strings.Builder
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var vectors []struct{ Op json.RawMessage }
		if err := json.Unmarshal(raw, &vectors); err != nil || len(vectors) == 0 {
			t.Fatalf("%s: %v", file, err)
		}
		shown := 0
		for _, v := range vectors {
			op, err := hive.Mainnet.ParseOperation(v.Op)
			if err != nil {
				continue // what our parser refuses never gets here
			}
			text := effect.Of(op)
			if len(text) > 410 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%s: %q", op.Name(), text)
			}
			if op.Definition().State == hive.Live && strings.HasPrefix(text, op.Name()+":") {
				t.Errorf("%s has no sentence: %s", op.Name(), text)
			}
			if shown++; shown <= 2 {
				fmt.Fprintf(&all, "%-28s %s\n", op.Name(), text)
			}
		}
		if shown == 0 {
			t.Errorf("%s: no vector was read", file)
		}
	}
	const golden = "testdata/effects.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if all.String() != string(want) {
		t.Errorf("the sentences differ from %s; if they are better now: go test ./agent/effect -run "+
			"TestEveryOperationHasItsEffect -update\n%s", golden, all.String())
	}
}
