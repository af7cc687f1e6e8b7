package protocol_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/seal"
)

// loadVectors reads a vector file into T and fails if it holds none.
func loadVectors[T any](t testing.TB, name string) (vectors []T, header map[string]any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Count   int
		Vectors []T
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &header); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) == 0 || len(file.Vectors) != file.Count {
		t.Fatalf("%s: %d vectors, its header says %d", name, len(file.Vectors), file.Count)
	}
	return file.Vectors, header
}

func unseal(t testing.TB, data, key string) []byte {
	t.Helper()
	sealed, err := seal.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	clear, err := sealed.Open(key)
	if err != nil {
		t.Fatal(err)
	}
	return clear
}

// sameJSON compares two JSON texts by value, numbers by their digits.
func sameJSON(t testing.TB, a, b []byte) bool {
	t.Helper()
	read := func(text []byte) (v any) {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	return reflect.DeepEqual(read(a), read(b))
}

type messageVector struct {
	Name      string
	Direction string
	Message   json.RawMessage
	Raw       string
	DataPlain json.RawMessage `json:"data_plain"`
	Note      string
}

func (v messageVector) frame() []byte {
	if v.Message == nil {
		return []byte(v.Raw)
	}
	return v.Message
}

// decoders of the receiving end of each direction.
var receivers = map[string][]func([]byte) (protocol.Message, error){
	"relay>any":  {protocol.DecodeForWallet, protocol.DecodeForApp},
	"relay>pksa": {protocol.DecodeForWallet},
	"relay>app":  {protocol.DecodeForApp},
	"app>relay":  {protocol.DecodeForRelay},
	"pksa>relay": {protocol.DecodeForRelay},
}

// TestMessageVectors reads every message where it arrives, writes it again, and holds what was
// written against the vector: the same members with the same values, none lost and none invented.
func TestMessageVectors(t *testing.T) {
	vectors, header := loadVectors[messageVector](t, "vectors/messages.json")
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			decoders := receivers[v.Direction]
			if len(decoders) == 0 {
				t.Fatalf("direction %q", v.Direction)
			}
			for _, decode := range decoders {
				m, err := decode(v.frame())
				if err != nil {
					t.Fatal(err)
				}
				again, err := protocol.Encode(m)
				if err != nil {
					t.Fatal(err)
				}
				if v.Message == nil {
					if string(again) != v.Raw {
						t.Errorf("encoded %q, want %q", again, v.Raw)
					}
				} else if !sameJSON(t, again, v.Message) {
					t.Errorf("encoded  %s\nfrom     %s", again, v.Message)
				}
				if m2, err := decode(again); err != nil || !reflect.DeepEqual(m, m2) {
					t.Errorf("decoded again: %+v, %v; first %+v", m2, err, m)
				}
				checkPlain(t, v, m, header["auth_key"].(string))
			}
		})
	}
}

// checkPlain opens the payload of a message, decodes it, and writes it again.
func checkPlain(t *testing.T, v messageVector, m protocol.Message, authKey string) {
	t.Helper()
	switch m := m.(type) {
	case protocol.Request:
		clear := unseal(t, m.Data, authKey)
		again, err := recode(m.Kind, clear)
		if err != nil {
			t.Fatal(err)
		}
		// decrypt false may be said or left out
		want := strings.Replace(string(v.DataPlain), `"decrypt": false,`, "", 1)
		if !sameJSON(t, again, []byte(want)) {
			t.Errorf("payload %s\nfrom    %s", again, v.DataPlain)
		}
	case protocol.Ack:
		if m.Kind == protocol.Sign {
			checkSignAck(t, m)
			return
		}
		clear := unseal(t, string(m.Data), authKey)
		checkAckPayload(t, m.Kind, clear)
	case protocol.Nack:
		if m.Data != "" {
			if clear := unseal(t, m.Data, authKey); string(clear) != string(m.UUID) {
				t.Errorf("nack seals %q", clear)
			}
		}
	case protocol.Err:
		if m.Kind != protocol.Auth {
			if clear := unseal(t, m.Error, authKey); !strings.HasSuffix(v.Note, string(clear)) {
				t.Errorf("error seals %q; note %q", clear, v.Note)
			}
		}
	}
}

func checkSignAck(t *testing.T, m protocol.Ack) {
	t.Helper()
	id, isID := m.TransactionID()
	transaction, isTransaction := m.SignedTransaction()
	if m.Broadcast == nil || isID != *m.Broadcast || isTransaction == *m.Broadcast {
		t.Errorf("broadcast %v, id %q, transaction %s", m.Broadcast, id, transaction)
	}
}

func checkAckPayload(t *testing.T, kind protocol.Kind, clear []byte) {
	t.Helper()
	if kind == protocol.Challenge {
		data, err := protocol.DecodeChallengeAckData(clear)
		if err != nil {
			t.Fatal(err)
		}
		again, err := data.Encode()
		if err != nil || !sameJSON(t, again, clear) {
			t.Errorf("encoded %s, %v; want %s", again, err, clear)
		}
		return
	}
	data, err := protocol.DecodeAuthAckData(clear)
	if err != nil {
		t.Fatal(err)
	}
	again, err := data.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if data2, err := protocol.DecodeAuthAckData(again); err != nil || !reflect.DeepEqual(data, data2) {
		t.Errorf("decoded again: %+v, %v; first %+v", data2, err, data)
	}
}

// recode decodes the clear payload of a request and encodes it again.
func recode(kind protocol.Kind, clear []byte) ([]byte, error) {
	switch kind {
	case protocol.Auth:
		data, err := protocol.DecodeAuthReqData(clear)
		if err != nil {
			return nil, err
		}
		return data.Encode()
	case protocol.Sign:
		data, err := protocol.DecodeSignReqData(clear)
		if err != nil {
			return nil, err
		}
		return data.Encode()
	}
	data, err := protocol.DecodeChallengeReqData(clear)
	if err != nil {
		return nil, err
	}
	return data.Encode()
}

type requestVector struct {
	Name      string
	Message   json.RawMessage
	PlainText string `json:"data_plain_text"`
	Strict    string
}

// What the decoders see is the shape. These vectors are refused for what only the agent knows:
// clock, last nonce, session.
var judgedByAgent = map[string]bool{
	"sign-nonce-unix-seconds-same-second": true, "sign-nonce-stale": true, "sign-nonce-equal": true,
	"sign-nonce-lower": true, "sign-nonce-far-future": true, "sign-other-account": true,
	"expire-past": true, "expire-now": true, "expire-in-seconds": true,
}

// shapeReasons says for each vector refused here which member is to blame and why.
var shapeReasons = map[string]struct {
	member string
	reason protocol.Reason
}{
	"sign-nonce-string":             {"nonce", protocol.ReasonType},
	"sign-nonce-float":              {"nonce", protocol.ReasonType},
	"sign-nonce-negative":           {"nonce", protocol.ReasonValue},
	"sign-nonce-2-53":               {"nonce", protocol.ReasonValue},
	"sign-nonce-1e400":              {"nonce", protocol.ReasonType},
	"sign-key-owner":                {"key_type", protocol.ReasonValue},
	"sign-key-memo":                 {"key_type", protocol.ReasonValue},
	"sign-key-upper-case":           {"key_type", protocol.ReasonValue},
	"sign-key-missing":              {"key_type", protocol.ReasonMissing},
	"sign-ops-empty":                {"ops", protocol.ReasonValue},
	"sign-ops-string":               {"ops", protocol.ReasonType},
	"sign-ops-object":               {"ops", protocol.ReasonType},
	"sign-ops-missing":              {"ops", protocol.ReasonMissing},
	"sign-broadcast-missing":        {"broadcast", protocol.ReasonMissing},
	"sign-broadcast-string":         {"broadcast", protocol.ReasonType},
	"sign-duplicate-member":         {"", protocol.ReasonDuplicate},
	"sign-case-variant-member":      {"", protocol.ReasonMember},
	"sign-trailing-text":            {"", protocol.ReasonSyntax},
	"sign-json-array":               {"", protocol.ReasonShape},
	"sign-json-string":              {"", protocol.ReasonShape},
	"sign-not-json":                 {"", protocol.ReasonSyntax},
	"sign-bom":                      {"", protocol.ReasonSyntax},
	"sign-payload-of-a-challenge":   {"", protocol.ReasonMember},
	"challenge-payload-of-a-sign":   {"", protocol.ReasonMember},
	"sign-encrypted-uuid-reflected": {"", protocol.ReasonSyntax},
	"sign-auth_ack-reflected":       {"", protocol.ReasonMember},
	"uuid-is-a-payload":             {"uuid", protocol.ReasonValue},
	"uuid-missing":                  {"uuid", protocol.ReasonMissing},
	"uuid-number":                   {"uuid", protocol.ReasonType},
	"uuid-braces":                   {"uuid", protocol.ReasonValue},
	"expire-string":                 {"expire", protocol.ReasonType},
	"expire-missing":                {"expire", protocol.ReasonMissing},
	"challenge-not-a-string":        {"challenge", protocol.ReasonType},
	"challenge-decrypt-string":      {"decrypt", protocol.ReasonType},
	"challenge-key-owner":           {"key_type", protocol.ReasonValue},
	"challenge-decrypt-plain-text":  {"challenge", protocol.ReasonValue},
	"auth-no-app":                   {"app", protocol.ReasonMissing},
	"auth-app-name-empty":           {"name", protocol.ReasonValue},
	"auth-app-name-number":          {"name", protocol.ReasonType},
	"auth-challenge-no-key-type":    {"key_type", protocol.ReasonMissing},
	"auth-plain-object-data":        {"data", protocol.ReasonType},
}

// TestRequestVectors holds the shape of every request against its verdict: what is to be dropped
// fails as a message, what is to be refused fails as a payload, what is to be accepted passes and
// can be written again.
func TestRequestVectors(t *testing.T) {
	vectors, header := loadVectors[requestVector](t, "vectors/requests.json")
	seen := map[string]bool{}
	for _, v := range vectors {
		seen[v.Name] = true
		t.Run(v.Name, func(t *testing.T) {
			m, err := protocol.DecodeForWallet(v.Message)
			if v.Strict == "drop" && !judgedByAgent[v.Name] {
				checkReason(t, v.Name, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			request := m.(protocol.Request)
			clear := unseal(t, request.Data, header["auth_key"].(string))
			if string(clear) != v.PlainText {
				t.Fatalf("opened %q, want %q", clear, v.PlainText)
			}
			again, err := recode(request.Kind, clear)
			if v.Strict == "refuse" && !judgedByAgent[v.Name] {
				checkReason(t, v.Name, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := recode(request.Kind, again); err != nil {
				t.Errorf("what was encoded does not decode: %v", err)
			}
		})
	}
	for name := range judgedByAgent {
		if !seen[name] {
			t.Errorf("no vector is named %q", name)
		}
	}
	for name := range shapeReasons {
		if !seen[name] {
			t.Errorf("no vector is named %q", name)
		}
	}
}

func checkReason(t *testing.T, name string, err error) {
	t.Helper()
	want, ok := shapeReasons[name]
	if !ok {
		t.Fatal("this vector has no expected reason")
	}
	var refused *protocol.DecodeError
	if !errors.As(err, &refused) || refused.Member != want.member || refused.Reason != want.reason {
		t.Errorf("got %v, want member %q, reason %q", err, want.member, want.reason)
	}
}

// TestRequestVectorValues looks at what a few accepted requests became.
func TestRequestVectorValues(t *testing.T) {
	vectors, _ := loadVectors[requestVector](t, "vectors/requests.json")
	plain := map[string]string{}
	for _, v := range vectors {
		plain[v.Name] = v.PlainText
	}
	nonces := map[string]protocol.Nonce{
		"sign-good": 1700000000000, "sign-nonce-unix-seconds": 1700000000000, "sign-nonce-missing": 0,
	}
	for name, want := range nonces {
		data, err := protocol.DecodeSignReqData([]byte(plain[name]))
		if err != nil || data.Nonce != want || data.KeyType != hive.Posting || len(data.Ops) != 1 {
			t.Errorf("%s: %+v, %v", name, data, err)
		}
	}
	data, err := protocol.DecodeAuthReqData([]byte(plain["auth-nulls"]))
	if err != nil || data != (protocol.AuthReqData{App: protocol.AppInfo{Name: "x", Description: "d"}}) {
		t.Errorf("auth-nulls: %+v, %v", data, err)
	}
}

type linkVector struct {
	Name   string
	URI    string
	Strict string
}

// TestLinkVectors imports every link and QR text.
func TestLinkVectors(t *testing.T) {
	vectors, _ := loadVectors[linkVector](t, "vectors/auth_payload.json")
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			link, err := protocol.ParsePairingLink(v.URI)
			if v.Strict == "reject" {
				var refused *protocol.PairingLinkError
				if !errors.As(err, &refused) {
					t.Errorf("got %v, %v; want a refusal", link, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(link.Host, "wss://") || strings.HasSuffix(link.Host, "/") || link.Key == "" {
				t.Errorf("host %q, key %q", link.Host, link.Key)
			}
			uri, err := link.URI()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := protocol.ParsePairingLink(uri); err != nil || again != link {
				t.Errorf("written and read again: %v, %v", again, err)
			}
		})
	}
}

// TestDocumentedLink holds the writer against the one example of the documentation, byte for byte.
func TestDocumentedLink(t *testing.T) {
	vectors, _ := loadVectors[linkVector](t, "vectors/auth_payload.json")
	v := vectors[0]
	if v.Name != "documented-example" {
		t.Fatalf("first vector is %q", v.Name)
	}
	link := protocol.PairingLink{
		Account: "arcange", UUID: "9b0e2dc3-f574-4766-abdd-c429dce11284",
		Key: "03f63469-5a35-47cb-a6b4-e8c4d3144cf9", Host: "wss://has.hiveauth.com",
	}
	if uri, err := link.URI(); err != nil || uri != v.URI {
		t.Errorf("got %s, %v\nwant %s", uri, err, v.URI)
	}
}

type challengeVector struct {
	Name      string
	Challenge string
	Repeat    struct {
		Char  string
		Count int
	} `json:"challenge_repeat"`
	SHA256 string `json:"utf8_sha256"`
	Strict string
}

// TestChallengePolicyVectors: what is left to the policy passes the firewall.
func TestChallengePolicyVectors(t *testing.T) {
	vectors, _ := loadVectors[challengeVector](t, "vectors/challenge_policy.json")
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			text := v.Challenge
			if v.Repeat.Count > 0 {
				text = strings.Repeat(v.Repeat.Char, v.Repeat.Count)
			}
			if got := hive.HashText(text).String(); got != v.SHA256 {
				t.Fatalf("the text arrived as another: sha256 %s, want %s", got, v.SHA256)
			}
			err := protocol.CheckChallenge(text)
			if v.Strict == "refuse" {
				var refused *protocol.FirewallError
				if !errors.As(err, &refused) {
					t.Errorf("got %v, want a refusal", err)
				}
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}
