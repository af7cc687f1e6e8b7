package oldwallet

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/keystore/linejson"
	"pksa/protocol/hive"
)

func compiled(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, problems := policy.Compile("policy.yaml", []byte(text), policy.Options{Now: time.Now()})
	if p == nil {
		t.Fatalf("%v\n%s", problems, text)
	}
	return p
}

func operation(t *testing.T, text string) hive.Operation {
	t.Helper()
	op, err := hive.Mainnet.ParseOperation([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// The policy that comes of the old switches allows what the old wallet did or less, whatever they
// were.
func TestPolicyIsNotLaxer(t *testing.T) {
	sign := func(role hive.Role, op string) *policy.Request {
		return &policy.Request{Kind: policy.Sign, Account: "alice", App: App, Role: role, Broadcast: true,
			Ops: []hive.Operation{operation(t, op)}}
	}
	vote := `["vote",{"voter":"alice","author":"bob","permlink":"p","weight":1}]`
	other := `["vote",{"voter":"carol","author":"bob","permlink":"p","weight":1}]`
	transfer := `["transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE","memo":""}]`
	active := `["custom_json",{"required_auths":["alice"],"required_posting_auths":[],"id":"x","json":"{}"}]`
	posting := `["custom_json",{"required_auths":[],"required_posting_auths":["alice"],"id":"x","json":"{}"}]`
	withApp := func(q *policy.Request, app string) *policy.Request { q.App = app; return q }
	signOnly := sign(hive.Posting, vote)
	signOnly.Broadcast = false
	stranger := sign(hive.Posting, vote)
	stranger.Account = "bob"
	for i := range 16 {
		w := &Wallet{ApproveAuth: i&1 != 0, RejectAuth: i&2 != 0, RejectSign: i&4 != 0, RejectChallenge: i&8 != 0,
			Days: 2}
		held := []hive.Role{hive.Memo, hive.Posting, hive.Active}
		p := compiled(t, w.Policy(held, []string{"alice"}))
		allReject := w.RejectAuth && w.RejectSign && w.RejectChallenge
		for name, tt := range map[string]struct {
			q      *policy.Request
			allow  bool
			silent bool
		}{
			"vote":            {sign(hive.Posting, vote), true, false},
			"posting json":    {sign(hive.Posting, posting), true, false},
			"another account": {sign(hive.Posting, other), false, !allReject},
			"transfer":        {sign(hive.Active, transfer), false, !w.RejectSign},
			"active json":     {sign(hive.Active, active), false, !w.RejectSign},
			"another app":     {withApp(sign(hive.Posting, vote), "other"), false, !allReject},
			"an account more": {stranger, false, !allReject},
			"signed only":     {signOnly, false, !allReject},
			"new session": {&policy.Request{Kind: policy.Auth, Account: "alice", App: App}, w.ApproveAuth,
				!allReject},
			"known session": {&policy.Request{Kind: policy.Auth, Account: "alice", App: App,
				ManualSession: true}, true, false},
			"posting text": {&policy.Request{Kind: policy.Challenge, Account: "alice", App: App,
				Role: hive.Posting, Text: "a\nb"}, true, false},
			"active text": {&policy.Request{Kind: policy.Challenge, Account: "alice", App: App,
				Role: hive.Active, Text: "a"}, true, false},
			"memo decrypted": {&policy.Request{Kind: policy.Decrypt, Account: "alice", App: App, Role: hive.Memo,
				Text: "#a"}, true, false},
			"decrypt, another": {&policy.Request{Kind: policy.Decrypt, Account: "bob", App: App, Role: hive.Memo,
				Text: "#a"}, false, !allReject},
		} {
			d := p.Decide(tt.q, new(policy.Book), time.Now())
			if (d.Verdict == policy.Allow) != tt.allow || !tt.allow && d.Silent != tt.silent {
				t.Errorf("switches %04b, %s: %v, silent %t: %s", i, name, d.Verdict, d.Silent, d.Reason)
			}
			if name == "new session" && tt.allow && d.Session != 48*time.Hour {
				t.Errorf("session of %s", d.Session)
			}
		}
	}
}

// Roles without keys have no rules, and every set of them gives a policy that can be read.
func TestPolicyOfFewKeys(t *testing.T) {
	for _, held := range [][]hive.Role{{hive.Memo}, {hive.Posting}, {hive.Active}, {hive.Posting, hive.Active}} {
		for _, accounts := range [][]string{nil, {"alice", "bob.carol"}} {
			for _, days := range []float64{1, 0.05, 365.5} {
				text := (&Wallet{ApproveAuth: true, Days: days}).Policy(held, accounts)
				compiled(t, text)
				keepsStrict(t, text)
				if strings.Contains(text, "decrypt") != slices.Contains(held, hive.Memo) {
					t.Errorf("%v: %s", held, text)
				}
			}
		}
	}
}

// keepsStrict wants a policy of version 2 of which nothing is warned, in a wallet of one account
// and of two.
func keepsStrict(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(text, "\nversion: 2\n") {
		t.Errorf("not version 2:\n%s", text)
	}
	for _, held := range [][]hive.AccountName{nil, {"alice", "bob.carol"}, {"alice", "bob.carol", "dave"}} {
		_, problems := policy.Compile("policy.yaml", []byte(text), policy.Options{Accounts: held, Apps: []string{App}})
		if len(problems.Errors()) > 0 || len(problems.Warnings()) > 0 {
			t.Errorf("in a wallet of %v:\n%v\n%s", held, problems, text)
		}
	}
}

// Whatever stands in storage.json, it is read or complained of, and what was read makes a policy.
func FuzzOldWallet(f *testing.F) {
	f.Add(`{"pksa_name":"x","auth_req_secret":"s","auth_req_approve":true,"auth_timeout_days":1.5,"hive_api":["a"],` +
		`"has_server":"b"}`)
	f.Add(`{"accounts":[{"name":"alice","auths":[{"expire":1,"key":"k","app":{"name":"n"},"nonce":1700000000}]}],` +
		`"keys":[]}`)
	f.Add(`{"accounts":[{"name":"alice","auths":[{"expire":1e300,"key":"k","nonce":-1}]}],"accounts":[]}`)
	f.Add("{\n\"keys\":[{\"name\":\"alice\",\n\"posting\":\"5J\"}]}")
	f.Add(`{"token_timeout_days":0,"auto_approve_auth_req":true,"keys":"a/b.json","accounts":[{"name":"alice",` +
		`"auths":[` +
		`{"token":"t","expire":1.5,"key":"k","nonce":"12"},{"expire":2,"key":"k","nonce":true,"ts_lastused":""}]}]}`)
	f.Add(`[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]`)
	f.Fuzz(func(t *testing.T, text string) {
		root, err := linejson.Parse([]byte(text))
		if err != nil {
			return
		}
		w := &Wallet{Days: 1}
		w.read(root)
		if len(w.problems) > 0 {
			return
		}
		var accounts []string
		for _, a := range w.Accounts {
			accounts = append(accounts, string(a.Name))
			for _, auth := range a.Sessions {
				if auth.Key == "" || auth.Nonce < 0 || auth.Nonce > 1<<53-1 {
					t.Errorf("took session %+v", auth)
				}
			}
		}
		slices.Sort(accounts)
		compiled(t, w.Policy([]hive.Role{hive.Posting}, slices.Compact(accounts)))
	})
}

// A nonce that is no time spoils its auth_key, also where a session that ended had it. A token
// marks a session of the time before nonces.
func TestLastNonces(t *testing.T) {
	read := func(nonce string) Session {
		root, err := linejson.Parse([]byte(`{"key":"k","expire":1800000000000.5,"token":"t","nonce":` + nonce + `}`))
		if err != nil {
			t.Fatal(err)
		}
		s, err := readSession(root)
		if err != nil || !s.Token || s.Expires.UnixMilli() != 1800000000000 {
			t.Fatalf("%s: %+v, %v", nonce, s, err)
		}
		return s
	}
	for nonce, want := range map[string]int64{"null": 0, "1700000000": 1700000000000, "1700000000001": 1700000000001,
		`"1700000000001"`: 1700000000001, "1700000000000.5": 1700000000001} {
		if s := read(nonce); s.Nonce != want || s.BadNonce {
			t.Errorf("%s: %+v", nonce, s)
		}
	}
	for _, nonce := range []string{"1e300", "-1", "true", `"soon"`, `"NaN"`, `"1e999"`, "[]", "{}"} {
		s := read(nonce)
		if !s.BadNonce {
			t.Errorf("%s: %+v", nonce, s)
		}
		a := Account{Sessions: []Session{{Key: "k"}, s}}
		if !a.BadNonce("k") || a.BadNonce("other") {
			t.Errorf("%s: the auth_key is not spoiled", nonce)
		}
	}
}

// Of two settings for the length of a session the shorter counts, whichever version read which.
func TestDays(t *testing.T) {
	for text, want := range map[string]float64{
		`{}`: 1, `{"auth_timeout_days":0}`: 1, `{"token_timeout_days":null}`: 1, `{"token_timeout_days":3}`: 3,
		`{"token_timeout_days":3,"auth_timeout_days":2}`: 2, `{"token_timeout_days":3,"auth_timeout_days":20}`: 3,
		`{"auth_timeout_days":3650}`: 366,
	} {
		root, err := linejson.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		w := &Wallet{Days: defaultDays}
		if w.read(root); len(w.problems) > 0 || w.Days != want {
			t.Errorf("%s: %v days, %v", text, w.Days, w.problems)
		}
	}
}

// Keys that stand in storage.json itself are read with its lines, and not beside a keys.json.
func TestKeysInStorage(t *testing.T) {
	dir := t.TempDir()
	key := hive.PrivateKeyFromSeed("alice posting").WIF()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("storage.json", "{\n\n\"keys\": [{\"name\": \"alice\",\n\"posting\": \""+key+"\"}]}")
	w, err := Read(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	var read []hive.AccountName
	if err := w.Keys.Check(t.Context(), func(_ context.Context, a hive.AccountName, _ hive.PublicKey) ([]hive.Role,
		error) {
		read = append(read, a)
		return []hive.Role{hive.Posting}, nil
	}); err != nil || !slices.Equal(read, []hive.AccountName{"alice"}) {
		t.Fatalf("read keys of %q, %v", read, err)
	}
	put("storage.json", "{\n\n\"keys\": [{\"name\": \"alice\",\n\"posting\": \"5J\"}]}")
	if _, err = Read(dir, ""); err == nil || !strings.Contains(err.Error(), "storage.json:4: alice/posting") {
		t.Errorf("%v", err)
	}
	put("keys.json", "[]")
	if _, err = Read(dir, ""); err == nil || !strings.Contains(err.Error(),
		"storage.json:3: there are keys here and in") {
		t.Errorf("%v", err)
	}
}
