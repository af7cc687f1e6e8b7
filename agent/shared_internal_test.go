package agent

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/config"
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

// What the vectors of the proposal say of expirations is what the wallet does.
func TestExpirationsOfVectors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text, err := os.ReadFile("../examples/docs/exact.json")
		if err != nil {
			t.Fatal(err)
		}
		var vectors struct {
			Expirations []struct {
				ChainTime  string `json:"chain_time"`
				Most       int    `json:"most_seconds"`
				Expiration string `json:"expiration"`
				Taken      bool   `json:"taken"`
			} `json:"expirations"`
		}
		if err := json.Unmarshal(text, &vectors); err != nil || len(vectors.Expirations) < 18 {
			t.Fatal(len(vectors.Expirations), err)
		}
		timeOf := func(text string) hive.Time {
			at, err := hive.ParseTime(text)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
		for _, v := range vectors.Expirations {
			a := &Agent{}
			a.inForce.config.Store(&config.Config{TransactionLife: time.Duration(v.Most) * time.Second})
			why := a.checkExact(hive.Transaction{RefBlockNum: 1, Expiration: timeOf(v.Expiration)},
				node.Head{Time: timeOf(v.ChainTime), At: time.Now()})
			if (why == "") != v.Taken {
				t.Errorf("%+v: %q", v, why)
			}
		}
	})
}

// The bytes of the signatures that others made count, too: the chain measures all of them.
func TestSizeWithSignaturesOfOthers(t *testing.T) {
	a := &Agent{network: hive.Mainnet}
	op, err := hive.Mainnet.ParseOperation([]byte(`["vote",{"voter":"alice","author":"bob","permlink":"p",` +
		`"weight":1}]`))
	if err != nil {
		t.Fatal(err)
	}
	tx := hive.Transaction{Operations: []hive.Operation{op}}
	packed, err := hive.Mainnet.Serialize(tx)
	if err != nil {
		t.Fatal(err)
	}
	for others := range 3 {
		most := len(packed) + 1 + (1+others)*65
		for _, size := range []int{most - 1, most, most + 1} {
			if _, err := a.readBack(tx, size, others); (err == nil) != (size >= most) {
				t.Errorf("%d signatures of others, of %d bytes: %v", others, size, err)
			}
		}
	}
}
