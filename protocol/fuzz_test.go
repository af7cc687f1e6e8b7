package protocol_test

import (
	"reflect"
	"strings"
	"testing"

	"pksa/protocol"
)

// seedMessages adds every message of the vectors, and some shapes that they lack.
func seedMessages(f *testing.F) {
	messages, _ := loadVectors[messageVector](f, "vectors/messages.json")
	for _, v := range messages {
		f.Add(v.frame())
	}
	for _, frame := range []string{
		request(""), request(`,"x":{"y":[1,2]}`), request(`,"\u0061ccount":"bob"`),
		`{"cmd":"connected","protocol":1e-7}`,
		`{"cmd":"sign_ack","uuid":"` + testUUID + `","data":{ "a" : "\ud83d\udc1d" } }`,
		`{"cmd":"register_req","app":"","accounts":[{"name":"\u0000"}]}`,
	} {
		f.Add([]byte(frame))
	}
}

// fuzzMessages: what a decoder accepts, Encode writes and the decoder reads back as the same value;
// and once written, the bytes stay the same.
func fuzzMessages(f *testing.F, decode func([]byte) (protocol.Message, error)) {
	seedMessages(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		m, err := decode(frame)
		if err != nil {
			if m != nil {
				t.Fatalf("refused with %v, yet gave %+v", err, m)
			}
			return
		}
		if len(frame) > protocol.MaxSend/2 {
			return // may not fit into what we send
		}
		first, err := protocol.Encode(m)
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		again, err := decode(first)
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%s\nread  %+v\nagain %+v, %v", first, m, again, err)
		}
		if second, err := protocol.Encode(again); err != nil || string(first) != string(second) {
			t.Fatalf("first  %s\nsecond %s, %v", first, second, err)
		}
	})
}

func FuzzDecodeForWallet(f *testing.F) { fuzzMessages(f, protocol.DecodeForWallet) }
func FuzzDecodeForApp(f *testing.F)    { fuzzMessages(f, protocol.DecodeForApp) }
func FuzzDecodeForRelay(f *testing.F)  { fuzzMessages(f, protocol.DecodeForRelay) }

// fuzzPayload does the same as fuzzMessages for one kind of clear payload.
func fuzzPayload[T interface{ Encode() ([]byte, error) }](f *testing.F, decode func([]byte) (T, error)) {
	messages, _ := loadVectors[messageVector](f, "vectors/messages.json")
	for _, v := range messages {
		if v.DataPlain != nil {
			f.Add([]byte(v.DataPlain))
		}
	}
	requests, _ := loadVectors[requestVector](f, "vectors/requests.json")
	for _, v := range requests {
		f.Add([]byte(v.PlainText))
	}
	for _, v := range clientVectors(f) {
		f.Add([]byte(v.Text))
	}
	f.Add([]byte(`{"key_type":"active","tx":{"ref_block_num":1,"ref_block_prefix":2,` +
		`"expiration":"2030-01-01T00:00:00","operations":[["vote",{}]],"extensions":[]},"broadcast":true}`))
	f.Add([]byte(`{"key_type":"active","tx":{"ref_block_num":1,"ref_block_prefix":2,` +
		`"expiration":"2030-01-01T00:00:00","operations":[["vote",{}]]},"signatures":["` + aSignature +
		`"],"broadcast":true}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		data, err := decode(text)
		if err != nil {
			return
		}
		first, err := data.Encode()
		if err != nil {
			t.Fatalf("%+v: %v", data, err)
		}
		again, err := decode(first)
		if err != nil || !reflect.DeepEqual(data, again) {
			t.Fatalf("%s\nread  %+v\nagain %+v, %v", first, data, again, err)
		}
	})
}

func FuzzDecodeAuthReqData(f *testing.F) { fuzzPayload(f, protocol.DecodeAuthReqData) }
func FuzzDecodeAuthAckData(f *testing.F) { fuzzPayload(f, protocol.DecodeAuthAckData) }
func FuzzDecodeSignReqData(f *testing.F) { fuzzPayload(f, protocol.DecodeSignReqData) }
func FuzzDecodeSignAckData(f *testing.F) {
	f.Add([]byte(`{"id":"` + strings.Repeat("0a", 20) + `","signatures":["` + aSignature + `"]}`))
	f.Add([]byte(`{"id":"` + strings.Repeat("0a", 20) + `","signatures":["` + aSignature + `"],"missing":[` +
		`{"account":"alice","authority":"active","weight":1,"threshold":2}]}`))
	f.Add([]byte(`{"id":"` + strings.Repeat("0a", 20) + `","signatures":["` + aSignature + `"],"missing":[],` +
		`"superfluous":[0,2]}`))
	fuzzPayload(f, protocol.DecodeSignAckData)
}
func FuzzDecodeChallengeReqData(f *testing.F) { fuzzPayload(f, protocol.DecodeChallengeReqData) }
func FuzzDecodeChallengeAckData(f *testing.F) { fuzzPayload(f, protocol.DecodeChallengeAckData) }

func FuzzParsePairingLink(f *testing.F) {
	links, _ := loadVectors[linkVector](f, "vectors/auth_payload.json")
	for _, v := range links {
		f.Add(v.URI)
	}
	for _, host := range []string{"ws://[::1]:3/x/", "WSS://A.b:1", "https://a/./../b"} {
		f.Add(linkJSON(host))
	}
	for _, page := range []string{"", "https://waivio.example/has#", "http://localhost/has/#\n"} {
		f.Add(page + published)
	}
	f.Fuzz(func(t *testing.T, s string) {
		protocol.LinkMayGoOn(s)
		link, err := protocol.ParsePairingLink(s)
		if err != nil {
			return
		}
		uri, err := link.URI()
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if again, err := protocol.ParsePairingLink(uri); err != nil || again != link {
			t.Fatalf("%q: written as %q, which gave %v", s, uri, err)
		}
	})
}

func FuzzParseUUID(f *testing.F) {
	f.Add(testUUID)
	f.Add("9B0E2DC3-F574-4766-ABDD-C429DCE11284")
	f.Add(`{"key_type":"posting","ops":[],"a":1}`)
	f.Fuzz(func(t *testing.T, s string) {
		uuid, err := protocol.ParseUUID(s)
		if err != nil {
			return
		}
		if string(uuid) != s || len(s) != 36 {
			t.Fatalf("%q became %q", s, uuid)
		}
		if key, err := protocol.ParseUUID(uuid.Key()); err != nil || key.Key() != uuid.Key() {
			t.Fatalf("%q has key %q", s, uuid.Key())
		}
	})
}
