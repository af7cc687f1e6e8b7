package node_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// FuzzAnswer: no answer panics, and only two kinds of them mean that the node has the transaction:
// a result for our request, and the node's own error that it is a duplicate.
func FuzzAnswer(f *testing.F) {
	for _, fault := range nodetest.BroadcastFaults() {
		f.Add(strings.ReplaceAll(string(fault.Body), "$id", "7"))
	}
	for _, seed := range []string{
		`{"jsonrpc":"2.0","result":{},"id":7}`, `{"id":7,"result":{},"result":{}}`,
		`{"id":7,"result":{},"error":{"code":1}}`,
		`{"id":7,"result":null,"error":null}`, `{"id":"7","result":{}}`, `{"id":7.0,"result":{}}`,
		`[{"id":7,"result":{}}]`,
		`{"error":{"code":-32003,"message":"Assert Exception:!is_known_transaction( trx_id ): Duplicate transaction ` +
			`check failed"},"id":7}`,
		`{"error":{"code":-32003,"message":"x","data":{"code":10,"name":"assert_exception",` +
			`"stack":[{"format":"${a}","data":{"a":"Duplicate transaction check failed"}}]}},"id":7}`,
		`{"error":{"code":-32003,"message":"x","data":{"code":4100100,"stack":[{"format":"Account: ${a} has ${b} ` +
			`RC","data":{"a":[{}],"b":null}}]}},"id":null}`,
		"{\"error\":{\"code\":-32003,\"message\":\"\xff\xfe\"},\"id\":7}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		is, code, reason := node.ForTestJudge([]byte(body), 7)
		if is == "sent" {
			var answer struct {
				ID     json.RawMessage
				Result map[string]any
			}
			ours := json.Unmarshal([]byte(body), &answer) == nil && string(answer.ID) == "7" && answer.Result != nil
			if !ours && (code != "duplicate" || !strings.Contains(body, "uplicate") && !strings.Contains(body,
				`\u`)) {
				t.Errorf("sent, by %q", body)
			}
		}
		if (is == "refused" || is == "lagging" || is == "later") && (code == "" || reason == "") {
			t.Errorf("%s without code or reason by %q", is, body)
		}
		if len(reason) > 700 || !utf8.ValidString(strings.TrimSuffix(reason, "…")) && utf8.ValidString(body) ||
			strings.ContainsAny(reason, "\n\r\x00\x1b") {
			t.Errorf("reason %q", reason)
		}
	})
}

// FuzzHead: what is accepted as global properties makes sense.
func FuzzHead(f *testing.F) {
	f.Add(`{"head_block_number":16909060,"head_block_id":"0102030400000000000000000000000000000000",` +
		`"time":"2026-01-01T00:00:00","last_irreversible_block_num":16909059,"maximum_block_size":65536}`)
	f.Add(`{"head_block_number":-1}`)
	f.Add(`{"head_block_number":4294967295,"head_block_id":"ffffffff00000000000000000000000000000000",` +
		`"time":"2038-01-19T03:14:08","last_irreversible_block_num":1}`)
	f.Fuzz(func(t *testing.T, raw string) {
		number, irreversible, size, err := node.ForTestReadHead([]byte(raw))
		if err == nil && (irreversible < 2 || irreversible > number || size < 0 || size > 8<<20) {
			t.Errorf("head %d, irreversible %d, size %d", number, irreversible, size)
		}
	})
}

// FuzzAccounts: what is accepted as accounts has keys on the curve and sorted authorities.
func FuzzAccounts(f *testing.F) {
	key := nodetest.Key("alice", hive.Active).Public().String()
	auth := `{"weight_threshold":1,"account_auths":[["bob",1]],"key_auths":[["` + key + `",1]]}`
	f.Add(`[{"name":"alice","owner":` + auth + `,"active":` + auth + `,"posting":` + auth + `,"memo_key":"` + key +
		`","x":1}]`)
	f.Add(`[{"name":"alice","owner":{"weight_threshold":4294967296}}]`)
	f.Add(`[null]`)
	f.Fuzz(func(t *testing.T, raw string) {
		accounts, err := node.ForTestReadAccounts([]byte(raw))
		if err != nil {
			return
		}
		for _, a := range accounts {
			for _, key := range a.Keys() {
				if _, err := hive.PublicKeyFromBytes(key[:]); err != nil {
					t.Errorf("key %v: %v", key, err)
				}
				a.Roles(key)
			}
			if !slices.IsSortedFunc(a.Active.AccountAuths,
				func(x, y hive.AccountWeight) int { return strings.Compare(string(x.Account), string(y.Account)) }) {
				t.Error("not sorted")
			}
		}
	})
}

// FuzzFaults lets everything go wrong in any order: each pair of bytes is a call of a node and its
// fault. The outcome is compared with the chain.
func FuzzFaults(f *testing.F) {
	f.Add([]byte{0}, uint8(0))
	f.Add([]byte{0, 3, 3, 1, 6, 19, 1, 4}, uint8(1))
	f.Add([]byte{0, 6, 1, 4, 2, 2, 3, 6, 4, 2, 5, 9, 6, 20, 7, 1, 8, 0, 9, 12, 10, 13, 11, 5, 12, 2, 13, 3},
		uint8(0x24))
	f.Add([]byte{0, 3, 0, 20, 3, 3, 3, 21, 6, 20, 6, 21}, uint8(0x91))
	f.Fuzz(func(t *testing.T, script []byte, set uint8) {
		if len(script) > 80 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 3)
			methods := []string{broadcastMethod, findMethod, propertiesMethod, "condenser_api.get_block_header",
				"database_api.get_version"}
			faults := nodetest.BroadcastFaults()
			for i := 0; i+1 < len(script); i += 2 {
				n := w.nodes[int(script[i])%3]
				n.Fail(methods[int(script[i])/3%len(methods)], faults[int(script[i+1])%len(faults)])
			}
			odd := w.nodes[int(set>>6)%3]
			switch set & 7 {
			case 1:
				odd.SetBehind(30)
			case 2:
				odd.SetAhead(time.Hour)
			case 3:
				odd.SetAhead(-time.Hour)
			case 4:
				odd.Without("transaction_status_api")
			case 5:
				odd.SetChainID(hive.Testnet.ChainID)
			case 6:
				odd.FailAlways(findMethod, nodetest.HangBefore)
			}
			if set&8 != 0 {
				w.c.Head(context.Background())
			}
			if set&16 != 0 {
				defer w.run()()
			}
			tx := w.sign(hive.Active, transferJSON("1.000 HIVE", "rent"))
			w.check(tx, w.broadcast(tx))
		})
	})
}
