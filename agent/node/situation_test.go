package node_test

import (
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// Two hosts tell all that they know of an account; one that offers less leaves out what it does not
// know, and is believed in the rest.
func TestSituations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		soon := hive.TimeOf(time.Now().Add(48 * time.Hour))
		w.chain.Change("alice", func(a *nodetest.Account) {
			a.Recovery, a.Proxy, a.PowerDown, a.NextPowerDown = "bob", "carol", 13_000_000, soon
			a.PowerDownPaid = 2_000_000
			a.RecoveryChange = &nodetest.RecoveryChange{To: "mallory", On: soon}
			a.Routes = []nodetest.Route{{To: "dave", Percent: 5000, Auto: true}, {To: "bob", Percent: 1}}
			a.Savings = []nodetest.SavingsWithdrawal{{ID: 7, To: "bob", Amount: 1500, Memo: "\x1b]", Pays: soon}}
		})
		w.nodes[1].FailAlways("database_api.find_change_recovery_account_requests", nodetest.Refused)
		reports := w.c.Situations(t.Context(), 2, []hive.AccountName{"alice", "bob", "nobody"},
			func(node.Account) bool { return true })
		if len(reports) != 2 || len(reports[0].Accounts) != 2 {
			t.Fatalf("%+v", reports)
		}
		alice := reports[0].Accounts["alice"]
		if s := alice.Account.State; s == nil || *s != (node.AccountState{Recovery: "bob", Proxy: "carol",
			PowerDown: 13_000_000, PowerDownEnds: hive.TimeOf(soon.Time().Add(10 * 7 * 24 * time.Hour)), Routes: 2,
			Savings: 1}) {
			t.Errorf("state: %+v", s)
		}
		if alice.Recovery == nil || *alice.Recovery != (node.RecoveryChange{To: "mallory", On: soon}) {
			t.Errorf("recovery: %+v", alice.Recovery)
		}
		if r := alice.Routes; r == nil || !reflect.DeepEqual(*r, []node.Route{{To: "bob", Percent: 1},
			{To: "dave", Percent: 5000, Auto: true}}) {
			t.Errorf("routes: %+v", r)
		}
		if s := alice.Savings; s == nil || !reflect.DeepEqual(*s, []node.SavingsWithdrawal{{ID: 7, To: "bob",
			Amount: hive.Asset{Amount: 1500, Symbol: hive.HBD}, Pays: soon}}) {
			t.Errorf("savings: %+v", s)
		}
		bob := reports[0].Accounts["bob"]
		if bob.Account.State == nil || *bob.Recovery != (node.RecoveryChange{}) || len(*bob.Routes) != 0 ||
			len(*bob.Savings) != 0 {
			t.Errorf("bob: %+v", bob)
		}
		if less := reports[1].Accounts["alice"]; less.Recovery != nil || less.Routes == nil || less.Savings == nil {
			t.Errorf("of a host that does not tell changes: %+v", less)
		}
	})
}

// Five thousand accounts with nothing under way take a hundred calls; routes and withdrawals that
// are not asked for take none.
func TestSituationsOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		alice, _ := w.chain.Account("alice")
		var names []hive.AccountName
		for i := range 5000 {
			alice.Name = hive.AccountName(fmt.Sprintf("user%05d", i))
			alice.Routes = []nodetest.Route{{To: "bob", Percent: 1}}
			w.chain.AddAccount(alice)
			names = append(names, alice.Name)
		}
		reports := w.c.Situations(t.Context(), 1, names, func(node.Account) bool { return false })
		if len(reports) != 1 || len(reports[0].Accounts) != 5000 {
			t.Fatalf("%d reports", len(reports))
		}
		if s := reports[0].Accounts["user04999"]; s.Routes != nil || s.Savings == nil || s.Recovery == nil {
			t.Errorf("%+v", s)
		}
		accounts, changes := w.nodes[0].Calls("condenser_api.get_accounts"),
			w.nodes[0].Calls("database_api.find_change_recovery_account_requests")
		if accounts != 50 || changes != 50 || w.nodes[0].Calls("condenser_api.get_withdraw_routes") != 0 {
			t.Errorf("%d and %d calls", accounts, changes)
		}
	})
}

// What a node says beside the keys in another form is not told, and the keys count all the same.
func TestSituationInAnotherForm(t *testing.T) {
	const keys = `{"name":"alice","owner":{"weight_threshold":1,"account_auths":[],"key_auths":[]},` +
		`"active":{"weight_threshold":1,"account_auths":[],"key_auths":[]},"posting":{"weight_threshold":1,` +
		`"account_auths":[],"key_auths":[]},"memo_key":"STM1111111111111111111111111111111114T1Anm"`
	const state = `,"recovery_account":"bob","proxy":"","vesting_withdraw_rate":"1.000000 VESTS",` +
		`"next_vesting_withdrawal":"2026-12-01T00:00:00","to_withdraw":"13000000","withdrawn":0,"withdraw_routes":0,` +
		`"savings_withdraw_requests":0`
	for _, c := range []struct {
		name, more string
		told       bool
	}{
		{"none", "", false},
		{"all, with digits as a text", state, true},
		{"another proxy", state + `,"proxy":7`, false},
		{"no name", `,"recovery_account":"Bob!"` + state[len(`,"recovery_account":"bob"`):], false},
		{"no number", state[:len(state)-1] + `"0"`, false},
	} {
		list, err := node.ForTestReadAccounts([]byte("[" + keys + c.more + "}]"))
		switch {
		case c.name == "another proxy": // a member twice makes the whole answer malformed, as ever
			if err == nil {
				t.Errorf("%s: taken", c.name)
			}
		case err != nil || (list[0].State != nil) != c.told:
			t.Errorf("%s: %+v, %v", c.name, list, err)
		}
	}
}

// FuzzSituation: no answer panics, and what is taken names accounts in the form of the chain.
func FuzzSituation(f *testing.F) {
	for _, seed := range []string{
		`{"requests":[{"account_to_recover":"alice","recovery_account":"bob","effective_on":"2026-12-01T00:00:00"}]}`,
		`[{"from_account":"alice","to_account":"bob","percent":1,"auto_vest":true}]`,
		`[{"from":"alice","to":"bob","request_id":1,"amount":"1.000 HBD","complete":"2026-12-01T00:00:00"}]`,
		`{"requests":[{},{}]}`, `[{"to":"\u001b"}]`, `[[]]`, `null`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, name := range node.ForTestSituation([]byte(body), "alice") {
			if _, err := hive.ParseAccountName(string(name)); err != nil {
				t.Errorf("%q names %q", body, name)
			}
		}
	})
}
