package relay_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
)

// reached is a relay that listens by itself, so that connections come from addresses.
type reached struct {
	*relay.Relay
	t        *testing.T
	listener *addressed
}

func reach(t *testing.T, options relay.Options) *reached {
	options.Keys, options.Logger = keys, silent
	r, err := relay.New(options)
	if err != nil {
		t.Fatal(err)
	}
	listener := &addressed{Listener: relaytest.Listen()}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- r.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	return &reached{r, t, listener}
}

// dial connects from an address.
func (r *reached) dial(address string) *peer {
	r.t.Helper()
	r.listener.address = net.JoinHostPort(address, "1")
	return dialWith(r.t, "ws://relay.example", r.listener.DialContext)
}

// begins sends so many bytes of a frame and does not end it.
func (p *peer) begins(size int) {
	p.t.Helper()
	w, err := p.conn.Writer(p.t.Context(), websocket.MessageText)
	if err == nil {
		_, err = w.Write([]byte(strings.Repeat(" ", size)))
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

const largest = 1 << 20

// A frame below 2 KiB never waits, at the edge: it is read while there is no room.
func TestOrdinaryFramesDoNotWait(t *testing.T) {
	for size, waits := range map[int]bool{2<<10 - 1: false, 2 << 10: true, 2<<10 + 1: true} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, relay.Options{})
			for range 9 { // the last takes more than there is
				dial(t, s).begins(largest)
				synctest.Wait()
			}
			p := dial(t, s)
			began := time.Now()
			p.raw(padded(size))
			p.expect("key_ack")
			if waited := time.Since(began) > 0; waited != waits {
				t.Errorf("a frame of %d bytes was read after %s", size, time.Since(began))
			}
		})
	}
}

// Frames of one address that do not end hold up nobody else's, and none of its own for longer than
// a second. One network of IPv6 is one address.
func TestFramesThatDoNotEnd(t *testing.T) {
	for _, far := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := reach(t, relay.Options{})
			const most, ordinary = 8 << 20, 64 * 2 << 10 // of 64 connections
			for n := range 64 {
				address := fmt.Sprintf("2001:db8::%x", n+1)
				if !far {
					address = "127.0.0.1"
				}
				r.dial(address).begins(300_000)
			}
			synctest.Wait()
			held := r.Status().Reading
			if far && held > most/4+largest+ordinary || held > most+largest+ordinary {
				t.Errorf("far: %t: %d bytes are held", far, held)
			}
			began := time.Now()
			other := r.dial("192.0.2.9")
			other.raw(padded(500_000))
			other.expect("key_ack")
			if took := time.Since(began); far && took > 0 || took > time.Second {
				t.Errorf("far: %t: a large frame of another address took %s", far, took)
			}
			near := r.dial("2001:db8::ffff")
			if !far {
				near = r.dial("127.0.0.1")
			}
			began = time.Now()
			near.raw(padded(500_000))
			near.expect("key_ack")
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("far: %t: a large frame of the same address took %s", far, took)
			}
		})
	}
}

// Many connections that begin frames take no more than the room, and what they held is free
// again when they have ended.
func TestManyFramesThatDoNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 1 << 20
		s := start(t, relay.Options{Limits: relay.Limits{Reading: most, Frame: 128 << 10}})
		peers := make([]*peer, 100)
		for n := range peers {
			peers[n] = dial(t, s)
			peers[n].begins(60 << 10)
			if held := s.Relay().Status().Reading; held > most+128<<10+len(peers)*2<<10 {
				t.Fatalf("%d bytes are held", held)
			}
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if got := s.Relay().Status(); got.Reading != 0 || got.Connections != 0 {
			t.Errorf("in the end %+v", got)
		}
	})
}

// Honest applications of one address that send large frames at once are all served.
func TestLargeFramesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := reach(t, relay.Options{})
		peers := make([]*peer, 24)
		for n := range peers {
			peers[n] = r.dial("192.0.2.1")
		}
		for _, p := range peers {
			go p.raw(padded(500_000))
		}
		for _, p := range peers {
			p.expect("key_ack")
		}
	})
}

// The answers of the wallet in this program never wait, whatever others have begun.
func TestOwnAnswersDoNotWaitForFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{Known: onlyBob})
		wallet, app := dial(t, s), dial(t, s)
		wallet.register("bob", bob)
		id := app.ask("sign", "bob", "d")
		wallet.expect("sign_req")
		for range 9 {
			dial(t, s).begins(largest)
			synctest.Wait()
		}
		began := time.Now()
		wallet.send(message{"cmd": "sign_ack", "uuid": id, "data": strings.Repeat("d", 400_000),
			"pok": wallet.proof(bob, id)})
		app.expect("sign_ack")
		if took := time.Since(began); took > 0 {
			t.Errorf("the answer took %s", took)
		}
	})
}
