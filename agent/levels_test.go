package agent_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/node/nodetest"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// voteAndPay is a request that needs the posting and the active key.
func voteAndPay(keyType string) string {
	return fmt.Sprintf(`{"key_type":%q,"ops":[["transfer",{"from":"alice","to":"bob","amount":"1.000 HBD","memo":""}],`+
		`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":100}]],"broadcast":true,"nonce":%d}`, keyType,
		nowNonce())
}

// signersOf returns who signed the only transaction that the chain has.
func (w *world) signersOf() []hive.PublicKey {
	w.t.Helper()
	all := w.chain.Transactions()
	if len(all) != 1 {
		w.t.Fatalf("%d transactions", len(all))
	}
	packed, err := hive.Mainnet.Serialize(all[0].Transaction.Transaction)
	if err != nil {
		w.t.Fatal(err)
	}
	var keys []hive.PublicKey
	for _, s := range all[0].Transaction.Signatures {
		key, err := s.Recover(hive.Mainnet.SigningDigest(packed))
		if err != nil {
			w.t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// TestBothKeys: a request that needs posting and active says active, each operation is allowed by a
// rule for its own key, and both keys sign, in one order.
func TestBothKeys(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		m := script.ask(request("sign_req", uuid(1), authKey, voteAndPay("active")))
		if answerKind(m) != "ack" {
			t.Fatalf("%s %q", answerKind(m), errorText(m, authKey))
		}
		want := []hive.PublicKey{keyOf("alice", hive.Posting).Public(), keyOf("alice", hive.Active).Public()}
		if got := w.signersOf(); !slices.Equal(got, want) {
			t.Errorf("signed by %v", got)
		}
		page, err := callMethod[audit.Page](t, w, agent.MethodAuditPage,
			audit.Query{Filter: audit.Filter{Kind: "sign"}})
		if err != nil || len(page.Records) == 0 {
			t.Fatalf("%+v, %v", page, err)
		}
		var content struct {
			KeyType string `json:"key_type"`
			Keys    []string
			Effects []string
		}
		if err := json.Unmarshal(page.Records[0].Content, &content); err != nil {
			t.Fatal(err)
		}
		if content.KeyType != "active" || !slices.Equal(content.Keys, []string{"posting", "active"}) ||
			len(content.Effects) != 2 {
			t.Errorf("recorded %+v", content)
		}
		// What was recorded is what the policy tools judge again.
		if all := w.requests(); len(all) != 1 || all[0].Request == nil || !all[0].Admitted || len(all[0].Rules) != 2 {
			t.Errorf("read back %+v", all)
		}
	})
}

// TestBothKeysRefused names what is missing in turn: a rule, a key, the right key_type.
func TestBothKeysRefused(t *testing.T) {
	noVotes := strings.Replace(allowAll, "[vote, custom_json]", "[custom_json]", 1)
	noPay := strings.Replace(allowAll, "to: bob", "to: carol", 1)
	remove := func(role hive.Role) func(*world) {
		return func(w *world) {
			if err := w.keys.Remove("alice", role); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name, policy, keyType string
		before                func(*world)
	}{
		{"no rule for the posting part", noVotes, "active", nil},
		{"no rule for the active part", noPay, "active", nil},
		{"no posting key", "", "active", remove(hive.Posting)},
		{"no active key", "", "active", remove(hive.Active)},
		{"posting is said", "", "posting", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withScript(t, tt.policy, func(t *testing.T, w *world, script *scriptedClient) {
				if tt.before != nil {
					tt.before(w)
				}
				m := script.ask(request("sign_req", uuid(1), authKey, voteAndPay(tt.keyType)))
				if answerKind(m) != "nack" || len(w.chain.Transactions()) != 0 {
					t.Errorf("%s %q, %d transactions", answerKind(m), errorText(m, authKey),
						len(w.chain.Transactions()))
				}
			})
		})
	}
}

// TestOneKeyInBothRoles: an account with one key in both roles gets one signature. The chain
// refuses two of one key.
func TestOneKeyInBothRoles(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{fault: script.fault, prepare: func(w *world) {
		w.session(authKey)
		posting := keyOf("alice", hive.Posting)
		batch, err := keystore.KeyOf("alice", hive.Active, []byte(posting.WIF()))
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := w.keys.Add(batch, keystore.AddOptions{Replace: true}); err != nil {
			w.t.Fatal(err)
		}
		w.chain.Change("alice", func(a *nodetest.Account) { a.Active = nodetest.Single(posting.Public()) })
	}}, func(t *testing.T, w *world) {
		m := script.askFor(request("sign_req", uuid(1), authKey, voteAndPay("active")), time.Minute)
		if answerKind(m) != "ack" || len(w.signersOf()) != 1 {
			t.Errorf("%s %q", answerKind(m), errorText(m, authKey))
		}
	})
}

// TestAskForBothKeys: a person sees that both keys would sign.
func TestAskForBothKeys(t *testing.T) {
	policy := allowAll + "ask: [{name: a person, request: sign, apps: any, key: active, operations: [transfer]}]\n"
	asking(t, policy, func(t *testing.T, w *world, script *scriptedClient) {
		done := make(chan string, 1)
		go func() {
			done <- answerKind(script.askFor(request("sign_req", uuid(1), authKey, voteAndPay("active")),
				2*time.Minute))
		}()
		w.eventually("question", func() bool { return len(w.pending()) == 1 })
		asked := w.pending()[0]
		if !slices.Equal(asked.Keys, []string{"posting", "active"}) || asked.KeyType != "active" {
			t.Errorf("%+v", asked)
		}
		if err := w.decide(asked.Number, true); err != nil {
			t.Fatal(err)
		}
		if got := <-done; got != "ack" || len(w.signersOf()) != 2 {
			t.Errorf("%s", got)
		}
	})
}
