package node_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

const propertiesMethod = "condenser_api.get_dynamic_global_properties"

// TestHead refers to the block before the last irreversible one and knows the chain's time.
func TestHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		head, err := w.c.Head(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		num, prefix := w.chain.Reference()
		number, at := w.chain.Head()
		if head.RefBlockNum != num || head.RefBlockPrefix != prefix || head.Number != number || head.Time != at {
			t.Errorf("head %+v, wanted block %d at %v, reference %d %d", head, number, at, num, prefix)
		}
		if head.MaxTransactionSize != 65536-256 || head.Node != "https://a.example/" {
			t.Errorf("head %+v", head)
		}
		if later := head.ChainTime(head.At.Add(7 * time.Second)); !later.Equal(at.Time().Add(7 * time.Second)) {
			t.Errorf("time in seven seconds: %v", later)
		}
		if earlier := head.ChainTime(head.At.Add(-time.Hour)); !earlier.Equal(at.Time()) {
			t.Errorf("time before the head: %v", earlier)
		}
	})
}

// TestHeadIsFetchedOnce: also when many ask at once; and Run keeps it fresh.
func TestHeadIsFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.nodes[0].FailAlways("", nodetest.Slow(time.Second))
		for range 100 {
			go w.c.Head(context.Background())
		}
		time.Sleep(10 * time.Second)
		if n := w.nodes[0].Calls(propertiesMethod); n != 1 {
			t.Errorf("asked %d times", n)
		}
		w.nodes[0].FailAlways("", nodetest.Fault{})
		defer w.run()()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		before := w.nodes[0].Calls(propertiesMethod)
		head, err := w.c.Head(context.Background())
		if err != nil || time.Since(head.At) > 4*time.Second {
			t.Errorf("head of %v ago, error %v", time.Since(head.At), err)
		}
		if w.nodes[0].Calls(propertiesMethod) != before {
			t.Error("a fresh head was fetched again")
		}
		if before > 110 || before < 80 {
			t.Errorf("asked %d times in five minutes, wanted one in three seconds", before)
		}
		if n := w.nodes[0].Calls("condenser_api.get_block_header"); n > 12 {
			t.Errorf("asked %d times for reference blocks", n)
		}
		if n := w.nodes[1].Calls(propertiesMethod); n < 5 || n > 15 {
			t.Errorf("the node in reserve was looked at %d times", n)
		}
	})
}

// TestOneRoundTrip counts what an approved request costs.
func TestOneRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		defer w.run()()
		time.Sleep(time.Hour)
		synctest.Wait()
		count := func() (n int) {
			for _, nd := range w.nodes {
				for _, m := range []string{propertiesMethod, "condenser_api.get_block_header",
					"database_api.get_version", broadcastMethod, findMethod} {
					n += nd.Calls(m)
				}
			}
			return n
		}
		before := count()
		if _, err := w.c.Head(context.Background()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		o := w.broadcast(w.sign(hive.Posting, voteJSON))
		if o.State != node.Accepted || time.Since(start) > 0 {
			t.Errorf("outcome %+v", o)
		}
		if n := count() - before; n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestHeadsThatLie: they are not used when other nodes, or our own clock, disagree.
func TestHeadsThatLie(t *testing.T) {
	for _, tt := range []struct {
		name  string
		nodes int
		apply func(w *world)
		from  string // "" for ErrStale
	}{
		{"first ahead", 2, func(w *world) { w.nodes[0].SetAhead(time.Hour) }, "https://b.example/"},
		{"first back", 2, func(w *world) { w.nodes[0].SetAhead(-time.Hour) }, "https://b.example/"},
		{"first behind", 3, func(w *world) { w.nodes[0].SetBehind(40) }, "https://b.example/"},
		{"a block or two behind is normal", 3, func(w *world) { w.nodes[0].SetBehind(2) }, "https://a.example/"},
		{"two of three back", 3, func(w *world) {
			w.nodes[0].SetAhead(-time.Hour)
			w.nodes[1].SetAhead(-time.Hour)
		}, "https://c.example/"}, // two against one and our clock
		{"three of four back", 4, func(w *world) {
			for _, n := range w.nodes[:3] {
				n.SetAhead(-time.Hour)
			}
		}, "https://a.example/"}, // our clock seems wrong; the wallet compares the two before it signs
		{"all three in different times", 3, func(w *world) {
			w.nodes[0].SetAhead(-time.Hour)
			w.nodes[1].SetAhead(time.Hour)
			w.nodes[2].SetAhead(2 * time.Hour)
		}, ""},
		{"the only one", 1, func(w *world) { w.nodes[0].SetAhead(-time.Hour) }, "https://a.example/"},
		{"first of another chain", 2, func(w *world) { w.nodes[0].SetChainID(hive.Mirrornet.ChainID) },
			"https://b.example/"},
		{"first garbled", 2, func(w *world) { w.nodes[0].FailAlways(propertiesMethod, nodetest.Garbage(`{}`, true)) },
			"https://b.example/"},
		{"first without headers", 2, func(w *world) {
			w.nodes[0].FailAlways("condenser_api.get_block_header",
				nodetest.Garbage(`{"jsonrpc":"2.0","result":null,"id":$id}`, true))
		}, "https://b.example/"},
		{"first hangs", 2, func(w *world) { w.nodes[0].FailAlways("", nodetest.HangBefore) }, "https://b.example/"},
		{"none", 2, func(w *world) {
			w.nodes[0].FailAlways("", nodetest.HangBefore)
			w.nodes[1].FailAlways("", nodetest.Refused)
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.nodes)
				tt.apply(w)
				for round := range 2 {
					head, err := w.c.Head(context.Background())
					if head.Node != tt.from || (err != nil) != (tt.from == "") || err != nil && !errors.Is(err,
						node.ErrStale) {
						t.Errorf("round %d: head %+v, error %v", round, head, err)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

// TestHeadStops: a chain or node that stands still is noticed.
func TestHeadStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain := nodetest.NewChain(nodetest.Options{OnDemand: true})
		n := chain.NewNode("a.example")
		c, err := node.New(node.Options{URLs: []string{n.URL()}, Network: hive.Mainnet,
			Transport: nodetest.Transport(n)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Head(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(31 * time.Second)
		if head, err := c.Head(context.Background()); !errors.Is(err, node.ErrStale) {
			t.Errorf("head %+v, error %v", head, err)
		}
		chain.Produce(1)
		if _, err := c.Head(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestHeadIsBounded: the context of the caller ends the wait.
func TestHeadIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 7)
		for _, n := range w.nodes {
			n.FailAlways("", nodetest.HangBefore)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := w.c.Head(ctx); !errors.Is(err, node.ErrStale) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
