package node_test

import (
	"context"
	"testing"
	"testing/synctest"

	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

const witnessMethod = "condenser_api.get_witness_by_account"

// TestWitnessKeys reads the signing keys of witnesses: one that is retired has the null key, and an
// account without a witness is absent by the word of two.
func TestWitnessKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		key, null := hive.PrivateKeyFromSeed("witness").Public(), hive.PublicKey{}
		w.chain.Change("alice", func(a *nodetest.Account) { a.Witness = &key })
		found, err := w.c.Witnesses(context.Background(), "alice", "bob")
		if err != nil || len(found) != 1 || found["alice"].Signing != key {
			t.Errorf("%+v, %v", found, err)
		}
		if roles := found["alice"].Roles(key); len(roles) != 1 || roles[0] != hive.Signing {
			t.Errorf("roles %v", roles)
		}
		w.chain.Change("alice", func(a *nodetest.Account) { a.Witness = &null })
		found, err = w.c.Witnesses(context.Background(), "alice")
		if a, ok := found["alice"]; err != nil || !ok || !a.Signing.IsNull() || len(a.Roles(null)) != 0 {
			t.Errorf("retired: %+v, %v", found, err)
		}
		if views := w.c.WitnessViews(context.Background(), 3, "alice", "bob"); len(views) != 2 ||
			len(views[1].Accounts) != 1 {
			t.Errorf("views %+v", views)
		}
	})
}

// TestWitnessOfAnother: an answer for another account, or of another form, is no answer.
func TestWitnessOfAnother(t *testing.T) {
	key := hive.PrivateKeyFromSeed("witness").Public().String()
	for _, result := range []string{`{"owner":"bob","signing_key":"` + key + `"}`, `{"owner":"alice"}`,
		`{"owner":"alice","signing_key":"STM1"}`, `[]`, `"x"`, `{"owner":"alice","owner":"alice","signing_key":"` +
			key + `"}`} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			w.nodes[0].FailAlways(witnessMethod, nodetest.Fault{Lose: true,
				Body: []byte(`{"jsonrpc":"2.0","result":` + result + `,"id":$id}`)})
			if found, err := w.c.Witnesses(context.Background(), "alice"); err == nil {
				t.Errorf("%s: %+v", result, found)
			}
		})
	}
}
