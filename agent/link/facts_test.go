package link_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/link"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// What a person might do follows from the reason that the relay gives. Once that is done, or the
// relay has mended itself, the accounts are registered, and the hint leaves.
func TestHintFollowsFromTheCause(t *testing.T) {
	for _, c := range []struct{ text, want, never string }{
		{protocol.TextNoLookup + ": alice", "no Hive API node answers it", "check the clock"},
		{protocol.TextNoAccount + ": alice", "does not find the account", "check the clock"},
		{protocol.TextBadProof + ": alice", "check the clock of this machine, and the keys", "node"},
		{"pok expired", "check the clock", "node"},
		{"something else", "for the reason that it gives", "node"},
		{"", "does not answer registrations", "clock"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var done atomic.Bool
			r := &relay{register: func(p *peer, a protocol.RegisterAccount) {
				switch {
				case done.Load():
					p.judge(a)
				case c.text != "":
					p.send(protocol.ErrorMessage{Text: c.text})
				}
			}}
			w := start(t, r, link.Options{}, accounts("alice")...)
			time.Sleep(10 * time.Minute)
			if hint := w.link.Status().Hint; !strings.Contains(hint, c.want) || strings.Contains(hint, c.never) {
				t.Errorf("%q: hint %q", c.text, hint)
			}
			done.Store(true)
			time.Sleep(20 * time.Minute)
			if s := w.link.Status(); s.Registered != 1 || s.Hint != "" {
				t.Errorf("%q: afterwards %d registered, hint %q", c.text, s.Registered, s.Hint)
			}
		})
	}
}

// Keys that can make no proof are no fault of the relay, and have a hint of their own.
func TestHintAboutOwnKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held atomic.Bool
		all := accounts("alice", "bob", "carol")
		for i, prove := range []func(hive.PublicKey, string) (string, error){all[0].Prove, all[1].Prove, all[2].Prove} {
			all[i].Prove = func(relay hive.PublicKey, text string) (string, error) {
				if !held.Load() {
					return "", errors.New("this key is no longer kept")
				}
				return prove(relay, text)
			}
		}
		w := start(t, &relay{}, link.Options{}, all...)
		time.Sleep(time.Second)
		if s := w.link.Status(); !strings.Contains(s.Hint, "`pksa keys check`") || strings.Contains(s.Hint, "clock") {
			t.Errorf("hint %q", s.Hint)
		}
		held.Store(true)
		time.Sleep(10 * time.Minute)
		if s := w.link.Status(); s.Registered != 3 || s.Hint != "" {
			t.Errorf("afterwards %d registered, hint %q", s.Registered, s.Hint)
		}
	})
}

// What a relay complained of has its time, and leaves when it is over: when all accounts are
// registered, or after an hour.
func TestRelayErrorLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var right atomic.Bool
		r := &relay{register: func(p *peer, a protocol.RegisterAccount) {
			if !right.Load() {
				p.send(protocol.ErrorMessage{Text: "not now"})
				return
			}
			p.judge(a)
		}}
		w := start(t, r, link.Options{}, accounts("alice")...)
		time.Sleep(time.Minute)
		if s := w.link.Status(); s.RelayError != "not now" || time.Since(s.RelayErrorAt) > time.Minute {
			t.Errorf("status: %q at %s", s.RelayError, s.RelayErrorAt)
		}
		right.Store(true)
		time.Sleep(10 * time.Minute)
		if s := w.link.Status(); s.Registered != 1 || s.RelayError != "" || !s.RelayErrorAt.IsZero() {
			t.Errorf("when registered: %q at %s", s.RelayError, s.RelayErrorAt)
		}
		r.lastPeer().send(protocol.ErrorMessage{Text: "about something else"})
		time.Sleep(time.Minute)
		if s := w.link.Status(); s.RelayError != "about something else" {
			t.Errorf("a later one: %q", s.RelayError)
		}
		time.Sleep(time.Hour)
		if s := w.link.Status(); s.RelayError != "" {
			t.Errorf("after an hour: %q", s.RelayError)
		}
	})
}

// A link that is down says since when, not only when the last attempt failed.
func TestDownSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &relay{}, link.Options{}, accounts("alice")...)
		time.Sleep(time.Minute)
		if s := w.link.Status(); !s.Connected || !s.DownSince.IsZero() {
			t.Errorf("connected %t, down since %s", s.Connected, s.DownSince)
		}
		w.net.setRefuse(errors.New("refused"))
		w.net.last().cut()
		cut := time.Now()
		time.Sleep(30 * time.Minute)
		s := w.link.Status()
		if late := s.DownSince.Sub(cut); s.Connected || late < 0 || late > time.Minute {
			t.Errorf("connected %t, down since %s", s.Connected, s.DownSince)
		}
	})
}

// A relay of the user's own on this machine makes a key at each start: that is no warning, and
// nobody is told.
func TestPrivateRelayMayChangeItsKey(t *testing.T) {
	for _, private := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			r := &relay{key: func() hive.PublicKey {
				n++
				return hive.PrivateKeyFromSeed(fmt.Sprint("relay ", n)).Public()
			}}
			told, log := 0, new(bytes.Buffer)
			w := start(t, r, link.Options{Private: private, Logger: slog.New(slog.NewTextHandler(log, nil)),
				KeyChanged: func(hive.PublicKey, hive.PublicKey) { told++ }}, accounts("alice")...)
			synctest.Wait()
			w.net.last().cut()
			time.Sleep(20 * time.Second)
			synctest.Wait()
			warned := strings.Contains(log.String(), `level=WARN msg="relay key changed"`)
			if n != 2 || warned == private || (told == 0) != private {
				t.Errorf("private %t: %d keys, warned %t, told %d times", private, n, warned, told)
			}
		})
	}
}
