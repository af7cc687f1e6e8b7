package protocol_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"pksa/protocol"
	"pksa/protocol/hive"
)

type payloadCase struct {
	name   string
	text   string
	reason protocol.Reason
	member string
}

func runPayloadCases[T any](t *testing.T, decode func([]byte) (T, error), cases []payloadCase) {
	t.Helper()
	var zero T
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			data, err := decode([]byte(c.text))
			if c.reason == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var refused *protocol.DecodeError
			if !errors.As(err, &refused) {
				t.Fatalf("got %+v, %v; want a refusal", data, err)
			}
			if refused.Reason != c.reason || refused.Member != c.member {
				t.Errorf("got %v (%s, %q), want %s, %q", err, refused.Reason, refused.Member, c.reason, c.member)
			}
			if !reflect.DeepEqual(data, zero) {
				t.Errorf("a refused payload gave %+v", data)
			}
		})
	}
}

// manyMembers are members of an object, to be written behind others.
func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":0`, i)
	}
	return b.String()
}

func TestDecodeAuthReqData(t *testing.T) {
	challenge := func(members string) string { return `{"app":{"name":"x"},"challenge":{` + members + `}}` }
	good := `"key_type":"posting","challenge":"hi"`
	runPayloadCases(t, protocol.DecodeAuthReqData, []payloadCase{
		{"all", `{"app":{"name":"x","description":"d","icon":"i","pubkey":"STM…"},"challenge":{` + good +
			`,"nonce":1,"decrypt":false,"pubkey":null},"token":"t"}`, "", ""},
		{"nulls", challenge(good + `,"nonce":null,"decrypt":null,"pubkey":null`), "", ""},
		{"decrypt", challenge(`"key_type":"memo","challenge":"#abc","decrypt":true`), "", ""},
		{"active", challenge(`"key_type":"active","challenge":"hi"`), "", ""},
		{"app null", `{"app":null}`, protocol.ReasonType, "app"},
		{"app string", `{"app":"x"}`, protocol.ReasonType, "app"},
		{"app array", `{"app":[{"name":"x"}]}`, protocol.ReasonType, "app"},
		{"app.name null", `{"app":{"name":null}}`, protocol.ReasonType, "name"},
		{"app.name missing", `{"app":{}}`, protocol.ReasonMissing, "name"},
		{"app.icon number", `{"app":{"name":"x","icon":1}}`, protocol.ReasonType, "icon"},
		{"app unknown members", `{"app":{"url":"y","name":"x","n":[1,{"a":null}]}}`, "", ""},
		{"app.Name", `{"app":{"Name":"x"}}`, protocol.ReasonMissing, "name"},
		{"app unknown member twice", `{"app":{"name":"x","url":"y","url":"z"}}`, protocol.ReasonDuplicate, ""},
		{"app twice in an unknown member", `{"app":{"name":"x","url":{"a":1,"a":2}}}`, protocol.ReasonDuplicate, ""},
		{"app unknown members too deep", `{"app":{"name":"x","url":` + strings.Repeat("[", 31) +
			strings.Repeat("]", 31) + `}}`, protocol.ReasonDepth, ""},
		{"app with too many members", `{"app":{"name":"x"` + manyMembers(protocol.MaxNames) + `}}`,
			protocol.ReasonNames, ""},
		{"app unknown member with half a character", `{"app":{"name":"x","url":"\ud800"}}`, protocol.ReasonSyntax, ""},
		{"all that may be null", `{"app":{"name":"x","description":null,"icon":null,"pubkey":null,"url":null},` +
			`"challenge":null,"token":null}`, "", ""},
		{"unknown null", `{"app":{"name":"x"},"more":null}`, protocol.ReasonMember, ""},
		{"app.name twice", `{"app":{"name":"x","name":"y"}}`, protocol.ReasonDuplicate, ""},
		{"unknown member", `{"app":{"name":"x"},"nonce":1}`, protocol.ReasonMember, ""},
		{"sign data inside", `{"app":{"name":"x"},"ops":[]}`, protocol.ReasonMember, ""},
		{"token number", `{"app":{"name":"x"},"token":1}`, protocol.ReasonType, "token"},
		{"challenge string", `{"app":{"name":"x"},"challenge":"hi"}`, protocol.ReasonType, "challenge"},
		{"challenge false", `{"app":{"name":"x"},"challenge":false}`, protocol.ReasonType, "challenge"},
		{"challenge empty object", challenge(""), protocol.ReasonMissing, "key_type"},
		{"challenge.key_type null", challenge(`"key_type":null,"challenge":"hi"`), protocol.ReasonType, "key_type"},
		{"challenge.key_type owner", challenge(`"key_type":"owner","challenge":"hi"`), protocol.ReasonValue,
			"key_type"},
		{"challenge.key_type upper case", challenge(`"key_type":"Posting","challenge":"hi"`), protocol.ReasonValue,
			"key_type"},
		{"challenge.challenge missing", challenge(`"key_type":"posting"`), protocol.ReasonMissing, "challenge"},
		{"challenge.challenge number", challenge(`"key_type":"posting","challenge":1`), protocol.ReasonType,
			"challenge"},
		{"challenge.nonce string", challenge(good + `,"nonce":"1"`), protocol.ReasonType, "nonce"},
		{"challenge.nonce zero", challenge(good + `,"nonce":0`), protocol.ReasonValue, "nonce"},
		{"challenge.decrypt number", challenge(good + `,"decrypt":1`), protocol.ReasonType, "decrypt"},
		{"challenge.decrypt of plain text", challenge(good + `,"decrypt":true`), protocol.ReasonValue, "challenge"},
		{"challenge.pubkey string", challenge(good + `,"pubkey":"STM…"`), protocol.ReasonType, "pubkey"},
		{"challenge unknown member", challenge(good + `,"expire":1`), protocol.ReasonMember, ""},
	})
}

func TestDecodeSignReqData(t *testing.T) {
	sign := func(key, ops, broadcast, more string) string {
		return `{"key_type":` + key + `,"ops":` + ops + `,"broadcast":` + broadcast + more + `}`
	}
	ops := func(ops string) string { return sign(`"posting"`, ops, "true", "") }
	nonce := func(nonce string) string { return sign(`"posting"`, `[["vote",{}]]`, "true", `,"nonce":`+nonce) }
	whole := func(more string) string {
		return `{"key_type":"posting","tx":{"ref_block_num":65535,"ref_block_prefix":4294967295,` +
			`"expiration":"2030-01-01T00:00:00","operations":[["vote",{}]]` + more + `},"broadcast":true}`
	}
	runPayloadCases(t, protocol.DecodeSignReqData, []payloadCase{
		{"active", sign(`"active"`, `[["vote",{}]]`, "false", ""), "", ""},
		{"object form", ops(`[{"type":"vote_operation","value":{}}]`), "", ""},
		{"white space", " " + sign(` "active" `, ` [ [ "vote" , { } ] ] `, " false ", "") + "\n", "", ""},
		{"as many as allowed", ops(`[` + strings.Repeat(`[],`, protocol.MaxOps-1) + `[]]`), "", ""},
		{"too many", ops(`[` + strings.Repeat(`[],`, protocol.MaxOps) + `[]]`), protocol.ReasonNames, "ops"},
		{"ops null", ops("null"), protocol.ReasonType, "ops"},
		{"tx", whole(""), "", ""},
		{"tx with empty lists", whole(`,"extensions":[],"signatures":[]`), "", ""},
		{"tx and ops", strings.Replace(whole(""), `"tx"`, `"ops":[["vote",{}]],"tx"`, 1), protocol.ReasonMember, "ops"},
		{"tx and ops null", strings.Replace(whole(""), `"tx"`, `"ops":null,"tx"`, 1), protocol.ReasonMember, "ops"},
		{"tx null", strings.Replace(sign(`"posting"`, "null", "true", ""), "ops", "tx", 1), protocol.ReasonType, "tx"},
		{"tx with a member more", whole(`,"x":1`), protocol.ReasonMember, ""},
		{"tx with an extension", whole(`,"extensions":[1]`), protocol.ReasonValue, "extensions"},
		{"tx with a signature", whole(`,"signatures":["00"]`), protocol.ReasonValue, "signatures"},
		{"tx with a block beyond", strings.Replace(whole(""), "65535", "65536", 1), protocol.ReasonValue,
			"ref_block_num"},
		{"tx with a prefix beyond", strings.Replace(whole(""), "4294967295", "4294967296", 1), protocol.ReasonValue,
			"ref_block_prefix"},
		{"tx with a zone", strings.Replace(whole(""), "00:00\"", "00:00Z\"", 1), protocol.ReasonValue, "expiration"},
		{"tx without operations", strings.Replace(whole(""), `["vote",{}]`, "", 1), protocol.ReasonValue, "operations"},
		{"ops of strings", ops(`["vote",{}]`), protocol.ReasonType, "ops"},
		{"ops of null", ops(`[null]`), protocol.ReasonType, "ops"},
		{"equal names in an operation", ops(`[["vote",{"voter":"a","voter":"b"}]]`), protocol.ReasonDuplicate, ""},
		{"equal names spelt differently", ops(`[["vote",{"voter":"a","\u0076oter":"b"}]]`),
			protocol.ReasonDuplicate, ""},
		{"broadcast null", sign(`"active"`, `[["vote",{}]]`, "null", ""), protocol.ReasonType, "broadcast"},
		{"broadcast number", sign(`"active"`, `[["vote",{}]]`, "1", ""), protocol.ReasonType, "broadcast"},
		{"key_type list", sign(`["active"]`, `[["vote",{}]]`, "true", ""), protocol.ReasonType, "key_type"},
		{"key_type with a space", sign(`"active "`, `[["vote",{}]]`, "true", ""), protocol.ReasonValue, "key_type"},
		{"nonce 1", nonce("1"), "", ""},
		{"nonce 2^53-1", nonce("9007199254740991"), "", ""},
		{"nonce 0", nonce("0"), protocol.ReasonValue, "nonce"},
		{"nonce -0", nonce("-0"), protocol.ReasonValue, "nonce"},
		{"nonce 1.0", nonce("1.0"), protocol.ReasonType, "nonce"},
		{"nonce 1e12", nonce("1e12"), protocol.ReasonType, "nonce"},
		{"nonce 1E12", nonce("1E12"), protocol.ReasonType, "nonce"},
		{"nonce null", nonce("null"), "", ""},
		{"unknown null", nonce(`1,"more":null`), protocol.ReasonMember, ""},
		{"nonce true", nonce("true"), protocol.ReasonType, "nonce"},
		{"nonce list", nonce("[1]"), protocol.ReasonType, "nonce"},
		{"nonce 2^64+1", nonce("18446744073709551617"), protocol.ReasonValue, "nonce"},
		{"nonce twice", nonce(`1,"nonce":2`), protocol.ReasonDuplicate, ""},
		{"account inside", sign(`"active"`, `[["vote",{}]]`, "true", `,"account":"alice"`), protocol.ReasonMember, ""},
		{"token inside", sign(`"active"`, `[["vote",{}]]`, "true", `,"token":"x"`), protocol.ReasonMember, ""},
		{"lone surrogate in an operation", ops(`[["comment",{"body":"\udc1d"}]]`), protocol.ReasonSyntax, ""},
		{"bad UTF-8 in an operation", ops("[[\"comment\",{\"body\":\"\xff\"}]]"), protocol.ReasonUTF8, ""},
		{"too deep", ops(`[` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `]`), protocol.ReasonDepth, ""},
		{"too large", ops(`[["` + strings.Repeat("x", protocol.MaxData) + `"]]`), protocol.ReasonSize, ""},
		{"empty", "", protocol.ReasonSyntax, ""},
	})
}

func TestNonceUnits(t *testing.T) {
	for text, want := range map[string]protocol.Nonce{
		"1":                1000,
		"1700000000":       1700000000000,
		"99999999999":      99999999999000,
		"100000000000":     100000000000,
		"1700000000000":    1700000000000,
		"9007199254740991": 9007199254740991,
	} {
		text := `{"key_type":"posting","challenge":"x","nonce":` + text + `}`
		data, err := protocol.DecodeChallengeReqData([]byte(text))
		if err != nil || data.Nonce != want {
			t.Errorf("%s: nonce %d, %v; want %d", text, data.Nonce, err, want)
			continue
		}
		again, err := data.Encode()
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if data2, err := protocol.DecodeChallengeReqData(again); err != nil || data2 != data {
			t.Errorf("%s became %s", text, again)
		}
	}
	for _, nonce := range []protocol.Nonce{-1, 1, 999, 1001, 1 << 53} {
		data := protocol.ChallengeReqData{KeyType: hive.Memo, Challenge: "x", Nonce: nonce}
		if text, err := data.Encode(); err == nil {
			t.Errorf("nonce %d gave %s, which reads back as another", nonce, text)
		}
	}
}

func TestDecodeChallengeReqData(t *testing.T) {
	runPayloadCases(t, protocol.DecodeChallengeReqData, []payloadCase{
		{"decrypt null", `{"key_type":"memo","challenge":"x","decrypt":null}`, "", ""},
		{"empty text is for the firewall", `{"key_type":"memo","challenge":""}`, "", ""},
		{"decrypt", `{"key_type":"memo","challenge":"#x","decrypt":true}`, "", ""},
		{"decrypt nothing", `{"key_type":"memo","challenge":"#","decrypt":true}`, protocol.ReasonValue, "challenge"},
		{"decrypt much", `{"key_type":"memo","challenge":"#` + strings.Repeat("x", protocol.MaxChallenge) +
			`","decrypt":true}`, protocol.ReasonSize, "challenge"},
		{"challenge null", `{"key_type":"memo","challenge":null}`, protocol.ReasonType, "challenge"},
		{"pubkey null", `{"key_type":"memo","challenge":"x","pubkey":null}`, "", ""},
		{"pubkey", `{"key_type":"memo","challenge":"x","pubkey":"` + testKey + `"}`, protocol.ReasonMember, ""},
		{"all that may be null", `{"key_type":"memo","challenge":"x","pubkey":null,"decrypt":null,"nonce":null}`,
			"", ""},
		{"unknown null", `{"key_type":"memo","challenge":"x","more":null}`, protocol.ReasonMember, ""},
		{"an answer", `{"pubkey":"` + testKey + `","challenge":"x"}`, protocol.ReasonMember, ""},
	})
}

func TestDecodeAuthAckData(t *testing.T) {
	signed := `{"pubkey":"` + testKey + `","challenge":"ab"}`
	runPayloadCases(t, protocol.DecodeAuthAckData, []payloadCase{
		{"expire only", `{"expire":1}`, "", ""},
		{"microseconds", `{"expire":1700000000000000}`, "", ""},
		{"challenge", `{"expire":1,"challenge":` + signed + `}`, "", ""},
		{"challenge_data", `{"expire":1,"challenge_data":` + signed + `}`, "", ""},
		{"both", `{"expire":1,"challenge":` + signed + `,"challenge_data":` + signed + `}`, "", ""},
		{"nulls", `{"expire":1,"challenge":null,"challenge_data":null,"token":null}`, "", ""},
		{"both differ", `{"expire":1,"challenge":` + signed + `,"challenge_data":` + strings.Replace(signed, "ab", "ac",
			1) + `}`, protocol.ReasonValue, "challenge_data"},
		{"expire missing", `{}`, protocol.ReasonMissing, "expire"},
		{"expire string", `{"expire":"1"}`, protocol.ReasonType, "expire"},
		{"memo of Keychain", `{"expire":1,"challenge":"#abc"}`, protocol.ReasonType, "challenge"},
		{"bad key", `{"expire":1,"challenge":{"pubkey":"STM","challenge":"ab"}}`, protocol.ReasonValue, "pubkey"},
		{"unknown member", `{"expire":1,"nonce":1}`, protocol.ReasonMember, ""},
		{"tx", `{"expire":1,"tx":true}`, "", ""},
		{"tx of another type", `{"expire":1,"tx":1}`, protocol.ReasonType, "tx"},
	})
	for _, name := range []string{"challenge", "challenge_data"} {
		data, err := protocol.DecodeAuthAckData([]byte(`{"expire":5,"` + name + `":` + signed + `}`))
		if err != nil || data.Challenge == nil || data.Challenge.Challenge != "ab" ||
			data.Challenge.PubKey.String() != testKey {
			t.Errorf("%s: %+v, %v", name, data, err)
		}
	}
}

// TestSignaturesOfOthers: they stand beside a transaction only, and each can be one.
func TestSignaturesOfOthers(t *testing.T) {
	one := `"` + aSignature + `"`
	swap := func(at int, with string) string { return one[:1+at] + with + one[1+at+len(with):] }
	of := func(list string) string {
		return `{"key_type":"active","tx":{"ref_block_num":1,"ref_block_prefix":2,"expiration":"2030-01-01T00:00:00",` +
			`"operations":[["vote",{}]]},"signatures":` + list + `,"broadcast":true}`
	}
	const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
	runPayloadCases(t, protocol.DecodeSignReqData, []payloadCase{
		{"none", of(`[]`), "", ""},
		{"one", of(`[` + one + `]`), "", ""},
		{"upper case", of(`["` + strings.ToUpper(aSignature) + `"]`), "", ""},
		{"null", of(`null`), protocol.ReasonType, "signatures"},
		{"a text", of(one), protocol.ReasonType, "signatures"},
		{"a number in it", of(`[1]`), protocol.ReasonType, "signatures"},
		{"too short", of(`["` + aSignature[2:] + `"]`), protocol.ReasonValue, "signatures"},
		{"too long", of(`["` + aSignature + `00"]`), protocol.ReasonValue, "signatures"},
		{"no digit", of(`[` + swap(9, "g") + `]`), protocol.ReasonValue, "signatures"},
		{"not compressed", of(`[` + swap(0, "1b") + `]`), protocol.ReasonValue, "signatures"},
		{"r is zero", of(`[` + swap(2, strings.Repeat("0", 64)) + `]`), protocol.ReasonValue, "signatures"},
		{"r is the order", of(`[` + swap(2, order) + `]`), protocol.ReasonValue, "signatures"},
		{"s is zero", of(`[` + swap(66, strings.Repeat("0", 64)) + `]`), protocol.ReasonValue, "signatures"},
		{"s is high", of(`[` + swap(66, "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1") + `]`),
			protocol.ReasonValue, "signatures"},
		{"s is half", of(`[` + swap(66, "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0") + `]`), "",
			""},
		{"beside ops", `{"key_type":"active","ops":[["vote",{}]],"signatures":[],"broadcast":true}`,
			protocol.ReasonMember, "signatures"},
	})
	for n, want := range map[int]string{63: "", 64: "", 65: "signatures"} {
		data, err := protocol.DecodeSignReqData([]byte(of(`[` + strings.Repeat(one+",", n-1) + one + `]`)))
		if (err == nil) != (want == "") || err == nil && len(data.Signatures) != n {
			t.Errorf("%d signatures: %d, %v", n, len(data.Signatures), err)
		}
	}
}

func TestDecodeSignAckData(t *testing.T) {
	id, signature := strings.Repeat("0a", 20), `"`+aSignature+`"`
	of := func(id, signatures string) string { return `{"id":"` + id + `","signatures":[` + signatures + `]}` }
	with := func(payload, member string) string { return payload[:len(payload)-1] + "," + member + "}" }
	missing := func(account, authority, weight, threshold string) string {
		return fmt.Sprintf(`{"account":%q,"authority":%q,"weight":%s,"threshold":%s}`, account, authority, weight,
			threshold)
	}
	runPayloadCases(t, protocol.DecodeSignAckData, []payloadCase{
		{"good", of(id, signature), "", ""},
		{"two", of(id, signature+","+signature), "", ""},
		{"none", of(id, ""), protocol.ReasonValue, "signatures"},
		{"too many", of(id, strings.Repeat(signature+",", 8)+signature), protocol.ReasonNames, "signatures"},
		{"short id", of(id[2:], signature), protocol.ReasonValue, "id"},
		{"no signature", of(id, `"00"`), protocol.ReasonValue, "signatures"},
		{"a number", of(id, `1`), protocol.ReasonType, "signatures"},
		{"no signatures", `{"id":"` + id + `"}`, protocol.ReasonMissing, "signatures"},
		{"a request", `{"key_type":"active","ops":[["vote",{}]],"broadcast":true}`, protocol.ReasonMember, ""},
		{"nothing missing", with(of(id, signature), `"missing":[]`), "", ""},
		{"missing", with(of(id, signature), `"missing":[`+missing("alice", "active", "1", "2")+`,`+
			missing("bob", "owner", "0", "4294967295")+`,`+missing("nobody", "posting", "0", "0")+`]`), "", ""},
		{"superfluous", with(of(id, signature), `"missing":[],"superfluous":[0,2,64]`), "", ""},
		{"the last but one", with(of(id, signature), `"missing":[],"superfluous":[65]`), protocol.ReasonValue,
			"superfluous"},
		{"none superfluous", with(of(id, signature), `"missing":[],"superfluous":[]`), protocol.ReasonValue,
			"superfluous"},
		{"null superfluous", with(of(id, signature), `"missing":[],"superfluous":null`), protocol.ReasonType,
			"superfluous"},
		{"out of order", with(of(id, signature), `"missing":[],"superfluous":[2,1]`), protocol.ReasonValue,
			"superfluous"},
		{"twice", with(of(id, signature), `"missing":[],"superfluous":[1,1]`), protocol.ReasonValue, "superfluous"},
		{"before the first", with(of(id, signature), `"missing":[],"superfluous":[-1]`), protocol.ReasonValue,
			"superfluous"},
		{"superfluous and not asked", with(of(id, signature), `"superfluous":[1]`), protocol.ReasonValue,
			"superfluous"},
		{"superfluous and missing", with(of(id, signature), `"missing":[`+missing("alice", "active", "1", "2")+
			`],"superfluous":[1]`), protocol.ReasonValue, "superfluous"},
		{"null missing", with(of(id, signature), `"missing":null`), protocol.ReasonType, "missing"},
		{"no name", with(of(id, signature), `"missing":[`+missing("", "active", "1", "2")+`]`), protocol.ReasonValue,
			"account"},
		{"memo", with(of(id, signature), `"missing":[`+missing("alice", "memo", "1", "2")+`]`), protocol.ReasonValue,
			"authority"},
		{"enough", with(of(id, signature), `"missing":[`+missing("alice", "active", "2", "2")+`]`),
			protocol.ReasonValue,
			"weight"},
		{"weight of nothing", with(of(id, signature), `"missing":[`+missing("alice", "active", "1", "0")+`]`),
			protocol.ReasonValue, "threshold"},
		{"beyond", with(of(id, signature), `"missing":[`+missing("alice", "active", "1", "4294967296")+`]`),
			protocol.ReasonValue, "threshold"},
		{"a member more", with(of(id, signature), `"missing":[{"account":"alice","authority":"active","weight":1,`+
			`"threshold":2,"x":1}]`), protocol.ReasonMember, ""},
	})
	for n, taken := range map[int]bool{63: true, 64: true, 65: false} {
		one := missing("alice", "active", "1", "2")
		data, err := protocol.DecodeSignAckData([]byte(with(of(id, signature), `"missing":[`+strings.Repeat(one+",",
			n-1)+
			one+`]`)))
		if (err == nil) != taken || taken && len(data.Missing) != n {
			t.Errorf("%d missing: %d, %v", n, len(data.Missing), err)
		}
	}
	// No request is read from it.
	clear := []byte(of(id, signature))
	if _, err := protocol.DecodeSignReqData(clear); err == nil {
		t.Error("it is a sign_req")
	}
	if _, err := protocol.DecodeAuthReqData(clear); err == nil {
		t.Error("it is an auth_req")
	}
	if _, err := protocol.DecodeChallengeReqData(clear); err == nil {
		t.Error("it is a challenge_req")
	}
}

// aSignature is the signature of a key of a label, in plain sight.
var aSignature = func() string {
	key := hive.PrivateKeyFromSeed("a label")
	signature, err := key.Sign(hive.HashText("x"))
	if err != nil {
		panic(err)
	}
	return signature.String()
}()

func TestDecodeChallengeAckData(t *testing.T) {
	runPayloadCases(t, protocol.DecodeChallengeAckData, []payloadCase{
		{"good", `{"pubkey":"` + testKey + `","challenge":"#clear"}`, "", ""},
		{"pubkey missing", `{"challenge":"ab"}`, protocol.ReasonMissing, "pubkey"},
		{"pubkey null", `{"pubkey":null,"challenge":"ab"}`, protocol.ReasonType, "pubkey"},
		{"challenge missing", `{"pubkey":"` + testKey + `"}`, protocol.ReasonMissing, "challenge"},
		{"challenge too large", `{"pubkey":"` + testKey + `","challenge":"` + strings.Repeat("x", protocol.MaxChallenge+
			1) + `"}`, protocol.ReasonSize, "challenge"},
		{"unknown member", `{"pubkey":"` + testKey + `","challenge":"ab","key_type":"posting"}`,
			protocol.ReasonMember, ""},
	})
}

// TestNoAnswerIsARequest: whatever a wallet seals, sent back to it by a relay, is not a request
// (HAS §13.2, §13.3).
func TestNoAnswerIsARequest(t *testing.T) {
	key, err := hive.ParsePublicKey(testKey)
	if err != nil {
		t.Fatal(err)
	}
	signed := protocol.ChallengeAckData{PubKey: key,
		Challenge: `#{"key_type":"active","ops":[["transfer",{}]],"broadcast":true}`}
	first, err := protocol.AuthAckData{Expire: 1, Token: testUUID, Challenge: &signed}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	second, err := signed.Encode()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := hive.ParseSignature(aSignature)
	if err != nil {
		t.Fatal(err)
	}
	third, err := protocol.SignAckData{Signatures: []hive.Signature{signature}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	fourth, err := protocol.SignAckData{Signatures: []hive.Signature{signature},
		Missing: []hive.Shortfall{{Account: "alice", Role: hive.Active, Weight: 1, Threshold: 2}}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	answers := []string{
		string(first), string(second), string(third), string(fourth), testUUID,
		protocol.TextAuthFailed, protocol.TextRefused, protocol.TextInvalid, protocol.TextNonce,
		protocol.TextNotSupported,
		protocol.TextBroadcastFailed, protocol.TextBroadcastUncertain, protocol.TextBroadcastCredits,
		protocol.TextBroadcastBalance, protocol.TextBroadcastAuthority, protocol.TextBroadcastExpired,
		protocol.TextBroadcastRejected, protocol.TextBroadcastNoNode, protocol.TextSessionExpired,
		protocol.TextBusy, protocol.TextInternal,
	}
	for _, answer := range answers {
		for _, kind := range []protocol.Kind{protocol.Auth, protocol.Sign, protocol.Challenge} {
			if text, err := recode(kind, []byte(answer)); err == nil {
				t.Errorf("%q is a request of kind %s: %s", answer, kind, text)
			}
		}
	}
}

func TestEncodePayloads(t *testing.T) {
	key, err := hive.ParsePublicKey(testKey)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := hive.ParseSignature(aSignature)
	if err != nil {
		t.Fatal(err)
	}
	exactWith := func(others ...hive.Signature) protocol.SignReqData {
		return protocol.SignReqData{KeyType: hive.Active, Ops: [][]byte{[]byte(`["vote", {}]`)}, Broadcast: true,
			Tx:         &protocol.TxHead{RefBlockNum: 1, RefBlockPrefix: 2, Expiration: 1},
			Signatures: append([]hive.Signature{}, others...)}
	}
	const exactText = `{"ref_block_num":1,"ref_block_prefix":2,"expiration":"1970-01-01T00:00:01",` +
		`"operations":[["vote", {}]],"extensions":[]}`
	signed := protocol.ChallengeAckData{PubKey: key, Challenge: "ab"}
	inner := `{"pubkey":"` + testKey + `","challenge":"ab"}`
	cases := []struct {
		data interface{ Encode() ([]byte, error) }
		want string // empty = refused
	}{
		{protocol.AuthReqData{App: protocol.AppInfo{Name: "x"}}, `{"app":{"name":"x"}}`},
		{protocol.AuthReqData{
			App:       protocol.AppInfo{Name: `<&>"\` + "\u2028", Description: "d", Icon: "i", PubKey: "p"},
			Challenge: &protocol.AuthChallenge{KeyType: hive.Posting, Challenge: "#c", Decrypt: true}, Token: "t",
		}, `{"app":{"name":"<&>\"\\` + "\u2028" +
			`","description":"d","icon":"i","pubkey":"p"},"challenge":{"key_type":"posting","challenge":"#c",` +
			`"decrypt":true},"token":"t"}`},
		{protocol.AuthAckData{Expire: 5, Token: "t", Challenge: &signed}, `{"expire":5,"token":"t","challenge":` +
			inner + `,"challenge_data":` + inner + `}`},
		{protocol.SignReqData{KeyType: hive.Active, Ops: [][]byte{[]byte(`["vote", {"b":1,"a":2}]`), []byte(`{}`)},
			Nonce: 1700000000000}, `{"key_type":"active","ops":[["vote", ` +
			`{"b":1,"a":2}],{}],"broadcast":false,"nonce":1700000000000}`},
		{protocol.SignReqData{KeyType: hive.Active, Ops: [][]byte{[]byte(`["vote", {}]`)}, Broadcast: true,
			Tx: &protocol.TxHead{RefBlockNum: 1, RefBlockPrefix: 2, Expiration: 1}}, `{"key_type":"active","tx":` +
			`{"ref_block_num":1,"ref_block_prefix":2,"expiration":"1970-01-01T00:00:01","operations":[["vote", {}]],` +
			`"extensions":[]},"broadcast":true}`},
		{protocol.AuthReqData{App: protocol.AppInfo{Name: "x", Exact: true}}, `{"app":{"name":"x","tx":true}}`},
		{protocol.AuthAckData{Expire: 5, Exact: true}, `{"expire":5,"tx":true}`},
		{protocol.AuthReqData{App: protocol.AppInfo{Name: "x", Exact: true, Shared: true}},
			`{"app":{"name":"x","tx":true,"signatures":true}}`},
		{protocol.AuthAckData{Expire: 5, Exact: true, Shared: true}, `{"expire":5,"tx":true,"signatures":true}`},
		{exactWith(), `{"key_type":"active","tx":` + exactText + `,"signatures":[],"broadcast":true}`},
		{exactWith(signature, signature), `{"key_type":"active","tx":` + exactText + `,"signatures":["` + aSignature +
			`","` + aSignature + `"],"broadcast":true}`},
		{exactWith(make([]hive.Signature, 65)...), ""},
		{exactWith(hive.Signature{}), ""},
		{protocol.SignReqData{KeyType: hive.Active, Ops: [][]byte{[]byte(`["vote", {}]`)},
			Signatures: []hive.Signature{signature}}, ""},
		{protocol.SignAckData{}, ""},
		{protocol.SignAckData{Signatures: []hive.Signature{signature}, Missing: []hive.Shortfall{}},
			`{"id":"` + strings.Repeat("00", 20) + `","signatures":["` + aSignature + `"],"missing":[]}`},
		{protocol.SignAckData{Signatures: []hive.Signature{signature},
			Missing: []hive.Shortfall{{Account: "alice", Role: hive.Active, Weight: 1, Threshold: 2}}},
			`{"id":"` + strings.Repeat("00", 20) + `","signatures":["` + aSignature +
				`"],"missing":[{"account":"alice",` +
				`"authority":"active","weight":1,"threshold":2}]}`},
		{protocol.SignAckData{Signatures: []hive.Signature{signature},
			Missing: []hive.Shortfall{{Role: hive.Active, Threshold: 2}}}, ""},
		{protocol.SignAckData{Signatures: []hive.Signature{signature},
			Missing: []hive.Shortfall{{Account: "alice", Role: hive.Memo, Threshold: 2}}}, ""},
		{protocol.SignAckData{Signatures: []hive.Signature{signature},
			Missing: []hive.Shortfall{{Account: "alice", Role: hive.Active, Weight: 2, Threshold: 2}}}, ""},
		{protocol.SignAckData{Signatures: []hive.Signature{signature}, Missing: make([]hive.Shortfall, 65)}, ""},
		{protocol.ChallengeReqData{KeyType: hive.Memo, Challenge: "#c", Decrypt: true, Nonce: 1700000000000},
			`{"key_type":"memo","challenge":"#c","decrypt":true,"nonce":1700000000000}`},
		{signed, inner},

		{protocol.AuthReqData{}, ""},
		{protocol.AuthReqData{App: protocol.AppInfo{Name: "\xff"}}, ""},
		{protocol.AuthReqData{App: protocol.AppInfo{Name: "x"}, Challenge: &protocol.AuthChallenge{Challenge: "x"}},
			""},
		{protocol.AuthReqData{App: protocol.AppInfo{Name: "x"}, Challenge: &protocol.AuthChallenge{KeyType: hive.Owner,
			Challenge: "x"}}, ""},
		{protocol.AuthAckData{}, ""},
		{protocol.AuthAckData{Expire: 1, Challenge: &protocol.ChallengeAckData{}}, ""},
		{protocol.SignReqData{KeyType: hive.Active}, ""},
		{protocol.SignReqData{KeyType: hive.Memo, Ops: [][]byte{[]byte(`[]`)}}, ""},
		{protocol.SignReqData{KeyType: hive.Active, Ops: [][]byte{[]byte(`[],[]`)}}, ""},
		{protocol.SignReqData{KeyType: hive.Active, Ops: [][]byte{[]byte(`{"a":1,"a":2}`)}}, ""},
		{protocol.SignReqData{KeyType: hive.Active, Ops: [][]byte{nil}}, ""},
		{protocol.SignReqData{KeyType: hive.Active, Ops: make([][]byte, protocol.MaxOps+1)}, ""},
		{protocol.SignReqData{KeyType: hive.Active,
			Ops: [][]byte{[]byte(strings.Repeat("[", 31) + strings.Repeat("]", 31))}}, ""},
		{protocol.ChallengeReqData{KeyType: hive.Memo, Challenge: "plain", Decrypt: true}, ""},
		{protocol.ChallengeReqData{Challenge: "x"}, ""},
		{protocol.ChallengeAckData{Challenge: "x"}, ""},
	}
	for _, c := range cases {
		text, err := c.data.Encode()
		if string(text) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v:\ngot  %s, %v\nwant %s", c.data, text, err, c.want)
		}
	}
}

// TestAnswerKeepsItsChallenge: with decrypt it is clear text that only the application may read.
func TestAnswerKeepsItsChallenge(t *testing.T) {
	answer := protocol.ChallengeAckData{Challenge: "#s3cret"}
	inside := protocol.AuthAckData{Expire: 1, Challenge: &answer}
	marshalled, err := json.Marshal([]any{answer, inside})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "answer", answer, "inside", inside)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q %x", answer, answer, answer, &answer, answer, answer),
		log.String(), string(marshalled)} {
		if strings.Contains(text, "s3cret") || strings.Contains(text, "733363726574") {
			t.Errorf("printed as %s", text)
		}
	}
}
