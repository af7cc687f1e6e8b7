package agent_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent/audit"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay/relaytest"
	"pksa/protocol/hive"
)

// events reads the events and administrators' acts of the audit trail whose name is given.
func (w *world) events(what string) []audit.Record {
	w.t.Helper()
	if err := w.ledger.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	page, err := w.trail().Page(w.t.Context(), audit.Query{Filter: audit.Filter{Result: what}})
	if err != nil {
		w.t.Fatal(err)
	}
	return page.Records
}

// Whatever is nobody's is counted by relay and reason, and recorded once an hour, not one by one.
func TestDropsAreRecordedOnceAnHour(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		for i := range 20 {
			p.ask(request("sign_req", uuid(i), "not the key of any session", votePayload("p", nowNonce())))
		}
		if got := w.events("requests dropped"); len(got) != 0 {
			t.Fatalf("recorded at once: %v", got)
		}
		time.Sleep(time.Hour)
		got := w.events("requests dropped")
		if len(got) != 1 {
			t.Fatalf("%d records in an hour", len(got))
		}
		var content struct{ Dropped map[string]map[string]int }
		if err := json.Unmarshal(got[0].Content, &content); err != nil || len(content.Dropped) != 1 {
			t.Fatalf("%s, %v", got[0].Content, err)
		}
		for relay, reasons := range content.Dropped {
			if reasons["nobody's"] != 20 {
				t.Errorf("%s: %v", relay, reasons)
			}
		}
		time.Sleep(2 * time.Hour)
		if got := w.events("requests dropped"); len(got) != 1 {
			t.Errorf("%d records although nothing was dropped", len(got))
		}
	})
}

func TestQuarantineIsRecorded(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		for i := range 5 {
			p.ask(request("sign_req", uuid(i), authKey, `{"key_type":"posting","ops":[],"nonce":`+fmt.Sprint(i)))
		}
		got := w.events("session quarantined")
		if len(got) != 1 || got[0].Session != w.ledger.Sessions()[0].ID || got[0].Account != "alice" ||
			got[0].App != "app" {
			t.Errorf("recorded: %+v", got)
		}
	})
}

// A key that stops fitting is recorded once, and once more when it fits again.
func TestKeyMismatchIsRecorded(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		check := func(memo hive.PublicKey, want int) {
			t.Helper()
			w.chain.Change("alice", func(a *nodetest.Account) { a.Memo = memo })
			for range 2 {
				if _, err := w.agent.CheckKeys(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := w.events("keys compared with the chain"); len(got) != want {
				t.Fatalf("%d records, want %d: %+v", len(got), want, got)
			}
		}
		check(keyOf("alice", hive.Memo).Public(), 0)
		check(keyOf("bob", hive.Memo).Public(), 1)
		check(keyOf("alice", hive.Memo).Public(), 2)
		if got := w.events("keys compared with the chain"); !strings.Contains(string(got[0].Content),
			`"role":"memo"`) || strings.Contains(string(got[1].Content), `"role"`) {
			t.Errorf("recorded: %s, then %s", got[0].Content, got[1].Content)
		}
	})
}

func TestFailedReloadIsRecorded(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		w.write("policy.yaml", "version: 7\n")
		if err := w.agent.ReloadPolicy(t.Context()); err == nil {
			t.Fatal("reloaded")
		}
		got := w.events("policy reload failed")
		if len(got) != 1 || got[0].Type != "admin" || !strings.Contains(string(got[0].Content), "policy.yaml:1:") {
			t.Errorf("recorded: %+v", got)
		}
	})
}

// A relay that comes back with another key is recorded with both keys.
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
	within(t, worldOptions{fault: fault}, func(t *testing.T, w *world) {
		w.relay.Cut()
		w.eventually("the record", func() bool { return len(w.events("relay key changed")) > 0 })
		if got := w.events("relay key changed"); !strings.Contains(string(got[0].Content), `"now":"`+other+`"`) {
			t.Errorf("recorded: %s", got[0].Content)
		}
	})
}
