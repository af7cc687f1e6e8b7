package relay

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

type proofVectors struct {
	ServerWIF   string                         `json:"server_wif"`
	AccountKeys map[string]map[string][]string `json:"account_keys"`
	Vectors     []struct {
		Name, Kind, Account, PoK string
		UUID                     string `json:"request_uuid"`
		Now                      int64  `json:"now_ms"`
		Accept                   bool
	}
}

func readProofVectors(t *testing.T) (v proofVectors) {
	t.Helper()
	raw, err := os.ReadFile("testdata/pok_check.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	return v
}

func TestProofVectors(t *testing.T) {
	v := readProofVectors(t)
	key, err := hive.ParseWIF(v.ServerWIF)
	if err != nil {
		t.Fatal(err)
	}
	p := newProver(key, Options{}.withDefaults())
	for _, c := range v.Vectors {
		t.Run(c.Name, func(t *testing.T) {
			var keys []hive.PublicKey
			for _, role := range []string{"posting", "active", "memo"} {
				for _, text := range v.AccountKeys[c.Account][role] {
					k, err := hive.ParsePublicKey(text)
					if err != nil {
						t.Fatal(err)
					}
					keys = append(keys, k)
				}
			}
			if c.Kind == "register" {
				_, err = p.checkTime(c.PoK, keys, time.UnixMilli(c.Now))
			} else {
				err = p.checkAnswer(c.PoK, keys, protocol.UUID(c.UUID))
			}
			if (err == nil) != c.Accept {
				t.Errorf("accepted is %v, wanted %v: %v", err == nil, c.Accept, err)
			}
		})
	}
}

func TestKeysAreRemembered(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	one := []hive.PublicKey{hive.PrivateKeyFromSeed("relay/one").Public()}
	calls, down := 0, false
	keys := func(context.Context, hive.AccountName) ([]hive.PublicKey, error) {
		calls++
		if down {
			return nil, errors.New("out of reach")
		}
		return one, nil
	}
	p := newProver(hive.PrivateKeyFromSeed("relay"), Options{Keys: keys, KeysTTL: time.Minute}.withDefaults())
	look := func(after time.Duration, wantCalls int, wantOK bool) {
		t.Helper()
		_, err := p.keysOf(t.Context(), "alice", now.Add(after), atOnce)
		if (err == nil) != wantOK || calls != wantCalls {
			t.Errorf("after %s: error %v, %d lookups; wanted ok %v, %d lookups", after, err, calls, wantOK, wantCalls)
		}
	}
	look(0, 1, true)
	look(59*time.Second, 1, true)
	look(time.Minute, 2, true)
	down = true
	look(3*time.Minute, 3, true)
	look(12*time.Minute, 4, false)
}
