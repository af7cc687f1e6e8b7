package agent_test

import (
	"os"
	"testing"

	"pksa/keystore/durable/durabletest"
)

func TestMain(m *testing.M) {
	durabletest.Memory()
	os.Exit(m.Run())
}
