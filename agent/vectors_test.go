package agent_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

func readVectors(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile("testdata/has/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

type requestVectors struct {
	AuthKey   string `json:"auth_key"`
	NowMS     int64  `json:"now_ms"`
	LastNonce int64  `json:"last_nonce"`
	Vectors   []struct {
		Name        string
		Message     json.RawMessage
		Strict      string
		Reason      string
		RequireMode string `json:"require_nonce_mode"`
		LastNonce   *int64 `json:"last_nonce"`
	}
}

// atVectorTime runs f in a bubble whose clock stands at the instant of the vectors, with a session
// of alice that has taken a request with the last nonce.
func atVectorTime(t *testing.T, v *requestVectors, lastNonce int64, require bool, f func(*testing.T, *world,
	*scriptedClient)) {
	script := &scriptedClient{}
	within(t, worldOptions{
		fault: script.fault, startAt: time.UnixMilli(v.NowMS),
		configure: func(c *config.Config) { c.NonceRequired = require },
		prepare: func(w *world) {
			_, err := w.ledger.AddSession(w.t.Context(), ledger.NewSession{
				Account: "alice", App: "app", AuthKey: ledger.Secret(v.AuthKey), Origin: ledger.Hand,
				Expires: w.ledger.Now().Add(time.Hour),
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
		},
	}, func(t *testing.T, w *world) {
		if lastNonce > 0 {
			first := request("challenge_req", "00000000-0000-4000-8000-000000000001", v.AuthKey,
				fmt.Sprintf(`{"key_type":"posting","challenge":"first","nonce":%d}`, lastNonce))
			first["expire"] = v.NowMS + 60_000
			if got := answerKind(script.ask(first)); got != "ack" {
				t.Fatalf("the request that sets the last nonce was answered with %s", got)
			}
		}
		f(t, w, script)
	})
}

func TestRequestVectors(t *testing.T) {
	var v requestVectors
	readVectors(t, "requests.json", &v)
	if len(v.Vectors) < 60 {
		t.Fatalf("%d vectors", len(v.Vectors))
	}
	for _, one := range v.Vectors {
		for _, require := range []bool{false, true} {
			want := one.Strict
			if require {
				if one.RequireMode == "" {
					continue
				}
				want = one.RequireMode
			}
			last := v.LastNonce
			if one.LastNonce != nil {
				last = *one.LastNonce
			}
			t.Run(fmt.Sprintf("%s/require=%t", one.Name, require), func(t *testing.T) {
				atVectorTime(t, &v, last, require, func(t *testing.T, w *world, script *scriptedClient) {
					checkVerdict(t, script.askFrame(one.Message), want, one.Reason)
				})
			})
		}
	}
}

func checkVerdict(t *testing.T, m protocol.Message, want, reason string) {
	t.Helper()
	got := answerKind(m)
	switch want {
	case "accept":
		if got != "ack" {
			t.Errorf("got %s, want an ack", got)
		}
	case "drop":
		if got != "nothing" {
			t.Errorf("got %s, want silence: %s", got, reason)
		}
	case "refuse":
		// Another account's payload is refused by silence: no session of that account opens it.
		silent := strings.Contains(reason, "session key belongs to")
		if got == "ack" || (got == "nothing") != silent {
			t.Errorf("got %s: %s", got, reason)
		}
	default:
		t.Fatalf("unknown verdict %q", want)
	}
}

// What is signed as a challenge, and what is refused whatever the policy says.
func TestChallengeVectors(t *testing.T) {
	var v struct {
		Vectors []struct {
			Name      string
			Challenge string
			Repeat    *struct {
				Char  string
				Count int
			} `json:"challenge_repeat"`
			SHA256 string `json:"utf8_sha256"`
			Strict string
		}
	}
	readVectors(t, "challenge_policy.json", &v)
	const key = "03f63469-5a35-47cb-a6b4-e8c4d3144cf9"
	script := &scriptedClient{}
	within(t, worldOptions{fault: script.fault, prepare: func(w *world) { w.session(key) }},
		func(t *testing.T, w *world) {
			for i, one := range v.Vectors {
				if one.Repeat != nil {
					one.Challenge = strings.Repeat(one.Repeat.Char, one.Repeat.Count)
				}
				text, _ := json.Marshal(one.Challenge)
				payload := fmt.Sprintf(`{"key_type":"posting","challenge":%s,"nonce":%d}`, text, time.Now().UnixMilli()+
					int64(i))
				m := script.ask(request("challenge_req", fmt.Sprintf("00000000-0000-4000-8000-%012d", i), key, payload))
				if one.Strict == "refuse" {
					if got := answerKind(m); got == "ack" || got == "nothing" {
						t.Errorf("%s: %s", one.Name, got)
					}
					continue
				}
				checkSigned(t, one.Name, m, key, one.SHA256)
			}
		})
}

func checkSigned(t *testing.T, name string, m protocol.Message, authKey, digestHex string) {
	t.Helper()
	ack, ok := m.(protocol.Ack)
	if !ok {
		t.Errorf("%s: %s, want an ack", name, answerKind(m))
		return
	}
	clear, err := relaytest.Open(authKey, string(ack.Data))
	if err != nil {
		t.Fatal(err)
	}
	data, err := protocol.DecodeChallengeAckData([]byte(clear))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := hive.ParseSignature(string(data.Challenge))
	if err != nil {
		t.Fatal(err)
	}
	var digest hive.Digest
	if _, err := hex.Decode(digest[:], []byte(digestHex)); err != nil {
		t.Fatal(err)
	}
	if !signature.Verify(digest, keyOf("alice", hive.Posting).Public()) || !signature.IsCanonical() {
		t.Errorf("%s: the signature is not that of the text", name)
	}
}
