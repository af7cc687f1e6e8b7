package node_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// refuseAndKeep makes a node claim that the chain refuses a transaction, keep it, and pass it on
// three seconds later.
func refuseAndKeep() nodetest.Fault {
	f := noFunds()
	f.Lose, f.Late = false, 3*time.Second
	return f
}

// noFunds is the refusal of a transfer that the account cannot pay.
func noFunds() nodetest.Fault {
	return nodetest.Refusal("assert_exception", 10, "Account does not have sufficient funds for transfer.")
}

// noMethod is what a node says that does not broadcast.
func noMethod() nodetest.Fault {
	return nodetest.Refusal("assert_exception", 10, "Could not find method broadcast_transaction")
}

// laterBlock is the refusal of a custom_json that has to wait for the next block.
func laterBlock() nodetest.Fault {
	return nodetest.Refusal("assert_exception", 10,
		"Account a already submitted 5 custom json operation(s) this block.")
}

// TestRefusalOfOneHost: a refusal counts once a second host has refused the same bytes. Until then
// the transaction is sent on, and looked up.
func TestRefusalOfOneHost(t *testing.T) {
	for _, tt := range []struct {
		name  string
		nodes int
		apply func(w *world)
		state node.State
		code  string
	}{
		{"the first lies", 3, func(w *world) { w.nodes[0].FailAlways(broadcastMethod, refuseAndKeep()) },
			node.Accepted, ""},
		{"the first lies, the others are away for a while", 3, func(w *world) {
			w.nodes[0].FailAlways(broadcastMethod, refuseAndKeep())
			for _, n := range w.nodes[1:] {
				n.FailAlways("", nodetest.Refused)
				time.AfterFunc(time.Minute, func() { n.FailAlways("", nodetest.Fault{}) })
			}
		}, node.Accepted, ""},
		{"the only one that answers refuses, and tells the truth", 2, func(w *world) {
			w.nodes[0].FailAlways(broadcastMethod, noFunds())
			w.nodes[1].FailAlways(broadcastMethod, nodetest.Refused)
		}, node.Expired, "expired"},
		{"the first says later for ever, and keeps it", 2, func(w *world) {
			f := laterBlock()
			f.Lose, f.Late = false, 3*time.Second
			w.nodes[0].FailAlways(broadcastMethod, f)
			w.nodes[1].FailAlways(broadcastMethod, nodetest.Refused)
		}, node.Accepted, ""},
		{"the first lags by its own word, and keeps it", 2, func(w *world) {
			f := nodetest.Refusal("transaction_tapos_exception", 4030200, "")
			f.Lose, f.Late = false, 3*time.Second
			w.nodes[0].FailAlways(broadcastMethod, f)
			w.nodes[1].FailAlways(broadcastMethod, nodetest.Refused)
		}, node.Accepted, ""},
		{"two refuse", 3, func(w *world) {
			w.nodes[0].FailAlways(broadcastMethod, noFunds())
			w.nodes[1].FailAlways(broadcastMethod, noFunds())
		}, node.Refused, "balance"},
		{"one refuses, one lags, the third takes it", 3, func(w *world) {
			w.nodes[0].FailAlways(broadcastMethod, noFunds())
			w.nodes[1].FailAlways(broadcastMethod, nodetest.Refusal("transaction_tapos_exception", 4030200, ""))
		}, node.Accepted, ""},
		{"the only node refuses", 1, func(w *world) { w.nodes[0].FailAlways(broadcastMethod, noFunds()) }, node.Refused,
			"balance"},
		{"two do not offer it, the third takes it", 3, func(w *world) {
			w.nodes[0].FailAlways(broadcastMethod, noMethod())
			w.nodes[1].FailAlways(broadcastMethod, noMethod())
		}, node.Accepted, ""},
		{"none offers it", 3, func(w *world) {
			for _, n := range w.nodes {
				n.FailAlways(broadcastMethod, noMethod())
			}
		}, node.Refused, "no-method"},
		{"the first does not offer it by its own word, and keeps it", 2, func(w *world) {
			f := noMethod()
			f.Lose, f.Late = false, 3*time.Second
			w.nodes[0].FailAlways(broadcastMethod, f)
			w.nodes[1].FailAlways(broadcastMethod, nodetest.Refused)
		}, node.Accepted, ""},
		{"the other serves another chain", 2, func(w *world) {
			w.nodes[0].FailAlways(broadcastMethod, noFunds())
			w.nodes[1].SetChainID(hive.Testnet.ChainID)
		}, node.Refused, "balance"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.nodes)
				tt.apply(w)
				defer w.run()()
				if _, err := w.c.Head(context.Background()); err != nil {
					t.Fatal(err)
				}
				tx := w.sign(hive.Active, transferJSON("1.000 HIVE", "rent"))
				o := w.broadcast(tx)
				if o.State != tt.state || tt.code != "" && o.Code != tt.code {
					t.Errorf("outcome %+v", o)
				}
				if o.Code == "no-method" && (o.Class != node.ClassNoNode ||
					strings.Contains(o.Reason, "chain refused")) {
					t.Errorf("outcome %+v", o)
				}
				w.check(tx, o)
			})
		})
	}
}

// TestRefusalOfOneHostTwice: two nodes behind one host are one opinion.
func TestRefusalOfOneHostTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.nodes[0].FailAlways(broadcastMethod, noFunds())
		c, err := node.New(node.Options{Network: w.chain.Network(), Transport: nodetest.Transport(w.nodes...),
			URLs: []string{w.nodes[0].URL(), w.nodes[0].URL() + "second", w.nodes[1].URL()}})
		if err != nil {
			t.Fatal(err)
		}
		o := c.Broadcast(context.Background(), w.sign(hive.Active, transferJSON("1.000 HIVE", "rent")))
		if o.State != node.Accepted || o.Node != "b.example" {
			t.Errorf("outcome %+v", o)
		}
	})
}

// TestLoneRefusalIsNamed: the reason of an outcome keeps what the only host said that refused.
func TestLoneRefusalIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.nodes[0].FailAlways(broadcastMethod, noFunds())
		w.nodes[1].FailAlways(broadcastMethod, nodetest.Refused)
		o := w.broadcast(w.sign(hive.Active, transferJSON("1.000 HIVE", "rent")))
		if o.State != node.Expired || !strings.Contains(o.Reason, "a.example refused it") ||
			!strings.Contains(o.Reason, "sufficient funds") {
			t.Errorf("outcome %+v", o)
		}
	})
}

// TestBlame: a node that said what is not true is asked after all others for a while, longer each
// time, and is asked again in its turn when that is over.
func TestBlame(t *testing.T) {
	for _, tt := range []struct {
		name string
		lie  func(n *nodetest.Node)
		word string
	}{
		{"refuses what the chain takes", func(n *nodetest.Node) { n.FailAlways(broadcastMethod, refuseAndKeep()) },
			"refused the transaction"},
		{"takes what never arrives", func(n *nodetest.Node) { n.FailAlways(broadcastMethod, nodetest.FalseAccept) },
			"never reached the chain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3)
				defer w.run()()
				synctest.Wait()
				tt.lie(w.nodes[0])
				if tt.word == "never reached the chain" {
					for _, n := range w.nodes[1:] { // or the watch would bring it there by another node
						n.FailAlways(broadcastMethod, nodetest.FalseAccept)
					}
				}
				tx := w.sign(hive.Active, transferJSON("1.000 HIVE", "rent"))
				w.broadcast(tx)
				w.onChain(tx)
				time.Sleep(time.Minute)
				s := w.c.Status()[0]
				if s.Untrue != 1 || !strings.Contains(s.Blame, tt.word) || s.BlamedUntil.IsZero() || !s.Usable {
					t.Errorf("status %+v", s)
				}
				for _, n := range w.nodes {
					n.FailAlways(broadcastMethod, nodetest.Fault{})
				}
				if o := w.broadcast(w.sign(hive.Posting, voteJSON)); o.State != node.Accepted || o.Node != "b.example" {
					t.Errorf("outcome %+v", o)
				}
				time.Sleep(11 * time.Minute)
				if o := w.broadcast(w.sign(hive.Posting, voteJSON)); o.Node != "a.example" {
					t.Errorf("outcome after the time %+v", o)
				}
			})
		})
	}
}

// TestImpossibleBlockSize: no chain of Hive has blocks below 65,536 bytes. A node that says so is
// not built on, and another one is.
func TestImpossibleBlockSize(t *testing.T) {
	for _, size := range []string{"-1", "0", "300", "65535", "8388609"} {
		t.Run(size, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2)
				id := "0605237186801b87019ae5c33b4ffcaf1a71f72b"
				w.nodes[0].FailAlways(propertiesMethod, nodetest.Fault{Lose: true, Body: []byte(
					`{"jsonrpc":"2.0","result":{"head_block_number":101000049,"head_block_id":"` + id + `","time":"` +
						hive.TimeOf(time.Now()).String() + `","last_irreversible_block_num":101000047,` +
						`"maximum_block_size":` + size + `},"id":$id}`)})
				head, err := w.c.Head(context.Background())
				if err != nil || head.Node != w.nodes[1].URL() || head.MaxTransactionSize != 65536-256 {
					t.Errorf("head %+v, %v", head, err)
				}
				if s := w.c.Status()[0]; s.Untrue == 0 || !strings.Contains(s.Blame, size) {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}
