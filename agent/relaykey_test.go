package agent_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/link"
	"pksa/protocol/hive"
)

// A second relay names the key of an honest one and passes the wallet's registrations on to it.
// Then it would see each request at the honest relay, too. So one key is the key of one relay. In
// the test the second relay passes everything on: its address leads to the honest relay.
func TestRelayThatNamesTheKeyOfAnother(t *testing.T) {
	cases := []struct {
		name  string
		delay map[string]time.Duration // of dialling
		pin   bool                     // the key of the honest relay
		own   bool                     // the honest relay is the agent's own
		// which is refused; empty: one of the two
		refused string
	}{
		{name: "second", delay: map[string]time.Duration{"poser": time.Second}, refused: "poser"},
		{name: "first", delay: map[string]time.Duration{"honest": time.Second}, refused: "honest"},
		{name: "both at once"},
		{name: "second, pinned", delay: map[string]time.Duration{"poser": time.Second}, pin: true, refused: "poser"},
		{name: "first, pinned", delay: map[string]time.Duration{"honest": time.Second}, pin: true, refused: "poser"},
		{name: "second, own", delay: map[string]time.Duration{"poser": time.Second}, own: true, refused: "poser"},
		{name: "first, own", delay: map[string]time.Duration{"honest": time.Second}, own: true, refused: "poser"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{})
				key := w.relay.Relay().PublicKey()
				w.config.RelayListen = ""
				if c.own {
					w.config.RelayListen = "honest:80"
				}
				w.config.Relays = []config.Relay{{URL: "ws://honest", Plaintext: true},
					{URL: "ws://poser", Plaintext: true}}
				if c.pin {
					w.config.Relays[0].Key = key
				}
				var poser atomic.Int32
				w.dialRelay = func(ctx context.Context, network, address string) (net.Conn, error) {
					name, _, _ := net.SplitHostPort(address)
					if name == "poser" {
						poser.Add(1)
					}
					time.Sleep(c.delay[name])
					return w.relay.DialContext(ctx, network, address)
				}
				w.made = func() {
					if c.own {
						w.agent.ShowRelay(func() agent.OwnRelay {
							return agent.OwnRelay{Public: key.String(),
								Used: true}
						})
					}
				}
				w.run()
				defer w.close()
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if n := w.relay.Relay().Status().Registrations; n != 1 {
					t.Errorf("%d registrations at the honest relay", n)
				}
				w.checkKeyRefused(c.refused)
				if n := poser.Load(); c.refused == "poser" && (n < 3 || n > 30) {
					t.Errorf("the second relay was dialled %d times in two minutes", n)
				}
			})
		})
	}
}

// checkKeyRefused checks what a person learns of the relay that was refused.
func (w *world) checkKeyRefused(relay string) {
	w.t.Helper()
	var refused []agent.LinkStatus
	for _, l := range w.agent.Status().Links {
		if l.Registered == 0 {
			refused = append(refused, l)
		}
	}
	if len(refused) != 1 || !strings.Contains(refused[0].Relay, relay) {
		w.t.Fatalf("refused: %+v", refused)
	}
	advice := (&link.KeyError{Of: "x"}).Advice()
	if l := refused[0]; !strings.Contains(l.KeyRefused, "the relay names the key of ws://") || l.Hint != advice ||
		l.Public != "" {
		w.t.Errorf("status: %+v", l)
	}
	if told := w.events("alarm"); len(told) != 1 || !strings.Contains(string(told[0].Content), refused[0].Relay) {
		w.t.Errorf("%d alarms in the trail: %+v", len(told), told)
	}
	if n := w.metric(`pksa_alarms_total{alarm="a relay names the key of another one"}`); n != "1" {
		w.t.Errorf("%q alarms counted", n)
	}
}

// A relay whose key is pinned is served with that key only, and the status says how the key is.
func TestPinnedRelayKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		w.config.Relays[0].Key = keyOf("mallory", hive.Memo).Public()
		w.run()
		defer w.close()
		time.Sleep(time.Minute)
		synctest.Wait()
		l, key := w.agent.Status().Links[0], w.relay.Relay().PublicKey().String()
		if w.relay.Relay().Status().Registrations != 0 || !l.Pinned || l.Connected ||
			!strings.Contains(l.KeyRefused, key) ||
			l.Hint != (&link.KeyError{Pinned: w.config.Relays[0].Key}).Advice() {
			t.Errorf("status: %+v", l)
		}
		if told := w.events("alarm"); len(told) != 1 || !strings.Contains(string(told[0].Content), key) {
			t.Errorf("%d alarms in the trail: %+v", len(told), told)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		key := w.relay.Relay().PublicKey()
		w.config.Relays[0].Key = key
		w.start()
		defer w.close()
		if l := w.agent.Status().Links[0]; l.Registered != 1 || !l.Pinned || l.Public != key.String() ||
			l.KeyRefused != "" {
			t.Errorf("status: %+v", l)
		}
	})
}
