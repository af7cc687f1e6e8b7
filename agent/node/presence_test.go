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

// TestPresence: that the chain never had a transaction takes the word of two hosts, whose chain is
// past its expiration; one host that has it outweighs them.
func TestPresence(t *testing.T) {
	const find, history = "transaction_status_api.find_transaction", "condenser_api.get_transaction"
	unknown := nodetest.Fault{Lose: true, Body: []byte(`{"jsonrpc":"2.0","result":{"status":"unknown"},"id":$id}`)}
	for _, tt := range []struct {
		name  string
		nodes int
		sent  bool
		apply func(w *world)
		never bool
		found string
	}{
		{"two say so", 2, false, nil, true, ""},
		{"the only one says so", 1, false, nil, false, ""},
		{"one of two answers", 2, false, func(w *world) { w.nodes[1].FailAlways("", nodetest.Refused) }, false, ""},
		{"one of two is behind", 2, false, func(w *world) { w.nodes[1].SetBehind(200) }, false, ""},
		{"one of two serves another chain", 2, false, func(w *world) { w.nodes[1].SetChainID([32]byte{1}) }, false, ""},
		{"two know it from their history only", 2, false, func(w *world) {
			for _, n := range w.nodes {
				n.Without("transaction_status_api")
			}
		}, true, ""},
		{"on the chain", 2, true, nil, false, "a.example"},
		{"two lie, the third has it", 3, true, func(w *world) {
			for _, n := range w.nodes[:2] {
				n.FailAlways(find, unknown)
				n.FailAlways(history, nodetest.Refused)
			}
		}, false, "c.example"},
		{"two lie, and the third is away", 3, true, func(w *world) {
			for _, n := range w.nodes[:2] {
				n.FailAlways(find, unknown)
			}
			w.nodes[2].FailAlways("", nodetest.Refused)
		}, true, ""}, // what two hosts can do together
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.nodes)
				tx := w.sign(hive.Posting, voteJSON)
				if tt.sent {
					w.broadcast(tx)
				}
				if p := w.c.Presence(context.Background(), tx.ID, tx.Expiration); !p.Early || p.Never() {
					t.Errorf("before the expiration: %+v", p)
				}
				time.Sleep(5 * time.Minute)
				if tt.apply != nil {
					tt.apply(w)
				}
				p := w.c.Presence(context.Background(), tx.ID, tx.Expiration)
				if p.Never() != tt.never || p.Found != tt.found || p.Early {
					t.Errorf("%+v", p)
				}
			})
		})
	}
}

// TestWhereabouts: a person hears at any time what two hosts say, or one that has it in a block.
func TestWhereabouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		sent, never := w.sign(hive.Posting, voteJSON), w.sign(hive.Active, transferJSON("1.000 HIVE", "rent"))
		w.broadcast(sent)
		ask := func(tx node.Transaction, expiration hive.Time) node.Presence {
			return w.c.Whereabouts(context.Background(), tx.ID, expiration)
		}
		if p := ask(never, never.Expiration); !p.Early || len(p.Missing) != 2 || len(p.Absent) != 0 {
			t.Errorf("before its expiration: %+v", p)
		}
		time.Sleep(5 * time.Minute)
		if p := ask(sent, sent.Expiration); p.Found != "a.example" || p.Block == 0 || p.Early {
			t.Errorf("on the chain: %+v", p)
		}
		if p := ask(never, never.Expiration); len(p.Absent) != 2 || !p.Never() {
			t.Errorf("after its expiration: %+v", p)
		}
		later := never.Expiration + 3600 // by which the chain says less, and nothing that is untrue
		if p := ask(never, later); !p.Early || len(p.Missing) != 2 || p.Never() {
			t.Errorf("with a later expiration: %+v", p)
		}
		if p := ask(sent, later); p.Found != "a.example" {
			t.Errorf("on the chain, with a later expiration: %+v", p)
		}
	})
}
