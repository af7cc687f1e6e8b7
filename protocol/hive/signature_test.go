package hive_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

func mustSignature(t testing.TB, text string) hive.Signature {
	t.Helper()
	sig, err := hive.ParseSignature(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return sig
}

// checkSignature expects that key signed digest and that its signature survives being written and
// read.
func checkSignature(t *testing.T, sig hive.Signature, digest hive.Digest, key hive.PublicKey) {
	t.Helper()
	if got, err := sig.Recover(digest); err != nil || got != key {
		t.Errorf("Recover = %v, %v, want %v", got, err, key)
	}
	if !sig.Verify(digest, key) {
		t.Error("Verify says no")
	}
	other := digest
	other[31] ^= 1
	if sig.Verify(other, key) || sig.Verify(digest, hive.PublicKey{}) {
		t.Error("Verify says yes to another digest or key")
	}
	if again := mustSignature(t, strings.ToUpper(sig.String())); again != sig {
		t.Errorf("%v is read as %v", sig, again)
	}
}

// SignCanonical returns the signatures of hive-js, and Sign those of its first attempt.
func TestSignTextVectors(t *testing.T) {
	type vector struct {
		Name, WIF, Challenge, Strict string
		Public                       string `json:"public_key"`
		Bytes                        string `json:"challenge_utf8_base64"`
		Digest                       string `json:"sha256_hex"`
		HiveJS                       string `json:"hivejs_signature"`
		Attempts                     int    `json:"hivejs_attempts"`
		DHive                        string `json:"dhive_signature"`
	}
	for _, v := range readKeyVectors[vector](t, "sign.json") {
		t.Run(v.Name, func(t *testing.T) {
			text, err := base64.StdEncoding.DecodeString(v.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			digest := hive.HashText(string(text))
			if digest != mustDigest(t, v.Digest) || digest != hive.HashText(v.Challenge) ||
				digest.String() != v.Digest {
				t.Fatalf("digest %v, want %s", digest, v.Digest)
			}
			key := mustKey(t, v.WIF)
			for _, sig := range []string{v.HiveJS, v.DHive} {
				checkSignature(t, mustSignature(t, sig), digest, mustPublic(t, v.Public))
			}
			canonical, err := key.SignCanonical(digest)
			if err != nil || canonical.String() != v.HiveJS {
				t.Errorf("SignCanonical = %v, %v, want %s", canonical, err, v.HiveJS)
			}
			sig, err := key.Sign(digest)
			if err != nil {
				t.Fatal(err)
			}
			checkSignature(t, sig, digest, key.Public())
			if first := v.Attempts == 1; (sig == canonical) != first || sig.IsCanonical() != first {
				t.Errorf("Sign = %v after %d attempts of hive-js", sig, v.Attempts)
			}
		})
	}
}

func TestSignNegativeVectors(t *testing.T) {
	type vector struct {
		Name, Challenge, Signature, Strict string
		Public                             string `json:"public_key"`
	}
	accepted := 0
	for _, v := range readKeyVectors[vector](t, "sign_negative.json") {
		t.Run(v.Name, func(t *testing.T) {
			key, keyErr := hive.ParsePublicKey(v.Public)
			sig, err := hive.ParseSignature(v.Signature)
			got := keyErr == nil && err == nil && sig.Verify(hive.HashText(v.Challenge), key)
			if want := v.Strict == "accept"; got != want || !want && v.Strict != "reject" {
				t.Errorf("verifies: %v, column strict says %q", got, v.Strict)
			}
			if got {
				accepted++
			}
		})
	}
	if accepted == 0 {
		t.Error("no control vector was accepted")
	}
}

func TestTransactionSignatureVectors(t *testing.T) {
	type signature struct {
		By, Sig   string
		Canonical *bool `json:"fc_canonical"`
	}
	type vector struct {
		WIF, Digest, Recovered string
		Signatures             []signature
	}
	canonical := map[bool]int{}
	for _, v := range readKeyVectors[vector](t, "tx-signatures.json") {
		digest, key := mustDigest(t, v.Digest), mustKey(t, v.WIF)
		for _, s := range v.Signatures {
			sig := mustSignature(t, s.Sig)
			checkSignature(t, sig, digest, mustPublic(t, v.Recovered))
			if sig.IsCanonical() != *s.Canonical {
				t.Errorf("%s %s: IsCanonical = %v", v.Digest, s.By, sig.IsCanonical())
			}
			canonical[*s.Canonical]++
		}
		sig, err := key.Sign(digest)
		if err != nil {
			t.Fatal(err)
		}
		checkSignature(t, sig, digest, mustPublic(t, v.Recovered))
	}
	if canonical[true] == 0 || canonical[false] == 0 {
		t.Errorf("vectors are one-sided: %v", canonical)
	}
}

func TestBadTransactionSignatureVectors(t *testing.T) {
	type vector struct {
		Digest, Why, Expect, Sig string
		Public                   string `json:"public_key"`
	}
	for _, v := range readKeyVectors[vector](t, "tx-signatures-bad.json") {
		sig, err := hive.ParseSignature(v.Sig)
		var got hive.PublicKey
		if err == nil {
			got, err = sig.Recover(mustDigest(t, v.Digest))
		}
		switch v.Expect {
		case "refuse":
			if err == nil {
				t.Errorf("%s: recovers %v", v.Why, got)
			}
		case "not this key":
			if err != nil || got == mustPublic(t, v.Public) {
				t.Errorf("%s: recovers %v, %v", v.Why, got, err)
			}
		default:
			t.Fatalf("column expect says %q", v.Expect)
		}
	}
}

func TestMessageVectors(t *testing.T) {
	type vector struct {
		Message, Digest, WIF string
		Public               string `json:"public_key"`
		Signatures           []struct{ By, Sig string }
	}
	for _, v := range readKeyVectors[vector](t, "tx-messages.json") {
		digest := hive.HashText(v.Message)
		if digest != mustDigest(t, v.Digest) {
			t.Fatalf("%q: digest %v, want %s", v.Message, digest, v.Digest)
		}
		for _, s := range v.Signatures {
			checkSignature(t, mustSignature(t, s.Sig), digest, mustPublic(t, v.Public))
			if s.By != "hive-js" {
				continue
			}
			if sig, err := mustKey(t, v.WIF).SignCanonical(digest); err != nil || sig.String() != s.Sig {
				t.Errorf("%q: SignCanonical = %v, %v, want %s", v.Message, sig, err, s.Sig)
			}
		}
	}
}

// Whatever the digest: both signers are deterministic, recover, and are low s; one is canonical
// always, the other half of the time.
func TestSignManyDigests(t *testing.T) {
	key := hive.PrivateKeyFromSeed("some key")
	canonical := 0
	const digests = 300
	for i := range digests {
		digest := hive.HashText(strings.Repeat("x", i))
		sig, err := key.Sign(digest)
		if err != nil {
			t.Fatal(err)
		}
		strict, err := key.SignCanonical(digest)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := key.SignCanonical(digest); again != strict {
			t.Fatal("SignCanonical is not deterministic")
		}
		if !strict.IsCanonical() || !strict.Verify(digest, key.Public()) || !sig.Verify(digest, key.Public()) {
			t.Fatalf("digest %d: %v %v", i, sig, strict)
		}
		if sig.IsCanonical() {
			canonical++
			if sig != strict {
				t.Fatalf("digest %d: the first attempt is canonical and was not taken", i)
			}
		}
	}
	if canonical < digests/3 || canonical > digests*2/3 {
		t.Errorf("%d of %d canonical", canonical, digests)
	}
}

func TestIsCanonical(t *testing.T) {
	number := func(first, second byte) (b [32]byte) {
		b[0], b[1] = first, second
		return b
	}
	for name, test := range map[string]struct {
		number [32]byte
		want   bool
	}{
		"smallest first byte": {number(0x01, 0), true},
		"largest first byte":  {number(0x7f, 0xff), true},
		"top bit":             {number(0x80, 0), false},
		"needed zero":         {number(0, 0x80), true},
		"needless zero":       {number(0, 0x7f), false},
		"two zeros":           {number(0, 0), false},
	} {
		good := number(0x11, 0x11)
		var inR, inS hive.Signature
		copy(inR[1:], test.number[:])
		copy(inR[33:], good[:])
		copy(inS[1:], good[:])
		copy(inS[33:], test.number[:])
		if inR.IsCanonical() != test.want || inS.IsCanonical() != test.want {
			t.Errorf("%s: in r %v, in s %v, want %v", name, inR.IsCanonical(), inS.IsCanonical(), test.want)
		}
	}
}

func TestExtremeDigests(t *testing.T) {
	key := hive.PrivateKeyFromSeed("some key")
	var zeros, ones hive.Digest
	for i := range ones {
		ones[i] = 0xff // above the order of the curve
	}
	for _, digest := range []hive.Digest{zeros, ones} {
		sig, err := key.Sign(digest)
		if err != nil {
			t.Fatal(err)
		}
		canonical, err := key.SignCanonical(digest)
		if err != nil {
			t.Fatal(err)
		}
		if !sig.Verify(digest, key.Public()) || !canonical.Verify(digest, key.Public()) {
			t.Errorf("%v: no signature", digest)
		}
	}
}

func FuzzParseSignature(f *testing.F) {
	sig, err := hive.PrivateKeyFromSeed("some key").Sign(hive.Digest{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sig.String())
	f.Add(strings.ToUpper(sig.String()))
	f.Add(strings.Repeat("0", 130))
	f.Fuzz(func(t *testing.T, text string) {
		sig, err := hive.ParseSignature(text)
		if err != nil {
			return
		}
		if sig.String() != strings.ToLower(text) {
			t.Fatalf("%q is written %q", text, sig)
		}
		if key, err := sig.Recover(hive.Digest{1}); err == nil && !sig.Verify(hive.Digest{1}, key) {
			t.Errorf("%v recovers %v and does not verify", sig, key)
		}
	})
}

// FuzzRecover starts from valid signatures and changes them: no change of one byte may leave the
// signer's key.
func FuzzRecover(f *testing.F) {
	key := hive.PrivateKeyFromSeed("some key")
	f.Add([]byte("text"), uint8(0), byte(1))
	f.Add([]byte(""), uint8(64), byte(0x80))
	f.Fuzz(func(t *testing.T, text []byte, at uint8, flip byte) {
		digest := hive.HashText(string(text))
		sig, err := key.SignCanonical(digest)
		if err != nil {
			t.Fatal(err)
		}
		sig[int(at)%len(sig)] ^= flip
		if sig.Verify(digest, key.Public()) != (flip == 0) {
			t.Errorf("byte %d changed by %#x: Verify says %v", at, flip, flip != 0)
		}
	})
}

// A bad signature, and a signature by another key, never leave.
func TestSignaturesAreCheckedBeforeTheyLeave(t *testing.T) {
	key, _ := secretCases(t)
	digest := hive.HashText("text")
	good, err := key.Sign(digest)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := key.Checked(good, digest); err != nil || got != good {
		t.Errorf("%v, %v", got, err)
	}
	for at := range good {
		bad := good
		bad[at] ^= 4
		if got, err := key.Checked(bad, digest); err == nil || got != (hive.Signature{}) {
			t.Errorf("byte %d changed: %v", at, got)
		}
	}
	other, err := hive.PrivateKeyFromSeed("other").Sign(digest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Checked(other, digest); err == nil {
		t.Error("the signature of another key left")
	}
}
