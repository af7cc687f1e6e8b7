package hive_test

import (
	"testing"

	"pksa/protocol/hive"
)

// What a request costs here, by the operations that are sent most.
var benchOperations = []struct{ name, text string }{
	{"vote", `["vote",{"voter":"alice","author":"bob","permlink":"re-carol-20260101t000000","weight":10000}]`},
	{"transfer", `["transfer",{"from":"alice","to":"bob","amount":"1.000 HBD","memo":"tip 17"}]`},
	{"custom_json", `["custom_json",{"required_auths":[],"required_posting_auths":["alice"],"id":"follow",` +
		`"json":"[\"follow\",{\"follower\":\"alice\",\"following\":\"bob\",\"what\":[\"blog\"]}]"}]`},
}

func BenchmarkParseOperation(b *testing.B) {
	for _, op := range benchOperations {
		b.Run(op.name, func(b *testing.B) {
			raw := []byte(op.text)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := hive.Mainnet.ParseOperation(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSerialize(b *testing.B) {
	for _, op := range benchOperations {
		b.Run(op.name, func(b *testing.B) {
			tx := transactionOf(parseOp(b, op.text))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := hive.Mainnet.Serialize(tx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeTransaction(b *testing.B) {
	for _, op := range benchOperations {
		b.Run(op.name, func(b *testing.B) {
			packed := serialize(b, transactionOf(parseOp(b, op.text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := hive.Mainnet.DecodeTransaction(packed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	tx := hive.SignedTransaction{Transaction: transactionOf(parseOp(b, benchOperations[0].text)),
		Signatures: make([]hive.Signature, 1)}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = hive.Mainnet.AppendJSON(dst[:0], tx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSigningDigest(b *testing.B) {
	packed := serialize(b, transactionOf(parseOp(b, benchOperations[0].text)))
	b.ReportAllocs()
	for b.Loop() {
		hive.Mainnet.SigningDigest(packed)
	}
}

func BenchmarkRequired(b *testing.B) {
	op := parseOp(b, benchOperations[0].text)
	b.ReportAllocs()
	for b.Loop() {
		op.Required()
	}
}

// BenchmarkVoteFromJSONToSignature measures everything that this package does for a vote.
func BenchmarkVoteFromJSONToSignature(b *testing.B) {
	key := hive.PrivateKeyFromSeed("bench")
	raw := []byte(benchOperations[0].text)
	b.ReportAllocs()
	for b.Loop() {
		op, err := hive.Mainnet.ParseOperation(raw)
		if err != nil {
			b.Fatal(err)
		}
		packed := serialize(b, transactionOf(op))
		if _, err := hive.Mainnet.DecodeTransaction(packed); err != nil {
			b.Fatal(err)
		}
		if _, err := key.Sign(hive.Mainnet.SigningDigest(packed)); err != nil {
			b.Fatal(err)
		}
	}
}
