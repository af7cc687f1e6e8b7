package keystore

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

// TestSigningKeyInContent: a keystore with the signing key of a witness has a version of its own,
// so that a program which does not know such keys says that a newer one wrote it. Without one, it
// has the version that every program reads.
func TestSigningKeyInContent(t *testing.T) {
	c := testContent()
	if text := c.encode(); !bytes.HasPrefix(text, []byte(`{"version":1,`)) {
		t.Errorf("without a signing key: %.20s", text)
	}
	at, _ := place(hive.Signing)
	c.accounts["alice"][at] = hive.PrivateKeyFromSeed("witness")
	text := c.encode()
	if !bytes.HasPrefix(text, []byte(`{"version":2,`)) || bytes.Count(text, []byte("signing")) != 1 {
		t.Errorf("with a signing key: %.20s", text)
	}
	back, err := decodeContent(text)
	if err != nil || back.accounts["alice"][at].Public() != hive.PrivateKeyFromSeed("witness").Public() {
		t.Fatalf("read back: %v", err)
	}
	if again := back.encode(); !bytes.Equal(again, text) {
		t.Error("written again, it is another text")
	}
	// Removed, the file is one for every program again.
	back.accounts["alice"][at] = nil
	if text := back.encode(); !bytes.HasPrefix(text, []byte(`{"version":1,`)) {
		t.Errorf("after removal: %.20s", text)
	}
}

// TestSigningKeyInBatch: a signing key is imported by itself or from a list. None derives from the
// master password, and hive-auth-pksa has none.
func TestSigningKeyInBatch(t *testing.T) {
	wif := hive.PrivateKeyFromSeed("witness").WIF()
	b, err := ReadKeyLines("keys.txt", strings.NewReader("alice signing "+wif+"\n"))
	if err != nil || !b.Has(hive.Signing) || b.Has(hive.Posting) {
		t.Errorf("a list: %v", err)
	}
	if _, err := KeysFromPassword("alice", []hive.Role{hive.Posting, hive.Signing}, []byte("password")); !errors.Is(err,
		ErrNotDerived) || errors.Is(err, ErrBadRole) {
		t.Errorf("a password: %v", err)
	}
	if _, err := ReadKeysJSON("keys.json", strings.NewReader(`[{"name":"alice","signing":"`+wif+`"}]`)); err == nil {
		t.Error("keys.json: a signing key was taken")
	}
}

// TestSigningKeyProvesNothing: it is no key of the account, so it makes no proof for relays.
func TestSigningKeyProvesNothing(t *testing.T) {
	s := &Store{keys: map[hive.AccountName]*handles{"alice": {}}}
	at, _ := place(hive.Signing)
	s.keys["alice"][at] = newKey(hive.Signing, hive.PrivateKeyFromSeed("witness"))
	if _, ok := s.LowestKey("alice"); ok {
		t.Error("a proof by the signing key")
	}
	if key, ok := s.Key("alice", hive.Signing); !ok || key.Role() != hive.Signing {
		t.Error("the signing key is not there")
	}
	if roles := s.Roles("alice"); len(roles) != 1 || roles[0] != hive.Signing {
		t.Errorf("roles %v", roles)
	}
}
