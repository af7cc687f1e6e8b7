package guard

import (
	"strings"
	"testing"
	"time"

	"pksa/agent/node"
	"pksa/protocol/hive"
)

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// situation returns an account with all that is looked at.
func situation(change func(*node.Situation)) Seen {
	key := hive.PrivateKeyFromSeed("alice").Public()
	one := hive.Authority{WeightThreshold: 1, KeyAuths: []hive.KeyWeight{{Key: key, Weight: 1}}}
	s := node.Situation{
		Account: node.Account{Name: "alice", Owner: one, Active: one, Posting: one, Memo: key,
			State: &node.AccountState{Recovery: "bob"}},
		Recovery: &node.RecoveryChange{}, Routes: &[]node.Route{}, Savings: &[]node.SavingsWithdrawal{},
	}
	change(&s)
	return See(s, "STM")
}

func op(t *testing.T, text string) hive.Operation {
	t.Helper()
	o, err := hive.Mainnet.ParseOperation([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Every kind of change is seen, as one of that kind alone, and the operation that makes it explains
// it; the same operation for another account, or with another value, does not.
func TestKindsOfChange(t *testing.T) {
	other := hive.PrivateKeyFromSeed("mallory").Public()
	auth := hive.Authority{WeightThreshold: 1, KeyAuths: []hive.KeyWeight{{Key: other, Weight: 1}}}
	authText := `{"weight_threshold":1,"account_auths":[],"key_auths":[["` + other.String() + `",1]]}`
	update := func(member, value string) string {
		return `["account_update2",{"account":"alice","` + member + `":` + value +
			`,"json_metadata":"","posting_json_metadata":"","extensions":[]}]`
	}
	soon := hive.TimeOf(now.Add(72 * time.Hour))
	for _, c := range []struct {
		kind   Kind
		change func(*node.Situation)
		by     string // the operation; empty: none of this wallet can
	}{
		{Owner, func(s *node.Situation) { s.Account.Owner = auth }, update("owner", authText)},
		{Active, func(s *node.Situation) { s.Account.Active = auth }, update("active", authText)},
		{Posting, func(s *node.Situation) { s.Account.Posting = auth }, update("posting", authText)},
		{Memo, func(s *node.Situation) { s.Account.Memo = other }, update("memo_key", `"`+other.String()+`"`)},
		{Recovery, func(s *node.Situation) { s.Account.State.Recovery = "mallory" }, ""},
		{RecoveryChange, func(s *node.Situation) { s.Recovery = &node.RecoveryChange{To: "mallory", On: soon} },
			`["change_recovery_account",{"account_to_recover":"alice","new_recovery_account":"mallory",` +
				`"extensions":[]}]`},
		{Proxy, func(s *node.Situation) { s.Account.State.Proxy = "mallory" },
			`["account_witness_proxy",{"account":"alice","proxy":"mallory"}]`},
		{PowerDown, func(s *node.Situation) {
			s.Account.State.PowerDown, s.Account.State.PowerDownEnds = 13_000_000,
				soon
		},
			`["withdraw_vesting",{"account":"alice","vesting_shares":"13.000000 VESTS"}]`},
		{Routes, func(s *node.Situation) { s.Routes = &[]node.Route{{To: "mallory", Percent: 10000}} },
			`["set_withdraw_vesting_route",{"from_account":"alice","to_account":"mallory","percent":10000,` +
				`"auto_vest":false}]`},
		{Savings, func(s *node.Situation) {
			s.Savings = &[]node.SavingsWithdrawal{{ID: 7, To: "mallory", Amount: hive.Asset{Amount: 1500,
				Symbol: hive.HBD},
				Pays: soon}}
		}, `["transfer_from_savings",{"from":"alice","request_id":7,"to":"mallory","amount":"1.500 HBD","memo":""}]`},
	} {
		was, is := situation(func(*node.Situation) {}), situation(c.change)
		for _, kind := range Kinds() {
			if (was[kind] != is[kind]) != (kind == c.kind) {
				t.Errorf("%s changes, and %s: %q, then %q", c.kind, kind, was[kind], is[kind])
			}
		}
		explained := func(account hive.AccountName, ops ...hive.Operation) bool {
			return Explained(account, c.kind, was[c.kind], is[c.kind], "STM", ops)
		}
		if comesByItself(c.kind, was, is, time.Time{}, now) || explained("alice") {
			t.Errorf("%s is explained by nothing", c.kind)
		}
		if c.by == "" {
			continue
		}
		if !explained("alice", op(t, c.by)) || explained("carol", op(t, c.by)) {
			t.Errorf("%s is not explained by %s, or for another account", c.kind, c.by)
		}
		wrong := strings.NewReplacer("mallory", "bob", "13.000000", "14.000000", other.String(),
			hive.PrivateKeyFromSeed("bob").Public().String()).Replace(c.by)
		if explained("alice", op(t, wrong)) {
			t.Errorf("%s is explained by %s", c.kind, wrong)
		}
	}
}

// What time alone does is no change, and what is done before its time is one.
func TestWhatTimeDoes(t *testing.T) {
	next := now.Add(time.Hour)
	pays := next.Format("2006-01-02T15:04:05")
	for _, c := range []struct {
		name    string
		kind    Kind
		was, is Seen
	}{
		{"a power-down ends", PowerDown, Seen{PowerDown: "13.000000 VESTS"}, Seen{PowerDown: None}},
		{"savings are paid", Savings, Seen{Savings: "7 1.500 HBD to bob " + pays}, Seen{Savings: None}},
		{"an announced recovery account", Recovery, Seen{Recovery: "bob", RecoveryChange: "carol " + pays},
			Seen{Recovery: "carol"}},
		{"its announcement is over", RecoveryChange, Seen{RecoveryChange: "carol " + pays}, Seen{RecoveryChange: None}},
	} {
		if comesByItself(c.kind, c.was, c.is, next, now) {
			t.Errorf("%s, an hour too early", c.name)
		}
		if !comesByItself(c.kind, c.was, c.is, next, next) {
			t.Errorf("%s at its time", c.name)
		}
	}
	if comesByItself(Recovery, Seen{RecoveryChange: "carol " + pays}, Seen{Recovery: "mallory"}, next, next) {
		t.Error("another recovery account than was announced")
	}
}

// A route that changes is explained by the operation that sets it, one that goes by one with zero.
func TestRoutesOfOwn(t *testing.T) {
	set := func(to, percent string) hive.Operation {
		return op(t, `["set_withdraw_vesting_route",{"from_account":"alice","to_account":"`+to+`","percent":`+percent+
			`,"auto_vest":false}]`)
	}
	was, half := "100.00% as HIVE to bob", "50.00% as HIVE to bob"
	if !Explained("alice", Routes, was, half, "STM", []hive.Operation{set("bob", "5000")}) ||
		!Explained("alice", Routes, was, None, "STM", []hive.Operation{set("bob", "0")}) ||
		Explained("alice", Routes, was, None, "STM", []hive.Operation{set("bob", "5000")}) ||
		Explained("alice", Routes, was, half+"; 50.00% as HIVE to carol", "STM", []hive.Operation{set("bob", "5000")}) {
		t.Error("routes are not explained by what sets them")
	}
}

// A long list of keys is kept as its digest, and a name that is none is not repeated.
func TestValuesAreBounded(t *testing.T) {
	s := situation(func(s *node.Situation) {
		s.Account.Posting.AccountAuths = []hive.AccountWeight{{Account: "\x1b[31m", Weight: 1}}
		for range 200 {
			s.Account.Active.KeyAuths = append(s.Account.Active.KeyAuths, s.Account.Active.KeyAuths[0])
		}
	})
	if strings.Contains(s[Posting], "\x1b") || !strings.HasPrefix(s[Active], "sha256 ") {
		t.Errorf("%q, %q", s[Posting], s[Active])
	}
}

// FuzzNote: no note panics, and one that is read is written as it is read.
func FuzzNote(f *testing.F) {
	f.Add([]byte(`{"v":1,"at":"2026-11-26T12:00:00Z","seen":{"proxy":"bob"}}`))
	f.Add([]byte(`{"v":1,"at":"2026-11-26T12:00:00Z","seen":{},"changes":[{"what":"memo","was":"a","now":"b",` +
		`"at":"2026-11-26T12:00:00Z","hosts":["a.example"]}],"stopped":true}`))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"seen":{"nothing":"x"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := readNote(text)
		if err != nil {
			return
		}
		again, err := readNote(n.encode())
		if err != nil || string(again.encode()) != string(n.encode()) {
			t.Errorf("%s: %v", n.encode(), err)
		}
	})
}
