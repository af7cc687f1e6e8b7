package link_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/link"
	"pksa/protocol"
	"pksa/protocol/hive"
)

func (w *world) drop(context.Context, link.Delivery) {}

// Frames that are no messages are dropped, counted under a constant reason, and never answered, and
// the next good one is served on the same connection.
func TestBadFrames(t *testing.T) {
	frames := map[string]struct {
		text   string
		reason link.Drop
	}{
		"empty":           {"", "malformed_syntax"},
		"no JSON":         {"ping", "malformed_syntax"},
		"no object":       {"[]", "malformed_shape"},
		"no command":      {"{}", "malformed_missing"},
		"unknown command": {`{"cmd":"reboot"}`, link.DropUnknown},
		"of an app":       {`{"cmd":"register_req","app":"x","accounts":[]}`, link.DropUnknown},
		"two commands":    {`{"cmd":"key_ack","cmd":"error","error":"x"}`, "malformed_duplicate"},
		"no UTF-8":        {"{\"cmd\":\"error\",\"error\":\"\xff\"}", "malformed_utf8"},
		"too deep":        {strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), "malformed_depth"},
		"uuid": {`{"cmd":"sign_req","account":"alice","data":"AAAA","uuid":"{\"key_type\":\"active\"}",` +
			`"expire":1}`, "malformed_value"},
		"second greeting": {`{"cmd":"connected","timeout":60,"protocol":1}`, link.DropUnexpected},
		"stranger's ack":  {`{"cmd":"register_ack","account":"mallory"}`, link.DropUnexpected},
	}
	for name, f := range frames {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &relay{}
				w := start(t, r, link.Options{}, accounts("alice")...)
				synctest.Wait()
				r.lastPeer().sendText(f.text)
				r.lastPeer().send(request("alice", 1))
				synctest.Wait()
				s := w.link.Status()
				if s.Counters.Drops[f.reason] != 1 || s.Counters.Connections != 1 || len(w.delivered()) != 1 {
					t.Errorf("drops %v, %d connections, %d delivered", s.Counters.Drops, s.Counters.Connections,
						len(w.delivered()))
				}
				if len(r.answered()) != 0 {
					t.Errorf("answered: %v", r.answered())
				}
			})
		})
	}
}

func TestBinaryAndFragmentedFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		w := start(t, r, link.Options{}, accounts("alice")...)
		synctest.Wait()
		p := r.lastPeer()
		frame, _ := protocol.Encode(request("alice", 1))
		p.ws.Write(t.Context(), websocket.MessageBinary, frame)
		out, err := p.ws.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		for i := range frame {
			out.Write(frame[i : i+1])
		}
		out.Close()
		synctest.Wait()
		s := w.link.Status()
		if len(w.delivered()) != 1 || s.Counters.Drops[link.DropBinary] != 1 {
			t.Errorf("%d delivered, drops %v", len(w.delivered()), s.Counters.Drops)
		}
		// The largest frame that is allowed, filled with blanks.
		p.sendText(strings.Repeat(" ", protocol.MaxFrame-len(frame)) + string(frame))
		synctest.Wait()
		if len(w.delivered()) != 2 {
			t.Errorf("a frame of a mebibyte is not read: %+v", w.link.Status())
		}
	})
}

func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		var inTime atomic.Int64
		w := start(t, r, link.Options{
			AccountRate: link.Rate{PerSecond: 1, Burst: 5},
			BusyRate:    link.Rate{PerSecond: 1e-9, Burst: 1},
			Handler: func(_ context.Context, d link.Delivery) {
				if d.Charge(t.Context(), "app") == link.InTime {
					inTime.Add(1)
				}
			},
		}, accounts("alice", "bob")...)
		time.Sleep(time.Minute)
		flood := func(name string, n int) (served int) {
			before := inTime.Load()
			for i := range n {
				r.lastPeer().send(request(name, i))
			}
			synctest.Wait()
			return int(inTime.Load() - before)
		}
		if n := flood("alice", 50); n != 5 {
			t.Errorf("a burst of one account: %d", n)
		}
		if n := flood("bob", 40); n != 5 {
			t.Errorf("another account at the same time: %d", n)
		}
		if n := flood("mallory", 100); n != 0 {
			t.Errorf("a stranger: %d", n)
		}
		d := w.link.Status().Counters.Drops
		if d[link.DropAccountRate] != 78 || d[link.DropForeign] != 100 {
			t.Errorf("drops: %v", d)
		}
		time.Sleep(3 * time.Second)
		if n := flood("alice", 20); n != 3 {
			t.Errorf("after 3 s: %d", n)
		}
	})
}

// Large frames cost more of the link's rate.
func TestRateOfBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		w := start(t, r, link.Options{LinkRate: link.Rate{PerSecond: 100, Burst: 200}}, accounts("alice")...)
		time.Sleep(time.Minute)
		for range 10 {
			r.lastPeer().sendText(strings.Repeat(" ", protocol.MaxFrame)) // 65 tokens
		}
		for _, c := range []struct {
			after time.Duration
			read  uint64
		}{{0, 3}, {time.Second, 4}, {4 * time.Second, 10}} {
			time.Sleep(c.after)
			synctest.Wait()
			d := w.link.Status().Counters.Drops
			if d["malformed_syntax"] != c.read {
				t.Errorf("after %s more: %v, wanted %d", c.after, d, c.read)
			}
		}
	})
}

// A low rate for frames of the relay does not drop the acknowledgements that the link has asked
// for.
func TestRegistrationPaysForItsAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &relay{}, link.Options{LinkRate: link.Rate{PerSecond: 1, Burst: 70}}, many(2000)...)
		time.Sleep(5 * time.Second)
		if s := w.link.Status(); s.Registered != 2000 {
			t.Errorf("%d registered, drops %v", s.Registered, s.Counters.Drops)
		}
	})
}

// A request that leaves gives its place and its bytes back once, while its Handler goes on.
func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		free, left := make(chan struct{}), 0
		w := start(t, r, link.Options{InFlight: 1, AccountInFlight: 1,
			Handler: func(_ context.Context, d link.Delivery) {
				d.Leave()
				d.Leave()
				left++
				<-free
				d.Leave()
			}}, accounts("alice")...)
		synctest.Wait()
		p := r.lastPeer()
		for i := range 3 {
			p.send(request("alice", i+1))
			synctest.Wait()
			if s := w.link.Status(); left != i+1 || s.InFlight != 0 {
				t.Fatalf("request %d: %d have left, %d in flight, drops %v", i+1, left, s.InFlight, s.Counters.Drops)
			}
		}
		drained, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.link.Drain(drained); err != nil {
			t.Errorf("drain waits for those that left: %v", err)
		}
		close(free)
		synctest.Wait()
		if n := w.link.Status().InFlight; n != 0 {
			t.Errorf("after all returned: %d in flight", n)
		}
	})
}

// Calls of Handler that do not return fill a bounded space. The link goes on reading, and tickets
// are taken in the order of frames.
func TestQueuesAndTickets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		var mu sync.Mutex
		next := map[hive.AccountName]int{}
		var got []string
		free := make(chan struct{})
		w := start(t, r, link.Options{InFlight: 8, AccountInFlight: 6,
			Ticket: func(name hive.AccountName) any {
				mu.Lock()
				defer mu.Unlock()
				next[name]++
				return next[name]
			},
			Handler: func(ctx context.Context, d link.Delivery) {
				<-free
				mu.Lock()
				defer mu.Unlock()
				got = append(got, fmt.Sprint(d.Request.UUID == uuid(d.Ticket.(int))))
			}}, accounts("alice", "bob", "carol")...)
		synctest.Wait()
		p := r.lastPeer()
		for i := range 10 {
			p.send(request("alice", i+1))
		}
		for i := range 3 {
			p.send(request("bob", i+1))
		}
		synctest.Wait()
		s := w.link.Status()
		if s.InFlight != 8 || s.Counters.Drops[link.DropAccountQueue] != 4 ||
			s.Counters.Drops[link.DropQueueFull] != 1 {
			t.Errorf("in flight %d, drops %v", s.InFlight, s.Counters.Drops)
		}
		close(free)
		synctest.Wait()
		if len(got) != 8 || slices.Contains(got, "false") {
			t.Errorf("tickets: %v", got)
		}
		p.send(request("carol", 1))
		synctest.Wait()
		if len(got) != 9 || w.link.Status().InFlight != 0 {
			t.Errorf("after the flood: %v", got)
		}
	})
}

// So many requests of an account are worked on at once, by number and by bytes; the others wait for
// those before them in their order. One that waits for something else than this machine lets the
// next one begin, and no account keeps another one waiting.
func TestRequestsAtWork(t *testing.T) {
	for _, burst := range []float64{1, 128, 129, 300} {
		synctest.Test(t, func(t *testing.T) {
			r, next, free := &relay{}, make(chan struct{}), make(chan struct{})
			var begun, order []protocol.UUID
			var atOnce atomic.Bool
			var mu sync.Mutex
			w := start(t, r, link.Options{AccountRate: link.Rate{PerSecond: 1e-9, Burst: burst},
				LinkRate: link.Rate{PerSecond: 1e6, Burst: 1e6},
				AtOnce:   func(r protocol.Request) bool { return r.UUID == uuid(400) },
				Handler: func(_ context.Context, d link.Delivery) {
					if d.Request.UUID == uuid(400) {
						atOnce.Store(true)
						return
					}
					mu.Lock()
					begun = append(begun, d.Request.UUID)
					mu.Unlock()
					select {
					case <-next:
						d.LetNext()
						d.LetNext()
						<-free
					case <-free:
					}
				}}, accounts("alice", "bob")...)
			synctest.Wait()
			for i := range 310 {
				r.lastPeer().send(request("alice", i))
				order = append(order, uuid(i))
				synctest.Wait()
			}
			most := max(128, int(burst))
			if !slices.Equal(begun, order[:most]) {
				t.Errorf("burst %v: %d begun at once, want the first %d", burst, len(begun), most)
			}
			r.lastPeer().send(request("bob", 310))
			synctest.Wait()
			if len(begun) != most+1 || begun[most] != uuid(310) {
				t.Errorf("burst %v: another account waits", burst)
			}
			r.lastPeer().send(request("alice", 400))
			synctest.Wait()
			if !atOnce.Load() {
				t.Errorf("burst %v: what is to begin at once waits", burst)
			}
			for range 3 {
				next <- struct{}{}
				synctest.Wait()
			}
			if got := begun[most+1:]; len(got) < 2 || !slices.Equal(got, order[most:most+len(got)]) {
				t.Errorf("burst %v: where three wait for something else, %d begin", burst, len(got))
			}
			close(free)
			synctest.Wait()
			if s := w.link.Status(); len(begun) != 311 || s.InFlight != 0 {
				t.Errorf("burst %v: %d begun, %d in flight", burst, len(begun), s.InFlight)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r, free, begun := &relay{}, make(chan struct{}), new(atomic.Int64)
		start(t, r, link.Options{LinkRate: link.Rate{PerSecond: 1e6, Burst: 1e6},
			Handler: func(context.Context, link.Delivery) {
				begun.Add(1)
				<-free
			}}, accounts("alice")...)
		synctest.Wait()
		const half = 500_000
		for i, c := range []struct {
			size  int
			begun int64
		}{{half, 1}, {half, 2}, {1<<20 - 2*half, 3}, {400, 3}} {
			m := request("alice", i)
			frame, _ := protocol.Encode(m)
			m.Data += strings.Repeat("A", c.size-len(frame))
			r.lastPeer().send(m)
			synctest.Wait()
			if n := begun.Load(); n != c.begun {
				t.Errorf("%d begun with one more of %d bytes, want %d", n, c.size, c.begun)
			}
		}
		close(free)
		synctest.Wait()
		if n := begun.Load(); n != 4 {
			t.Errorf("%d begun in the end", n)
		}
	})
}

// What large frames were opened to has another bound: until then alone they keep others waiting,
// and these begin in the order of frames. They count among the requests at work as before.
func TestLargeFramesAreOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, opening, size, many = 6, 10 * time.Millisecond, 260_000, 200
		r, free, begun, quick := &relay{}, make(chan struct{}), new(atomic.Int64), new(atomic.Int64)
		w := start(t, r, link.Options{LinkRate: link.Rate{PerSecond: 1e6, Burst: 1e6},
			AccountRate: link.Rate{PerSecond: 1, Burst: 1},
			Handler: func(_ context.Context, d link.Delivery) {
				begun.Add(1)
				if len(d.Request.Data) > size/2 {
					time.Sleep(opening)
					d.Opened()
					d.Opened()
				} else {
					quick.CompareAndSwap(0, time.Now().UnixNano())
				}
				<-free
			}}, accounts("alice")...)
		synctest.Wait()
		large := func() {
			for i := range each {
				m := request("alice", i)
				m.Data += strings.Repeat("A", size)
				r.lastPeer().send(m)
			}
		}
		sent := time.Now()
		large()
		for i := range many {
			r.lastPeer().send(request("alice", each+i))
		}
		time.Sleep(time.Second)
		// Four are opened at once, and then two.
		if took := time.Unix(0, quick.Load()).Sub(sent); took != opening {
			t.Errorf("the one behind %d large ones begins after %v, want %v", each, took, opening)
		}
		if n := begun.Load(); n != 128 {
			t.Errorf("%d are worked on", n)
		}
		close(free)
		time.Sleep(time.Second)
		if s := w.link.Status(); begun.Load() != each+many || s.InFlight != 0 {
			t.Errorf("in the end %d have begun, %d are in flight", begun.Load(), s.InFlight)
		}
		large()
		synctest.Wait()
		if n := begun.Load(); n != each+many+4 {
			t.Errorf("later %d are opened at once", n-each-many)
		}
	})
}

// Requests that wait in memory are bounded in bytes too. Large ones leave an eighth to the others.
func TestBytesHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		free := make(chan struct{})
		held := new(atomic.Int64)
		w := start(t, r, link.Options{LinkRate: link.Rate{PerSecond: 1e6, Burst: 1e6}, Held: held,
			Handler: func(context.Context, link.Delivery) { <-free }}, accounts("alice", "bob", "carol", "dave")...)
		synctest.Wait()
		sent := 0
		send := func(account string, size int) {
			sent++
			m := request(account, sent)
			frame, _ := protocol.Encode(m)
			m.Data += strings.Repeat("A", size-len(frame))
			r.lastPeer().send(m)
			synctest.Wait()
		}
		expect := func(what string, inFlight int, dropped link.Drop, drops uint64) {
			t.Helper()
			if s := w.link.Status(); s.InFlight != inFlight || s.Counters.Drops[dropped] != drops {
				t.Errorf("%s: in flight %d, drops %v", what, s.InFlight, s.Counters.Drops)
			}
		}
		const half, small, account = 500_000, 16 << 10, 2 << 20
		for range 3 {
			send("alice", half)
		}
		last := account/8*7 - 3*half
		send("alice", last+1)
		expect("a byte above seven eighths of 2 MiB of an account", 3, link.DropAccountQueue, 1)
		send("alice", last)
		expect("seven eighths of 2 MiB", 4, link.DropAccountQueue, 1)
		send("alice", small+1)
		expect("one more that is large", 4, link.DropAccountQueue, 2)
		for range account / 8 / small {
			send("alice", small)
		}
		expect("2 MiB", 20, link.DropAccountQueue, 2)
		send("alice", 500)
		expect("more", 20, link.DropAccountQueue, 3)

		for range 3 {
			send("bob", half)
		}
		last = (4<<20)/8*7 - account - 3*half
		send("carol", last+1)
		expect("a byte above seven eighths of 4 MiB of the link", 23, link.DropQueueFull, 1)
		held.Add((6<<20-4<<20)/8*7 + 1) // of another link
		send("carol", last)
		expect("a byte above seven eighths of 6 MiB of all links", 23, link.DropQueueFull, 2)
		held.Add(-1)
		send("carol", last)
		expect("seven eighths of all", 24, link.DropQueueFull, 2)
		held.Add((6<<20-4<<20)/8 + 1)
		for range (4<<20)/8/small - 1 {
			send("carol", small)
		}
		expect("less than 4 MiB of the link", 55, link.DropQueueFull, 2)
		send("carol", small)
		expect("a byte above 6 MiB of all links", 55, link.DropQueueFull, 3)
		held.Add(-1)
		send("carol", small)
		expect("6 MiB, and 4 MiB of the link", 56, link.DropQueueFull, 3)
		held.Add(-2 << 20)
		send("dave", 500)
		expect("a byte more of the link", 56, link.DropQueueFull, 4)
		close(free)
		synctest.Wait()
		if s := w.link.Status(); s.InFlight != 0 || held.Load() != 0 {
			t.Errorf("in flight: %d, %d bytes", s.InFlight, held.Load())
		}
	})
}

func TestAnswerWithoutConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		w := start(t, r, link.Options{}, accounts("alice")...)
		if err := w.link.Answer(t.Context(), "alice", nack(1)); !errors.Is(err, link.ErrNotConnected) {
			t.Errorf("before connecting: %v", err)
		}
		synctest.Wait()
		if err := w.link.Answer(t.Context(), "mallory", nack(1)); !errors.Is(err, link.ErrNotConnected) {
			t.Errorf("for a stranger: %v", err)
		}
		w.net.setRefuse(errors.New("down"))
		w.net.last().cut()
		synctest.Wait()
		if err := w.link.Answer(t.Context(), "alice", nack(1)); !errors.Is(err, link.ErrNotConnected) {
			t.Errorf("while disconnected: %v", err)
		}
		w.net.setRefuse(nil)
		time.Sleep(2 * time.Second)
		if err := w.link.Answer(t.Context(), "alice", nack(1)); err != nil {
			t.Errorf("after the reconnect: %v", err)
		}
		synctest.Wait()
		if len(r.answered()) != 1 || w.link.Status().Counters.Answers != 1 {
			t.Errorf("answers: %v", r.answered())
		}
	})
}

// Between key and acknowledgement an answer waits for the request to come again, unless the request
// itself came on this connection.
func TestAnswerBeforeAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{register: func(*peer, protocol.RegisterAccount) {}}
		w := start(t, r, link.Options{}, accounts("alice")...)
		synctest.Wait()
		if err := w.link.Answer(t.Context(), "alice", nack(1)); !errors.Is(err, link.ErrNotConnected) {
			t.Errorf("unregistered: %v", err)
		}
		r.lastPeer().send(request("alice", 1))
		synctest.Wait()
		if err := w.link.Answer(t.Context(), "alice", nack(1)); err != nil {
			t.Errorf("asked on this connection: %v", err)
		}
	})
}

// Only answers with a uuid of the right form are proved (HAS §13.2).
func TestAnswerProvesOnlyUUIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := account("alice")
		var proved []string
		inner := a.Prove
		a.Prove = func(relay hive.PublicKey, text string) (string, error) {
			proved = append(proved, text)
			return inner(relay, text)
		}
		w := start(t, &relay{}, link.Options{}, a)
		synctest.Wait()
		proved = nil
		bad := []protocol.Message{
			protocol.Nack{Kind: protocol.Sign, UUID: `{"key_type":"active"}`, Data: "AAAA"},
			protocol.Ack{Kind: protocol.Sign, UUID: ""},
			protocol.Err{Kind: protocol.Sign, UUID: uuid(1) + " ", Error: "x"},
			protocol.ErrorMessage{Text: "x"},
			protocol.KeyReq{},
			&protocol.Nack{Kind: protocol.Sign, UUID: uuid(1)},
			nil,
		}
		for _, m := range bad {
			if err := w.link.Answer(t.Context(), "alice", m); err == nil || errors.Is(err, link.ErrNotConnected) {
				t.Errorf("%#v: %v", m, err)
			}
		}
		if len(proved) != 0 {
			t.Errorf("proved: %q", proved)
		}
		large := protocol.Ack{Kind: protocol.Sign, UUID: uuid(1),
			Data: []byte(`"` + strings.Repeat("a", protocol.MaxSend) + `"`)}
		if err := w.link.Answer(t.Context(), "alice", large); !errors.Is(err, protocol.ErrFrameTooLarge) {
			t.Errorf("a frame above the limit: %v", err)
		}
		if s := w.link.Status(); !s.Connected || s.Counters.Answers != 0 {
			t.Errorf("status: %+v", s)
		}
	})
}

func TestAnswerWithoutProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, gone := account("alice"), errors.New("key is gone")
		inner := a.Prove
		a.Prove = func(relay hive.PublicKey, text string) (string, error) {
			if text == "#"+string(uuid(1)) {
				return "", gone
			}
			return inner(relay, text)
		}
		w := start(t, &relay{}, link.Options{}, a)
		synctest.Wait()
		if err := w.link.Answer(t.Context(), "alice", nack(1)); !errors.Is(err, gone) {
			t.Errorf("error %v", err)
		}
		if err := w.link.Answer(t.Context(), "alice", nack(2)); err != nil {
			t.Errorf("the next answer: %v", err)
		}
	})
}

// A connection whose peer takes no bytes ends after the time for a write, and all who wait get an
// error. A caller whose context ends leaves earlier.
func TestSlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		w := start(t, r, link.Options{}, accounts("alice")...)
		synctest.Wait()
		wire := w.net.last()
		wire.stuck.Store(true)
		var waiting sync.WaitGroup
		begun := time.Now()
		results := make(chan error, 100)
		for i := range 100 {
			waiting.Go(func() {
				m := protocol.Ack{Kind: protocol.Sign, UUID: uuid(i),
					Data: []byte(`"` + strings.Repeat("a", 400_000) + `"`)}
				results <- w.link.Answer(t.Context(), "alice", m)
			})
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		synctest.Wait()
		if err := w.link.Answer(short, "alice", nack(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the impatient: %v", err)
		}
		waiting.Wait()
		if took := time.Since(begun); took > 12*time.Second {
			t.Errorf("waited %v", took)
		}
		close(results)
		lost := 0
		for err := range results {
			if errors.Is(err, link.ErrNotConnected) {
				lost++
			} else if err != nil {
				t.Error(err)
			}
		}
		if lost < 98 {
			t.Errorf("%d of 100 learned that the connection was lost", lost)
		}
		time.Sleep(2 * time.Second)
		if s := w.link.Status(); !s.Connected || s.Counters.Connections != 2 || !strings.Contains(s.LastError,
			"does not take") {
			t.Errorf("status: %+v", s)
		}
	})
}

// A relay cannot fill the log, and cannot steer a terminal through it.
func TestLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var mu sync.Mutex
		r := &relay{}
		w := start(t, r, link.Options{Logger: slog.New(slog.NewJSONHandler(locked{&log, &mu}, nil))},
			accounts("alice")...)
		synctest.Wait()
		for range 1000 {
			r.lastPeer().send(protocol.ErrorMessage{Text: "\x1b[2J" + strings.Repeat("x", 10_000)})
			r.lastPeer().sendText("{")
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if n := strings.Count(log.String(), "\n"); n > 30 || n < 20 || log.Len() > 20_000 {
			t.Errorf("%d lines, %d bytes", n, log.Len())
		}
		if s := w.link.Status(); s.Counters.RelayErrors != 1000 || len(s.RelayError) > 250 {
			t.Errorf("status: %+v", s.Counters)
		}
	})
}

type locked struct {
	b  *strings.Builder
	mu *sync.Mutex
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
