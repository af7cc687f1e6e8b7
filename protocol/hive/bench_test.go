package hive_test

import (
	"strings"
	"testing"

	"pksa/protocol/hive"
)

func BenchmarkSign(b *testing.B) {
	key, digest := hive.PrivateKeyFromSeed("some key"), hive.HashText("text")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Sign(digest); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignCanonical(b *testing.B) {
	key := hive.PrivateKeyFromSeed("some key")
	b.ReportAllocs()
	i := 0
	for b.Loop() { // the number of attempts depends on the digest
		if _, err := key.SignCanonical(hive.Digest{byte(i), byte(i >> 8)}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkVerify(b *testing.B) {
	key, digest := hive.PrivateKeyFromSeed("some key"), hive.HashText("text")
	sig, err := key.Sign(digest)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !sig.Verify(digest, key.Public()) {
			b.Fatal("no")
		}
	}
}

func BenchmarkSharedSecret(b *testing.B) {
	key, other := hive.PrivateKeyFromSeed("some key"), hive.PrivateKeyFromSeed("other").Public()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.SharedSecret(other); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkProof measures a proof of key with a secret that was made before.
func BenchmarkProof(b *testing.B) {
	key, relay := hive.PrivateKeyFromSeed("some key"), hive.PrivateKeyFromSeed("relay").Public()
	secret, err := key.SharedSecret(relay)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	nonce := uint64(0)
	for b.Loop() {
		if _, err := secret.EncodeMemo(key.Public(), relay, "#9b0e2dc3-f574-4766-abdd-c429dce11284",
			nonce); err != nil {
			b.Fatal(err)
		}
		nonce++
	}
}

func BenchmarkDecodeMemo(b *testing.B) {
	alice, bob := hive.PrivateKeyFromSeed("alice"), hive.PrivateKeyFromSeed("bob")
	for name, text := range map[string]string{"proof": "#9b0e2dc3-f574-4766-abdd-c429dce11284", "largest": "#" +
		strings.Repeat("x", 24_000)} {
		memo := mustEncode(b, alice, bob.Public(), text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bob.DecodeMemo(memo); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncodeLargestMemo(b *testing.B) {
	alice, bob := hive.PrivateKeyFromSeed("alice"), hive.PrivateKeyFromSeed("bob")
	text := "#" + strings.Repeat("x", 24_000)
	b.ReportAllocs()
	for b.Loop() {
		mustEncode(b, alice, bob.Public(), text)
	}
}

func BenchmarkParsePublicKey(b *testing.B) {
	text := hive.PrivateKeyFromSeed("some key").Public().String()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := hive.ParsePublicKey(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPublicKeyString(b *testing.B) {
	key := hive.PrivateKeyFromSeed("some key").Public()
	b.ReportAllocs()
	for b.Loop() {
		_ = key.String()
	}
}

func BenchmarkParseWIF(b *testing.B) {
	wif := hive.PrivateKeyFromSeed("some key").WIF()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := hive.ParseWIF(wif); err != nil {
			b.Fatal(err)
		}
	}
}
