package node_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// answerWith makes a node refuse a broadcast with this error.
func answerWith(e string) nodetest.Fault {
	return nodetest.Fault{Lose: true, Body: []byte(`{"jsonrpc":"2.0","error":` + e + `,"id":$id}`)}
}

// assertion is an error as nodes with categories write it. An empty category is that of older ones.
func assertion(format, category string) string {
	values := map[string]any{"a": "alice", "n": 5}
	if category != "" {
		values["category"], values["subject_type"], values["subject"] = category, "account_name", "insufficient funds"
	}
	return mustJSON(map[string]any{"code": -32003, "message": "Assert Exception:x > 0: " + format,
		"data": map[string]any{"code": 10, "name": "assert_exception", "message": "Assert Exception",
			"stack": []any{map[string]any{"format": format, "data": values}}}})
}

func named(name, message string) string {
	return mustJSON(map[string]any{"code": -32003, "message": message, "data": map[string]any{"name": name,
		"code": 1}})
}

// TestClasses reads why a transaction failed from the data of an error before its words.
func TestClasses(t *testing.T) {
	for _, tt := range []struct {
		name, err string
		class     node.Class
	}{
		{"category balance with unknown words", assertion("${a} is too poor", "balance"), node.ClassBalance},
		{"words of money under another category", assertion("insufficient reputation", "state"), node.ClassRejected},
		{"words of money, no category", assertion("${a} does not have sufficient funds", ""), node.ClassBalance},
		{"unknown category", assertion("no", "weather"), node.ClassRejected},
		{"the limit of one block is no money", assertion("Can only vote once every 3 seconds.", "time"),
			node.ClassRejected},
		{"the same vote again", assertion("Your current vote on this comment is identical to this vote.", ""),
			node.ClassRejected},
		{"voted in a similar way", assertion("You have already voted in a similar way.", "state"), node.ClassRejected},
		{"no credits", named("not_enough_rc_exception", "insufficient funds"), node.ClassCredits},
		{"posting authority", named("tx_missing_posting_auth", "x"), node.ClassAuthority},
		{"other authority", named("tx_missing_other_auth", "x"), node.ClassAuthority},
		{"doubled signature", named("tx_duplicate_sig", "x"), node.ClassAuthority},
		{"reference block", named("transaction_tapos_exception", "x"), node.ClassRejected},
		{"expired by the word of nodes, not by our clock", named("transaction_expiration_exception", "x"),
			node.ClassRejected},
		{"too large", assertion("Transaction too large - size = ${n}", ""), node.ClassRejected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2)
				for _, n := range w.nodes {
					n.FailAlways(broadcastMethod, answerWith(tt.err))
				}
				tx := w.sign(hive.Posting, voteJSON)
				o := w.broadcast(tx)
				if o.State != node.Refused || o.Class != tt.class {
					t.Errorf("outcome %+v", o)
				}
				w.check(tx, o)
			})
		})
	}
}

// TestClassOfSeveral: an application hears a reason that enough hosts gave, and no other.
func TestClassOfSeveral(t *testing.T) {
	money, credits := assertion("poor", "balance"), named("not_enough_rc_exception", "x")
	for _, tt := range []struct {
		name   string
		errors []string // of the hosts; empty: the connection is refused
		state  node.State
		class  node.Class
	}{
		{"two agree against one", []string{credits, money, money}, node.Refused, node.ClassRejected},
		{"two disagree", []string{credits, money}, node.Refused, node.ClassRejected},
		{"the second and the third agree", []string{named("transaction_tapos_exception", "x"), money, money},
			node.Refused, node.ClassBalance},
		{"the only host", []string{money}, node.Refused, node.ClassBalance},
		{"nobody is there", []string{"", ""}, node.Refused, node.ClassNoNode},
		{"one refuses, nobody else is there", []string{money, ""}, node.Expired, node.ClassExpired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, len(tt.errors))
				for i, e := range tt.errors {
					f := nodetest.Refused
					if e != "" {
						f = answerWith(e)
					}
					w.nodes[i].FailAlways(broadcastMethod, f)
				}
				tx := w.sign(hive.Posting, voteJSON)
				o := w.broadcast(tx)
				if o.State != tt.state || o.Class != tt.class {
					t.Errorf("outcome %+v", o)
				}
				w.check(tx, o)
			})
		})
	}
}

// TestClassExpired: the chain's time has passed the expiration by the word of two hosts, or of the
// only one that there is. One that answers alone ends the search, and promises nothing.
func TestClassExpired(t *testing.T) {
	for _, tt := range []struct {
		name  string
		nodes int
		away  int // nodes that never answer
		class node.Class
	}{
		{"two hosts", 2, 0, node.ClassExpired},
		{"one host that is alone in the list", 1, 0, node.ClassExpired},
		{"one host of two", 2, 1, node.ClassNone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.nodes)
				for i, n := range w.nodes {
					if i < tt.away {
						n.FailAlways("", nodetest.ResetBefore)
					} else {
						n.FailAlways(broadcastMethod, nodetest.ResetBefore)
					}
				}
				o := w.c.Broadcast(context.Background(), w.sign(hive.Posting, voteJSON))
				if o.State != node.Expired || o.Class != tt.class {
					t.Errorf("outcome %+v", o)
				}
			})
		})
	}
}

// TestLateUnsent: what expired before a node could be reached was given to nobody.
func TestLateUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		tx := w.sign(hive.Posting, voteJSON)
		time.Sleep(2 * lifetime)
		if o := w.c.Broadcast(context.Background(), tx); o.State != node.Refused || o.Class != node.ClassNoNode {
			t.Errorf("outcome %+v", o)
		}
	})
}

// TestDuplicateHasNoClass: a node that has our transaction is a success.
func TestDuplicateHasNoClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		tx := w.sign(hive.Posting, voteJSON)
		w.broadcast(tx)
		if o := w.broadcast(tx); o.State != node.Accepted || o.Class != node.ClassNone {
			t.Errorf("outcome %+v", o)
		}
	})
}

// TestLimitOfOneBlock: a node that has five custom_json of the account in its view of the block is
// no reason to wait for it. Another one takes the next at once, and the same one in the next block.
func TestLimitOfOneBlock(t *testing.T) {
	custom := `["custom_json",{"required_auths":[],"required_posting_auths":["alice"],"id":"x","json":"{}"}]`
	for _, tt := range []struct {
		name  string
		nodes int
		apply func(n *nodetest.Node)
		most  time.Duration
		by    string
	}{
		{"the next node", 2, func(n *nodetest.Node) { n.FailAlways(broadcastMethod, laterBlock()) }, 0, "b.example"},
		{"the next block", 1, func(n *nodetest.Node) { n.Fail(broadcastMethod, laterBlock()) }, 4 * time.Second,
			"a.example"},
		{"some blocks", 1, func(n *nodetest.Node) {
			n.Fail(broadcastMethod, laterBlock(), laterBlock(), laterBlock(), laterBlock())
		}, 14 * time.Second, "a.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.nodes)
				tt.apply(w.nodes[0])
				start, tx := time.Now(), w.sign(hive.Posting, custom)
				o := w.broadcast(tx)
				if took := time.Since(start); o.State != node.Accepted || o.Node != tt.by || took > tt.most {
					t.Errorf("after %v: outcome %+v", took, o)
				}
				w.check(tx, o)
			})
		})
	}
}
