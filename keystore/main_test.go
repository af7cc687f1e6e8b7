package keystore_test

import (
	"os"
	"testing"

	"pksa/keystore/durable/durabletest"
	"pksa/keystore/plugintest"
)

func TestMain(m *testing.M) {
	plugintest.Become()
	durabletest.Memory()
	os.Exit(m.Run())
}
