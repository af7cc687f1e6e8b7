package keystore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/keystore"
	"pksa/protocol/hive"
)

func aliceKey(t testing.TB) *keystore.Key {
	t.Helper()
	s, _, _ := newStore(t)
	mustImport(t, s, "alice", hive.Posting, "alice")
	k, ok := s.Key("alice", hive.Posting)
	if !ok {
		t.Fatal("no key")
	}
	return k
}

func TestKeySigns(t *testing.T) {
	k := aliceKey(t)
	digest := hive.HashText("text")
	for name, sign := range map[string]func(hive.Digest) (hive.Signature, error){"Sign": k.Sign,
		"SignCanonical": k.SignCanonical} {
		sig, err := sign(digest)
		if err != nil || !sig.Verify(digest, key("alice").Public()) {
			t.Errorf("%s: %v %v", name, sig, err)
		}
		if name == "SignCanonical" && !sig.IsCanonical() {
			t.Error("not canonical")
		}
	}
}

func TestKeyDecodesMemos(t *testing.T) {
	k := aliceKey(t)
	memo, err := key("bob").EncodeMemo(k.Public(), "#hello", 7)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := k.DecodeMemo(memo); err != nil || text != "#hello" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := k.DecodeMemo("hello"); err == nil {
		t.Error("a clear text was taken for a memo")
	}
}

func TestProve(t *testing.T) {
	k := aliceKey(t)
	relay := key("relay")
	last := uint64(0)
	for range 3 {
		proof, err := k.Prove(relay.Public(), "1700000000000")
		if err != nil {
			t.Fatal(err)
		}
		if text, err := relay.DecodeMemo(proof); err != nil || text != "#1700000000000" {
			t.Errorf("the relay reads %q, %v", text, err)
		}
		header, err := hive.ParseMemo(proof)
		if err != nil || header.From != k.Public() || header.To != relay.Public() {
			t.Errorf("header %v, %v", header, err)
		}
		if header.Nonce <= last {
			t.Errorf("nonce %d after %d", header.Nonce, last)
		}
		last = header.Nonce
	}
	if _, err := k.Prove(hive.PublicKey{}, "1"); err == nil {
		t.Error("proved to the null key")
	}
}

// The nonce is the clock, but never stands still nor goes back: not within a millisecond, not
// between keys, not when the clock is set back.
func TestProofNonces(t *testing.T) {
	a, b := aliceKey(t), aliceKey(t)
	relay := key("relay").Public()
	nonce := func(k *keystore.Key) uint64 {
		proof, err := k.Prove(relay, "1")
		if err != nil {
			t.Fatal(err)
		}
		header, err := hive.ParseMemo(proof)
		if err != nil {
			t.Fatal(err)
		}
		return header.Nonce
	}
	before := uint64(time.Now().UnixMilli()) << 16
	first := nonce(a)
	if first < before || first > uint64(time.Now().UnixMilli()+1)<<16 {
		t.Errorf("nonce %d is not of now, %d", first, before)
	}
	// Inside the bubble it is the year 2000.
	synctest.Test(t, func(t *testing.T) {
		second, third := nonce(a), nonce(b)
		if second <= first || third <= second {
			t.Errorf("nonces %d, %d, %d with the clock set back", first, second, third)
		}
	})
}

// More relay keys than are kept, again and again: the proofs stay right.
func TestProveManyRelays(t *testing.T) {
	k := aliceKey(t)
	for round := range 2 {
		for i := range 20 {
			relay := key(fmt.Sprint("relay ", i))
			proof, err := k.Prove(relay.Public(), fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			if text, err := relay.DecodeMemo(proof); err != nil || text != fmt.Sprintf("#%d", i) {
				t.Errorf("round %d, relay %d reads %q, %v", round, i, text, err)
			}
		}
	}
	if n := keystore.SharedSecrets(k); n == 0 || n > 8 {
		t.Errorf("%d secrets are kept", n)
	}
}

// Everything at once on one key, with more relays than are kept, until the store closes under it.
func TestKeyConcurrently(t *testing.T) {
	s, _, unlock := newStore(t)
	mustImport(t, s, "alice", hive.Posting, "alice")
	k, _ := s.Key("alice", hive.Posting)
	digest := hive.HashText("text")
	memo, err := key("bob").EncodeMemo(k.Public(), "#hello", 7)
	if err != nil {
		t.Fatal(err)
	}
	relays := make([]*hive.PrivateKey, 12)
	for i := range relays {
		relays[i] = key(fmt.Sprint("relay ", i))
	}
	var wg, ready sync.WaitGroup
	work := func(do func(i int) error) {
		ready.Add(1)
		wg.Go(func() {
			for i := 0; ; i++ {
				err := do(i)
				if i == 20 {
					ready.Done()
				}
				if err != nil {
					if !errors.Is(err, keystore.ErrKeyGone) || i <= 20 {
						t.Errorf("round %d: %v", i, err)
						if i < 20 {
							ready.Done()
						}
					}
					return
				}
			}
		})
	}
	for w := range 2 {
		work(func(i int) error {
			relay := relays[(i*5+w)%len(relays)]
			proof, err := k.Prove(relay.Public(), "1")
			if err != nil {
				return err
			}
			if text, err := relay.DecodeMemo(proof); err != nil || text != "#1" {
				return fmt.Errorf("the relay reads %q: %w", text, err)
			}
			return nil
		})
		work(func(int) error {
			sig, err := k.Sign(digest)
			if err == nil && !sig.Verify(digest, k.Public()) {
				err = errors.New("bad signature")
			}
			return err
		})
		work(func(int) error { _, err := k.DecodeMemo(memo); return err })
	}
	reloads := 0
	work(func(int) error {
		err := s.Reload(unlock)
		reloads++
		if errors.Is(err, keystore.ErrClosed) {
			return keystore.ErrKeyGone
		}
		return err
	})
	ready.Wait()
	s.Close()
	wg.Wait()
	if reloads < 20 {
		t.Errorf("%d reloads", reloads)
	}
}

// A nonce used twice between the same keys gives the same key stream: under concurrency none may
// repeat.
func TestNoncesUnique(t *testing.T) {
	k := aliceKey(t)
	relay := key("relay").Public()
	var mu sync.Mutex
	seen := make(map[uint64]bool)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				proof, err := k.Prove(relay, "1")
				if err != nil {
					t.Error(err)
					return
				}
				header, err := hive.ParseMemo(proof)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				if seen[header.Nonce] {
					t.Errorf("nonce %d twice", header.Nonce)
				}
				seen[header.Nonce] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestKeyPrintsNothing(t *testing.T) {
	k := aliceKey(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if text := fmt.Sprintf(verb, k); text != "[redacted]" {
			t.Errorf("%s: %s", verb, text)
		}
		if text := fmt.Sprintf(verb,
			*(*struct{ K *keystore.Key })(&struct{ K *keystore.Key }{k})); strings.Contains(text, "5J") ||
			!strings.Contains(text, "[redacted]") {
			t.Errorf("%s inside: %s", verb, text)
		}
	}
}
