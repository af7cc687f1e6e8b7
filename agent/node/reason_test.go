package node_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// TestRefusalsOfTheChain has the chain refuse transactions, and reads the reasons.
func TestRefusalsOfTheChain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		role   hive.Role
		op     string
		before func(w *world)
		state  node.State
		code   string
		reason string
	}{
		{"posting key for a transfer", hive.Posting, transferJSON("1.000 HIVE", ""), nil, node.Refused,
			node.CodeMissingAuthority,
			"the signature does not satisfy the active authority of alice: the key was changed on the chain, has " +
				"another role there, or does not weigh enough alone"},
		{"active key for a vote", hive.Active, voteJSON, nil, node.Refused, node.CodeMissingAuthority,
			"the signature does not satisfy the posting authority of alice: the key was changed on the chain, has " +
				"another role there, or does not weigh enough alone"},
		{"owner key for a transfer", hive.Owner, transferJSON("1.000 HIVE", ""), nil, node.Refused,
			node.CodeMissingAuthority,
			"the signature does not satisfy the active authority of alice: the key was changed on the chain, has " +
				"another role there, or does not weigh enough alone"},
		{"no credits", hive.Posting, voteJSON, func(w *world) {
			w.chain.Change("alice", func(a *nodetest.Account) { a.Credits = 7 })
		}, node.Refused, "not-enough-rc",
			"alice has 7 resource credits and the transaction needs 1000: wait for them to recharge, or power up HIVE"},
		{"too much money", hive.Active, transferJSON("1000.001 HIVE", ""), nil, node.Refused, "balance",
			"there is not enough money on the account: Account alice does not have sufficient funds for balance " +
				"adjustment. Required: 1000.001 HIVE, Available: 1000.000 HIVE"},
		{"nobody there", hive.Active, strings.Replace(transferJSON("1.000 HIVE", ""), `"bob"`, `"nobody"`, 1), nil,
			node.Refused, "no-account",
			"an account of the transaction does not exist: Account nobody does not exist"},
		{"memo with the words of a duplicate", hive.Posting, transferJSON("1.000 HIVE",
			"Assert Exception: Duplicate transaction check failed"), nil, node.Refused, node.CodeMissingAuthority,
			"the signature does not satisfy the active authority of alice: the key was changed on the chain, has " +
				"another role there, or does not weigh enough alone"},
		{"memo with what other writers escape", hive.Active, transferJSON("1.000 HIVE",
			"<a> & \"b\" \\ \u2028 \u00e9 \t\r\n 🐝"), nil, node.Accepted, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3)
				if tt.before != nil {
					tt.before(w)
				}
				tx := w.sign(tt.role, tt.op)
				o := w.broadcast(tx)
				if o.State != tt.state || o.Code != tt.code || o.Reason != tt.reason || o.Node != "a.example" {
					t.Errorf("outcome %+v", o)
				}
				w.check(tx, o)
			})
		})
	}
}

// TestOtherTransactions: they are refused as a whole, and not for one operation.
func TestOtherTransactions(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(tx *hive.Transaction)
		code   string
		part   string
		nodes  int // that must have been asked
	}{
		{"expired", func(tx *hive.Transaction) { tx.Expiration -= 60 }, "expired", "expired before", 0},
		{"too far ahead", func(tx *hive.Transaction) { tx.Expiration += 25 * 3600 }, "expired",
			"more than 24 hours ahead", 2},
		{"unknown block", func(tx *hive.Transaction) { tx.RefBlockPrefix++ }, "tapos",
			"does not know the block", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3)
				tx := hive.Transaction{Expiration: hive.TimeOf(time.Now()) + 40}
				tx.RefBlockNum, tx.RefBlockPrefix = w.chain.Reference()
				op, err := w.chain.Network().ParseOperation([]byte(voteJSON))
				if err != nil {
					t.Fatal(err)
				}
				tx.Operations = []hive.Operation{op}
				tt.change(&tx)
				o := w.c.Broadcast(context.Background(), w.signTransaction(tx, nodetest.Key("alice", hive.Posting)))
				if o.State != node.Refused || o.Code != tt.code || !strings.Contains(o.Reason, tt.part) {
					t.Errorf("outcome %+v", o)
				}
				asked := 0
				for _, n := range w.nodes {
					asked += len(n.Broadcasts())
				}
				if asked != tt.nodes || len(w.chain.Transactions()) != 0 {
					t.Errorf("%d nodes were asked", asked)
				}
			})
		})
	}
}

// TestDuplicate sends the same transaction twice: it is accepted twice and on the chain once.
func TestDuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		tx := w.sign(hive.Posting, voteJSON)
		first, second := w.broadcast(tx), w.broadcast(tx)
		if first.State != node.Accepted || first.Code != "" {
			t.Errorf("first %+v", first)
		}
		if second.State != node.Accepted || second.Code != "duplicate" ||
			second.Reason != "the node already had this transaction" {
			t.Errorf("second %+v", second)
		}
		time.Sleep(10 * time.Second) // in a block by now
		if third := w.broadcast(tx); third.State != node.Accepted || third.Code != "duplicate" {
			t.Errorf("third %+v", third)
		}
		w.check(tx, second)
	})
}

// TestCustomJSONPerBlock meets the limit of five and gets through with the next block.
func TestCustomJSONPerBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		for i := range 6 {
			op := `["custom_json",{"required_auths":[],"required_posting_auths":["alice"],"id":"x","json":"{\"n\":` +
				string(rune('0'+i)) + `}"}]`
			start := time.Now()
			o := w.broadcast(w.sign(hive.Posting, op))
			if o.State != node.Accepted {
				t.Errorf("%d: outcome %+v", i, o)
			}
			if waited := time.Since(start); (i == 5) != (waited > time.Second) || waited > 7*time.Second {
				t.Errorf("%d: took %v", i, waited)
			}
		}
		// The second node might have had another view of the block. It is honest, and has the same.
		if n := len(w.nodes[1].Broadcasts()); n != 1 {
			t.Errorf("the second node was asked %d times", n)
		}
	})
}

// TestErrorTexts reads errors as nodes of several ages and front ends word them (tx §5.4). Of what
// is unknown the state is in doubt, since the context ends before anything is cleared up.
func TestErrorTexts(t *testing.T) {
	data := func(code int, name, format string) string {
		return `,"data":` + mustJSON(map[string]any{"code": code, "name": name, "message": "m",
			"stack": []any{map[string]any{"format": format, "data": map[string]any{"account": "alice", "n": 5,
				"t": "READ"}}}})
	}
	for _, tt := range []struct {
		name, err string
		state     node.State
		code      string
		reason    string
	}{
		{"by number", `{"code":-32003,"message":"x","data":{"code":3030000}}`, node.Refused, node.CodeMissingAuthority,
			"the posting authority:"},
		{"old node, no data", `{"code":-32000,"message":"missing required active authority:Missing Active Authority ` +
			`alice"}`, node.Refused, node.CodeMissingAuthority, "the active authority of alice:"},
		{"other authority", `{"code":-32003,"message":"missing required other authority:Missing Authority"` +
			data(3040000, "tx_missing_other_auth", "Missing Authority") + `}`, node.Refused, node.CodeMissingAuthority,
			"the other authority:"},
		{"owner authority", `{"code":-32003,"message":"x"` + data(3020000, "tx_missing_owner_auth",
			"Missing Owner Authority alice") + `}`, node.Refused, node.CodeMissingAuthority,
			"the owner authority of alice:"},
		{"credits in an old node", `{"code":-32000,"message":"payer has not enough RC mana for transaction:Account: ` +
			`alice has 0 RC, needs 1234 RC. Please wait to transact, or power up HIVE."}`, node.Refused,
			"not-enough-rc", "alice has 0 resource credits and the transaction needs 1234"},
		{"credits without numbers", `{"code":-32003,"message":"x"` + data(4100100, "not_enough_rc_exception", "no") +
			`}`, node.Refused, "not-enough-rc", "the account has not enough resource credits: no"},
		{"duplicate with condition, no data",
			`{"code":-32003,"message":"Assert Exception:!is_known_transaction( trx_id ): Duplicate transaction ` +
				`check failed"}`, node.Accepted, "duplicate", "already had"},
		{"duplicate without condition",
			`{"code":-32000,"message":"Assert Exception:Duplicate transaction check failed"}`, node.Accepted,
			"duplicate", "already had"},
		{"duplicate in the format", `{"code":-32003,"message":"x"` + data(10, "assert_exception",
			"Duplicate transaction check failed") + `}`, node.Accepted, "duplicate", "already had"},
		{"duplicate quoted from a memo",
			`{"code":-32003,"message":"Assert Exception:memo: 'Assert Exception:Duplicate transaction check failed'"}`,
			node.InDoubt, "in-doubt", "no node could say"},
		{"duplicate from a front end", `{"code":-32603,"message":"Duplicate transaction check failed"}`, node.InDoubt,
			"in-doubt", "no node could say"},
		{"too large", `{"code":-32003,"message":"Assert Exception:trx_size <= 65280: Transaction too large - size = ` +
			`70000"}`, node.Refused, "too-large", "too large for a block: Transaction too large - size = 70000"},
		{"too deep", `{"code":-32003,"message":"Assert Exception:object graph too deep"}`, node.Refused,
			"too-large", "object graph too deep"},
		{"not canonical", `{"code":-32003,"message":"Assert Exception:is_canonical( c ): signature is not canonical"}`,
			node.Refused, "signature", "as they are: signature is not canonical"},
		{"doubled signature", `{"code":-32003,"message":"duplicate signature included:Duplicate signature detected"` +
			data(3060000, "tx_duplicate_sig", "Duplicate signature detected") + `}`, node.Refused, "signature",
			"Duplicate signature detected"},
		{"archived", `{"code":-32003,"message":"x"` + data(10, "assert_exception", "The comment is archived.") + `}`,
			node.Refused, "invalid", "the chain refused the transaction: The comment is archived."},
		{"vote interval", `{"code":-32003,"message":"x"` + data(10, "assert_exception",
			"Can only vote once every 3 seconds.") + `}`, node.Refused, "too-soon", "more time between"},
		{"values in the format", `{"code":-32003,"message":"x"` + data(10, "assert_exception",
			"${account} has ${n} of ${what}") + `}`, node.Refused, "invalid", "alice has 5 of ${what}"},
		{"a sentence over several lines", `{"code":-32003,"message":"x"` + data(10, "assert_exception",
			"one\n\u001b[31mtwo\u202e\u2028three") + `}`, node.Refused, "invalid",
			"refused the transaction: one \ufffd[31mtwo\ufffd three"},
		{"lock", `{"code":-32003,"message":"Unable to acquire READ lock"` + data(4110000, "lock_exception",
			"Unable to acquire ${t} lock") + `}`, node.InDoubt, "in-doubt", "no node could say"},
		{"lock as an assertion", `{"code":-32003,"message":"x"` + data(10, "assert_exception",
			"Unable to acquire ${t} lock") + `}`, node.InDoubt, "in-doubt", "no node could say"},
		{"block is no lock", `{"code":-32003,"message":"x"` + data(10, "assert_exception", "not in this block") + `}`,
			node.Refused, "invalid", "not in this block"},
		{"unknown kind", `{"code":-32003,"message":"new thing:happened"` + data(9990000, "new_exception", "happened") +
			`}`, node.InDoubt, "in-doubt", "new thing:happened"},
		{"front end", `{"code":-32700,"message":"Unable to communicate with node"}`, node.InDoubt, "in-doubt",
			"Unable to communicate with node"},
		{"words of a node from a front end",
			`{"code":-32603,"message":"missing required posting authority:Missing Posting Authority alice"}`,
			node.InDoubt, "in-doubt", "no node could say"},
		{"data of another form", `{"code":-32003,"message":"Internal","data":"text"}`, node.InDoubt, "in-doubt",
			"Internal"},
		{"no form at all", `"error"`, node.InDoubt, "in-doubt", "error without form"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.nodes[0].FailAlways(broadcastMethod, nodetest.Fault{Lose: true,
					Body: []byte(`{"jsonrpc":"2.0","error":` + tt.err + `,"id":$id}`)})
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
				defer cancel()
				o := w.c.Broadcast(ctx, w.sign(hive.Posting, voteJSON))
				if o.State != tt.state || o.Code != tt.code || !strings.Contains(o.Reason, tt.reason) ||
					strings.ContainsAny(o.Reason, "\n\x1b\u202e") {
					t.Errorf("outcome %+v", o)
				}
			})
		})
	}
}

func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestHugeSentence: it is cut short.
func TestHugeSentence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.nodes[0].FailAlways(broadcastMethod, nodetest.Refusal("assert_exception", 10, strings.Repeat("é", 100_000)))
		o := w.broadcast(w.sign(hive.Posting, voteJSON))
		if o.State != node.Refused || len(o.Reason) > 300 || !strings.HasSuffix(o.Reason, "…") {
			t.Errorf("outcome %v with a reason of %d bytes", o.State, len(o.Reason))
		}
	})
}
