package link_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/link"
	"pksa/agent/outage"
	"pksa/protocol"
	"pksa/protocol/hive"
)

func TestRegistersServesAndSaysGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		w := start(t, r, link.Options{}, accounts("alice", "bob")...)
		synctest.Wait()
		s := w.link.Status()
		if !s.Connected || s.Registered != 2 || s.Pending != 0 || len(s.Refused) != 0 {
			t.Fatalf("status: %+v", s)
		}
		if s.RelayKey != relayKey || s.Protocol != 1 || s.Server != "relay.test" || s.Version != "1.0.0" ||
			s.Since.IsZero() {
			t.Errorf("relay in status: %+v", s)
		}
		if asked := r.asked(); !slices.Equal(asked, []string{"alice", "bob"}) {
			t.Errorf("registered one by one: %v", asked)
		}

		r.lastPeer().send(request("alice", 1))
		synctest.Wait()
		got := w.delivered()
		if len(got) != 1 || got[0].Request.UUID != uuid(1) || got[0].Link != w.link ||
			got[0].Request.Account != "alice" {
			t.Fatalf("delivered: %+v", got)
		}
		if err := w.link.Answer(t.Context(), "alice", nack(1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want := nack(1)
		want.PoK = proof("alice", relayKey, "#"+string(uuid(1)))
		if a := r.answered(); len(a) != 1 || a[0] != protocol.Message(want) {
			t.Errorf("answered: %+v", a)
		}

		w.close()
		if codes := r.closedWith(); !slices.Equal(codes, []websocket.StatusCode{websocket.StatusNormalClosure}) {
			t.Errorf("closed with %v", codes)
		}
		if s := w.link.Status(); s.Connected || s.Registered != 0 {
			t.Errorf("status after the end: %+v", s)
		}
		if err := w.link.Run(t.Context()); err == nil {
			t.Error("a second run is allowed")
		}
	})
}

// The proofs that a relay gets are memos that it can open: the time for a registration, the uuid
// for an answer.
func TestProofsAreMemosForTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret, own := hive.PrivateKeyFromSeed("relay"), hive.PrivateKeyFromSeed("alice posting")
		var pok string
		r := &relay{register: func(p *peer, a protocol.RegisterAccount) {
			pok = a.PoK
			if a.KeyType != "posting" || a.Challenge != a.PoK {
				t.Errorf("both forms are wanted: %+v", a)
			}
			p.send(protocol.RegisterAck{Account: a.Name})
		}}
		w := start(t, r, link.Options{}, link.Account{Name: "alice", KeyType: hive.Posting,
			Prove: func(relay hive.PublicKey, text string) (string, error) { return own.EncodeMemo(relay, text, 7) }})
		begun := time.Now()
		synctest.Wait()
		if text, err := secret.DecodeMemo(pok); err != nil || text != fmt.Sprintf("#%d", begun.UnixMilli()) {
			t.Errorf("registration proof: %q, %v", text, err)
		}
		if err := w.link.Answer(t.Context(), "alice", nack(5)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		answer := r.answered()[0].(protocol.Nack)
		if text, err := secret.DecodeMemo(answer.PoK); err != nil || text != "#"+string(uuid(5)) {
			t.Errorf("answer proof: %q, %v", text, err)
		}
	})
}

// Whatever breaks the first connection, another one is made, and the accounts register on it.
func TestReconnects(t *testing.T) {
	first := func(f func(p *peer)) func(p *peer) {
		return func(p *peer) {
			if p.n == 1 {
				f(p)
				return
			}
			p.send(greeting)
		}
	}
	cases := map[string]struct {
		relay  func(r *relay)
		act    func(w *world)
		within time.Duration
		err    string
		why    outage.Reason
	}{
		"clean close": {act: func(w *world) { w.relay.lastPeer().ws.Close(websocket.StatusNormalClosure, "so long") },
			why: outage.Closed, within: 2 * time.Second, err: "so long"},
		"abnormal close": {act: func(w *world) { w.net.last().cut() }, why: outage.Closed,
			within: 2 * time.Second, err: "reading: io: read/write on closed pipe"},
		"silent peer": {act: func(w *world) { w.net.last().deaf.Store(true) }, why: outage.Timeout,
			within: time.Minute, err: "silent"},
		"a frame that does not end": {act: func(w *world) {
			w.relay.lastPeer().conn.Write([]byte{0x81, 126, 0xff, 0xff, '{'})
		}, why: outage.Timeout, within: time.Minute, err: ""},
		"another key on the same connection": {act: func(w *world) {
			w.relay.lastPeer().send(protocol.KeyAck{Key: hive.PrivateKeyFromSeed("another").Public()})
		}, why: outage.Key, within: 2 * time.Second, err: "another key"},
		"a frame above the limit": {act: func(w *world) {
			w.relay.lastPeer().sendText(strings.Repeat(" ", protocol.MaxFrame+1))
		}, why: outage.Nonsense, within: 2 * time.Second, err: "too big"},
		"not WebSocket": {act: func(w *world) { w.relay.lastPeer().conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")) },
			why: outage.Nonsense, within: 2 * time.Second},
		"connected never comes": {relay: func(r *relay) { r.greet = first(func(*peer) {}) },
			why: outage.Timeout, within: 12 * time.Second, err: "no connected"},
		"something else instead of connected": {relay: func(r *relay) {
			r.greet = first(func(p *peer) {
				p.send(protocol.KeyAck{Key: relayKey})
				p.send(request("alice", 1))
				p.send(protocol.ErrorMessage{Text: "no"})
				p.sendText("{")
			})
		}, why: outage.Timeout, within: 12 * time.Second, err: "no connected"},
		"newer protocol": {relay: func(r *relay) {
			r.greet = first(func(p *peer) {
				p.sendText(`{"cmd":"connected","timeout":60,"protocol":2}`)
			})
		}, why: outage.Nonsense, within: 2 * time.Second, err: "protocol 2"},
		"closed at once": {relay: func(r *relay) { r.greet = first(func(p *peer) { p.ws.CloseNow() }) },
			why: outage.Closed, within: 2 * time.Second},
		"key_ack never comes": {relay: func(r *relay) {
			r.keyed = func(p *peer) {
				if p.n > 1 {
					p.send(protocol.KeyAck{Key: p.key})
				}
			}
		}, why: outage.Timeout, within: 12 * time.Second, err: "no key_ack"},
		"key of no form": {relay: func(r *relay) {
			r.keyed = func(p *peer) {
				if p.n > 1 {
					p.send(protocol.KeyAck{Key: p.key})
					return
				}
				p.sendText(`{"cmd":"key_ack","key":"STM1111111111111111111111111111111114T1Anm"}`)
			}
		}, why: outage.Timeout, within: 12 * time.Second, err: "no key_ack"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &relay{}
				if c.relay != nil {
					c.relay(r)
				}
				log := new(bytes.Buffer)
				w := start(t, r, link.Options{Logger: slog.New(slog.NewTextHandler(log, nil))}, accounts("alice")...)
				synctest.Wait()
				if c.act != nil {
					if !w.link.Status().Connected {
						t.Fatal("not connected at first")
					}
					time.Sleep(time.Second)
					c.act(w)
				}
				time.Sleep(c.within)
				synctest.Wait()
				s := w.link.Status()
				if !s.Connected || s.Registered != 1 || len(w.net.dialled()) != 2 {
					t.Fatalf("after %v and %d dials: %+v", c.within, len(w.net.dialled()), s)
				}
				if !strings.Contains(s.LastError, c.err) || s.LastReason != c.why || s.Counters.Losses[c.why] != 1 {
					t.Errorf("last error: %q, %q of %v", s.LastError, s.LastReason, s.Counters.Losses)
				}
				if !strings.Contains(log.String(), `msg="relay lost" `) ||
					!strings.Contains(log.String(), " reason="+string(c.why)+" ") {
					t.Errorf("log: %s", log)
				}
				r.lastPeer().send(request("alice", 9))
				synctest.Wait()
				if got := w.delivered(); len(got) != 1 || got[0].Request.UUID != uuid(9) {
					t.Errorf("the next good request: %+v", got)
				}
			})
		})
	}
}

// A relay that refuses the upgrade for now, or hangs up for now, is not asked before it wants to
// be.
func TestRelayThatAsksForTimeGetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy atomic.Bool
		busy.Store(true)
		r := &relay{raw: func(conn net.Conn, _ *http.Request) bool {
			if busy.Load() {
				fmt.Fprint(conn, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 40\r\nContent-Length: 0\r\n\r\n")
			}
			return busy.Load()
		}}
		w := start(t, r, link.Options{}, accounts("alice")...)
		time.Sleep(39 * time.Second)
		synctest.Wait()
		if s := w.link.Status(); len(w.net.dialled()) != 1 || !strings.Contains(s.LastError, "it asks for 40s") {
			t.Errorf("%d dials, %s", len(w.net.dialled()), s.LastError)
		}
		busy.Store(false)
		time.Sleep(11 * time.Second) // a quarter more, by chance
		if s := w.link.Status(); s.Registered != 1 || len(w.net.dialled()) != 2 {
			t.Errorf("%d dials, %+v", len(w.net.dialled()), s)
		}
		before := len(w.net.dialled())
		r.lastPeer().ws.Close(websocket.StatusTryAgainLater, "later")
		time.Sleep(990 * time.Millisecond)
		if n := len(w.net.dialled()); n != before {
			t.Errorf("dialled %d times in the first second", n-before)
		}
	})
}

// An upgrade that a relay refuses, redirects, or never finishes does no harm.
func TestBadUpgrades(t *testing.T) {
	replies := map[string]func(conn net.Conn){
		"refused": func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") },
		"redirected": func(c net.Conn) {
			fmt.Fprint(c,
				"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\n\r\n")
		},
		"without an end": func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx")
			c.Read(make([]byte, 1))
		},
		"hung up":         func(c net.Conn) { c.Close() },
		"without a reply": func(c net.Conn) { c.Read(make([]byte, 1)) },
		"endless header": func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\n")
			for {
				if _, err := fmt.Fprintf(c, "X: %s\r\n", strings.Repeat("x", 1000)); err != nil {
					return
				}
			}
		},
		"false accept": func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+
				"websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
		},
	}
	whys := map[string]outage.Reason{"hung up": outage.Closed, "refused": outage.Status, "redirected": outage.Status,
		"without an end":  outage.Status,
		"without a reply": outage.Timeout, "endless header": outage.Nonsense, "false accept": outage.Nonsense}
	for name, reply := range replies {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var tries atomic.Int32
				r := &relay{raw: func(conn net.Conn, _ *http.Request) bool {
					if tries.Add(1) > 3 {
						return false
					}
					reply(conn)
					return true
				}}
				w := start(t, r, link.Options{}, accounts("alice")...)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if s := w.link.Status(); !s.Connected || len(w.net.dialled()) != 4 || s.LastReason != whys[name] {
					t.Errorf("%d dials, %q, %+v", len(w.net.dialled()), s.LastReason, s)
				}
				if s := w.link.Status(); strings.Contains(s.LastError, "://") { // the relay is named beside it
					t.Error(s.LastError)
				}
			})
		})
	}
}

func TestPausesGrowWithJitterAndNeverEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all [2][]time.Time
		for i := range all {
			w := start(t, &relay{down: true}, link.Options{}, accounts("alice")...)
			begun := time.Now()
			time.Sleep(24 * time.Hour)
			s := w.link.Status()
			if s.Connected || !strings.Contains(s.LastError, "refused by the test") ||
				!s.NextAttempt.After(time.Now()) {
				t.Errorf("status: %+v", s)
			}
			w.close()
			all[i] = w.net.dialled()
			checkPauses(t, all[i])
			if n := len(all[i]); n < 14_000 || time.Since(begun)-all[i][n-1].Sub(begun) > 10*time.Second {
				t.Errorf("%d attempts in a day", n)
			}
		}
		same := 0
		for i := 1; i < 100; i++ {
			if all[0][i].Sub(all[0][i-1]) == all[1][i].Sub(all[1][i-1]) {
				same++
			}
		}
		if same > 5 {
			t.Errorf("%d of 100 pauses are alike: no jitter", same)
		}
	})
}

// checkPauses checks that each pause is a quarter to the whole of 1.75 s in the first two minutes,
// and of a second more for each minute later, up to 8 s.
func checkPauses(t *testing.T, dials []time.Time) {
	t.Helper()
	low, high := 0, 0
	for i := 1; i < len(dials); i++ {
		most := 1750 * time.Millisecond
		if minutes := dials[i-1].Sub(dials[0])/time.Minute - 2; minutes > 0 {
			most = min(most+minutes*time.Second, 8*time.Second)
		}
		pause := dials[i].Sub(dials[i-1])
		if pause < most/4 || pause > most+time.Millisecond {
			t.Fatalf("pause %d, %s after the first, is %v, wanted %v or down to a quarter of it", i,
				dials[i-1].Sub(dials[0]), pause, most)
		}
		if pause < most*5/8 {
			low++
		} else {
			high++
		}
	}
	if low < len(dials)/3 || high < len(dials)/3 {
		t.Errorf("chance leans: %d short, %d long", low, high)
	}
}

func TestPauseFallsBackAfterRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &relay{}, link.Options{}, accounts("alice")...)
		synctest.Wait()
		w.net.setRefuse(errors.New("down"))
		w.net.last().cut()
		time.Sleep(20 * time.Minute)
		w.net.setRefuse(nil)
		time.Sleep(2 * time.Minute)
		if !w.link.Status().Connected {
			t.Fatal("not connected again")
		}
		w.net.last().cut()
		synctest.Wait()
		if pause := time.Until(w.link.Status().NextAttempt); pause > 1750*time.Millisecond ||
			pause < 400*time.Millisecond {
			t.Errorf("pause after registration: %v", pause)
		}
	})
}

// A connection, a greeting and a key do not make the pause short again: only a registration does.
func TestPauseGrowsWithoutRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{register: func(p *peer, a protocol.RegisterAccount) { p.ws.CloseNow() }}
		w := start(t, r, link.Options{}, accounts("alice")...)
		time.Sleep(time.Hour)
		w.close()
		checkPauses(t, w.net.dialled())
	})
}

// A relay that registers and hangs up at once must not have all proofs made each second.
func TestPauseGrowsForRelayThatHangsUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{register: func(p *peer, a protocol.RegisterAccount) { p.judge(a); p.ws.CloseNow() }}
		w := start(t, r, link.Options{}, accounts("alice")...)
		time.Sleep(time.Hour)
		if n := len(w.net.dialled()); n > 1000 {
			t.Errorf("%d connections in an hour", n)
		}
	})
}

func TestHangingDialIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int32
		start(t, &relay{}, link.Options{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			dials.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		}}, accounts("alice")...)
		time.Sleep(40 * time.Second)
		if n := dials.Load(); n < 2 {
			t.Errorf("%d dials", n)
		}
	})
}

func TestRelayKeyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		r := &relay{key: func() hive.PublicKey {
			n++
			return hive.PrivateKeyFromSeed(fmt.Sprint("relay ", max(2, n))).Public() // 2, 2, 3
		}}
		w := start(t, r, link.Options{}, accounts("alice")...)
		for range 2 {
			synctest.Wait()
			w.net.last().cut()
			time.Sleep(20 * time.Second)
		}
		s := w.link.Status()
		if s.Counters.KeyChanges != 1 || s.Counters.Reconnects != 2 || s.Counters.Connections != 3 ||
			s.Registered != 1 {
			t.Errorf("status: %+v", s)
		}
		third := hive.PrivateKeyFromSeed("relay 3").Public()
		if err := w.link.Answer(t.Context(), "alice", nack(1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if a := r.answered()[0].(protocol.Nack); s.RelayKey != third || a.PoK != proof("alice", third,
			"#"+string(uuid(1))) {
			t.Errorf("proof for the old key: %q", a.PoK)
		}
	})
}

func TestSecondKeyAckWithTheSameKeyIsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		w := start(t, r, link.Options{}, accounts("alice")...)
		synctest.Wait()
		r.lastPeer().send(protocol.KeyAck{Key: relayKey})
		time.Sleep(time.Minute)
		if s := w.link.Status(); !s.Connected || s.Counters.Connections != 1 {
			t.Errorf("status: %+v", s)
		}
	})
}

func TestQuietLinkStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &relay{}, link.Options{}, accounts("alice")...)
		time.Sleep(24 * time.Hour)
		if s := w.link.Status(); !s.Connected || s.Counters.Connections != 1 {
			t.Errorf("status after a quiet day: %+v", s)
		}
	})
}

// Links share nothing: one whose relay is dead does not slow another down.
func TestLinksAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := start(t, &relay{}, link.Options{}, accounts("alice")...)
		well := start(t, &relay{}, link.Options{}, accounts("alice")...)
		synctest.Wait()
		stuck.net.last().stuck.Store(true)
		var waiting sync.WaitGroup
		defer waiting.Wait()
		for range 50 {
			waiting.Go(func() { stuck.link.Answer(t.Context(), "alice", nack(1)) })
		}
		synctest.Wait()
		before := time.Now()
		if err := well.link.Answer(t.Context(), "alice", nack(1)); err != nil || !time.Now().Equal(before) {
			t.Errorf("waited %v for another link: %v", time.Since(before), err)
		}
	})
}

func TestDrainThenStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		var l *link.Link
		ended := 0
		w := start(t, r, link.Options{Handler: func(ctx context.Context, d link.Delivery) {
			select {
			case <-time.After(3 * time.Second):
				if err := l.Answer(ctx, "alice", nack(1)); err != nil {
					t.Errorf("answer while draining: %v", err)
				}
			case <-ctx.Done():
				ended++
			}
		}}, accounts("alice")...)
		l = w.link
		synctest.Wait()
		r.lastPeer().send(request("alice", 1))
		synctest.Wait()

		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drained with work in hand: %v", err)
		}
		r.lastPeer().send(request("alice", 2))
		begun := time.Now()
		if err := l.Drain(t.Context()); err != nil || time.Since(begun) != 2*time.Second {
			t.Errorf("drained after %v: %v", time.Since(begun), err)
		}
		s := l.Status()
		if !s.Connected || !s.Draining || s.InFlight != 0 || s.Counters.Drops[link.DropDraining] != 1 {
			t.Errorf("status: %+v", s)
		}
		w.close()
		if len(r.answered()) != 1 || ended != 0 {
			t.Errorf("answers: %v, cut off: %d", r.answered(), ended)
		}
	})
}

// Without Drain, calls of Handler are cut off: their context ends, they may still answer, and Run
// waits for them, longer than for the relay.
func TestStopEndsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		var l *link.Link
		var cause error
		w := start(t, r, link.Options{Handler: func(ctx context.Context, d link.Delivery) {
			<-ctx.Done()
			time.Sleep(2 * time.Second)
			if err := l.Answer(context.WithoutCancel(ctx), "alice", nack(1)); err != nil {
				t.Errorf("last answer: %v", err)
			}
			time.Sleep(time.Minute)
			cause = context.Cause(ctx)
		}}, accounts("alice")...)
		l = w.link
		synctest.Wait()
		r.lastPeer().send(request("alice", 1))
		synctest.Wait()
		w.close()
		if cause != errStop {
			t.Errorf("cause: %v", cause)
		}
		if codes := r.closedWith(); !slices.Equal(codes, []websocket.StatusCode{websocket.StatusNormalClosure}) {
			t.Errorf("closed with %v", codes)
		}
	})
}

// A connection to a relay that answers pings and sends a message byte by byte, for ever, is ended.
func TestTrickle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		w := start(t, r, link.Options{}, accounts("alice")...)
		synctest.Wait()
		conn := r.lastPeer().conn
		conn.Write([]byte{0x01, 1, '{'})
		for range 40 {
			time.Sleep(time.Second)
			conn.Write([]byte{0x00, 1, ' '})
		}
		if s := w.link.Status(); s.Counters.Connections != 2 || s.Registered != 1 {
			t.Errorf("status: %+v", s)
		}
	})
}

// No relay can make Run return late.
func TestStopIsBounded(t *testing.T) {
	cases := map[string]func(w *world){
		"deaf":  func(w *world) { w.net.last().deaf.Store(true) },
		"stuck": func(w *world) { w.net.last().stuck.Store(true) },
		"in the middle of a frame": func(w *world) {
			w.relay.lastPeer().conn.Write([]byte{0x81, 127, 0, 0, 0, 0, 0, 15,
				0, 0, '{'})
		},
	}
	for name, act := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, &relay{}, link.Options{}, accounts("alice")...)
				synctest.Wait()
				act(w)
				synctest.Wait()
				begun := time.Now()
				w.stop(errStop)
				<-w.done
				if took := time.Since(begun); took > 4*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}
