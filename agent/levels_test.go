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

const witnessPolicy = allowAll + `
  - name: feed
    request: sign
    apps: any
    key: signing
    operations: [witness_set_properties: {props: {members: [key, hbd_exchange_rate]}, price: {min: 0.1, max: 1}}]
`

// feed is a request to publish 0.250 HBD for 1.000 HIVE as the witness alice.
func feed(key hive.PublicKey) string {
	return fmt.Sprintf(`{"key_type":"active","ops":[["witness_set_properties",{"owner":"alice","props":[["key","%x"],`+
		`["hbd_exchange_rate","fa000000000000000353424400000000e80300000000000003535445454d0000"]],"extensions":[]}]],`+
		`"broadcast":true,"nonce":%d}`, key[:], nowNonce())
}

// witnessWorld runs f in a world where alice is a witness with one key on the chain, and another or
// the same is held.
func witnessWorld(t *testing.T, held, onChain *hive.PrivateKey, f func(t *testing.T, w *world, s *scriptedClient)) {
	t.Helper()
	script := &scriptedClient{}
	within(t, worldOptions{policy: witnessPolicy, fault: script.fault, prepare: func(w *world) {
		w.session(authKey)
		if held != nil {
			if err := w.keys.Import("alice", hive.Signing, []byte(held.WIF())); err != nil {
				w.t.Fatal(err)
			}
		}
		w.chain.Change("alice", func(a *nodetest.Account) {
			key := hive.PublicKey{}
			if onChain != nil {
				key = onChain.Public()
			}
			a.Witness = &key
		})
	}}, func(t *testing.T, w *world) { f(t, w, script) })
}

// TestWitnessKey: the held signing key of a witness publishes its price without the active key.
func TestWitnessKey(t *testing.T) {
	key, other := hive.PrivateKeyFromSeed("witness"), hive.PrivateKeyFromSeed("another witness")
	t.Run("held", func(t *testing.T) {
		witnessWorld(t, key, key, func(t *testing.T, w *world, s *scriptedClient) {
			if err := w.keys.Remove("alice", hive.Active); err != nil {
				t.Fatal(err)
			}
			m := s.ask(request("sign_req", uuid(1), authKey, feed(key.Public())))
			if answerKind(m) != "ack" {
				t.Fatalf("%s %q", answerKind(m), errorText(m, authKey))
			}
			if got := w.signersOf(); !slices.Equal(got, []hive.PublicKey{key.Public()}) {
				t.Errorf("signed by %v", got)
			}
			page, err := callMethod[audit.Page](t, w, agent.MethodAuditPage,
				audit.Query{Filter: audit.Filter{Kind: "sign"}})
			if err != nil || len(page.Records) == 0 || !strings.Contains(string(page.Records[0].Content),
				`"keys":["signing"]`) {
				t.Errorf("%+v, %v", page, err)
			}
		})
	})
	for name, held := range map[string]*hive.PrivateKey{"none is held": nil, "another is held": other} {
		t.Run(name, func(t *testing.T) {
			witnessWorld(t, held, key, func(t *testing.T, w *world, s *scriptedClient) {
				m := s.ask(request("sign_req", uuid(1), authKey, feed(key.Public())))
				if answerKind(m) != "nack" || len(w.chain.Transactions()) != 0 {
					t.Errorf("%s %q", answerKind(m), errorText(m, authKey))
				}
			})
		})
	}
	t.Run("the witness has another", func(t *testing.T) {
		witnessWorld(t, key, other, func(t *testing.T, w *world, s *scriptedClient) {
			m := s.ask(request("sign_req", uuid(1), authKey, feed(key.Public())))
			if answerKind(m) == "ack" || len(w.chain.Transactions()) != 0 {
				t.Errorf("%s", answerKind(m))
			}
		})
	})
}

// TestWitnessKeyIsCompared: the held signing key is compared with that of the witness; it proves no
// account, and one that does not fit takes none out of service.
func TestWitnessKeyIsCompared(t *testing.T) {
	key, other := hive.PrivateKeyFromSeed("witness"), hive.PrivateKeyFromSeed("another witness")
	for _, tt := range []struct {
		name    string
		onChain *hive.PrivateKey
		problem string
	}{
		{"the same", key, ""},
		{"another", other, "has another signing key"},
		{"retired", nil, "is retired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			witnessWorld(t, key, tt.onChain, func(t *testing.T, w *world, s *scriptedClient) {
				checks, err := w.agent.CheckKeys(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				i := slices.IndexFunc(checks, func(c agent.KeyCheck) bool { return c.Role == "signing" })
				if i < 0 || checks[i].OK != (tt.problem == "") || !strings.Contains(checks[i].Problem, tt.problem) {
					t.Errorf("checks %+v", checks)
				}
				if m := s.ask(request("sign_req", uuid(1), authKey,
					votePayload("p", nowNonce()))); answerKind(m) != "ack" {
					t.Errorf("a vote beside it: %s", answerKind(m))
				}
			})
		})
	}
	t.Run("no witness", func(t *testing.T) {
		witnessWorld(t, key, key, func(t *testing.T, w *world, _ *scriptedClient) {
			w.chain.Change("alice", func(a *nodetest.Account) { a.Witness = nil })
			checks, err := w.agent.CheckKeys(t.Context())
			if err != nil || !strings.Contains(checks[len(checks)-1].Problem, "has no witness") {
				t.Errorf("checks %+v, %v", checks, err)
			}
		})
	})
}
