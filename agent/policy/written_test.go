package policy_test

import (
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// Who made the transaction stands in the trail, and is read back from it. What stood there before
// that member is the wallet's.
func TestWhoMadeItIsWrittenDown(t *testing.T) {
	for _, exact := range []bool{false, true} {
		q := &policy.Request{Kind: policy.Sign, Account: "alice", App: "x", Role: hive.Posting, Broadcast: true,
			Exact: exact}
		back, err := policy.Write(q, hive.Mainnet).Read(hive.Mainnet)
		if err != nil || back.Exact != exact {
			t.Errorf("%t comes back as %+v, %v", exact, back, err)
		}
	}
	if _, err := (policy.Written{Request: "sign", TransactionBy: "nobody"}).Read(hive.Mainnet); err == nil {
		t.Error("nobody makes transactions")
	}
	if q, err := (policy.Written{Request: "sign", KeyType: "posting"}).Read(hive.Mainnet); err != nil || q.Exact {
		t.Errorf("a record of before: %+v, %v", q, err)
	}
}
