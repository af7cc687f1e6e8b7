package agent_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/ledger"
	"pksa/protocol"
)

var renewing = strings.Replace(allowAll, "session: 24h}", "session: 10m, renew: 1h}", 1)

// withShort runs a test with an agent that has a hand-made session of ten minutes, and a relay that
// lies.
func withShort(t *testing.T, policy string, f func(*testing.T, *world, *scriptedClient)) {
	t.Helper()
	script := &scriptedClient{}
	within(t, worldOptions{policy: policy, fault: script.fault, prepare: func(w *world) {
		if _, err := w.ledger.AddSession(w.t.Context(), ledger.NewSession{Account: "alice", App: "app",
			AuthKey: authKey, Origin: ledger.Hand, Expires: w.ledger.Now().Add(10 * time.Minute)}, nil); err != nil {
			w.t.Fatal(err)
		}
	}}, func(t *testing.T, w *world) { f(t, w, script) })
}

// loginAgain is an auth_req sealed with the key of the session, as an application sends one that
// was paired. Each is another ciphertext.
func loginAgain(n int) map[string]any {
	return request("auth_req", uuid(n), authKey, `{"app":{"name":"x"}}`)
}

// TestRenew: an application whose session has expired gets it again by its auth_key, above the
// nonces of before, and the auth_req does so once.
func TestRenew(t *testing.T) {
	withShort(t, renewing, func(t *testing.T, w *world, script *scriptedClient) {
		paid := request("sign_req", uuid(1), authKey, votePayload("paid", nowNonce()))
		if got := answerKind(script.ask(paid)); got != "ack" {
			t.Fatalf("in the live session: %s", got)
		}
		time.Sleep(30 * time.Minute)
		told := request("sign_req", uuid(2), authKey, votePayload("told", nowNonce()))
		tellsEnded(t, script.ask(told), uuid(2))
		again := loginAgain(3)
		if got := answerKind(script.ask(again)); got != "ack" {
			t.Fatalf("not renewed: %s", got)
		}
		s := w.ledger.SessionsOf("alice")
		if len(s) != 1 || s[0].Origin != ledger.Hand || !s[0].Expires.Equal(s[0].Created.Add(10*time.Minute)) {
			t.Fatalf("sessions %+v", s)
		}
		if got := answerKind(script.ask(request("sign_req", uuid(4), authKey,
			votePayload("new", nowNonce())))); got != "ack" {
			t.Errorf("in the renewed session: %s", got)
		}
		for n, old := range []map[string]any{paid, told} {
			copied := with(with(old, "uuid", uuid(10+n)), "expire", time.Now().Add(time.Minute).UnixMilli())
			if got := answerKind(script.ask(copied)); got == "ack" {
				t.Errorf("request %d of before is carried out", n)
			}
		}
		if n := len(w.chain.Transactions()); n != 2 {
			t.Errorf("%d transactions", n)
		}
		time.Sleep(30 * time.Minute)
		copied := with(with(again, "uuid", uuid(20)), "expire", time.Now().Add(time.Minute).UnixMilli())
		if m := script.askFor(copied, time.Second); m != nil || len(w.ledger.SessionsOf("alice")) != 0 {
			t.Errorf("the same auth_req renews twice: %s", answerKind(m))
		}
		if got := answerKind(script.ask(loginAgain(21))); got != "ack" {
			t.Errorf("another one does not: %s", got)
		}
	})
}

// TestRenewsNothing: no auth_req that was ever delivered renews, and no session that a person
// ended, that ended too long ago, or whose app has another secret since.
func TestRenewsNothing(t *testing.T) {
	admin := func(w *world) agent.Admin { return agent.Admin{Ledger: w.ledger, Keys: w.keys} }
	deliver := func(t *testing.T, script *scriptedClient, q map[string]any, want string) {
		t.Helper()
		q["expire"] = time.Now().Add(time.Minute).UnixMilli()
		if got := answerKind(script.askFor(q, time.Second)); got != want {
			t.Errorf("delivered first, it is answered with %s, want %s", got, want)
		}
	}
	expire := func() { time.Sleep(11 * time.Minute) }
	for name, c := range map[string]struct {
		policy string
		before func(*testing.T, *world, *scriptedClient, map[string]any)
	}{
		"no rule says so": {allowAll, func(*testing.T, *world, *scriptedClient, map[string]any) { expire() }},
		"another rule says nothing": {renewing + "  - {name: wide, request: auth, apps: any}\n",
			func(*testing.T, *world, *scriptedClient, map[string]any) { expire() }},
		"too late": {renewing, func(*testing.T, *world, *scriptedClient, map[string]any) {
			time.Sleep(71 * time.Minute)
		}},
		"revoked": {renewing, func(t *testing.T, w *world, _ *scriptedClient, _ map[string]any) {
			revoke(t, w, agent.RevokeParams{All: true})
		}},
		"forgotten": {renewing, func(t *testing.T, w *world, _ *scriptedClient, _ map[string]any) {
			id := w.ledger.SessionsOf("alice")[0].ID
			expire()
			if _, err := admin(w).ForgetSession(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}},
		"rotated": {renewing, func(t *testing.T, w *world, _ *scriptedClient, _ map[string]any) {
			expire()
			if _, err := admin(w).RotateApp(t.Context(), "app", "", false); err != nil {
				t.Fatal(err)
			}
		}},
		"delivered in the live session": {renewing, func(t *testing.T, _ *world, script *scriptedClient,
			q map[string]any) {
			deliver(t, script, q, "ack")
			expire()
		}},
		"delivered while it was not renewed": {allowAll, func(t *testing.T, w *world, script *scriptedClient,
			q map[string]any) {
			expire()
			deliver(t, script, q, "nothing")
			w.write("policy.yaml", renewing)
			if err := w.agent.ReloadPolicy(t.Context()); err != nil {
				t.Fatal(err)
			}
		}},
		"delivered in a quarantine": {renewing, func(t *testing.T, w *world, script *scriptedClient, q map[string]any) {
			w.agent.TestingSilence(w.ledger.SessionsOf("alice")[0].ID, w.agent.Status().Links[0].Relay)
			deliver(t, script, q, "nothing")
			expire()
		}},
		"delivered before the session was made": {renewing, func(t *testing.T, w *world, script *scriptedClient,
			q map[string]any) {
			const other = "0f2b7c1e-8a3d-4c55-9b21-6d0e5f4a7c39"
			early := request("auth_req", uuid(40), other, `{"app":{"name":"x"}}`)
			deliver(t, script, early, "nothing")
			params := fmt.Appendf(nil, `{"app":"app","account":"alice","length":%d,"auth_key":%q}`, 10*time.Minute,
				base64.StdEncoding.EncodeToString([]byte(other)))
			if _, err := w.agent.Methods()[agent.MethodSessionAdd](t.Context(), params); err != nil {
				t.Fatal(err)
			}
			for member, value := range early {
				q[member] = value
			}
			q["uuid"] = uuid(41)
			expire()
		}},
		"restarted": {renewing, func(t *testing.T, w *world, script *scriptedClient, q map[string]any) {
			deliver(t, script, q, "ack")
			expire()
			w.end()
			if err := w.ledger.Close(); err != nil {
				t.Fatal(err)
			}
			w.openLedger()
			w.start()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			withShort(t, c.policy, func(t *testing.T, w *world, script *scriptedClient) {
				q := loginAgain(30)
				c.before(t, w, script, q)
				copied := with(with(q, "uuid", uuid(31)), "expire", time.Now().Add(time.Minute).UnixMilli())
				if m := script.askFor(copied, time.Second); m != nil || len(w.ledger.SessionsOf("alice")) != 0 {
					t.Errorf("renewed: %s %+v", answerKind(m), m)
				}
			})
		})
	}
}

// TestRenewHeldBack: an auth_req that the relay held back until its session had expired renews it,
// once. Without the auth_key that gives nobody anything.
func TestRenewHeldBack(t *testing.T) {
	withShort(t, renewing, func(t *testing.T, w *world, script *scriptedClient) {
		held := loginAgain(1)
		time.Sleep(11 * time.Minute)
		for n, want := range []string{"ack", "nothing"} {
			q := with(with(held, "uuid", uuid(2+n)), "expire", time.Now().Add(time.Minute).UnixMilli())
			if got := answerKind(script.askFor(q, time.Second)); got != want {
				t.Errorf("time %d: %s, want %s", n, got, want)
			}
			time.Sleep(11 * time.Minute)
		}
	})
}

// TestRenewAsks: a rule that asks has a person asked before the session is there again, and a limit
// that has no room refuses.
func TestRenewAsks(t *testing.T) {
	const limited = "limits:\n  - {name: logins, request: auth, requests: 1 per 24h}\n"
	withShort(t, renewing+limited, func(t *testing.T, w *world, script *scriptedClient) {
		time.Sleep(11 * time.Minute)
		if got := answerKind(script.ask(loginAgain(1))); got != "ack" {
			t.Fatalf("the first: %s", got)
		}
		time.Sleep(11 * time.Minute)
		m := script.ask(loginAgain(2))
		if nack, ok := m.(protocol.Nack); !ok || nack.Error != protocol.TextRefused {
			t.Errorf("without room: %s %+v", answerKind(m), m)
		}
	})
}
