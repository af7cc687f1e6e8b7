package seal_test

import (
	"fmt"
	"strings"
	"testing"

	"pksa/protocol/seal"
)

const voteRequest = `{"key_type":"posting","ops":[["vote",{"voter":"alice","author":"bob",` +
	`"permlink":"a-post-of-usual-length","weight":10000}]],"broadcast":true,"nonce":1700000000000}`

func sealed(b *testing.B, clear string) seal.Sealed {
	b.Helper()
	s, err := seal.Parse(seal.Seal(authKey, []byte(clear), [8]byte{1, 2, 3, 4, 5, 6, 7, 8}))
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkOpen(b *testing.B) {
	s := sealed(b, voteRequest)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Open(authKey); err != nil {
			b.Fatal(err)
		}
	}
}

// otherKeys returns passphrases that do not open a payload.
func otherKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%08d-5a35-47cb-a6b4-e8c4d3144cf9", i)
	}
	return keys
}

// BenchmarkMiss measures one passphrase that does not open a payload.
func BenchmarkMiss(b *testing.B) {
	for _, size := range []int{1, 8, 1000} {
		b.Run(fmt.Sprintf("%d-votes", size), func(b *testing.B) {
			s, keys := sealed(b, strings.Repeat(voteRequest, size)), otherKeys(1000)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := s.Open(keys[i%len(keys)]); err == nil {
					b.Fatal("opened")
				}
				i++
			}
		})
	}
}

// BenchmarkStranger measures a payload that none of 1,000 passphrases opens or has made.
func BenchmarkStranger(b *testing.B) {
	s, keys := sealed(b, voteRequest), otherKeys(1000)
	b.ReportAllocs()
	for b.Loop() {
		trial := seal.NewTrial(s)
		for _, key := range keys {
			if _, found := trial.Try(key); found != seal.NotMine {
				b.Fatal(found)
			}
		}
	}
}

// BenchmarkFind measures a payload that the last of 1,000 passphrases opens.
func BenchmarkFind(b *testing.B) {
	s, keys := sealed(b, voteRequest), append(otherKeys(999), authKey)
	b.ReportAllocs()
	for b.Loop() {
		found := 0
		for _, key := range keys {
			if _, err := s.Open(key); err == nil {
				found++
			}
		}
		if found != 1 {
			b.Fatal(found)
		}
	}
}

func BenchmarkDamagedMiss(b *testing.B) {
	s, keys := sealed(b, voteRequest), otherKeys(1000)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if s.Damaged(keys[i%len(keys)]) {
			b.Fatal("damaged")
		}
		i++
	}
}

func BenchmarkParse(b *testing.B) {
	data := sealed(b, voteRequest).String()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := seal.Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	clear := []byte(voteRequest)
	b.ReportAllocs()
	for b.Loop() {
		seal.Seal(authKey, clear, [8]byte{1})
	}
}

func BenchmarkBinding(b *testing.B) {
	request := sealed(b, voteRequest).Digest()
	b.ReportAllocs()
	for b.Loop() {
		seal.Binding(authKey, request, "challenge_ack", voteRequest)
	}
}
