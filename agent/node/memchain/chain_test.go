package memchain_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node/memchain"
	"pksa/protocol/hive"
)

// ask makes one call and returns result and error as text.
func ask(t *testing.T, n *memchain.Node, method, params string) (result string, failure rpcError) {
	t.Helper()
	request := httptest.NewRequest("POST", "/",
		strings.NewReader(`{"jsonrpc":"2.0","method":"`+method+`","params":`+params+`,"id":1}`))
	response := httptest.NewRecorder()
	n.ServeHTTP(response, request)
	body := response.Body.Bytes()
	var answer struct {
		Result json.RawMessage
		Error  rpcError
		ID     int
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.ID != 1 && answer.Error.Code == 0 {
		t.Fatalf("answer %s: %v", body, err)
	}
	return string(answer.Result), answer.Error
}

type rpcError struct {
	Code    int
	Message string
	Data    struct {
		Code int
		Name string
	}
}

// signed is a transaction of these operations with these keys on top of the chain.
func signed(t *testing.T, c *memchain.Chain, keys []*hive.PrivateKey, ops ...string) string {
	t.Helper()
	text, err := c.Sign(keys, ops...)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const broadcast = "condenser_api.broadcast_transaction"

func vote(voter string) string {
	return `["vote",{"voter":"` + voter + `","author":"bob","permlink":"p","weight":10000}]`
}

func transfer(from string) string {
	return `["transfer",{"from":"` + from + `","to":"bob","amount":"1.000 HIVE","memo":"m"}]`
}

// TestAuthority is the table of tx §2.6: strict roles, weights, nesting, mixed roles, superfluous
// and doubled signatures.
func TestAuthority(t *testing.T) {
	key := memchain.Key
	named := func(name hive.AccountName, weight uint16) hive.AccountWeight {
		return hive.AccountWeight{Account: name, Weight: weight}
	}
	chain := memchain.NewChain(memchain.Options{})
	for _, name := range []hive.AccountName{"alice", "bob", "carol", "dave", "erin"} {
		chain.AddUser(name)
	}
	// alice gives posting and active to bob, bob to carol, carol to dave, dave to erin.
	for _, link := range [][2]hive.AccountName{{"alice", "bob"}, {"bob", "carol"}, {"carol", "dave"},
		{"dave", "erin"}} {
		chain.Change(link[0], func(a *memchain.Account) {
			a.Posting.AccountAuths = []hive.AccountWeight{named(link[1], 1)}
			a.Active.AccountAuths = []hive.AccountWeight{named(link[1], 1)}
		})
	}
	chain.AddAccount(memchain.Account{
		Name: "shared", HIVE: 5000, Posting: memchain.Single(key("shared", hive.Posting).Public()),
		Active: hive.Authority{WeightThreshold: 3, AccountAuths: []hive.AccountWeight{named("bob", 1)},
			KeyAuths: []hive.KeyWeight{
				{Key: key("shared", hive.Active).Public(), Weight: 1}, {Key: key("shared", hive.Owner).Public(),
					Weight: 1},
			}},
	})
	// Whoever has more members than a node looks at.
	crowd := func(name hive.AccountName, keys, accounts int, last hive.PublicKey) {
		authority := hive.Authority{WeightThreshold: 1}
		for i := range keys {
			public := hive.PrivateKeyFromSeed(fmt.Sprintf("%s %d", name, i)).Public()
			if i == keys-1 {
				public = last
			}
			authority.KeyAuths = append(authority.KeyAuths, hive.KeyWeight{Key: public, Weight: 1})
		}
		for i := range accounts {
			other := hive.AccountName(fmt.Sprintf("%s-%d", name, i))
			if i == accounts-1 {
				other = "bob"
			}
			authority.AccountAuths = append(authority.AccountAuths, named(other, 1))
		}
		chain.AddAccount(memchain.Account{Name: name, HIVE: 50000, Active: authority})
	}
	crowd("keys40", 40, 0, key("bob", hive.Active).Public())
	crowd("keys41", 41, 0, key("bob", hive.Active).Public())
	crowd("accounts40", 0, 40, hive.PublicKey{})
	crowd("accounts41", 0, 41, hive.PublicKey{})
	crowd("both", 39, 2, key("erin", hive.Active).Public())
	// Each of four members has 30 of its own: with them and the account itself 125 are looked up.
	for last, name := range map[int]hive.AccountName{30: "wide", 31: "wider"} {
		wide := hive.Authority{WeightThreshold: 1}
		for i, members := range []int{30, 30, 30, last} {
			inner := hive.Authority{WeightThreshold: 1}
			for n := range members {
				inner.AccountAuths = append(inner.AccountAuths, named(hive.AccountName(fmt.Sprintf("w%d-%d", i, n)), 1))
			}
			if i == 3 {
				inner.AccountAuths[len(inner.AccountAuths)-1] = named("bob", 1)
			}
			member := hive.AccountName(fmt.Sprintf("%s-%d", name, i))
			chain.AddAccount(memchain.Account{Name: member, Active: inner})
			wide.AccountAuths = append(wide.AccountAuths, named(member, 1))
		}
		chain.AddAccount(memchain.Account{Name: name, HIVE: 50000, Active: wide})
	}
	n := chain.NewNode("a")
	for _, tt := range []struct {
		name string
		ops  []string
		keys []*hive.PrivateKey
		want string // name of the error
	}{
		{"posting for a vote", []string{vote("alice")}, []*hive.PrivateKey{key("alice", hive.Posting)}, ""},
		{"active for a vote", []string{vote("alice")}, []*hive.PrivateKey{key("alice", hive.Active)},
			"tx_missing_posting_auth"},
		{"owner for a transfer", []string{transfer("alice")}, []*hive.PrivateKey{key("alice", hive.Owner)},
			"tx_missing_active_auth"},
		{"memo for a vote", []string{vote("alice")}, []*hive.PrivateKey{key("alice", hive.Memo)},
			"tx_missing_posting_auth"},
		{"no signature", []string{vote("alice")}, nil, "tx_missing_posting_auth"},
		{"nested once", []string{vote("alice")}, []*hive.PrivateKey{key("bob", hive.Posting)}, ""},
		{"nested twice", []string{vote("alice")}, []*hive.PrivateKey{key("carol", hive.Posting)}, ""},
		{"nested three times", []string{vote("alice")}, []*hive.PrivateKey{key("dave", hive.Posting)},
			"tx_missing_posting_auth"},
		{"nested with the wrong role", []string{vote("alice")}, []*hive.PrivateKey{key("bob", hive.Active)},
			"tx_missing_posting_auth"},
		{"nested active", []string{transfer("alice")}, []*hive.PrivateKey{key("bob", hive.Active)}, ""},
		{"mixed roles", []string{vote("alice"), transfer("alice")}, []*hive.PrivateKey{key("alice", hive.Posting),
			key("alice", hive.Active)}, ""},
		{"mixed roles, one missing", []string{vote("alice"), transfer("alice")},
			[]*hive.PrivateKey{key("alice", hive.Posting)}, "tx_missing_active_auth"},
		{"superfluous", []string{vote("alice")}, []*hive.PrivateKey{key("alice", hive.Posting),
			key("erin", hive.Owner)}, ""},
		{"twice the same", []string{vote("alice")}, []*hive.PrivateKey{key("alice", hive.Posting),
			key("alice", hive.Posting)}, "tx_duplicate_sig"},
		{"two of three", []string{transfer("shared")}, []*hive.PrivateKey{key("shared", hive.Active),
			key("shared", hive.Owner)}, "tx_missing_active_auth"},
		{"three of three", []string{transfer("shared")}, []*hive.PrivateKey{key("shared", hive.Active),
			key("shared", hive.Owner), key("bob", hive.Active)}, ""},
		{"the 40th key", []string{transfer("keys40")}, []*hive.PrivateKey{key("bob", hive.Active)}, ""},
		{"the 41st key", []string{transfer("keys41")}, []*hive.PrivateKey{key("bob", hive.Active)},
			"tx_missing_active_auth"},
		{"the 40th account", []string{transfer("accounts40")}, []*hive.PrivateKey{key("bob", hive.Active)}, ""},
		{"the 41st account", []string{transfer("accounts41")}, []*hive.PrivateKey{key("bob", hive.Active)},
			"tx_missing_active_auth"},
		{"the 41st member", []string{transfer("both")}, []*hive.PrivateKey{key("bob", hive.Active)},
			"tx_missing_active_auth"},
		{"the 125th look-up", []string{transfer("wide")}, []*hive.PrivateKey{key("bob", hive.Active)}, ""},
		{"the 126th look-up", []string{transfer("wider")}, []*hive.PrivateKey{key("bob", hive.Active)},
			"tx_missing_active_auth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tx := signed(t, chain, tt.keys, tt.ops...)
			result, failure := ask(t, n, "database_api.verify_authority", `{"trx":`+tx+
				`,"pack":"legacy"}`)
			if failure.Data.Name != tt.want || (result == `{"valid":true}`) != (tt.want == "") {
				t.Errorf("verify_authority: %s, %+v", result, failure)
			}
			if result, failure = ask(t, n, broadcast, "["+tx+"]"); failure.Data.Name != tt.want ||
				(result == `{}`) != (tt.want == "") {
				t.Errorf("broadcast: %s, %+v", result, failure)
			}
			chain.Produce(1)
		})
	}
}

// TestReader: what the node's reader makes of escapes and braces (tx §5.3), the trap for writers of
// other JSON.
func TestReader(t *testing.T) {
	chain := memchain.NewChain(memchain.Options{})
	chain.AddUser("alice")
	chain.AddUser("bob")
	n := chain.NewNode("a")
	sign := func(memo string) string {
		op := `["transfer",{"from":"alice","to":"bob","amount":"0.001 HIVE","memo":` +
			string(hive.AppendString(nil, memo)) + `}]`
		return signed(t, chain, []*hive.PrivateKey{memchain.Key("alice", hive.Active)}, op)
	}
	tx := sign("a<b\t\"é\"")
	if _, failure := ask(t, n, broadcast, "["+strings.ReplaceAll(tx, "<", `\u003c`)+
		"]"); failure.Data.Name != "tx_missing_active_auth" {
		t.Errorf("escaped: %+v", failure)
	}
	if result, failure := ask(t, n, broadcast, "["+tx+"]"); result != "{}" {
		t.Errorf("raw: %+v", failure)
	}
	deep := strings.Replace(sign("deep"), "deep", strings.Repeat("{", 98), 1)
	if _, failure := ask(t, n, broadcast, "["+deep+"]"); !strings.Contains(failure.Message,
		"object graph too deep") {
		t.Errorf("deep: %+v", failure)
	}
	if _, failure := ask(t, n, "no_api.method", "[]"); !strings.Contains(failure.Message,
		"Could not find API no_api") {
		t.Errorf("unknown method: %+v", failure)
	}
}

// TestBlocks: blocks by the clock and on demand, their ids, and what is in them.
func TestBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain := memchain.NewChain(memchain.Options{IrreversibleLag: 2})
		chain.AddUser("alice")
		n := chain.NewNode("a")
		first, at := chain.Head()
		time.Sleep(time.Minute)
		if number, now := chain.Head(); number != first+20 || now != at+60 {
			t.Errorf("block %d at %v, a minute after %d at %v", number, now, first, at)
		}
		tx := signed(t, chain, []*hive.PrivateKey{memchain.Key("alice", hive.Posting)}, vote("alice"))
		for i, want := range []string{"", "assert_exception"} {
			if _, failure := ask(t, n, broadcast, "["+tx+"]"); failure.Data.Name != want {
				t.Errorf("%d: %+v", i, failure)
			}
		}
		id := chain.Transactions()[0].ID
		status := func() string {
			result, _ := ask(t, n, "transaction_status_api.find_transaction", `{"transaction_id":"`+
				id.String()+`","expiration":"2000-01-01T00:02:00"}`)
			return result
		}
		block := first + 21
		for _, want := range []string{`{"status":"within_mempool"}`,
			fmt.Sprintf(`{"status":"within_reversible_block","block_num":%d}`, block),
			fmt.Sprintf(`{"status":"within_reversible_block","block_num":%d}`, block),
			fmt.Sprintf(`{"status":"within_irreversible_block","block_num":%d}`, block)} {
			if got := status(); got != want {
				t.Errorf("status %s, wanted %s", got, want)
			}
			chain.Produce(1)
		}
		if chain.Count(id) != 1 {
			t.Error("not on the chain once")
		}
		if result, _ := ask(t, n, "condenser_api.get_transaction", `["`+id.String()+
			`"]`); !strings.Contains(result, fmt.Sprintf(`"block_num":%d`, block)) {
			t.Errorf("get_transaction: %s", result)
		}
		time.Sleep(5 * time.Minute)
		if _, failure := ask(t, n, broadcast,
			"["+tx+"]"); failure.Data.Name != "transaction_expiration_exception" {
			t.Errorf("after the expiration: %+v", failure)
		}
		var properties struct {
			Number       uint32 `json:"head_block_number"`
			ID           string `json:"head_block_id"`
			Irreversible uint32 `json:"last_irreversible_block_num"`
		}
		result, _ := ask(t, n, "condenser_api.get_dynamic_global_properties", "[]")
		if err := json.Unmarshal([]byte(result), &properties); err != nil {
			t.Fatal(err)
		}
		if _, _, err := hive.ReferenceBlock(properties.Number, properties.ID); err != nil ||
			properties.Irreversible != properties.Number-2 {
			t.Errorf("%s: %v", result, err)
		}
		header, _ := ask(t, n, "call", fmt.Sprintf(`["condenser_api","get_block_header",[%d]]`,
			properties.Irreversible))
		var previous struct{ Previous string }
		if err := json.Unmarshal([]byte(header), &previous); err != nil {
			t.Fatal(err)
		}
		num, prefix, err := hive.ReferenceBlock(properties.Irreversible-1, previous.Previous)
		if wantNum, wantPrefix := chain.Reference(); err != nil || num != wantNum || prefix != wantPrefix {
			t.Errorf("reference %d %d, wanted %d %d: %v", num, prefix, wantNum, wantPrefix, err)
		}
	})
}

// TestMoney: transfers move it and cannot move more than there is.
func TestMoney(t *testing.T) {
	chain := memchain.NewChain(memchain.Options{Network: hive.Testnet})
	chain.AddUser("alice")
	chain.AddUser("bob")
	n := chain.NewNode("a")
	send := func(amounts ...string) rpcError {
		var ops []string
		for _, amount := range amounts {
			ops = append(ops, `["transfer",{"from":"alice","to":"bob","amount":"`+amount+`","memo":""}]`)
		}
		_, failure := ask(t, n, broadcast,
			"["+signed(t, chain, []*hive.PrivateKey{memchain.Key("alice", hive.Active)}, ops...)+"]")
		return failure
	}
	if failure := send("600.000 TESTS", "400.001 TESTS"); !strings.Contains(failure.Message, "sufficient funds") {
		t.Errorf("too much in two parts: %+v", failure)
	}
	if failure := send("600.000 TESTS", "400.000 TESTS", "1.000 TBD"); failure.Code != 0 {
		t.Errorf("%+v", failure)
	}
	alice, _ := chain.Account("alice")
	bob, _ := chain.Account("bob")
	if alice.HIVE != 0 || alice.HBD != 999_000 || bob.HIVE != 2_000_000 || bob.HBD != 1_001_000 {
		t.Errorf("alice %d %d, bob %d %d", alice.HIVE, alice.HBD, bob.HIVE, bob.HBD)
	}
	result, _ := ask(t, n, "condenser_api.get_accounts", `[["bob","nobody"]]`)
	if !strings.Contains(result, `"balance":"2000.000 TESTS"`) || strings.Contains(result, "nobody") {
		t.Errorf("accounts %s", result)
	}
	key := memchain.Key("bob", hive.Active).Public().String()
	if result, _ := ask(t, n, "account_by_key_api.get_key_references", `{"keys":["`+key+
		`"]}`); result != `{"accounts":[["bob"]]}` {
		t.Errorf("references %s", result)
	}
	if result, _ := ask(t, n, "rc_api.find_rc_accounts",
		`{"accounts":["bob"]}`); !strings.Contains(result, `"account":"bob"`) {
		t.Errorf("credits %s", result)
	}
}

// TestServer: the same over a socket, where a broken connection looks like one.
