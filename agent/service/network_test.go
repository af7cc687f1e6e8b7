package service

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"pksa/agent/config"
	"pksa/protocol/hive"
)

func TestNetworkOfSettings(t *testing.T) {
	testnetID := sha256.Sum256([]byte("testnet"))
	own := strings.Repeat("5a", 32)
	for _, c := range []struct {
		set                      config.Config
		id, prefix, hive, packed string
	}{
		{config.Config{Network: "mainnet"}, "beeab0de" + strings.Repeat("00", 28), "STM", "HIVE", "STEEM"},
		{config.Config{Network: "mirrornet"}, "42" + strings.Repeat("00", 31), "STM", "HIVE", "STEEM"},
		{config.Config{Network: "testnet"}, hex.EncodeToString(testnetID[:]), "STM", "TESTS", "TESTS"},
		{config.Config{Network: "testnet", ChainID: own, KeyPrefix: "TST"}, own, "TST", "TESTS", "TESTS"},
		{config.Config{Network: "mirrornet", ChainID: own}, own, "STM", "HIVE", "STEEM"},
		{config.Config{Network: "testnet", KeyPrefix: "TST"}, hex.EncodeToString(testnetID[:]), "TST", "TESTS",
			"TESTS"},
	} {
		n, err := Network(&c.set)
		if err != nil {
			t.Fatal(err)
		}
		if hex.EncodeToString(n.ChainID[:]) != c.id || n.KeyPrefix != c.prefix ||
			n.Hive != (hive.SymbolNames{Text: c.hive, Packed: c.packed}) {
			t.Errorf("%+v gives %+v", c.set, n)
		}
	}
	if hive.Testnet.KeyPrefix != "STM" || hive.Testnet.ChainID != testnetID {
		t.Error("the settings changed the network of that name")
	}
	if _, err := Network(&config.Config{Network: "steem"}); err == nil {
		t.Error("there is no such network")
	}
}
