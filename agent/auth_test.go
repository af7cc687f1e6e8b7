package agent_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// Who asks for a memo to be decrypted does not get a signature over its text instead.
func TestNoDecryptInsideAuth(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		key := keyOf("alice", hive.Memo)
		memo, err := keyOf("bob", hive.Memo).EncodeMemo(key.Public(), "#hello", 1)
		if err != nil {
			t.Fatal(err)
		}
		payload := fmt.Sprintf(`{"app":{"name":"x"},"challenge":{"key_type":"memo","challenge":%q,"decrypt":true}}`,
			memo)
		if got := answerKind(script.ask(request("auth_req", uuid(1), authKey, payload))); got != "nack" {
			t.Errorf("decrypt inside auth_req: %s", got)
		}
	})
}

// A known session asks again: it keeps its end and its token.
func TestAuthAgain(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		time.Sleep(time.Hour)
		grant, err := c.Authenticate(t.Context(), client.Auth{Account: "alice", Session: s})
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(grant.Expires); left > 23*time.Hour {
			t.Errorf("the session was extended: %s left", left)
		}
		if n := len(w.ledger.Sessions()); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestSessionExpires(t *testing.T) {
	const short = `version: 1
allow:
  - {name: login, request: auth, apps: any, session: 10m}
  - {name: votes, request: sign, apps: any, operations: [vote]}
`
	within(t, worldOptions{policy: short}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		time.Sleep(11 * time.Minute)
		stale := client.NewSession("alice", s.AuthKey())
		_, err := c.Sign(t.Context(), stale, vote("too late"))
		if err == nil || errors.Is(err, client.ErrNobody) || !strings.Contains(err.Error(),
			protocol.TextSessionExpired) {
			t.Errorf("an expired session heard %v", err)
		}
	})
}

// A login does not name its account inside what is sealed: the relay names it. Where the rules name
// accounts, a login for alice that is delivered as bob's gets nothing.
func TestLoginDeliveredAsAnothers(t *testing.T) {
	const rules = `version: 1
allow:
  - {name: login, request: auth, apps: [app], accounts: %s, session: 24h}
`
	for accounts, want := range map[string]string{"[alice]": "nack", "any": "ack"} {
		script := &scriptedClient{}
		o := worldOptions{policy: fmt.Sprintf(rules, accounts), accounts: []hive.AccountName{"alice", "bob"},
			fault: script.fault}
		within(t, o, func(t *testing.T, w *world) {
			swapped := with(inService(uuid(1), `{"app":{"name":"x"}}`), "account", "bob")
			if got := answerKind(script.ask(swapped)); got != want {
				t.Errorf("accounts %s: %s, want %s", accounts, got, want)
			}
			if made := len(w.ledger.SessionsOf("bob")); (made == 0) != (want == "nack") {
				t.Errorf("accounts %s: bob has %d sessions", accounts, made)
			}
		})
	}
}
