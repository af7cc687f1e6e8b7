package agent_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/relay/relaytest"
	"pksa/protocol/hive"
)

// A relay on another machine that comes back with another key is recorded with both keys.
func TestRelayKeyChangeIsRecorded(t *testing.T) {
	other := keyOf("relay", hive.Memo).Public().String()
	keys := 0
	fault := func(w *relaytest.Wire, f relaytest.Frame) {
		if f.To == relaytest.ToClient && f.Cmd == "key_ack" {
			if keys++; keys == 2 {
				f.Body = fmt.Appendf(nil, `{"cmd":"key_ack","key":%q}`, other)
			}
		}
		w.Pass(f)
	}
	elsewhere := func(c *config.Config) { c.Relays = []config.Relay{{URL: "ws://elsewhere", Plaintext: true}} }
	within(t, worldOptions{fault: fault, configure: elsewhere}, func(t *testing.T, w *world) {
		w.relay.Cut()
		w.eventually("the record", func() bool { return len(w.events("relay key changed")) > 0 })
		if got := w.events("relay key changed"); !strings.Contains(string(got[0].Content), `"now":"`+other+`"`) {
			t.Errorf("recorded: %s", got[0].Content)
		}
	})
}

// every kind of end is in the trail under its name: results of the request's record and of its
// outcome.
const everyEnd = `version: 1
ask: [{name: transfers, request: sign, apps: any, key: active, operations: [transfer], timeout: 30s}]
allow: [{name: votes, request: sign, apps: any, operations: [vote]}]
deny: [{name: quiet, apps: any, operations: [delete_comment], answer: ignore}]
`

func opPayload(key, op string, nonce int64) string {
	return fmt.Sprintf(`{"key_type":%q,"ops":[%s],"broadcast":true,"nonce":%d}`, key, op, nonce)
}

func TestEveryRequestIsRecorded(t *testing.T) {
	const (
		post  = `["vote",{"voter":"alice","author":"bob","permlink":"p","weight":100}]`
		erase = `["delete_comment",{"author":"alice","permlink":"p"}]`
		other = `["account_witness_vote",{"account":"alice","witness":"bob","approve":true}]`
		pay   = `["transfer",{"from":"alice","to":"bob","amount":"1.000 HBD","memo":""}]`
	)
	asking(t, everyEnd, func(t *testing.T, w *world, script *scriptedClient) {
		for i, c := range []struct {
			name, key, op string
			answer        string
			want          []string // type and result of each record
			effect        string
		}{
			{"answered", "posting", post, "ack", []string{"request admitted", "outcome answered"},
				"votes 1% for @bob/p as alice"},
			{"refused", "active", other, "nack", []string{"request refused", "outcome refused"},
				"votes for the witness bob as alice"},
			{"ignored", "posting", erase, "nothing", []string{"request ignored", "outcome ignored"},
				"removes @alice/p"},
			{"asked", "active", pay, "nack", []string{"request pending", "decision refused", "outcome refused"},
				"pays 1.000 HBD from alice to bob"},
			{"replayed", "posting", post, "nack", []string{"request refused", "outcome refused"},
				"votes 1% for @bob/p as alice"},
			{"failed", "posting", "7", "nack", []string{"failed failed"}, ""},
		} {
			before, _ := w.ledger.Head()
			nonce := nowNonce()
			if c.name == "replayed" {
				nonce -= 5 * 60_000
			}
			m := script.askFor(request("sign_req", uuid(i), authKey, opPayload(c.key, c.op, nonce)), 50e9)
			if got := answerKind(m); got != c.answer {
				t.Errorf("%s: %s", c.name, got)
			}
			page, err := w.trail().Page(t.Context(), audit.Query{From: before + 1})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range page.Records {
				got = append(got, r.Type+" "+r.Result)
				if r.Account != "alice" || r.App != "app" || r.Session == 0 || r.Kind != "sign" {
					t.Errorf("%s: nobody's record: %+v", c.name, r)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: recorded %q, want %q", c.name, got, c.want)
			}
			if text := string(page.Records[0].Content); c.effect != "" && !strings.Contains(text, `"effects":["`+
				c.effect+`"]`) {
				t.Errorf("%s: does not say %q: %s", c.name, c.effect, text)
			}
		}
	})
}
