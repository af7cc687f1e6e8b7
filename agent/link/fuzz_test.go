package link_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/link"
	"pksa/protocol"
)

// FuzzRelay lets a relay send anything on its first connection, at any stage. If it behaves on the
// next one, its request must be answered within minutes.
func FuzzRelay(f *testing.F) {
	key, _ := protocol.Encode(protocol.KeyAck{Key: relayKey})
	for stage := range byte(4) {
		f.Add(stage, []byte("ping"))
		f.Add(stage, []byte(`{"cmd":"error","error":"no"}`))
		f.Add(stage, []byte(`{"cmd":"register_ack","account":"alice"}`))
		f.Add(stage, []byte(`{"cmd":"connected","timeout":60,"protocol":99}`))
		f.Add(stage, []byte("{\xff"+`{"cmd":"error","error":"1"}`+"\xff"+`{"cmd":"error","error":"2"}`))
		f.Add(stage, key)
		f.Add(stage|4, []byte{0x81, 1, '{', 0x82, 0, 0x89, 0})                            // text, binary, ping
		f.Add(stage|4, []byte{0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) // endless
		f.Add(stage|4, []byte{0x01, 1, 'a', 0x00, 0, 0x00, 0, 0x88, 2, 3, 0xe8})          // fragments, close
		// masked, pong, reserved bit, stray
		f.Add(stage|4, []byte{0x81, 0x81, 1, 2, 3, 4, 'a', 0x8a, 0, 0xc1, 0, 0x80, 0})
		f.Add(stage|4, []byte{0x88, 1, 0}) // broken close
		f.Add(stage|4, []byte{0x81})       // cut
	}
	f.Fuzz(func(t *testing.T, how byte, noise []byte) {
		synctest.Test(t, func(t *testing.T) { survive(t, how, noise) })
	})
}

func survive(t *testing.T, how byte, noise []byte) {
	speak := func(p *peer, stage byte) {
		if p.n == 1 && how&3 == stage {
			babble(p, how&4 != 0, noise)
		}
	}
	r := &relay{
		greet: func(p *peer) { speak(p, 0); p.send(greeting) },
		keyed: func(p *peer) { speak(p, 1); p.send(protocol.KeyAck{Key: p.key}) },
		register: func(p *peer, a protocol.RegisterAccount) {
			speak(p, 2)
			p.judge(a)
			speak(p, 3)
		},
	}
	w := start(t, r, link.Options{}, accounts("alice", "bob")...)
	for i := range 60 {
		time.Sleep(5 * time.Second)
		if !w.link.Status().Connected {
			continue
		}
		before := len(w.delivered())
		r.lastPeer().send(request("alice", 1000+i))
		synctest.Wait()
		if got := w.delivered(); len(got) == before || got[len(got)-1].Request.UUID != uuid(1000+i) {
			continue
		}
		err := w.link.Answer(t.Context(), "alice", nack(i))
		if err == nil && w.link.Status().Registered == 2 {
			return
		}
		if err != nil && !errors.Is(err, link.ErrNotConnected) {
			t.Fatal(err)
		}
	}
	t.Errorf("the next good request is not answered: %+v", w.link.Status())
}

// babble sends noise as bytes on the wire, or as messages, which are separated by 0xff.
func babble(p *peer, raw bool, noise []byte) {
	if raw {
		p.conn.Write(noise)
		return
	}
	for len(noise) > 0 {
		end := 0
		for end < len(noise) && noise[end] != 0xff {
			end++
		}
		typ := websocket.MessageText
		if end > 0 && noise[0] == 0xfe {
			typ = websocket.MessageBinary
		}
		p.ws.Write(context.Background(), typ, noise[:end])
		noise = noise[min(end+1, len(noise)):]
	}
}
