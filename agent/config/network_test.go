package config_test

import (
	"strings"
	"testing"
)

func TestNetworkSettings(t *testing.T) {
	id := strings.Repeat("Ab", 32)
	c, err := parse(t, "network: testnet\nchain_id: "+id+"\nkey_prefix: TST\n")
	if err != nil {
		t.Fatal(err)
	}
	if c.Network != "testnet" || c.ChainID != strings.ToLower(id) || c.KeyPrefix != "TST" {
		t.Errorf("%q, %q, %q", c.Network, c.ChainID, c.KeyPrefix)
	}
	for _, bad := range []string{"network: steem", "chain_id: beeab0de", "chain_id: " + id + "00", "chain_id: " +
		strings.Repeat("x", 64),
		"key_prefix: stm", "key_prefix: TSTX", "key_prefix: ''", "key_prefix: 5JX"} {
		if _, err := parse(t, bad+"\n"); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
}
