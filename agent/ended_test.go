package agent_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/agent/trace"
	"pksa/protocol"
)

// tellsEnded fails the test unless m tells that the session has ended, sealed with its key.
func tellsEnded(t *testing.T, m protocol.Message, id string) {
	t.Helper()
	nack, ok := m.(protocol.Nack)
	if !ok || nack.Error != protocol.TextSessionExpired || opened(t, nack.Data) != id {
		t.Errorf("answered with %s %+v", answerKind(m), m)
	}
}

// TestEndedSessionTells: a request in a session that expired or was revoked is told so within a
// second, once; it is not carried out when the auth_key has a session again.
func TestEndedSessionTells(t *testing.T) {
	for _, how := range []string{"expired", "revoked"} {
		t.Run(how, func(t *testing.T) {
			withShort(t, "", func(t *testing.T, w *world, script *scriptedClient) {
				paid := request("sign_req", uuid(1), authKey, votePayload("paid", nowNonce()))
				if got := answerKind(script.ask(paid)); got != "ack" {
					t.Fatalf("in the live session: %s", got)
				}
				if how == "expired" {
					time.Sleep(9 * time.Minute)
					for len(w.ledger.Sessions()) > 0 {
						time.Sleep(100 * time.Millisecond) // the request comes before the next sweep
					}
				} else {
					time.Sleep(time.Minute)
					revoke(t, w, agent.RevokeParams{All: true})
				}
				late := request("sign_req", uuid(2), authKey, votePayload("late", nowNonce()))
				tellsEnded(t, script.askFor(late, time.Second), uuid(2))
				tellsEnded(t, script.askFor(late, time.Second), uuid(2)) // what is recorded, again
				for n, q := range []map[string]any{
					with(late, "uuid", uuid(3)),
					with(with(paid, "uuid", uuid(4)), "expire", time.Now().Add(time.Minute).UnixMilli()),
					request("sign_req", uuid(5), authKey, `{"key_type":"posting"}`),
					request("sign_req", uuid(6), authKey,
						votePayload("held back", nowNonce()-time.Hour.Milliseconds())),
				} {
					if m := script.askFor(q, time.Second); m != nil {
						t.Errorf("copy %d is answered with %+v", n, m)
					}
				}
				again := `{"key_type":"posting","challenge":"hello","decrypt":false,"nonce":`
				tellsEnded(t, script.askFor(request("challenge_req", uuid(7), authKey, again+noncePlus(1)+"}"),
					time.Second), uuid(7))
				looksEnded(t, w)
				if how == "revoked" {
					return
				}
				w.session(authKey)
				if m := script.ask(with(late, "uuid", uuid(8))); answerKind(m) == "ack" {
					t.Error("carried out after it was told that its session has ended")
				}
				if n := len(w.chain.Transactions()); n != 1 {
					t.Errorf("%d transactions are on the chain", n)
				}
			})
		})
	}
}

func noncePlus(ms int64) string { return strconv.FormatInt(nowNonce()+ms, 10) }

// looksEnded looks for the two requests that were told in status and trail.
func looksEnded(t *testing.T, w *world) {
	t.Helper()
	var found *trace.Entry
	for _, e := range w.agent.Status().LastHour {
		if e.Kind == trace.Ended {
			found = &e
		}
	}
	if found == nil || found.App != "app" || !strings.Contains(found.String(), "for alice in ended sessions of app") {
		t.Errorf("status says %+v", w.agent.Status().LastHour)
	}
	page, err := w.trail().Page(t.Context(), audit.Query{Filter: audit.Filter{Code: string(audit.CodeEnded)}})
	if err != nil || len(page.Records) != 2 {
		t.Errorf("%d records, %v", len(page.Records), err)
	}
}

func revoke(t *testing.T, w *world, p agent.RevokeParams) {
	t.Helper()
	done, err := agent.Admin{Ledger: w.ledger, Keys: w.keys}.EndSessions(t.Context(), p)
	if err != nil || len(done.Ended) == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
}

// TestEndedSessionIsSilent: where a rule says ignore, where the operator said quiet, and of an app
// that is gone, nobody is told anything.
func TestEndedSessionIsSilent(t *testing.T) {
	const denied = "\ndeny:\n  - {name: other wallet, request: sign, apps: [app], operations: [vote], answer: ignore}\n"
	for name, c := range map[string]struct {
		policy string
		end    func(*testing.T, *world)
		told   bool
	}{
		"ignored by a rule": {allowAll + denied, func(t *testing.T, w *world) {
			revoke(t, w, agent.RevokeParams{All: true})
		}, false},
		"ignored by the policy": {"version: 1\notherwise: ignore\n", func(t *testing.T, w *world) {
			revoke(t, w, agent.RevokeParams{All: true})
		}, false},
		"ignored otherwise, and permitted": {allowAll + "otherwise: ignore\n", func(t *testing.T, w *world) {
			revoke(t, w, agent.RevokeParams{All: true})
		}, true},
		"quiet": {"", func(t *testing.T, w *world) {
			revoke(t, w, agent.RevokeParams{All: true, Quiet: true})
		}, false},
		"app removed": {"", func(t *testing.T, w *world) {
			revoke(t, w, agent.RevokeParams{All: true})
			if _, err := (agent.Admin{Ledger: w.ledger, Keys: w.keys}).RemoveApp(t.Context(), "app"); err != nil {
				t.Fatal(err)
			}
		}, false},
		"app rotated": {"", func(t *testing.T, w *world) {
			if _, err := (agent.Admin{Ledger: w.ledger, Keys: w.keys}).RotateApp(t.Context(), "app", "",
				true); err != nil {
				t.Fatal(err)
			}
		}, true},
		"restarted": {"", func(t *testing.T, w *world) {
			revoke(t, w, agent.RevokeParams{All: true})
			w.end()
			if err := w.ledger.Close(); err != nil {
				t.Fatal(err)
			}
			w.openLedger()
			w.start()
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			withScript(t, c.policy, func(t *testing.T, w *world, script *scriptedClient) {
				c.end(t, w)
				q := request("sign_req", uuid(1), authKey, votePayload("late", nowNonce()))
				if m := script.askFor(q, time.Second); (m != nil) != c.told {
					t.Errorf("answered with %+v", m)
				}
			})
		})
	}
}

// TestEndedAuthWaits: an auth_req with the key of an ended session waits for its link, as any
// other.
func TestEndedAuthWaits(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		revoke(t, w, agent.RevokeParams{All: true})
		q := request("auth_req", uuid(1), authKey, `{"app":{"name":"x"}}`)
		if m := script.askFor(q, time.Second); m != nil {
			t.Errorf("answered with %+v", m)
		}
	})
}

// TestStrangersBesideRemnants: requests that nothing opens cost a wallet with many ended sessions
// no more than a bucket allows, and the sessions tell again when it has filled.
func TestStrangersBesideRemnants(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		for n := range 32 {
			s := w.session(uuid(100 + n))
			if _, err := w.ledger.EndSession(t.Context(), s.ID, nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		oldest := w.ledger.RemnantsOf("alice")[31]
		if oldest.AuthKey != ledger.Secret(uuid(100)) {
			t.Fatal("the oldest is another")
		}
		taken := w.agent.TestingDrainRemnants("alice")
		if taken < 1 || taken > 2000 {
			t.Errorf("%d keys can be tried at once", taken)
		}
		ask := func(n int) protocol.Message {
			return script.askFor(request("sign_req", uuid(n), uuid(100), votePayload("late", nowNonce())), time.Second)
		}
		if m := ask(1); m != nil {
			t.Errorf("an empty bucket pays for an answer: %+v", m)
		}
		time.Sleep(10 * time.Second)
		if m := ask(2); answerKind(m) != "nack" {
			t.Errorf("a full one does not: %+v", m)
		}
	})
}
