package link_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/link"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// TestAsk: a request of our own goes out as an application's, and what the relay says about it
// comes back to Heard. What the relay says without being asked is dropped, as every command that no
// wallet knows.
func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		var heard []protocol.Message
		first := 0
		w := start(t, r, link.Options{Heard: func(m protocol.Message) { heard = append(heard, m) },
			Registered: func() { first++ }}, accounts("alice", "bob")...)
		synctest.Wait()
		if first != 1 {
			t.Errorf("told %d times that an account is registered", first)
		}
		ack := protocol.Ack{Kind: protocol.Challenge, UUID: uuid(1), Data: []byte("sealed")}
		wait := protocol.Wait{Kind: protocol.Challenge, UUID: uuid(1), Expire: time.Now().UnixMilli()}
		r.lastPeer().send(ack)
		synctest.Wait()
		if len(heard) != 0 || w.link.Status().Counters.Drops[link.DropUnknown] != 1 {
			t.Fatalf("heard without asking: %v, %v", heard, w.link.Status().Counters.Drops)
		}
		if err := w.link.Ask(t.Context(), "alice", "sealed"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.answered(); len(got) != 1 || got[0] != protocol.Message(protocol.Request{Kind: protocol.Challenge,
			Account: "alice", Data: "sealed"}) {
			t.Errorf("the relay got %+v", got)
		}
		for _, m := range []protocol.Message{wait, ack, protocol.Nack{Kind: protocol.Challenge, UUID: uuid(1)},
			protocol.Ack{Kind: protocol.Auth, UUID: uuid(1), Data: []byte("sealed")}} { // the last is not about ours
			r.lastPeer().send(m)
		}
		synctest.Wait()
		if len(heard) != 3 {
			t.Errorf("heard %+v", heard)
		}
		if err := w.link.Ask(t.Context(), "carol", "sealed"); !errors.Is(err, link.ErrNotConnected) {
			t.Errorf("asked for an account that is not registered: %v", err)
		}
	})
}

// TestNextRegistered goes round all registered accounts, and only these.
func TestNextRegistered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{register: func(p *peer, a protocol.RegisterAccount) {
			if a.Name != "bob" {
				p.judge(a)
			}
		}}
		w := start(t, r, link.Options{}, accounts("alice", "bob", "carol")...)
		synctest.Wait()
		var name hive.AccountName
		for _, want := range []hive.AccountName{"alice", "carol", "alice"} {
			var ok bool
			if name, ok = w.link.NextRegistered(name); !ok || name != want {
				t.Errorf("%q, %t, wanted %q", name, ok, want)
			}
		}
	})
}

// TestAnsweredElsewhere: the relay's word that another wallet answered is about no registration,
// whatever is outstanding.
func TestAnsweredElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		r := &relay{register: func(p *peer, a protocol.RegisterAccount) {
			p.send(protocol.ErrorMessage{Text: protocol.TextAnsweredElsewhere})
			p.judge(a)
		}}
		w := start(t, r, link.Options{AnsweredElsewhere: func() { told++ }}, accounts("alice")...)
		synctest.Wait()
		if s := w.link.Status(); told != 1 || s.Registered != 1 || s.RelayError != "" {
			t.Errorf("told %d times: %+v", told, s)
		}
	})
}
