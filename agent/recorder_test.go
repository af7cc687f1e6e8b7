package agent_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
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

const loginOnly = `version: 1
allow: [{name: logins, request: auth, apps: any}]
`

// ballots are the operations of a request with many votes.
func ballots(n int) string {
	var votes []string
	for i := range n {
		votes = append(votes, fmt.Sprintf(`["vote",{"voter":"alice","author":"bob","permlink":"post-%d","weight":100}]`,
			i))
	}
	return strings.Join(votes, ",")
}

// An application that may only log in writes little to the disk, whatever it asks for.
func TestDeniedRequestsAreSmall(t *testing.T) {
	const body = 480_000
	comment := `["comment",{"parent_author":"","parent_permlink":"p","author":"alice","permlink":"p","title":"",` +
		`"body":"` +
		strings.Repeat("b", body) + `","json_metadata":""}]`
	asking(t, loginOnly, func(t *testing.T, w *world, script *scriptedClient) {
		w.config.Operations = 10_000
		for i, c := range []struct {
			ops   string
			names map[string]int
		}{{comment, map[string]int{"comment": 1}}, {ballots(3500), map[string]int{"vote": 3500}}} {
			before, _ := w.ledger.Head()
			m := script.askFor(request("sign_req", uuid(i), authKey, opPayload("posting", c.ops, nowNonce())), 50e9)
			if got := answerKind(m); got != "nack" {
				t.Fatalf("request %d: %s", i, got)
			}
			page, err := w.trail().Page(t.Context(), audit.Query{From: before + 1})
			if err != nil {
				t.Fatal(err)
			}
			size := 0
			for _, r := range page.Records {
				size += len(r.Content)
			}
			var content audit.Content
			if err := json.Unmarshal(page.Records[0].Content, &content); err != nil {
				t.Fatal(err)
			}
			if size > audit.MaxContent || content.Cut == nil || !maps.Equal(content.Cut.Names, c.names) {
				t.Errorf("request %d: %d bytes in %d records, cut %+v", i, size, len(page.Records), content.Cut)
			}
		}
		if trail := w.requests(); len(trail) != 2 || !trail[0].Cut || !trail[1].Cut {
			t.Errorf("read: %+v", trail)
		}
	})
}

// A line of the log does not grow with the request; the trail has all of what was signed.
func TestManyOperationsInLogAndTrail(t *testing.T) {
	var lines lockedBuffer
	script := &scriptedClient{}
	within(t, worldOptions{
		policy: "version: 1\nallow: [{name: votes, request: sign, apps: any, operations: [vote], broadcast: any}]\n",
		fault:  script.fault, prepare: func(w *world) { w.session(authKey) },
		log: slog.New(slog.NewTextHandler(&lines, nil)), configure: func(c *config.Config) { c.Operations = 10_000 },
	}, func(t *testing.T, w *world) {
		m := script.askFor(request("sign_req", uuid(1), authKey, opPayload("posting", ballots(1500), nowNonce())), 50e9)
		if got := answerKind(m); got != "ack" {
			t.Fatalf("answer: %s", got)
		}
		if trail := w.requests(); len(trail) != 1 || trail[0].Request == nil || len(trail[0].Request.Ops) != 1500 {
			t.Errorf("read: %+v", trail)
		}
		for line := range strings.Lines(lines.String()) {
			if len(line) > 2048 {
				t.Errorf("a line of %d bytes: %.200s", len(line), line)
			}
		}
		if !strings.Contains(lines.String(), "votes 1% for @bob/post-0 as alice") || !strings.Contains(lines.String(),
			" more") {
			t.Errorf("the log does not say what was signed:\n%s", lines.String())
		}
	})
}

// lockedBuffer is a log that several goroutines write to.
type lockedBuffer struct {
	mu  sync.Mutex
	out strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

// TestOneLineARequest: at the level of info the log has one line for each request, with what it
// does and what became of it.
func TestOneLineARequest(t *testing.T) {
	script := &scriptedClient{}
	var said bytes.Buffer
	within(t, worldOptions{fault: script.fault, log: slog.New(slog.NewTextHandler(&said, nil))},
		func(t *testing.T, w *world) {
			script.ask(inService(uuid(1), `{"app":{"name":"x"}}`))
			script.ask(request("challenge_req", uuid(2), authKey, `{"key_type":"posting","challenge":"hello"}`))
			script.ask(request("sign_req", uuid(3), authKey, votePayload("p", nowNonce())))
			script.ask(request("sign_req", uuid(4), authKey, strings.Replace(votePayload("p", nowNonce()+1), `"vote"`,
				`"none"`, 1)))
		})
	for i, want := range []string{`outcome=session does="[opens a session of `, "request answered", "votes",
		"request "} {
		var lines []string
		for line := range strings.Lines(said.String()) {
			if strings.Contains(line, uuid(i+1)) {
				lines = append(lines, line)
			}
		}
		if len(lines) != 1 || !strings.Contains(lines[0], want) {
			t.Errorf("request %d has %d lines, want one with %q:\n%s", i+1, len(lines), want, strings.Join(lines, ""))
		}
	}
}
