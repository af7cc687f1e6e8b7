package keystore_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"pksa/keystore"
	"pksa/protocol/hive"
)

// One account, locked by passphrase at the work factor of our files.
func BenchmarkOpenPassphrase(b *testing.B) {
	path := filepath.Join(privateDir(b), "keystore.age")
	unlock := unlockWith(b, passphrase)
	s, err := keystore.Create(path, unlock)
	if err != nil {
		b.Fatal(err)
	}
	mustImport(b, s, "alice", hive.Posting, "alice")
	b.ReportAllocs()
	for b.Loop() {
		mustOpen(b, path, unlock).Close()
	}
}

// 10,000 accounts with one key each, locked to an identity.
func BenchmarkOpen10000(b *testing.B) {
	s, path, unlock := newStore(b)
	var lines strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&lines, "bot-%d posting %s\n", i, wif(fmt.Sprint(i)))
	}
	batch, err := keystore.ReadKeyLines("lines", strings.NewReader(lines.String()))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Add(batch, keystore.AddOptions{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		mustOpen(b, path, unlock).Close()
	}
}

func BenchmarkProveKept(b *testing.B) {
	k, relay := aliceKey(b), key("relay").Public()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Prove(relay, "1700000000000"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProveNewRelay(b *testing.B) {
	k := aliceKey(b)
	relays := make([]hive.PublicKey, 16) // twice what is kept, met in turn: each is a miss
	for i := range relays {
		relays[i] = key(fmt.Sprint("relay ", i)).Public()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := k.Prove(relays[i%len(relays)], "1700000000000"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	k, digest := aliceKey(b), hive.HashText("text")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Sign(digest); err != nil {
			b.Fatal(err)
		}
	}
}

// Challenges are signed so. The number of attempts depends on the digest.
func BenchmarkSignCanonical(b *testing.B) {
	k, i := aliceKey(b), 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.SignCanonical(hive.Digest{byte(i), byte(i >> 8)}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
