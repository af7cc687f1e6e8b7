package ledger_test

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

// What a request may write to disk (design: at most 64 KB alone, 4 KB at 64 in flight).
const (
	mostAlone    = 64 << 10
	mostTogether = 4 << 10
)

// busy is a ledger with a thousand sessions and a few thousand requests behind it.
func busy(t testing.TB) (*rig, []*ledger.Session) {
	r := newRig(t)
	return r, r.makeBusy()
}

func (r *rig) makeBusy() []*ledger.Session {
	r.o = r.o.Beside(true)
	r.o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	r.reopen()
	r.slot("mybot")
	sessions := r.manySessions(1000)
	r.inFlight(sessions, 5000, 256)
	return sessions
}

// manySessions makes sessions of ten accounts.
func (r *rig) manySessions(n int) []*ledger.Session {
	sessions := make([]*ledger.Session, n)
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() { sessions[i] = r.session(fmt.Sprint("account", i%10), "mybot", fmt.Sprint("key ", i)) })
	}
	wg.Wait()
	return sessions
}

var nonces atomic.Int64

// whole is one request from Begin to Settle, of the size that a vote has.
func (r *rig) whole(s *ledger.Session, id int64) error {
	key := ledger.RequestKey{Relay: "wss://hive-auth.arcange.eu/",
		UUID: fmt.Sprintf("9b0e2dc3-f574-4766-abdd-%012x", id)}
	a := ledger.Arrival{Key: key, Expires: r.clock.now().Add(time.Minute)}
	copy(a.Digest[:], fmt.Sprintf("%016d%016d", id, id))
	if _, err := r.l.Begin(a); err != nil {
		return err
	}
	out, err := r.l.Admit(ctx, ledger.Admission{
		Key: key, Account: s.Account, Kind: "sign", Session: s.ID, Nonce: r.nowMS() + id, Turn: s.App,
	}, func(v ledger.View) ledger.Ruling {
		return ledger.Ruling{
			Verdict: ledger.Admitted, Record: make([]byte, 300), TxBytes: make([]byte, 100), TxID: [20]byte{1},
			Charges: []ledger.Charge{{Data: make([]byte, 40), Expires: v.Now.Add(24 * time.Hour)}},
		}
	})
	if err != nil {
		return err
	}
	return r.l.Settle(out.Number, ledger.Settlement{Outcome: "accepted", Answer: make([]byte, 200),
		Record: make([]byte, 60)})
}

// inFlight works through n requests, so many at a time.
func (r *rig) inFlight(sessions []*ledger.Session, n, width int) {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	for range width {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				id := nonces.Add(1)
				if err := r.whole(sessions[int(id*7919)%len(sessions)], id); err != nil {
					r.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	must(r.t, r.l.Flush(ctx))
}

func TestBytesWritten(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a ledger")
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		// As on a disk, what comes during a commit waits for the next one.
		r.aroundCommits(func(commit func() error) error { time.Sleep(5 * time.Millisecond); return commit() })
		sessions := r.makeBusy()
		before := r.l.TestingAlloc()
		for range 20 {
			r.inFlight(sessions, 1, 1)
		}
		if each := (r.l.TestingAlloc() - before) / 20; each > mostAlone {
			t.Errorf("a request alone writes %d bytes", each)
		} else {
			t.Logf("alone: %d bytes", each)
		}
		before = r.l.TestingAlloc()
		r.inFlight(sessions, 6400, 64)
		if each := (r.l.TestingAlloc() - before) / 6400; each > mostTogether {
			t.Errorf("a request among 64 writes %d bytes", each)
		} else {
			t.Logf("among 64: %d bytes", each)
		}
		must(t, r.l.Close())
	})
}

func BenchmarkAdmit(b *testing.B) {
	for _, width := range []int{1, 64} {
		b.Run(fmt.Sprintf("%d in flight", width), func(b *testing.B) {
			r, sessions := busy(b)
			before := r.l.TestingAlloc()
			b.ReportAllocs()
			b.ResetTimer()
			r.inFlight(sessions, b.N, width)
			b.StopTimer()
			b.ReportMetric(float64(r.l.TestingAlloc()-before)/float64(b.N), "disk-B/op")
		})
	}
}

// TestQuietAppsBesideANoisyOne: nine apps that ask for one thing after the other wait at most twice
// as long while a tenth one always has a hundred requests on their way.
func TestQuietAppsBesideANoisyOne(t *testing.T) {
	var slow [2]time.Duration
	for i, noisy := range []int{0, 100} {
		synctest.Test(t, func(t *testing.T) { slow[i] = quietWait(t, noisy) })
	}
	t.Logf("of a hundred requests the slowest takes %v, and %v beside a noisy app", slow[0], slow[1])
	if slow[1] > 2*slow[0] {
		t.Errorf("quiet apps wait %v beside a noisy one, and %v without", slow[1], slow[0])
	}
}

// quietWait returns how long the slowest of a hundred requests takes of nine quiet apps, beside one
// that has so many requests on their way. Time is that of the test: a commit takes 300 µs as on a
// fast disk, and 60 µs more for each admission.
func quietWait(t *testing.T, noisy int) time.Duration {
	r := newRigWith(t, options("test").InMemory(ledger.NewMemDisk()))
	r.aroundCommits(func(commit func() error) error { time.Sleep(300 * time.Microsecond); return commit() })
	var done atomic.Bool
	var others, nine sync.WaitGroup
	r.slot("noisy")
	for i := range noisy {
		s := r.session("alice", "noisy", fmt.Sprint("noisy ", i))
		others.Go(func() {
			for !done.Load() {
				r.slowly(s)
			}
		})
	}
	var mu sync.Mutex
	var took []time.Duration
	for i := range 9 {
		app := fmt.Sprint("quiet", i)
		r.slot(app)
		s := r.session("alice", app, app)
		nine.Go(func() {
			for n := range 25 {
				time.Sleep(time.Duration(100+37*(i+n)%97) * 10 * time.Microsecond) // it does other things, too
				begun := time.Now()
				r.slowly(s)
				mu.Lock()
				took = append(took, time.Since(begun))
				mu.Unlock()
			}
		})
	}
	nine.Wait()
	done.Store(true)
	others.Wait()
	must(t, r.l.Close())
	slices.Sort(took)
	return took[len(took)*99/100]
}

// slowly has a request judged, which takes a while, and settled.
func (r *rig) slowly(s *ledger.Session) {
	r.clock.add(time.Millisecond)
	id := nonces.Add(1)
	key := ledger.RequestKey{Relay: "relay", UUID: fmt.Sprint(id)}
	_, err := r.l.Begin(r.arrival(key, key.UUID))
	must(r.t, err)
	out, err := r.l.Admit(ctx, ledger.Admission{Key: key, Account: s.Account, Kind: "sign", Session: s.ID,
		Nonce: r.nowMS() + id, Turn: s.App}, func(ledger.View) ledger.Ruling {
		time.Sleep(60 * time.Microsecond)
		return ledger.Ruling{Verdict: ledger.Admitted}
	})
	must(r.t, err)
	must(r.t, r.l.Settle(out.Number, ledger.Settlement{Outcome: "done"}))
}

// BenchmarkQuietApps measures how long the admission of nine apps takes that ask for one thing
// after the other, alone and beside a tenth one that always has a hundred requests on their way.
func BenchmarkQuietApps(b *testing.B) {
	for _, noisy := range []int{0, 100} {
		b.Run(fmt.Sprintf("beside %d", noisy), func(b *testing.B) {
			r := newRig(b)
			r.o = r.o.Beside(true)
			r.o.Logger = slog.New(slog.DiscardHandler)
			r.reopen()
			sessions := make([]*ledger.Session, 10)
			for i := range sessions {
				app := fmt.Sprint("app", i)
				r.slot(app)
				sessions[i] = r.session("alice", app, fmt.Sprint("key ", i))
			}
			// The clock goes on as the requests do: what expires leaves, as it does in a wallet.
			whole := func(s *ledger.Session) error {
				r.clock.add(time.Millisecond)
				return r.whole(s, nonces.Add(1))
			}
			var done atomic.Bool
			var others, quiet sync.WaitGroup
			for i := range noisy { // each in a session of its own: nonces of one would overtake each other
				s := r.session(fmt.Sprint("account", i%10), "app9", fmt.Sprint("noisy ", i))
				others.Go(func() {
					for !done.Load() {
						if err := whole(s); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			var mu sync.Mutex
			var took []time.Duration
			b.ResetTimer()
			for _, s := range sessions[:9] {
				quiet.Go(func() {
					for range (b.N + 8) / 9 {
						begun := time.Now()
						if err := whole(s); err != nil {
							b.Error(err)
							return
						}
						mu.Lock()
						took = append(took, time.Since(begun))
						mu.Unlock()
					}
				})
			}
			quiet.Wait()
			b.StopTimer()
			done.Store(true)
			others.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		})
	}
}

func BenchmarkSessionsOf(b *testing.B) {
	r := newRig(b)
	r.slot("mybot")
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() { r.session("alice", "mybot", fmt.Sprint("key ", i)) })
	}
	wg.Wait()
	b.ReportAllocs()
	for b.Loop() {
		if len(r.l.SessionsOf("alice")) != 1000 {
			b.Fatal("sessions are missing")
		}
	}
}

func BenchmarkBegin(b *testing.B) {
	r := newRig(b)
	b.ReportAllocs()
	for b.Loop() {
		a := ledger.Arrival{Key: ledger.RequestKey{Relay: "relay", UUID: "uuid"}, Expires: r.clock.now()}
		if _, err := r.l.Begin(a); err != nil {
			b.Fatal(err)
		}
		r.l.Drop(a.Key)
	}
}
