package protocol_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"pksa/protocol"
)

const (
	testUUID = "9b0e2dc3-f574-4766-abdd-c429dce11284"
	testKey  = "STM86eLQPsLySq5NASzEmkgCJ3LYAc3mqsswneuFCfT6xECn9aPv5"
)

// request returns a good sign_req as a wallet gets it, with %s replaced by further members.
func request(more string) string {
	return `{"cmd":"sign_req","account":"alice","data":"U2FsdGVkX18=","uuid":"` + testUUID +
		`","expire":1700000060000` + more + `}`
}

type decodeCase struct {
	name   string
	frame  string
	reason protocol.Reason
	member string
}

func runDecodeCases(t *testing.T, decode func([]byte) (protocol.Message, error), cases []decodeCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, err := decode([]byte(c.frame))
			if c.reason == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var refused *protocol.DecodeError
			if !errors.As(err, &refused) {
				t.Fatalf("got %+v, %v; want a refusal", m, err)
			}
			if refused.Reason != c.reason || refused.Member != c.member {
				t.Errorf("got %v (%s, %q), want %s, %q", err, refused.Reason, refused.Member, c.reason, c.member)
			}
			if m != nil {
				t.Errorf("a refused frame gave %+v", m)
			}
		})
	}
}

func TestDecodeForWallet(t *testing.T) {
	deep := strings.Repeat("[", 31) + strings.Repeat("]", 31)
	runDecodeCases(t, protocol.DecodeForWallet, []decodeCase{
		{"good", request(""), "", ""},
		{"unknown member", request(`,"server":"x"`), "", ""},
		{"unknown member of any kind", request(`,"x":{"a":[1,{"b":null}]}`), "", ""},
		{"white space", " \r\n\t" + request("") + "\n", "", ""},
		{"escaped name of a member", strings.Replace(request(""), `"cmd"`, `"\u0063md"`, 1), "", ""},
		{"token null", request(`,"token":null`), "", ""},
		{"upper case uuid", strings.Replace(request(""), testUUID, strings.ToUpper(testUUID), 1), "", ""},
		{"depth 31", request(`,"x":` + deep[1:61]), "", ""},
		{"depth 32", request(`,"x":` + deep), "", ""},

		{"depth 33", request(`,"x":[` + deep + `]`), protocol.ReasonDepth, ""},
		{"empty", "", protocol.ReasonSyntax, ""},
		{"ping is for relays", "ping", protocol.ReasonSyntax, ""},
		{"array", "[" + request("") + "]", protocol.ReasonShape, ""},
		{"string", `"auth_req"`, protocol.ReasonShape, ""},
		{"null", "null", protocol.ReasonShape, ""},
		{"number", "0.8", protocol.ReasonShape, ""},
		{"two objects", request("") + request(""), protocol.ReasonSyntax, ""},
		{"trailing word", request("") + "x", protocol.ReasonSyntax, ""},
		{"trailing comma", request(","), protocol.ReasonSyntax, ""},
		{"trailing zero byte", request("") + "\x00", protocol.ReasonSyntax, ""},
		{"cut", request("")[:60], protocol.ReasonSyntax, ""},
		{"byte order mark", "\ufeff" + request(""), protocol.ReasonSyntax, ""},
		{"single quotes", strings.ReplaceAll(request(""), `"`, `'`), protocol.ReasonSyntax, ""},
		{"comment", request("/**/"), protocol.ReasonSyntax, ""},
		{"bad UTF-8 in a value", request(",\"x\":\"\xff\""), protocol.ReasonUTF8, ""},
		{"bad UTF-8 in a name", request(",\"\xc0\x80\":1"), protocol.ReasonUTF8, ""},
		{"encoded surrogate", request(",\"x\":\"\xed\xa0\x80\""), protocol.ReasonUTF8, ""},
		{"unpaired surrogate", request(`,"x":"\ud800"`), protocol.ReasonSyntax, ""},
		{"unpaired surrogate in a name", request(`,"\ud800":1`), protocol.ReasonSyntax, ""},
		{"raw control character", request(",\"x\":\"\x01\""), protocol.ReasonSyntax, ""},
		{"unknown escape", request(`,"x":"\x41"`), protocol.ReasonSyntax, ""},
		{"leading zero", request(`,"x":01`), protocol.ReasonSyntax, ""},
		{"NaN", request(`,"x":NaN`), protocol.ReasonSyntax, ""},

		{"duplicate", request(`,"account":"bob"`), protocol.ReasonDuplicate, ""},
		{"duplicate of equal value", request(`,"account":"alice"`), protocol.ReasonDuplicate, ""},
		{"duplicate spelt with an escape", request(`,"\u0061ccount":"bob"`), protocol.ReasonDuplicate, ""},
		{"duplicate unknown", request(`,"x":1,"x":1`), protocol.ReasonDuplicate, ""},
		{"duplicate nested in an unknown", request(`,"x":{"y":[{"z":1,"z":2}]}`), protocol.ReasonDuplicate, ""},
		{"duplicate cmd", request(`,"cmd":"auth_req"`), protocol.ReasonDuplicate, ""},

		{"cmd missing", `{"account":"alice"}`, protocol.ReasonMissing, "cmd"},
		{"cmd number", `{"cmd":1}`, protocol.ReasonType, "cmd"},
		{"cmd null", `{"cmd":null}`, protocol.ReasonType, "cmd"},
		{"cmd in another case", strings.Replace(request(""), "sign_req", "Sign_req", 1), protocol.ReasonCommand, ""},
		{"name in another case", strings.Replace(request(""), `"cmd"`, `"CMD"`, 1), protocol.ReasonMissing, "cmd"},
		{"look-alike name", strings.Replace(request(""), `"uuid"`, `"uuıd"`, 1), protocol.ReasonMissing, "uuid"},
		{"uuid in another case", strings.Replace(request(""), `"uuid"`, `"UUID"`, 1), protocol.ReasonMissing, "uuid"},
		{"command of an application", `{"cmd":"auth_wait","uuid":"` + testUUID + `","expire":1,"account":"alice"}`,
			protocol.ReasonCommand, ""},
		{"our own answer", `{"cmd":"sign_nack","uuid":"` + testUUID + `"}`, protocol.ReasonCommand, ""},

		{"uuid null", strings.Replace(request(""), `"`+testUUID+`"`, "null", 1), protocol.ReasonType, "uuid"},
		{"uuid array", strings.Replace(request(""), `"`+testUUID+`"`, `["`+testUUID+`"]`, 1), protocol.ReasonType,
			"uuid"},
		{"uuid empty", strings.Replace(request(""), testUUID, "", 1), protocol.ReasonValue, "uuid"},
		{"uuid of 37", strings.Replace(request(""), testUUID, testUUID+"0", 1), protocol.ReasonValue, "uuid"},
		{"uuid with a line break", strings.Replace(request(""), testUUID, testUUID[:35]+`\n`, 1), protocol.ReasonValue,
			"uuid"},
		{"uuid without dashes", strings.Replace(request(""), testUUID, strings.ReplaceAll(testUUID, "-", "0"), 1),
			protocol.ReasonValue, "uuid"},
		{"uuid with g", strings.Replace(request(""), testUUID, "g"+testUUID[1:], 1), protocol.ReasonValue, "uuid"},
		{"uuid with full-width digit", strings.Replace(request(""), testUUID, "０"+testUUID[3:], 1),
			protocol.ReasonValue, "uuid"},

		{"expire null", strings.Replace(request(""), "1700000060000", "null", 1), protocol.ReasonType, "expire"},
		{"expire fraction", strings.Replace(request(""), "1700000060000", "1700000060000.0", 1), protocol.ReasonType,
			"expire"},
		{"expire exponent", strings.Replace(request(""), "1700000060000", "17e11", 1), protocol.ReasonType, "expire"},
		{"expire zero", strings.Replace(request(""), "1700000060000", "0", 1), protocol.ReasonValue, "expire"},
		{"expire minus zero", strings.Replace(request(""), "1700000060000", "-0", 1), protocol.ReasonValue, "expire"},
		{"expire negative", strings.Replace(request(""), "1700000060000", "-1", 1), protocol.ReasonValue, "expire"},
		{"expire 2^53", strings.Replace(request(""), "1700000060000", "9007199254740992", 1), protocol.ReasonValue,
			"expire"},
		{"expire of 400 digits", strings.Replace(request(""), "1700000060000", strings.Repeat("9", 400), 1),
			protocol.ReasonValue, "expire"},
		{"expire true", strings.Replace(request(""), "1700000060000", "true", 1), protocol.ReasonType, "expire"},

		{"account missing", strings.Replace(request(""), `"account":"alice",`, "", 1), protocol.ReasonMissing,
			"account"},
		{"account number", strings.Replace(request(""), `"alice"`, "5", 1), protocol.ReasonType, "account"},
		{"account with @", strings.Replace(request(""), "alice", "@alice", 1), protocol.ReasonValue, "account"},
		{"account upper case", strings.Replace(request(""), "alice", "Alice", 1), protocol.ReasonValue, "account"},
		{"account empty", strings.Replace(request(""), "alice", "", 1), protocol.ReasonValue, "account"},
		{"account with zero byte", strings.Replace(request(""), "alice", `alice\u0000`, 1), protocol.ReasonValue,
			"account"},

		{"data missing", strings.Replace(request(""), `"data":"U2FsdGVkX18=",`, "", 1), protocol.ReasonMissing, "data"},
		{"data null", strings.Replace(request(""), `"U2FsdGVkX18="`, "null", 1), protocol.ReasonType, "data"},
		{"data array", strings.Replace(request(""), `"U2FsdGVkX18="`, `["U2FsdGVkX18="]`, 1), protocol.ReasonType,
			"data"},
		{"data empty", strings.Replace(request(""), "U2FsdGVkX18=", "", 1), protocol.ReasonValue, "data"},
		{"data of 700 kB", strings.Replace(request(""), "U2FsdGVkX18=", strings.Repeat("A", 700_000), 1), "", ""},
		{"data above 700 kB", strings.Replace(request(""), "U2FsdGVkX18=", strings.Repeat("A", 700_001), 1),
			protocol.ReasonSize, "data"},
		{"token number", request(`,"token":5`), protocol.ReasonType, "token"},
		{"auth_key of a sign_req is nothing", request(`,"auth_key":5`), "", ""},
		{"auth_key number", strings.Replace(request(`,"auth_key":5`), "sign_req", "auth_req", 1), protocol.ReasonType,
			"auth_key"},
		{"auth_key null", strings.Replace(request(`,"auth_key":null`), "sign_req", "auth_req", 1), "", ""},
		{"auth_key empty", strings.Replace(request(`,"auth_key":""`), "sign_req", "auth_req", 1), "", ""},
		{"auth_key huge", strings.Replace(request(`,"auth_key":"`+strings.Repeat("A", 4097)+`"`), "sign_req",
			"auth_req", 1), protocol.ReasonSize, "auth_key"},

		{"connected bare", `{"cmd":"connected"}`, "", ""},
		{"connected 0.8", `{"cmd":"connected","timeout":60,"protocol":0.8}`, "", ""},
		{"connected nulls", `{"cmd":"connected","timeout":60,"protocol":1,"version":null,"server":null}`, "", ""},
		{"protocol string", `{"cmd":"connected","protocol":"1"}`, protocol.ReasonType, "protocol"},
		{"protocol negative", `{"cmd":"connected","protocol":-1}`, protocol.ReasonValue, "protocol"},
		{"protocol 1e999", `{"cmd":"connected","protocol":1e999}`, protocol.ReasonValue, "protocol"},
		{"timeout string", `{"cmd":"connected","timeout":"60"}`, protocol.ReasonType, "timeout"},
		{"timeout negative", `{"cmd":"connected","timeout":-60}`, protocol.ReasonValue, "timeout"},
		{"timeout of ages", `{"cmd":"connected","timeout":9007199254740991}`, protocol.ReasonValue, "timeout"},
		{"version number", `{"cmd":"connected","version":1}`, protocol.ReasonType, "version"},
		{"key_ack", `{"cmd":"key_ack","key":"` + testKey + `"}`, "", ""},
		{"key_ack missing", `{"cmd":"key_ack"}`, protocol.ReasonMissing, "key"},
		{"key_ack bad checksum", `{"cmd":"key_ack","key":"` + testKey[:52] + `6"}`, protocol.ReasonValue, "key"},
		{"key_ack null key", `{"cmd":"key_ack","key":"STM1111111111111111111111111111111114T1Anm"}`,
			protocol.ReasonValue, "key"},
		{"register_ack", `{"cmd":"register_ack","account":"alice"}`, "", ""},
		{"register_ack number", `{"cmd":"register_ack","account":1}`, protocol.ReasonType, "account"},
		{"error", `{"cmd":"error","error":""}`, "", ""},
		{"error object", `{"cmd":"error","error":{}}`, protocol.ReasonType, "error"},
	})
}

func TestDecodeForApp(t *testing.T) {
	ack := func(cmd, more string) string { return `{"cmd":"` + cmd + `","uuid":"` + testUUID + `"` + more + `}` }
	runDecodeCases(t, protocol.DecodeForApp, []decodeCase{
		{"nack of Keychain", ack("sign_nack", `,"error":"Request was canceled by the user."`), "", ""},
		{"nack with nothing", ack("auth_nack", ""), "", ""},
		{"nack with nulls", ack("auth_nack", `,"data":null,"error":null`), "", ""},
		{"nack data object", ack("auth_nack", `,"data":{}`), protocol.ReasonType, "data"},
		{"sign_ack of the reference", ack("sign_ack", `,"data":"`+strings.Repeat("ab", 20)+`"`), "", ""},
		{"sign_ack number", ack("sign_ack", `,"data":5`), protocol.ReasonType, "data"},
		{"sign_ack missing", ack("sign_ack", ""), protocol.ReasonMissing, "data"},
		{"sign_ack duplicate in the transaction", ack("sign_ack", `,"data":{"a":1,"a":2}`),
			protocol.ReasonDuplicate, ""},
		{"sign_ack broadcast string", ack("sign_ack", `,"data":"x","broadcast":"true"`), protocol.ReasonType,
			"broadcast"},
		{"auth_ack object", ack("auth_ack", `,"data":{}`), protocol.ReasonType, "data"},
		{"auth_ack empty", ack("auth_ack", `,"data":""`), protocol.ReasonValue, "data"},
		{"err without error", ack("sign_err", ""), protocol.ReasonMissing, "error"},
		{"attach_ack", ack("attach_ack", ""), "", ""},
		{"attach_nack bad uuid", `{"cmd":"attach_nack","uuid":"x"}`, protocol.ReasonValue, "uuid"},
		{"wait without account", ack("sign_wait", `,"expire":1700000060000`), "", ""},
		{"wait without expire", ack("sign_wait", ""), protocol.ReasonMissing, "expire"},
		{"bare wait", `{"cmd":"auth_wait"}`, protocol.ReasonMissing, "uuid"},
		{"a request", request(""), protocol.ReasonCommand, ""},
	})
}

func TestDecodeForRelay(t *testing.T) {
	register := func(accounts string) string { return `{"cmd":"register_req","app":"x","accounts":` + accounts + `}` }
	runDecodeCases(t, protocol.DecodeForRelay, []decodeCase{
		{"ping", "ping", "", ""},
		{"ping with a line break", "ping\n", protocol.ReasonSyntax, ""},
		{"request without uuid", `{"cmd":"auth_req","account":"alice","data":"x"}`, "", ""},
		{"request with a uuid of its own", `{"cmd":"auth_req","account":"alice","data":"x","uuid":5,"expire":"x"}`,
			"", ""},
		{"bare wait", `{"cmd":"challenge_wait"}`, "", ""},
		{"wait with anything", `{"cmd":"sign_wait","uuid":7}`, "", ""},
		{"error of the reference wallet", `{"cmd":"error","error":"Cannot destructure"}`, "", ""},
		{"commands that do not exist", `{"cmd":"auth_attach"}`, protocol.ReasonCommand, ""},
		{"key_ack is ours", `{"cmd":"key_ack","key":"` + testKey + `"}`, protocol.ReasonCommand, ""},
		{"register", register(`[{"name":"alice","pok":"#x","more":1}]`), "", ""},
		{"register any name", register(`[{"name":"Not An Account"}]`), "", ""},
		{"register none", register(`[]`), protocol.ReasonValue, "accounts"},
		{"register object", register(`{"name":"alice"}`), protocol.ReasonType, "accounts"},
		{"register strings", register(`["alice"]`), protocol.ReasonType, "accounts"},
		{"register without name", register(`[{"pok":"#x"}]`), protocol.ReasonType, "accounts"},
		{"register duplicate", register(`[{"name":"alice","name":"bob"}]`), protocol.ReasonDuplicate, ""},
		{"register too many", register("[" + strings.Repeat(`{"name":"a"},`, protocol.MaxAccounts) + `{"name":"a"}]`),
			protocol.ReasonNames, "accounts"},
		{"register app missing", `{"cmd":"register_req","accounts":[{"name":"alice"}]}`, protocol.ReasonMissing, "app"},
		{"attach", `{"cmd":"attach_req","uuid":"` + testUUID + `"}`, "", ""},
		{"answer with a bad uuid", `{"cmd":"auth_nack","uuid":"{}"}`, protocol.ReasonValue, "uuid"},
	})
}

func TestRelayTakesNoUUIDFromApps(t *testing.T) {
	m, err := protocol.DecodeForRelay([]byte(request("")))
	want := protocol.Request{Kind: protocol.Sign, Account: "alice", Data: "U2FsdGVkX18="}
	if err != nil || m != want {
		t.Errorf("got %+v, %v; want %+v", m, err, want)
	}
}

func TestUnknownCommand(t *testing.T) {
	_, err := protocol.DecodeForWallet([]byte(`{"cmd":"` + strings.Repeat("é", 50) + `"}`))
	if !errors.Is(err, protocol.ErrUnknownCommand) {
		t.Errorf("got %v", err)
	}
	if len(err.Error()) > 120 {
		t.Errorf("foreign text is not cut: %v", err)
	}
	if _, err := protocol.DecodeForWallet([]byte(`{}`)); errors.Is(err, protocol.ErrUnknownCommand) {
		t.Errorf("no command at all counts as unknown: %v", err)
	}
}

// TestErrorsQuoteNoValue: a frame's values may be secrets or attacks on a log.
func TestErrorsQuoteNoValue(t *testing.T) {
	for _, frame := range []string{
		strings.Replace(request(""), testUUID, "s3cret", 1),
		strings.Replace(request(""), "alice", "s3cret!", 1),
		strings.Replace(request(""), "1700000060000", `"s3cret"`, 1),
		request(`,"x":"s3cret`),
	} {
		if _, err := protocol.DecodeForWallet([]byte(frame)); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v", err)
		}
	}
}

// TestDecodedValuesOwnTheirMemory: the reader of a connection uses its buffer again.
func TestDecodedValuesOwnTheirMemory(t *testing.T) {
	frame := []byte(`{"cmd":"sign_ack","uuid":"` + testUUID + `","data":{"a":["b"]},"broadcast":false,"pok":"#p"}`)
	m, err := protocol.DecodeForApp(frame)
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(`{"key_type":"posting","ops":[["vote",{"voter":"alice"}],["x",{}]],"broadcast":true}`)
	data, err := protocol.DecodeSignReqData(payload)
	if err != nil {
		t.Fatal(err)
	}
	clear(frame)
	clear(payload)
	no := false
	want := protocol.Ack{Kind: protocol.Sign, UUID: testUUID, Data: []byte(`{"a":["b"]}`), Broadcast: &no, PoK: "#p"}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v", m)
	}
	if string(data.Ops[0]) != `["vote",{"voter":"alice"}]` || string(data.Ops[1]) != `["x",{}]` {
		t.Errorf("got %s", data.Ops)
	}
}
