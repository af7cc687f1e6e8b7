package link_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/link"
	"pksa/agent/outage"
	"pksa/protocol"
)

// text is a frame of WebSocket with a short text.
func text(s string) string { return string([]byte{0x81, byte(len(s))}) + s }

// floods are frames that a relay can send as fast as the network allows.
var floods = map[string]string{
	"pings": "\x89\x00", "pongs": "\x8a\x00",
	"pings that say something": "\x89\x7d" + strings.Repeat("x", 125),
	"objects":                  text("{}"), "errors": text(`{"cmd":"error","error":"x"}`),
	"unknown": text(`{"cmd":"nothing"}`), "binary": "\x82\x01x", "empty parts of a message": "\x00\x00",
	"requests for another account": text(`{"cmd":"sign_req","account":"bob","data":"x","uuid":"` + string(uuid(1)) +
		`","expire":1}`),
}

// A relay that floods is read at its rate and no faster, whatever it sends. After ten seconds it is
// hung up on, and the pauses until the next attempts grow although each connection had served.
func TestFloodIsReadAtItsRate(t *testing.T) {
	const perSecond, burst, atOnce = 100, 200, 16
	for name, frame := range floods {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, whole := &relay{}, strings.Repeat(frame, 4000)
				if frame == "\x00\x00" {
					whole = "\x01\x00" + whole
				}
				r.register = func(p *peer, a protocol.RegisterAccount) {
					p.judge(a)
					go p.conn.Write([]byte(whole))
				}
				w := start(t, r, link.Options{LinkRate: link.Rate{PerSecond: perSecond, Burst: burst}},
					accounts("alice")...)
				begun := time.Now()
				for range 9 {
					time.Sleep(time.Second)
					synctest.Wait()
					s, passed := w.link.Status(), time.Since(begun).Seconds()
					if most := burst + perSecond*passed + atOnce + 4; float64(s.Counters.Frames) > most ||
						!s.Connected {
						t.Fatalf("after %v s: %d frames were read, connected: %t, %s", passed, s.Counters.Frames,
							s.Connected,
							s.LastError)
					}
				}
				time.Sleep(1100 * time.Millisecond)
				synctest.Wait()
				s := w.link.Status()
				if s.Connected || s.LastReason != outage.Flood ||
					!strings.Contains(s.LastError, "limits.requests_per_second") ||
					s.Counters.Drops[link.DropLinkRate] != 1 {
					t.Errorf("after 10 s: connected: %t, %q, drops %v", s.Connected, s.LastError, s.Counters.Drops)
				}
				if s.Counters.Frames < perSecond*9 || s.Counters.Pauses == 0 {
					t.Errorf("%d frames were read, with %d pauses", s.Counters.Frames, s.Counters.Pauses)
				}
				time.Sleep(5 * time.Minute)
				if dials := len(w.net.dialled()); dials < 4 || dials > 12 {
					t.Errorf("dialled %d times in five minutes", dials)
				}
			})
		})
	}
}

// A relay may be ahead of its rate for just less than ten seconds; then the rest is read, too.
func TestFloodEdge(t *testing.T) {
	const perSecond, burst = 100, 200
	for seconds, stays := range map[int]bool{9: true, 10: true, 11: false} {
		synctest.Test(t, func(t *testing.T) {
			r := &relay{}
			w := start(t, r, link.Options{LinkRate: link.Rate{PerSecond: perSecond, Burst: burst}},
				accounts("alice")...)
			time.Sleep(time.Minute)
			before := w.link.Status().Counters.Frames
			frames := burst + perSecond*seconds - 20 // pauses are not of every length, and there are pongs
			go r.lastPeer().conn.Write([]byte(strings.Repeat("\x89\x00", frames)))
			time.Sleep(15 * time.Second)
			synctest.Wait()
			s := w.link.Status()
			if got := s.Counters.Frames-before >= uint64(frames); got != stays || s.Counters.Reconnects == 0 != stays {
				t.Errorf("%d s: %d of %d frames were read, %d reconnects, %s", seconds, s.Counters.Frames-before,
					frames,
					s.Counters.Reconnects, s.LastError)
			}
			// Once it has been quiet for as long it may do so again.
			if stays {
				time.Sleep(10 * time.Second)
				go r.lastPeer().conn.Write([]byte(strings.Repeat("\x89\x00", frames)))
				time.Sleep(15 * time.Second)
				if s := w.link.Status(); s.Counters.Reconnects != 0 {
					t.Errorf("%d s, again: %s", seconds, s.LastError)
				}
			}
		})
	}
}

// One frame of the largest size is no flood, at however low a rate. What is no end of frames is.
func TestLargestFrameIsNoFlood(t *testing.T) {
	for _, perSecond := range []float64{1, 5} {
		synctest.Test(t, func(t *testing.T) {
			r := &relay{}
			w := start(t, r, link.Options{LinkRate: link.Rate{PerSecond: perSecond, Burst: 2 * perSecond}},
				accounts("alice")...)
			for n := range uint64(3) {
				time.Sleep(70 * time.Second)
				r.lastPeer().sendText(strings.Repeat(" ", protocol.MaxFrame)) // 65 tokens
				synctest.Wait()
				s := w.link.Status()
				if s.Counters.Drops["malformed_syntax"] != n+1 || s.Counters.Reconnects != 0 {
					t.Errorf("%v a second: drops %v, %d reconnects, %s", perSecond, s.Counters.Drops,
						s.Counters.Reconnects, s.LastError)
				}
			}
			go r.lastPeer().conn.Write([]byte(strings.Repeat("\x89\x00", 1000)))
			time.Sleep(11 * time.Second)
			synctest.Wait()
			if s := w.link.Status(); s.Counters.Drops[link.DropLinkRate] != 1 {
				t.Errorf("%v a second: drops after a flood: %v", perSecond, s.Counters.Drops)
			}
		})
	}
}
