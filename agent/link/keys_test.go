package link_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/link"
	"pksa/agent/outage"
	"pksa/protocol/hive"
)

// two runs links to two relays of one wallet. Each relay names the key that key returns.
func two(t *testing.T, first, second *relay, set link.Options) (a, b *world) {
	set.Keys, set.Plaintext = new(link.Keys), true
	set.URL = "ws://a.test"
	a = start(t, first, set, accounts("alice")...)
	set.URL = "ws://b.test"
	return a, start(t, second, set, accounts("alice")...)
}

func keyNamed(seed string) func() hive.PublicKey {
	return func() hive.PublicKey { return hive.PrivateKeyFromSeed(seed).Public() }
}

// A relay keeps its key while it is dialled again, so that no other one can take it meanwhile. It
// loses the key once it has been away for long, or has another one.
func TestKeyStaysWithItsRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := "one"
		a, b := two(t, &relay{key: func() hive.PublicKey { return keyNamed(seed)() }},
			&relay{key: keyNamed("one"), down: true}, link.Options{})
		served := func(what string, atA, atB int) {
			t.Helper()
			synctest.Wait()
			if gotA, gotB := a.link.Status().Registered, b.link.Status().Registered; gotA != atA || gotB != atB {
				t.Fatalf("%s: %d registered at a, %d at b; want %d and %d", what, gotA, gotB, atA, atB)
			}
		}
		served("first", 1, 0)
		b.net.setRefuse(nil)
		time.Sleep(2 * time.Minute)
		served("b as well", 1, 0)
		a.net.setRefuse(errStop)
		a.net.last().cut()
		time.Sleep(5 * time.Minute)
		served("away for 5 minutes", 0, 0)
		a.net.setRefuse(nil)
		time.Sleep(2 * time.Minute)
		served("back", 1, 0)
		seed = "two"
		a.net.last().cut()
		time.Sleep(2 * time.Minute)
		served("with another key", 1, 1)
		if n := len(b.relay.asked()); n != 1 {
			t.Errorf("%d registrations were sent to b", n)
		}
		if s := b.link.Status(); s.KeyRefused != nil || s.Counters.KeyRefusals == 0 || s.Hint != "" {
			t.Errorf("status once b is served: %+v", s)
		}
	})
}

func TestKeyOfRelayThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := two(t, &relay{key: keyNamed("one")}, &relay{key: keyNamed("one"), down: true}, link.Options{})
		synctest.Wait()
		a.net.setRefuse(errStop)
		a.net.last().cut()
		b.net.setRefuse(nil)
		time.Sleep(9 * time.Minute)
		if s := b.link.Status(); s.Registered != 0 || s.LastReason != outage.Key ||
			!strings.Contains(s.LastError, "names the key of ws://a.test/") {
			t.Errorf("after 9 minutes: %+v", s)
		}
		time.Sleep(3 * time.Minute)
		if s := b.link.Status(); s.Registered != 1 {
			t.Errorf("after 12 minutes: %+v", s)
		}
	})
}

// A relay that names wrong keys for ever is reported once an hour, with pauses between its
// connections.
func TestKeyRefusalsAreToldSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []*link.KeyError
		n := 0
		r := &relay{key: func() hive.PublicKey {
			n++
			return keyNamed(strings.Repeat("x", n))()
		}}
		w := start(t, r, link.Options{Key: keyNamed("pinned")(),
			KeyRefused: func(e *link.KeyError) { told = append(told, e) }}, accounts("alice")...)
		time.Sleep(150 * time.Minute)
		s := w.link.Status()
		if len(told) != 3 || told[0].Of != "" || told[0].Pinned != keyNamed("pinned")() ||
			told[0].Relay != w.link.URL() {
			t.Errorf("told %d times: %+v", len(told), told)
		}
		if n := len(w.net.dialled()); n > 320 || s.Counters.KeyRefusals < 50 || !s.Pinned || len(r.asked()) != 0 {
			t.Errorf("%d dials, %d registrations, %+v", n, len(r.asked()), s)
		}
	})
}
