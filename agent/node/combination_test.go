package node_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// handicap is what is wrong with a set of nodes from the beginning, besides what happens to
// broadcasts.
type handicap struct {
	name  string
	apply func(w *world)
	// live says that a transaction that meets each fault once must get onto the chain all the same.
	live bool
}

const findMethod = "transaction_status_api.find_transaction"

var handicaps = []handicap{
	{"nothing", func(*world) {}, true},
	{"no status at the first", func(w *world) { w.nodes[0].Without("transaction_status_api") }, true},
	{"no status anywhere", func(w *world) {
		for _, n := range w.nodes {
			n.Without("transaction_status_api")
		}
	}, true},
	{"status hangs at the first", func(w *world) { w.nodes[0].FailAlways(findMethod, nodetest.HangBefore) }, false},
	{"status garbled at the last", func(w *world) { w.last().FailAlways(findMethod, nodetest.Garbage(`[`, true)) },
		true},
	{"first far behind", func(w *world) { w.nodes[0].SetBehind(40) }, false},
	{"last far behind", func(w *world) { w.last().SetBehind(40) }, true},
	{"first an hour ahead", func(w *world) { w.nodes[0].SetAhead(time.Hour) }, false},
	{"last an hour ahead", func(w *world) { w.last().SetAhead(time.Hour) }, true},
	{"first an hour back", func(w *world) { w.nodes[0].SetAhead(-time.Hour) }, false},
	{"first of another chain", func(w *world) { w.nodes[0].SetChainID(hive.Mirrornet.ChainID) }, true},
	{"last gone", func(w *world) { w.last().FailAlways("", nodetest.Refused) }, true},
}

func (w *world) last() *nodetest.Node { return w.nodes[len(w.nodes)-1] }

// TestFaultCombinations sends a transaction with all combinations of faults at the first broadcast
// of each node, with all handicaps, and compares the outcome with the chain.
func TestFaultCombinations(t *testing.T) {
	told := map[node.State]int{}
	faults := nodetest.BroadcastFaults()
	for _, h := range handicaps {
		for i, a := range faults {
			for j, b := range faults {
				if testing.Short() && (i+j)%4 != 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s", h.name, a.Name, b.Name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o := sendThrough(t, h, a, b)
						told[o.State]++
						refused := o.State == node.Refused && (refuses(a) || refuses(b))
						if h.live && o.State != node.Accepted && !refused {
							t.Errorf("outcome %+v", o)
						}
					})
				})
			}
		}
		faults = mainFaults() // all of them with the first handicap, which is none
	}
	t.Logf("outcomes: %v", told)
	if told[node.Accepted] == 0 || told[node.Refused] == 0 || told[node.InDoubt] > 0 {
		t.Errorf("outcomes: %v", told)
	}
}

func refuses(f nodetest.Fault) bool { return strings.HasPrefix(f.Name, "refuses") }

func sendThrough(t *testing.T, h handicap, faults ...nodetest.Fault) node.Outcome {
	w := newWorld(t, len(faults))
	for i, f := range faults {
		w.nodes[i].Fail(broadcastMethod, f)
	}
	h.apply(w)
	defer w.run()()
	if _, err := w.c.Head(context.Background()); err != nil {
		t.Logf("head: %v", err)
	}
	tx := w.sign(hive.Active, transferJSON("1.000 HIVE", "rent"))
	o := w.broadcast(tx)
	w.check(tx, o)
	return o
}

const broadcastMethod = "condenser_api.broadcast_transaction"

// mainFaults returns the faults that differ in what they mean.
func mainFaults() (list []nodetest.Fault) {
	for _, f := range nodetest.BroadcastFaults() {
		switch f.Name {
		case "none", "reset before", "reset after", "hang after", "late arrival", "connection refused", "locked",
			"refuses: assert_exception", "refuses: transaction_tapos_exception":
			list = append(list, f)
		}
	}
	return list
}

// TestFaultTriples does the same with three nodes.
func TestFaultTriples(t *testing.T) {
	faults := mainFaults()
	for _, a := range faults {
		t.Run(a.Name, func(t *testing.T) {
			for i, b := range faults {
				for j, c := range faults {
					if testing.Short() && (i+j)%8 != 0 {
						continue
					}
					synctest.Test(t, func(t *testing.T) {
						o := sendThrough(t, handicaps[0], a, b, c)
						if o.State == node.InDoubt || t.Failed() {
							t.Errorf("%s, %s, %s: %+v", a.Name, b.Name, c.Name, o)
						}
					})
				}
			}
		})
	}
}

// TestLastingFaults lets every broadcast of each node fail in the same way. Not every transaction
// gets onto the chain then, but every outcome must be true.
func TestLastingFaults(t *testing.T) {
	told := map[node.State]int{}
	for i, a := range nodetest.BroadcastFaults() {
		for j, b := range nodetest.BroadcastFaults() {
			if testing.Short() && (i+j)%3 != 0 {
				continue
			}
			t.Run(a.Name+"/"+b.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, 2)
					w.nodes[0].FailAlways(broadcastMethod, a)
					w.nodes[1].FailAlways(broadcastMethod, b)
					tx := w.sign(hive.Active, transferJSON("1.000 HIVE", "rent"))
					o := w.broadcast(tx)
					w.check(tx, o)
					if o.State == node.InDoubt {
						t.Errorf("outcome %+v", o)
					}
					told[o.State]++
				})
			})
		}
	}
	t.Logf("outcomes: %v", told)
	for _, s := range []node.State{node.Accepted, node.Refused, node.Expired} {
		if told[s] == 0 {
			t.Errorf("never told %v", s)
		}
	}
}

// TestWitnesses lets nodes that never saw a transaction say that it is dead, while the one that has
// it is away.
func TestWitnesses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		liars int
		ahead time.Duration // what the liars believe
		late  int           // how many blocks they are behind
		away  time.Duration // how long the one that knows cannot be reached
	}{
		{"one says expired", 1, 0, 0, 100 * time.Second},
		{"one an hour ahead says expired", 1, time.Hour, 0, 100 * time.Second},
		{"two an hour ahead say expired too early", 2, time.Hour, 0, 30 * time.Second},
		{"two far behind do not know it", 2, 0, 60, 100 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.liars+1)
				tx := w.sign(hive.Active, transferJSON("1.000 HIVE", "rent"))
				for _, n := range w.nodes[:tt.liars] {
					n.SetLonely(true)
					n.SetAhead(tt.ahead)
					n.SetBehind(tt.late)
				}
				w.nodes[tt.liars].Fail(broadcastMethod, nodetest.ResetAfter)
				only, err := node.New(node.Options{URLs: []string{w.last().URL()}, Network: hive.Mainnet,
					Transport: nodetest.Transport(w.nodes...)})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond) // before it asks again
				defer cancel()
				if o := only.Broadcast(ctx, tx); o.State != node.InDoubt {
					t.Fatalf("outcome %+v", o)
				}
				w.last().FailAlways("", nodetest.Refused)
				time.AfterFunc(tt.away, func() { w.last().FailAlways("", nodetest.Fault{}) })
				o := w.c.Resolve(context.Background(), tx.ID, tx.Expiration)
				if o.State != node.Accepted || o.Block == 0 {
					t.Errorf("outcome %+v", o)
				}
				w.check(tx, o)
			})
		})
	}
}

// TestHistoryThatLags: nodes without statuses whose account history follows at a distance.
func TestHistoryThatLags(t *testing.T) {
	const method = "condenser_api.get_transaction"
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		for _, n := range w.nodes {
			n.Without("transaction_status_api")
			n.Fail(broadcastMethod, nodetest.ResetAfter)
			n.FailAlways(broadcastMethod, nodetest.HangBefore)
			n.FailAlways(method, nodetest.Refusal("assert_exception", 10, "Unknown Transaction ${trx_id}"))
			time.AfterFunc(lifetime+time.Minute, func() { n.FailAlways(method, nodetest.Fault{}) })
		}
		tx := w.sign(hive.Active, transferJSON("1.000 HIVE", "rent"))
		o := w.broadcast(tx)
		if o.State != node.Accepted || o.Block == 0 {
			t.Errorf("outcome %+v", o)
		}
		w.check(tx, o)
	})
}

// TestManyInDoubt: however many transactions wait, nodes that are down or asked for a rest are not
// flooded.
func TestManyInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 7)
		for _, n := range w.nodes {
			n.FailAlways("", nodetest.Status(429, false))
		}
		const many = 100
		var all sync.WaitGroup
		tx := w.sign(hive.Posting, voteJSON)
		for range many {
			all.Go(func() { w.broadcast(tx) })
		}
		all.Wait()
		calls := 0
		for _, n := range w.nodes {
			for _, m := range []string{broadcastMethod, findMethod, propertiesMethod, "database_api.get_version"} {
				calls += n.Calls(m)
			}
		}
		t.Logf("%d calls", calls)
		if calls > many*40 {
			t.Errorf("%d calls for %d transactions in 40 seconds", calls, many)
		}
	})
}

// TestSilenceFromThen lets the nodes fail for good some time after the first broadcast.
func TestSilenceFromThen(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second, 5 * time.Second, 50 * time.Second} {
		for _, f := range nodetest.BroadcastFaults() {
			t.Run(fmt.Sprintf("%s/%v", f.Name, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, 2)
					w.nodes[0].Fail(broadcastMethod, f)
					w.nodes[1].FailAlways(broadcastMethod, nodetest.ResetBefore)
					w.nodes[0].FailAlways(findMethod, nodetest.ResetBefore)
					go func() {
						time.Sleep(after)
						w.nodes[0].FailAlways("", nodetest.Refused)
						w.nodes[1].FailAlways("", nodetest.HangBefore)
					}()
					tx := w.sign(hive.Active, transferJSON("1.000 HIVE", "rent"))
					w.check(tx, w.broadcast(tx))
				})
			})
		}
	}
}

// TestOneNodeThatFails: where one node is all there is, and fails three times in ten in any way,
// all transactions get on the chain, once, and most at once.
func TestOneNodeThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		kinds := []nodetest.Fault{nodetest.Refused, nodetest.ResetBefore, nodetest.Status(502, false),
			nodetest.Status(503, true), nodetest.FrontEnd(false), nodetest.FrontEnd(true)}
		random := rand.New(rand.NewPCG(1, 1))
		var faults []nodetest.Fault
		for range 2000 {
			f := nodetest.Fault{}
			if random.Float64() < 0.3 {
				f = kinds[random.IntN(len(kinds))]
			}
			faults = append(faults, f)
		}
		w.nodes[0].Fail("", faults...)
		const votes = 60
		var took []time.Duration
		for i := range votes {
			tx := w.sign(hive.Posting, strings.Replace(voteJSON, `"p"`, fmt.Sprintf(`"p%d"`, i), 1))
			begun := time.Now()
			if o := w.broadcast(tx); o.State != node.Accepted {
				t.Errorf("vote %d: %+v", i, o)
			}
			took = append(took, time.Since(begun))
			time.Sleep(time.Second)
		}
		slices.Sort(took)
		if took[votes/2] > 500*time.Millisecond || took[votes*9/10] > time.Second || took[votes-1] > 4*time.Second {
			t.Errorf("half of the votes took %s or more, one in ten %s, one %s", took[votes/2], took[votes*9/10],
				took[votes-1])
		}
		time.Sleep(time.Minute)
		if n := len(w.chain.Transactions()); n != votes {
			t.Errorf("%d votes are %d transactions", votes, n)
		}
	})
}

// TestOneNodeThatAsksForARest: the only node is not asked again at once if it wants a rest.
func TestOneNodeThatAsksForARest(t *testing.T) {
	for name, header := range map[string]http.Header{"for ten seconds": {"Retry-After": {"10"}}, "": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				busy := nodetest.Status(429, false)
				busy.Header = header
				w.nodes[0].FailAlways("", busy)
				w.broadcast(w.sign(hive.Posting, voteJSON))
				if n := w.nodes[0].Calls("database_api.get_version"); n > 15 {
					t.Errorf("asked %d times in 40 seconds", n)
				}
			})
		})
	}
}
