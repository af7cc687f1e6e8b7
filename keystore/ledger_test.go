package keystore_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"pksa/keystore"
)

// hkdfOneBlock is RFC 5869 written out for 32 bytes: extract, then the first block of expand.
func hkdfOneBlock(secret, salt, info []byte) []byte {
	extract := hmac.New(sha256.New, salt)
	extract.Write(secret)
	expand := hmac.New(sha256.New, extract.Sum(nil))
	expand.Write(info)
	expand.Write([]byte{1})
	return expand.Sum(nil)
}

// The derivation is part of the ledger's file format: it must never change.
func TestLedgerKeys(t *testing.T) {
	s := mustOpen(t, golden(t, "golden-recipients.age"), unlockWith(t, goldenText(t, "golden-identity.txt")))
	id := []byte("00112233445566778899aabbccddeeff")
	secret, err := hex.DecodeString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	if err != nil {
		t.Fatal(err)
	}

	mac := hmac.New(sha256.New, hkdfOneBlock(secret, id, []byte("pksa ledger v1: mac")))
	mac.Write([]byte("\x00\x00\x00\x00\x00\x00\x00\x02ab\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01c"))
	if got := s.LedgerMAC([]byte("ab"), nil, []byte("c")); !hmac.Equal(got, mac.Sum(nil)) {
		t.Errorf("MAC %x", got)
	}
	s.LedgerMAC([]byte("something else, longer than what a hash takes at once, so that a part of it waits for more"))
	if got := s.LedgerMAC([]byte("ab"), nil, []byte("c")); !hmac.Equal(got, mac.Sum(nil)) {
		t.Errorf("MAC after another one: %x", got)
	}

	block, err := aes.NewCipher(hkdfOneBlock(secret, id, []byte("pksa ledger v1: seal")))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, 12)
	want := gcm.Seal(nil, nonce, []byte("value"), []byte("name"))
	if got := s.LedgerSealer().Seal(nil, nonce, []byte("value"), []byte("name")); !bytes.Equal(got, want) {
		t.Errorf("sealed %x, want %x", got, want)
	}

	// RFC 5869 twice: a key for this purpose alone, and from it one for each pair of numbers.
	expand := hmac.New(sha256.New, hkdfOneBlock(secret, id, []byte("pksa ledger v1: periods")))
	expand.Write([]byte("pksa ledger v2: seal\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x01\x00\x02\x01"))
	if block, err = aes.NewCipher(expand.Sum(nil)); err != nil {
		t.Fatal(err)
	}
	if gcm, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	want = gcm.Seal(nil, nonce, []byte("value"), []byte("name"))
	if got := s.LedgerSealerOf(3, 1<<16+2).Seal(nil, nonce, []byte("value"), []byte("name")); !bytes.Equal(got, want) {
		t.Errorf("sealed with numbers %x, want %x", got, want)
	}

	// Copies of different versions of the program must open each other's probes.
	if block, err = aes.NewCipher(hkdfOneBlock(secret, id, []byte("pksa ledger v1: probe"))); err != nil {
		t.Fatal(err)
	}
	if gcm, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	want = gcm.Seal(nil, nonce, []byte("value"), []byte("name"))
	if got := s.ProbeSealer().Seal(nil, nonce, []byte("value"), []byte("name")); !bytes.Equal(got, want) {
		t.Errorf("probe %x, want %x", got, want)
	}
}

func TestLedgerMACParts(t *testing.T) {
	s, _, _ := newStore(t)
	a, b := s.LedgerMAC([]byte("ab"), []byte("c")), s.LedgerMAC([]byte("a"), []byte("bc"))
	if bytes.Equal(a, b) || bytes.Equal(a, s.LedgerMAC([]byte("abc"))) || bytes.Equal(s.LedgerMAC(), s.LedgerMAC(nil)) {
		t.Error("other parts, same MAC")
	}
}

// Each epoch and period has a key of its own, whatever the other number is.
func TestLedgerSealersDiffer(t *testing.T) {
	s, _, _ := newStore(t)
	nonce, seen := make([]byte, 12), map[string]bool{
		string(s.LedgerSealer().Seal(nil, make([]byte, 12), []byte("value"), nil)): true}
	for _, epoch := range []uint64{0, 1, 1 << 8, 1 << 56} {
		for _, period := range []uint64{0, 1, 1 << 8, 1<<64 - 1} {
			sealed := s.LedgerSealerOf(epoch, period).Seal(nil, nonce, []byte("value"), nil)
			if seen[string(sealed)] {
				t.Errorf("epoch %d, period %d: the key of another pair", epoch, period)
			}
			seen[string(sealed)] = true
		}
	}
}

// Each keystore has a ledger of its own.
func TestLedgerKeysDiffer(t *testing.T) {
	a, _, _ := newStore(t)
	b, _, _ := newStore(t)
	if a.LedgerID() == b.LedgerID() || bytes.Equal(a.LedgerMAC(), b.LedgerMAC()) {
		t.Error("two keystores share a ledger")
	}
	var _ *keystore.Store = a
}
