package agent

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"pksa/agent/cosign"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// A key that took the place of another after nodes said who has to sign makes no signature for a
// broadcast that the chain would refuse.
func TestAnotherKeyThanWasAskedFor(t *testing.T) {
	home := t.TempDir()
	unlock, _, err := keystore.CreateIdentity(filepath.Join(home, "identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keystore.Create(filepath.Join(home, "keystore.age"), unlock)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	held := hive.PrivateKeyFromSeed("shared: held")
	if err := keys.Import("alice", hive.Active, []byte(held.WIF())); err != nil {
		t.Fatal(err)
	}
	key, _ := keys.Key("alice", hive.Active)
	op, err := hive.Mainnet.ParseOperation([]byte(`["transfer",{"from":"alice","to":"bob",` +
		`"amount":"1.000 HIVE","memo":""}]`))
	if err != nil {
		t.Fatal(err)
	}
	tx := hive.Transaction{Operations: []hive.Operation{op}}
	for _, c := range []struct {
		onChain   *hive.PrivateKey
		broadcast bool
		want      string
	}{
		{held, true, ""}, {hive.PrivateKeyFromSeed("shared: before"), true, "has no part in the authorities"},
		{hive.PrivateKeyFromSeed("shared: before"), false, ""},
	} {
		public := c.onChain.Public()
		ask := func(context.Context, ...hive.AccountName) (map[hive.AccountName]node.Account, error) {
			return map[hive.AccountName]node.Account{"alice": {Name: "alice", Active: hive.Authority{WeightThreshold: 1,
				KeyAuths: []hive.KeyWeight{{Key: public, Weight: 1}}}}}, nil
		}
		signers, err := cosign.LookUp(t.Context(), ask, tx, hive.Mainnet, []hive.PublicKey{public}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := proposal{request: &policy.Request{Exact: true, Broadcast: c.broadcast}, signers: signers}
		err = p.mayBroadcast([]*keystore.Key{key})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("broadcast %t: %v, want %q", c.broadcast, err, c.want)
		}
	}
}
