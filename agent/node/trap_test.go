package node_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// The tenth trap (tx §0): the outer code of an error was -32000 and is -32003 today. What counts is
// the error's own name or number, whatever is around it. The other eleven are tests of
// protocol/hive.
func TestTrap10ErrorCodesMoved(t *testing.T) {
	for _, outer := range []int{-32003, -32000, -32603} {
		for _, data := range []string{
			`{"code":3030000,"name":"tx_missing_posting_auth","message":"missing required posting authority"}`,
			`{"code":3030000}`,
			`{"name":"tx_missing_posting_auth"}`,
		} {
			t.Run(fmt.Sprint(outer, " ", data), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, 1)
					body := fmt.Sprintf(`{"jsonrpc":"2.0","error":{"code":%d,"message":"moved","data":%s},"id":$id}`,
						outer, data)
					w.nodes[0].FailAlways("condenser_api.broadcast_transaction", nodetest.Fault{Lose: true,
						Body: []byte(body)})
					o := w.broadcast(w.sign(hive.Posting, voteJSON))
					if o.State != node.Refused || o.Code != node.CodeMissingAuthority || !strings.Contains(o.Reason,
						"posting authority") {
						t.Errorf("%+v", o)
					}
				})
			})
		}
	}
}
