package keystore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pksa/keystore"
	"pksa/protocol/hive"
)

func vectors(t *testing.T, name string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(goldenText(t, name)), into); err != nil {
		t.Fatal(err)
	}
}

func TestImportVectors(t *testing.T) {
	var file struct {
		Vectors []struct {
			Name, WIF string
			Valid     bool
			Public    string `json:"public_key"`
		}
	}
	vectors(t, "keys.json", &file)
	valid, invalid := 0, 0
	for _, v := range file.Vectors {
		s, _, _ := newStore(t)
		err := s.Import("alice", hive.Posting, []byte(v.WIF))
		public, _ := s.Public("alice", hive.Posting)
		switch {
		case v.Name == "wif-trailing-newline": // white space around a pasted key is no fault of the key
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		case v.Valid:
			valid++
			if err != nil || public.String() != v.Public {
				t.Errorf("%s: got %s, %v", v.Name, public, err)
			}
		default:
			invalid++
			if !errors.Is(err, keystore.ErrMalformedKey) || v.WIF != "" && strings.Contains(err.Error(), v.WIF) {
				t.Errorf("%s: got %v", v.Name, err)
			}
		}
	}
	if valid < 10 || invalid < 7 {
		t.Errorf("only %d valid and %d invalid vectors", valid, invalid)
	}
}

func TestImportRefused(t *testing.T) {
	good := wif("x")
	for name, tt := range map[string]struct {
		account hive.AccountName
		role    hive.Role
		text    []byte
		want    error
		says    string
	}{
		"owner role":  {"alice", hive.Owner, good, keystore.ErrOwnerKey, "alice/owner"},
		"no role":     {"alice", 0, good, keystore.ErrBadRole, "posting"},
		"bad account": {"Alice", hive.Memo, good, keystore.ErrBadAccount, ""},
		"no account":  {"", hive.Memo, good, keystore.ErrBadAccount, ""},
		"empty":       {"alice", hive.Memo, nil, keystore.ErrMalformedKey, "51 characters"},
		"public key": {"alice", hive.Memo, []byte(key("x").Public().String()), keystore.ErrMalformedKey,
			"public key"},
		"master password": {"alice", hive.Memo, []byte("P5JZABPReZZqYBvrFYDAhmN6NQ6r9wDn9B9FnXPNLixhBaAyRbsq"),
			keystore.ErrMalformedKey, "master password"},
		"one off":        {"alice", hive.Memo, append(good[:50:50], '1'), keystore.ErrMalformedKey, "alice/memo"},
		"key as account": {hive.AccountName(good), hive.Memo, good, keystore.ErrBadAccount, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, path, unlock := newStore(t)
			err := s.Import(tt.account, tt.role, tt.text)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v saying %q", err, tt.want, tt.says)
			}
			if len(tt.text) > 0 && strings.Contains(err.Error(), string(tt.text)) || strings.Contains(err.Error(),
				string(good)) {
				t.Errorf("the error shows the text: %v", err)
			}
			if got := describe(mustOpen(t, path, unlock)); got != "" {
				t.Errorf("kept %s", got)
			}
		})
	}
}

// counts returns how many keys were new, replaced and unchanged.
func counts(a keystore.Added) [3]int { return [3]int{a.New, a.Replaced, a.Unchanged} }

func TestImportThereAlready(t *testing.T) {
	s, path, unlock := newStore(t)
	mustImport(t, s, "alice", hive.Posting, "one")
	before, _ := os.ReadFile(path)
	if err := s.Import("alice", hive.Posting, wif("one")); err != nil {
		t.Errorf("the same key: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the same key: the file was written")
	}
	if err := s.Import("alice", hive.Posting, wif("two")); !errors.Is(err, keystore.ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
	same, _ := keystore.KeyOf("alice", hive.Posting, wif("one"))
	if added, err := s.Add(same, keystore.AddOptions{Replace: true}); err != nil ||
		counts(added) != [3]int{0, 0, 1} {
		t.Errorf("the same key with Replace: %+v, %v", added, err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the file was rewritten")
	}
	other, _ := keystore.KeyOf("alice", hive.Posting, wif("two"))
	if added, err := s.Add(other, keystore.AddOptions{Replace: true}); err != nil ||
		counts(added) != [3]int{0, 1, 0} {
		t.Errorf("another key with Replace: %+v, %v", added, err)
	}
	for _, s := range []*keystore.Store{s, mustOpen(t, path, unlock)} {
		if public, _ := s.Public("alice", hive.Posting); public != key("two").Public() {
			t.Errorf("public key %s", public)
		}
	}
	if _, err := s.Add(other, keystore.AddOptions{Replace: true}); !errors.Is(err, keystore.ErrNoKeys) {
		t.Errorf("a used batch: %v", err)
	}
	// What another process did in the meantime counts, not what this store remembers.
	stale := mustOpen(t, path, unlock)
	if err := s.Remove("alice", hive.Posting); err != nil {
		t.Fatal(err)
	}
	mustImport(t, stale, "alice", hive.Posting, "three")
}

func TestReadKeyLines(t *testing.T) {
	s, path, unlock := newStore(t)
	text := fmt.Sprintf("# keys\n\nalice posting %s\r\n  alice\tmemo   %s  \nbob active %s", wif("ap"), wif("am"),
		wif("ba"))
	batch, err := keystore.ReadKeyLines("keys.txt", iotest.OneByteReader(strings.NewReader(text)))
	if err != nil || batch.Len() != 3 || batch.Hint() != "" {
		t.Fatalf("%v, %v", batch, err)
	}
	if added, err := s.Add(batch, keystore.AddOptions{}); err != nil || added.New != 3 {
		t.Fatalf("%+v, %v", added, err)
	}
	if got := describe(mustOpen(t, path, unlock)); got != "alice[memo posting] bob[active]" {
		t.Errorf("got %s", got)
	}
	if public, _ := s.Public("alice", hive.Memo); public != key("am").Public() {
		t.Errorf("public key %s", public)
	}
}

// All complaints in one run, each with its line, and none shows a key, wherever it stands.
func TestReadKeyLinesComplaints(t *testing.T) {
	w := string(wif("x"))
	text := strings.Join([]string{
		"alice posting " + w,          // 1 good
		"alice posting " + w,          // 2 repeated
		"alice owner " + w,            // 3
		"alice postin " + w,           // 4
		"alice " + w + " posting",     // 5
		w + " posting alice",          // 6
		"alice " + w,                  // 7
		"Alice memo " + w,             // 8
		"alice memo " + w[:50],        // 9
		"bob memo " + w + " # my key", // 10
		"bob memo " + w,               // 11 good
	}, "\n")
	_, err := keystore.ReadKeyLines("keys.txt", strings.NewReader(text))
	var complaints keystore.Complaints
	if !errors.As(err, &complaints) {
		t.Fatalf("got %v", err)
	}
	var lines []int
	for _, c := range complaints {
		lines = append(lines, c.Line)
		if c.File != "keys.txt" {
			t.Errorf("file %q", c.File)
		}
	}
	if want := []int{2, 3, 4, 5, 6, 7, 8, 9, 10}; !slices.Equal(lines, want) {
		t.Errorf("lines %v, want %v:\n%v", lines, want, err)
	}
	if strings.Contains(err.Error(), w[:50]) {
		t.Errorf("shows a key:\n%v", err)
	}
	for _, part := range []string{"keys.txt:2: alice/posting: ", "in line 1", "keys.txt:3: alice/owner: an owner key",
		"keys.txt:9: alice/memo: not a private key",
		"keys.txt:7: wanted three words"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("lacks %q:\n%v", part, err)
		}
	}
	for _, sentinel := range []error{keystore.ErrOwnerKey, keystore.ErrBadRole, keystore.ErrBadAccount,
		keystore.ErrMalformedKey} {
		if !errors.Is(err, sentinel) {
			t.Errorf("is not %v", sentinel)
		}
	}
}

// An account can be left out of a batch, and placeholders of an example are named.
func TestLeaveAndSkip(t *testing.T) {
	text := fmt.Sprintf(`[{"name":"alice","posting":%q,"memo":"5..."},{"name":"user1","posting":"5..."},`+
		`{"name":"bob","memo":%q}]`, wif("one"), wif("two"))
	b, err := keystore.ReadKeysJSON("keys.json", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Wipe()
	if len(b.Skipped()) != 2 || !strings.Contains(b.Skipped()[0], "keys.json:1: the memo key") {
		t.Errorf("skipped %q", b.Skipped())
	}
	if got := fmt.Sprint(b.Accounts()); got != "[alice bob]" {
		t.Errorf("accounts %s", got)
	}
	if n := b.Leave("bob"); n != 1 || fmt.Sprint(b.Accounts()) != "[alice]" {
		t.Errorf("%d keys of bob left, accounts %v", n, b.Accounts())
	}
	if b.Leave("carol") != 0 {
		t.Error("keys of carol")
	}
}

// A list that is added again adds what is new, and says of each key which it is.
func TestAddTwice(t *testing.T) {
	s, path, unlock := newStore(t)
	mustImport(t, s, "alice", hive.Posting, "one")
	text := fmt.Sprintf("alice posting %s\ncarol memo %s\n", wif("one"), wif("c"))
	for i, want := range []string{"[{alice posting 2} {carol memo 0}]", "[{alice posting 2} {carol memo 2}]"} {
		batch, err := keystore.ReadKeyLines("keys.txt", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		added, err := s.Add(batch, keystore.AddOptions{})
		if got := fmt.Sprint(added.Keys); err != nil || got != want {
			t.Errorf("time %d: %s, %v; want %s", i+1, got, err, want)
		}
	}
	if got := describe(mustOpen(t, path, unlock)); got != "alice[posting] carol[memo]" {
		t.Errorf("got %s", got)
	}
}

// Complaints of the store name the lines too, and nothing of the batch is kept.
func TestAddAllOrNothing(t *testing.T) {
	s, path, unlock := newStore(t)
	mustImport(t, s, "alice", hive.Posting, "one")
	mustImport(t, s, "bob", hive.Posting, "one")
	text := fmt.Sprintf("carol memo %s\nalice posting %s\nbob posting %s\n", wif("c"), wif("one"), wif("two"))
	batch, err := keystore.ReadKeyLines("keys.txt", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Add(batch, keystore.AddOptions{})
	if !errors.Is(err, keystore.ErrOtherKey) || strings.Contains(err.Error(), "alice") ||
		!strings.Contains(err.Error(), "keys.txt:3: bob/posting: ") {
		t.Errorf("got %v", err)
	}
	for _, s := range []*keystore.Store{s, mustOpen(t, path, unlock)} {
		if got := describe(s); got != "alice[posting] bob[posting]" {
			t.Errorf("got %s", got)
		}
	}
	k, _ := s.Key("bob", hive.Posting)
	if sig, err := k.Sign(hive.HashText("x")); err != nil || !sig.Verify(hive.HashText("x"), key("one").Public()) {
		t.Errorf("the old key does not sign: %v", err)
	}
	batch, err = keystore.ReadKeyLines("keys.txt", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	added, err := s.Add(batch, keystore.AddOptions{Replace: true})
	if err != nil || counts(added) != [3]int{1, 1, 1} {
		t.Errorf("%+v, %v", added, err)
	}
	if got := describe(mustOpen(t, path, unlock)); got != "alice[posting] bob[posting] carol[memo]" {
		t.Errorf("got %s", got)
	}
}

func TestReadKeysJSON(t *testing.T) {
	text := fmt.Sprintf(`[
 {"name":"alice","posting":"%s","active":"%s","memo":"%s"},
 {"name":"bob","posting":"%s","active":""}
]`, wif("ap"), wif("aa"), wif("am"), wif("bp"))
	batch, err := keystore.ReadKeysJSON("keys.json", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	s, _, _ := newStore(t)
	if added, err := s.Add(batch, keystore.AddOptions{}); err != nil || added.New != 4 {
		t.Fatalf("%+v, %v", added, err)
	}
	if got := describe(s); got != "alice[memo posting active] bob[posting]" {
		t.Errorf("got %s", got)
	}
	if public, _ := s.Public("alice", hive.Active); public != key("aa").Public() {
		t.Errorf("public key %s", public)
	}
}

func TestReadKeysJSONComplaints(t *testing.T) {
	w := string(wif("x"))
	for name, tt := range map[string]struct {
		text string
		says []string
	}{
		"several": {`[
 {"name":"alice",
  "posting":"` + w[:50] + `",
  "memo":"STM",
  "owner":"` + w + `"},
 {"name":"Bob","memo":"` + w + `"},
 {"name":"carol"},
 {"name":"dave","memo":"` + w + `"},
 {"name":"dave","memo":"` + w + `"}
]`, []string{"keys.json:3: alice/posting: ", "keys.json:4: alice/memo: ",
			"keys.json:5: alice/owner: an owner key", "keys.json:6: not an account name",
			"keys.json:7: account carol: no keys", "keys.json:9: dave/memo: this account and role came before"}},
		"not JSON":       {`[{"name":"alice",}]`, []string{"keys.json:1: not valid JSON"}},
		"object":         {`{"name":"alice","memo":"` + w + `"}`, []string{"wanted an array"}},
		"unknown member": {`[{"name":"alice","Posting":"` + w + `"}]`, []string{`unknown member "Posting"`}},
		"key as member":  {`[{"name":"alice","` + w + `":"memo"}]`, []string{"unknown member (a long name)"}},
		"member twice": {`[{"name":"alice","memo":"` + w + `","memo":"` + w + `"}]`,
			[]string{`member "memo" comes twice`}},
		"number":          {`[{"name":"alice","memo":5}]`, []string{`"memo": wanted a string`}},
		"null":            {`[{"name":"alice","memo":null}]`, []string{"account alice: no keys to import"}},
		"only examples":   {`[{"name":"user1","posting":"5..."}]`, []string{"no keys"}},
		"null as a name":  {`[{"name":null,"memo":"` + w + `"}]`, []string{`"name": wanted a string`}},
		"nothing":         {`[]`, []string{"no keys"}},
		"after the array": {`[] []`, []string{"not valid JSON"}},
		"bad UTF-8":       {"[{\"name\":\"\xff\"}]", []string{"not valid JSON"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := keystore.ReadKeysJSON("keys.json", strings.NewReader(tt.text))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, part := range tt.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("lacks %q:\n%v", part, err)
				}
			}
			if strings.Contains(err.Error(), w[:50]) {
				t.Errorf("shows a key: %v", err)
			}
		})
	}
}

func TestReadImportFails(t *testing.T) {
	broken := errors.New("broken")
	if _, err := keystore.ReadKeyLines("x", iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := keystore.ReadKeyLines("x", strings.NewReader(strings.Repeat("\n", 17<<20))); err == nil ||
		!strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
	if _, err := keystore.ReadKeyLines("x", strings.NewReader("# none\n")); !errors.Is(err, keystore.ErrNoKeys) {
		t.Errorf("got %v", err)
	}
	var many strings.Builder
	for range 1000 {
		many.WriteString("x\n")
	}
	_, err := keystore.ReadKeyLines("x", strings.NewReader(many.String()))
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 101 || !strings.HasSuffix(err.Error(), "and 900 more") {
		t.Errorf("%d lines", lines)
	}
}

// chain is a checker that knows some accounts.
func chain(known map[string][]hive.Role) keystore.Checker {
	return func(_ context.Context, account hive.AccountName, public hive.PublicKey) ([]hive.Role, error) {
		return known[string(account)+" "+public.String()], nil
	}
}

func TestCheck(t *testing.T) {
	on := func(account, label string) string { return account + " " + key(label).Public().String() }
	known := chain(map[string][]hive.Role{
		on("alice", "p"): {hive.Posting}, on("alice", "both"): {hive.Memo, hive.Posting},
		on("alice", "o"):   {hive.Owner},
		on("alice", "all"): {hive.Posting, hive.Owner}, on("alice", "a"): {hive.Active},
	})
	for name, tt := range map[string]struct {
		account hive.AccountName
		label   string
		want    error
		says    string
	}{
		"right":                {"alice", "p", nil, ""},
		"among others":         {"alice", "both", nil, ""},
		"owner key":            {"alice", "o", keystore.ErrOwnerKey, "alice/posting"},
		"owner key as posting": {"alice", "all", keystore.ErrOwnerKey, ""},
		"other role":           {"alice", "a", keystore.ErrWrongRole, "its active key"},
		"other account":        {"bob", "p", keystore.ErrWrongRole, "no key of the account"},
	} {
		t.Run(name, func(t *testing.T) {
			batch, err := keystore.KeyOf(tt.account, hive.Posting, wif(tt.label))
			if err != nil {
				t.Fatal(err)
			}
			err = batch.Check(t.Context(), known)
			if tt.want == nil && err != nil || tt.want != nil && (!errors.Is(err, tt.want) ||
				!strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got %v, want %v saying %q", err, tt.want, tt.says)
			}
		})
	}
	batch, err := keystore.ReadKeyLines("k",
		strings.NewReader(fmt.Sprintf("alice posting %s\nalice memo %s\nalice active %s", wif("o"), wif("both"),
			wif("p"))))
	if err != nil {
		t.Fatal(err)
	}
	var complaints keystore.Complaints
	if err := batch.Check(t.Context(), known); !errors.As(err, &complaints) || len(complaints) != 2 ||
		complaints[0].Line != 1 || complaints[1].Line != 3 {
		t.Errorf("got %v", err)
	}
	broken := errors.New("no node")
	err = batch.Check(t.Context(), func(context.Context, hive.AccountName, hive.PublicKey) ([]hive.Role,
		error) {
		return nil, broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestKeysFromPassword(t *testing.T) {
	s, path, unlock := newStore(t)
	batch, err := keystore.KeysFromPassword("alice", []hive.Role{hive.Posting, hive.Memo}, []byte("password"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(batch, keystore.AddOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := describe(mustOpen(t, path, unlock)); got != "alice[memo posting]" {
		t.Errorf("got %s", got)
	}
	if public, _ := s.Public("alice",
		hive.Posting); public.String() != "STM86eLQPsLySq5NASzEmkgCJ3LYAc3mqsswneuFCfT6xECn9aPv5" {
		t.Errorf("public key %s", public)
	}
	both := []hive.Role{hive.Posting}
	for name, tt := range map[string]struct {
		roles    []hive.Role
		password string
		want     error
		says     string
	}{
		"owner":       {[]hive.Role{hive.Posting, hive.Owner}, "password", keystore.ErrOwnerKey, "alice/owner"},
		"no roles":    {nil, "password", keystore.ErrNoKeys, ""},
		"role twice":  {[]hive.Role{hive.Memo, hive.Memo}, "password", keystore.ErrBadRole, "twice"},
		"empty":       {both, "", keystore.ErrBadPassword, "empty"},
		"blanks":      {both, " \n", keystore.ErrBadPassword, "empty"},
		"WIF":         {both, string(wif("x")), keystore.ErrBadPassword, "WIF"},
		"WIF spaced":  {both, " " + string(wif("x")) + "\n", keystore.ErrBadPassword, "WIF"},
		"WIF off":     {both, string(wif("x"))[:50] + "1", keystore.ErrBadPassword, "WIF"},
		"public key":  {both, key("x").Public().String(), keystore.ErrBadPassword, "public key"},
		"not UTF-8":   {both, "p\xff", keystore.ErrBadPassword, "UTF-8"},
		"bad account": {both, "password", keystore.ErrBadAccount, ""},
	} {
		t.Run(name, func(t *testing.T) {
			account := hive.AccountName("alice")
			if name == "bad account" {
				account = "Alice"
			}
			_, err := keystore.KeysFromPassword(account, tt.roles, []byte(tt.password))
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v saying %q", err, tt.want, tt.says)
			}
			if len(tt.password) > 10 && strings.Contains(err.Error(), tt.password) {
				t.Errorf("shows the password: %v", err)
			}
		})
	}
	// What looks like a WIF after a P is a usual master password.
	if _, err := keystore.KeysFromPassword("alice", both, append([]byte("P"), wif("x")...)); err != nil {
		t.Errorf("P5…: %v", err)
	}
}

// Passwords for which wallets differ: we derive as most do, and give a hint.
func TestPasswordVectors(t *testing.T) {
	var all []struct {
		Account, Password, Role, Wax string
		HiveJS                       string `json:"hive-js"`
	}
	vectors(t, "keys-differ.json", &all)
	if len(all) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range all {
		account, role := hive.AccountName(v.Account), map[string]hive.Role{"posting": hive.Posting,
			"active": hive.Active}[v.Role]
		batch, err := keystore.KeysFromPassword(account, []hive.Role{role}, []byte(v.Password))
		if err != nil {
			t.Fatal(err)
		}
		if batch.Hint() == "" || v.Wax == v.HiveJS {
			t.Errorf("%q: no hint", v.Password)
		}
		if err := batch.Check(t.Context(), chain(nil)); !errors.Is(err, keystore.ErrWrongRole) ||
			!strings.Contains(err.Error(), "hive-js") {
			t.Errorf("%q: got %v", v.Password, err)
		}
		s, _, _ := newStore(t)
		if _, err := s.Add(batch, keystore.AddOptions{}); err != nil {
			t.Fatal(err)
		}
		want, err := hive.ParseWIF(v.Wax)
		if err != nil {
			t.Fatal(err)
		}
		if public, _ := s.Public(account, role); public != want.Public() {
			t.Errorf("%q: got %s", v.Password, public)
		}
	}
	for _, plain := range []string{"password", "two words", " leading", "P5xyz"} {
		if batch, err := keystore.KeysFromPassword("alice", []hive.Role{hive.Memo}, []byte(plain)); err != nil ||
			batch.Hint() != "" {
			t.Errorf("%q: %v", plain, err)
		}
	}
	for _, odd := range []string{"trailing ", "two  blanks", "tab\tinside", "line\n"} {
		if batch, err := keystore.KeysFromPassword("alice", []hive.Role{hive.Memo}, []byte(odd)); err != nil ||
			batch.Hint() == "" {
			t.Errorf("%q: no hint, %v", odd, err)
		}
	}
}
