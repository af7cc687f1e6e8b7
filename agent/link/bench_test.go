package link_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"pksa/agent/link"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// BenchmarkRegister registers 10,000 accounts, from dialling to the last acknowledgement, with
// proofs that cost nothing and without pacing. It also reports the memory of a link for one
// account.
func BenchmarkRegister(b *testing.B) {
	const n = 10_000
	who := many(n)
	for b.Loop() {
		held := registerAll(b, who)
		b.ReportMetric(float64(held)/n, "B/account")
	}
}

// BenchmarkRegisterMemo does the same with real proofs, whose shared secrets are made again, as
// after the start of a process or a change of the relay's key.
func BenchmarkRegisterMemo(b *testing.B) {
	const n = 1000
	var who []link.Account
	for i := range n {
		key := hive.PrivateKeyFromSeed(fmt.Sprint("account ", i))
		who = append(who, link.Account{Name: hive.AccountName(fmt.Sprintf("user-%05d", i)), KeyType: hive.Posting,
			Prove: func(relay hive.PublicKey, text string) (string, error) { return key.EncodeMemo(relay, text, 1) }})
	}
	for b.Loop() {
		registerAll(b, who)
	}
}

func registerAll(b *testing.B, who []link.Account) (held uint64) {
	r := &relay{register: func(p *peer, a protocol.RegisterAccount) { p.send(protocol.RegisterAck{Account: a.Name}) }}
	w := &world{relay: r, net: &network{relay: r}, done: make(chan struct{})}
	set := link.Options{RegisterRate: 1e6}
	fill(&set, w)
	before := heap()
	l, err := link.New(set)
	if err != nil {
		b.Fatal(err)
	}
	if err := l.SetAccounts(who); err != nil {
		b.Fatal(err)
	}
	w.run(b, l)
	for l.Status().Registered < len(who) {
		time.Sleep(time.Millisecond)
	}
	held = heap() - before
	w.close()
	return held
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkServe measures a request that arrives and its answer, one at a time, with a proof that
// costs nothing. The other end, which runs here too, takes about as much.
func BenchmarkServe(b *testing.B) {
	r := &relay{}
	w := &world{relay: r, net: &network{relay: r}, done: make(chan struct{})}
	arrived := make(chan link.Delivery)
	set := link.Options{RegisterRate: 1e6, Handler: func(_ context.Context, d link.Delivery) { arrived <- d }}
	fill(&set, w)
	l, err := link.New(set)
	if err != nil {
		b.Fatal(err)
	}
	if err := l.SetAccounts(accounts("alice")); err != nil {
		b.Fatal(err)
	}
	w.run(b, l)
	for l.Status().Registered < 1 {
		time.Sleep(time.Millisecond)
	}
	asked, n := r.lastPeer(), 0
	b.ReportAllocs()
	for b.Loop() {
		asked.send(request("alice", n))
		<-arrived
		if err := l.Answer(b.Context(), "alice", nack(n)); err != nil {
			b.Fatal(err)
		}
		n++
	}
	w.close()
}
