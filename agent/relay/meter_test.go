package relay_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/relay"
	"pksa/protocol/frames"
)

// emptyPing is a ping, which the library answers by itself. emptyPart is a part of a message.
const (
	emptyPing = "\x89\x80\x00\x00\x00\x00"
	beginning = "\x01\x80\x00\x00\x00\x00"
	emptyPart = "\x00\x80\x00\x00\x00\x00"
)

// floods has somebody send bytes of WebSocket without pause. It returns how many frames he hears,
// the greeting is one.
func (r *reached) floods(address, bytes string) (heard *atomic.Int64) {
	r.t.Helper()
	r.listener.address = address
	conn, err := r.listener.DialContext(r.t.Context(), "", "")
	if err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait() // the listener has its address
	r.t.Cleanup(func() { conn.Close() })
	heard = new(atomic.Int64)
	go func() {
		var found frames.Scanner
		for b, head := make([]byte, 4096), true; ; {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			if got := string(b[:n]); head {
				_, got, _ = strings.Cut(got, "\r\n\r\n")
				head = false
				n = copy(b, got)
			}
			_, begun := found.Scan(b[:n], n+1)
			heard.Add(int64(begun))
		}
	}()
	go func() {
		_, _ = conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"))
		_, _ = conn.Write([]byte(bytes))
	}()
	return heard
}

// What is no message counts, too: a connection that pings without pause is read at twice the rate
// of its messages, and one whose message never ends as well.
func TestPingsAreReadAtARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := reach(t, relay.Options{})
		pings := r.floods("127.0.0.1:1", strings.Repeat(emptyPing, 9000))
		mixed := r.floods("127.0.0.1:1", beginning+strings.Repeat(emptyPart+emptyPing, 4500))
		synctest.Wait()
		if got := pings.Load(); got < 1000 || got > 1060 {
			t.Errorf("at once %d pings are answered", got)
		}
		for range 2 {
			before, beforeMixed := pings.Load(), mixed.Load()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if got := pings.Load() - before; got < 960 || got > 1040 {
				t.Errorf("in 10 s %d pings are answered", got)
			}
			if got := mixed.Load() - beforeMixed; got < 480 || got > 520 {
				t.Errorf("in 10 s %d pings between parts are answered", got)
			}
		}
		late := r.Status().Late
		if got := late[relay.OfConnection]; got.Times < 50 || got.Time < 20*time.Second {
			t.Errorf("the waits for the pace of a connection are %+v", got)
		}
		if got := late[relay.OfAddress].Times + late[relay.OfStrangers].Times + late[relay.OfKnown].Times; got != 0 {
			t.Errorf("%d waits for other paces", got)
		}
	})
}

// All connections of an address have one rate, however many there are. Others are read at once.
func TestFramesOfOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := reach(t, relay.Options{Limits: relay.Limits{AddressFrames: 1000}})
		var all []*atomic.Int64
		for n := range 20 {
			all = append(all, r.floods(fmt.Sprintf("[2001:db8::%d]:1", n+1), strings.Repeat(emptyPing, 9000)))
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		sum := int64(0)
		for _, heard := range all {
			sum += heard.Load()
		}
		// 20 handshakes count as 20 each.
		if sum < 5000 || sum > 6100-400 {
			t.Errorf("%d frames were read in 5 s", sum)
		}
		began := time.Now()
		r.dial("2001:db8:0:1::1").relayKey()
		r.dial("127.0.0.1").relayKey()
		if took := time.Since(began); took > 0 {
			t.Errorf("another address waited for %s", took)
		}
		if late := r.Status().Late; late[relay.OfAddress].Times == 0 || late[relay.OfAddress].Time < 5*time.Second ||
			late[relay.OfStrangers].Times != 0 {
			t.Errorf("the waits are %v", late)
		}
	})
}

// Connections of one address begin at its rate, at the edge.
func TestConnectionsBeginAtAPace(t *testing.T) {
	for count, atOnce := range map[int]int{9: 9, 10: 10, 11: 10} {
		synctest.Test(t, func(t *testing.T) {
			r := reach(t, relay.Options{Limits: relay.Limits{AddressFrames: 200, AddressConnections: 100}})
			for range count {
				r.floods("192.0.2.1:1", "")
			}
			synctest.Wait()
			if got := r.Status().Connections; got != atOnce {
				t.Errorf("of %d connections %d begin at once", count, got)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if got := r.Status().Connections; got != count {
				t.Errorf("of %d connections %d begin in a second", count, got)
			}
		})
	}
}

// Strangers of many addresses who send without pause are read at one rate, frame by frame in turns.
// A stranger who asks once waits for one turn of each, an application that the wallet in this
// program has answered for none of them, and the wallet itself neither.
func TestStrangersAreReadAtARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 1000
		r := reach(t, relay.Options{Known: onlyBob, Limits: relay.Limits{Frames: rate}})
		wallet, known, fresh := r.dial("127.0.0.1"), r.dial("127.0.0.1"), r.dial("127.0.0.1")
		wallet.register("bob", bob)
		answer := func(app *peer) {
			t.Helper()
			id := app.ask("sign", "bob", "d")
			wallet.expect("sign_req")
			wallet.acknowledge("sign", id, bob)
			app.expect("sign_ack")
		}
		answer(known)
		time.Sleep(time.Second)
		var all []*atomic.Int64
		for n := range 50 {
			all = append(all, r.floods(fmt.Sprintf("192.0.2.%d:1", n+1), strings.Repeat(emptyPing, 900)))
		}
		time.Sleep(3 * time.Second)
		began := time.Now()
		for range 20 {
			answer(known)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("an application that was answered before waits for %s", took)
		}
		answer(fresh)
		if took := time.Since(began); took == 0 || took > 60*time.Second/rate {
			t.Errorf("a stranger waits for %s beside 50 others", took)
		}
		time.Sleep(2*time.Second - time.Since(began))
		synctest.Wait()
		sum := int64(0)
		for _, heard := range all {
			sum += heard.Load()
		}
		// 50 handshakes count as 20 each, and each hears a greeting.
		if most := int64(5*rate + rate/10 - 50*20 + 50); sum > most || sum < most-300 {
			t.Errorf("%d frames of strangers were read in 5 s, want %d", sum, most)
		}
		if late := r.Status().Late; late[relay.OfStrangers].Times < 1000 || late[relay.OfKnown].Times != 0 {
			t.Errorf("the waits are %v", late)
		}
	})
}
