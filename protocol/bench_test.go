package protocol_test

import (
	"strings"
	"testing"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

func BenchmarkDecodeForWallet(b *testing.B) {
	vectors, _ := loadVectors[messageVector](b, "vectors/messages.json")
	var small []byte
	for _, v := range vectors {
		if v.Name == "sign_req-v1" {
			small = v.Message
		}
	}
	large := []byte(strings.Replace(request(""), "U2FsdGVkX18=", strings.Repeat("A", 88_000), 1))
	for name, frame := range map[string][]byte{"vote": small, "64 kB transaction": large} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				if _, err := protocol.DecodeForWallet(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeSignReqData(b *testing.B) {
	vote := `["vote",{"voter":"alice","author":"bob","permlink":"p","weight":10000}]`
	payload := func(ops string) []byte {
		return []byte(`{"key_type":"posting","ops":[` + ops + `],"broadcast":true,"nonce":1700000000000}`)
	}
	payloads := map[string][]byte{
		"vote":      payload(vote),
		"500 votes": payload(strings.Repeat(vote+",", 499) + vote),
		"60 kB":     payload(`["comment",{"body":"` + strings.Repeat(`x\n`, 20_000) + `"}]`),
	}
	for name, text := range payloads {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := protocol.DecodeSignReqData(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncodeAck(b *testing.B) {
	ack := protocol.BroadcastAck(testUUID, strings.Repeat("ab", 20))
	ack.PoK = "#" + strings.Repeat("5", 180)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := protocol.Encode(ack); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckChallenge(b *testing.B) {
	for name, text := range map[string]string{"login": `{"login":"alice","ts":1700000000000}`,
		"64 KiB": strings.Repeat("x", protocol.MaxChallenge)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := protocol.CheckChallenge(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeChallengeReqData(b *testing.B) {
	payload := []byte(`{"key_type":"posting","challenge":"{\"login\":\"alice\",\"ts\":1700000000000}",` +
		`"decrypt":false,"nonce":1700000000000}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := protocol.DecodeChallengeReqData(payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeChallengeAckData(b *testing.B) {
	data := protocol.ChallengeAckData{PubKey: hive.PrivateKeyFromSeed("bench").Public(),
		Challenge: secret.Text(strings.Repeat("1f", 65))}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := data.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeAuthReqData(b *testing.B) {
	payload := []byte(`{"app":{"name":"bot","description":"a bot","icon":""},"token":""}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := protocol.DecodeAuthReqData(payload); err != nil {
			b.Fatal(err)
		}
	}
}
