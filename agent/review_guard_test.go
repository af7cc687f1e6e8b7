package agent_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// inService makes an auth_req as an application of the slot "app" does.
func inService(id, payload string) map[string]any {
	return with(request("auth_req", id, authKey, payload), "auth_key", relaytest.Seal(secret, authKey))
}

// A session in quarantine is silent on the relay whatever its key comes with: the relay can put an
// altered payload beside the auth_key of a genuine request.
func TestQuarantineHoldsForAuth(t *testing.T) {
	p := &puppet{}
	within(t, worldOptions{fault: p.fault}, func(t *testing.T, w *world) {
		if got := answerKind(p.ask(inService(uuid(1), `{"app":{"name":"x"}}`))); got != "ack" {
			t.Fatalf("login: %s", got)
		}
		for i := range 5 {
			p.ask(request("sign_req", uuid(10+i), authKey, `{"no":"request"}`))
		}
		if got := answerKind(p.ask(request("sign_req", uuid(20), authKey,
			votePayload("p", nowNonce())))); got != "nothing" {
			t.Fatalf("not in quarantine: %s", got)
		}
		if got := answerKind(p.ask(inService(uuid(2), `{"app":{"name":"x"}}`))); got != "nothing" {
			t.Errorf("an auth_req with the slot's auth_key: %s", got)
		}
		w.release()
		if got := answerKind(p.ask(inService(uuid(3), `{"app":{"name":"x"}}`))); got != "ack" {
			t.Errorf("after the release: %s", got)
		}
	})
}

// Who asks for a memo to be decrypted does not get a signature over its text instead.
func TestNoDecryptInsideAuth(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		key := keyOf("alice", hive.Memo)
		memo, err := keyOf("bob", hive.Memo).EncodeMemo(key.Public(), "#hello", 1)
		if err != nil {
			t.Fatal(err)
		}
		payload := fmt.Sprintf(`{"app":{"name":"x"},"challenge":{"key_type":"memo","challenge":%q,"decrypt":true}}`,
			memo)
		if got := answerKind(p.ask(request("auth_req", uuid(1), authKey, payload))); got != "nack" {
			t.Errorf("decrypt inside auth_req: %s", got)
		}
	})
}

// A request that expires while it waits for a node is not carried out behind its application's
// back.
func TestExpiredWhileWaiting(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		for _, method := range []string{"condenser_api.get_dynamic_global_properties", "condenser_api.get_block_header",
			"database_api.get_version"} {
			w.node.FailAlways(method, nodetest.Fault{Hang: true})
		}
		time.Sleep(time.Minute) // what is known of the chain is too old by now
		q := with(request("challenge_req", uuid(1), authKey, `{"key_type":"posting","challenge":"hi"}`), "expire",
			time.Now().Add(2*time.Second).UnixMilli())
		first, _ := json.Marshal(request("sign_req", uuid(2), authKey, votePayload("p", nowNonce())))
		p.say(first) // waits for a node; the challenge, which comes after it, waits for its turn
		if got := p.ask(q); answerKind(got) == "ack" {
			t.Error("answered after it expired")
		}
	})
}

// The same operations many times a second do not make us look for a free second for ever.
func TestSameOperationsInABurst(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		texts := map[string]int{}
		for i := range 90 {
			m := p.ask(request("sign_req", uuid(100+i), authKey, strings.Replace(votePayload("p", nowNonce()),
				`"broadcast":true`, `"broadcast":false`, 1)))
			texts[answerKind(m)+errorText(m, authKey)]++
		}
		if texts["err"+protocol.TextBusy] == 0 || texts["ack"] < 60 {
			t.Errorf("%v", texts)
		}
	})
}

// What was found of keys says nothing of those that `pksa keys import` puts in their place: they
// are compared at once, not at the next turn.
func TestReloadedKeysAreComparedAnew(t *testing.T) {
	within(t, worldOptions{accounts: []hive.AccountName{"alice", "carol"}}, func(t *testing.T, w *world) {
		carol, _ := w.chain.Account("carol")
		w.chain.Change("carol", func(a *nodetest.Account) {
			a.Memo, a.Posting, a.Active = keyOf("bob", hive.Memo).Public(), single("bob", hive.Posting),
				single("bob", hive.Active)
		})
		if _, err := w.agent.CheckKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := w.agent.Status().Links[0].Registered; n != 1 {
			t.Fatalf("%d accounts registered", n)
		}
		w.chain.Change("carol", func(a *nodetest.Account) { *a = carol; a.Memo = keyOf("bob", hive.Memo).Public() })
		identity, err := os.ReadFile(filepath.Join(w.home, "identity.txt"))
		if err != nil {
			t.Fatal(err)
		}
		params, err := json.Marshal(map[string]any{"secret": identity})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.agent.Methods()[agent.MethodKeysReload](t.Context(), params); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		s := w.agent.Status()
		if s.Links[0].Registered != 2 || len(s.Accounts[1].Wrong) != 1 {
			t.Errorf("%d accounts registered, %+v", s.Links[0].Registered, s.Accounts)
		}
	})
}
