package protocol_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pksa/protocol"
)

// What an altered payload can open to and no sender writes is garbled. What a sender can write is
// not, however wrong it is.
func TestGarbled(t *testing.T) {
	good := `{"key_type":"posting","ops":[["vote",{"voter":"alice","weight":100}]],"broadcast":true,"nonce":1}`
	at := func(place, instead string) string { return strings.Replace(good, place, instead, 1) }
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"sixteen bytes of text in a structure": {good[:32] + "\u00e9~\u07fb 3k<)Q\u0101#_" + good[48:], true},
		"a control character in a string":      {at("alice", "al\x01ce"), true},
		"a quote in a string":                  {at("alice", `al"ce`), true},
		"an escape that is none":               {at("alice", `al\xce`), true},
		"cut off between blocks":               {good[:48], true},
		"something follows":                    {good + "}", true},
		"another object follows":               {good + good, true},
		"a word that is none":                  {at("true", "trve"), true},
		"good":                                 {good, false},
		"white space around":                   {"\r\n " + good + " \n", false},
		"equal names":                          {at("weight", "voter"), false},
		"half a character, cut by a program":   {at("alice", `al\ud83d`), false},
		"no number, as Python writes it":       {at("100", "NaN"), false},
		"infinite, as Python writes it":        {at("100", "-Infinity"), false},
		"undefined, put together by hand":      {at("100", "undefined"), false},
		"a fraction":                           {at("100", "33.33"), false},
		"an unknown member":                    {at("nonce", "once"), false},
		"no object":                            {`[` + good + `]`, false},
		"a text":                               {`"` + strings.Repeat("x", 50) + `"`, false},
		"an object as JavaScript prints it":    {"[object Object]", false},
		"an object as Python prints it":        {`{'key_type': 'posting', 'ops': []}`, false},
		"names without quotes":                 {`{key_type: "posting", ops: []}`, false},
		"a byte order mark":                    {"\ufeff" + good, false},
		"a text of ours, sent back":            {"invalid request", false},
		"a uuid, sent back":                    {testUUID, false},
		"nothing":                              {"", false},
		"white space":                          {strings.Repeat(" ", 40), false},
		"deep, and right": {`{"a":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`,
			false},
		"members as many as nobody would take in": {`{"a":0` + manyMembers(2000) + `}`, false},
	} {
		if got := protocol.Garbled([]byte(c.text)); got != c.want {
			t.Errorf("%s: Garbled = %v: %.60q", name, got, c.text)
		}
	}
}

// FuzzGarbled: no JSON is garbled, and no payload that a decoder takes.
func FuzzGarbled(f *testing.F) {
	requests, _ := loadVectors[requestVector](f, "vectors/requests.json")
	for _, v := range requests {
		f.Add([]byte(v.PlainText))
	}
	for _, v := range clientVectors(f) {
		f.Add([]byte(v.Text))
	}
	f.Add([]byte(`{"key_type":"posting","weight":-Infinity}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		garbled := protocol.Garbled(text)
		if garbled && json.Valid(text) {
			t.Errorf("JSON is garbled: %q", text)
		}
		for _, kind := range []protocol.Kind{protocol.Auth, protocol.Sign, protocol.Challenge} {
			if _, err := recode(kind, text); garbled && err == nil {
				t.Errorf("a payload is garbled: %q", text)
			}
		}
	})
}

type clientVector struct {
	Name, Cmd, Text, Member string
	Reason                  protocol.Reason
}

func clientVectors(t testing.TB) []clientVector {
	t.Helper()
	vectors, _ := loadVectors[clientVector](t, "clients.json")
	return vectors
}

var kindsByCommand = map[string]protocol.Kind{
	"auth_req": protocol.Auth, "sign_req": protocol.Sign, "challenge_req": protocol.Challenge,
}

// TestClientPayloads reads what public clients write.
func TestClientPayloads(t *testing.T) {
	for _, v := range clientVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			_, err := recode(kindsByCommand[v.Cmd], []byte(v.Text))
			if v.Reason == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var refused *protocol.DecodeError
			if !errors.As(err, &refused) || refused.Reason != v.Reason || refused.Member != v.Member {
				t.Errorf("got %v, want %q of %q", err, v.Reason, v.Member)
			}
			if protocol.Garbled([]byte(v.Text)) {
				t.Error("counts as altered")
			}
		})
	}
}
