package link_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/link"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// Ten thousand accounts are registered within seconds by a relay that keeps up, however far it is;
// the window and the pace grow with what it acknowledges.
func TestTenThousandAccounts(t *testing.T) {
	t.Run("near", func(t *testing.T) { registerManyAt(t, 20*time.Millisecond, 3*time.Second) })
	t.Run("far", func(t *testing.T) { registerManyAt(t, 100*time.Millisecond, 5*time.Second) })
}

func registerManyAt(t *testing.T, away, within time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		const n, window, windowMost, perSecond = 10_000, 4, 256, 5000
		var mu sync.Mutex
		var open, most, acknowledged int // open: registrations that the relay has not answered
		var times []time.Time
		r := &relay{}
		r.register = func(p *peer, a protocol.RegisterAccount) {
			mu.Lock()
			defer mu.Unlock()
			open++
			most = max(most, open)
			if open > window+acknowledged {
				t.Errorf("%d outstanding after %d acknowledgements", open, acknowledged)
			}
			times = append(times, time.Now())
			time.AfterFunc(away, func() {
				mu.Lock()
				defer mu.Unlock()
				open--
				acknowledged++
				p.judge(a)
			})
		}
		w := start(t, r, link.Options{}, many(n)...)
		begun := time.Now()
		for w.link.Status().Registered < n && time.Since(begun) < time.Minute {
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		s := w.link.Status()
		if s.Registered != n || s.Pending != 0 || len(s.Refused) != 0 || time.Since(begun) > within {
			t.Errorf("after %v: registered %d, pending %d, refused %d", time.Since(begun), s.Registered, s.Pending,
				len(s.Refused))
		}
		if most > windowMost || most < windowMost/3 {
			t.Errorf("%d outstanding at most", most)
		}
		for i := range times {
			if i >= perSecond+100 && times[i].Sub(times[i-perSecond-100]) < 999*time.Millisecond {
				t.Fatalf("more than %d registrations within a second", perSecond+100)
			}
		}
		if asked := r.asked(); len(asked) != n || !slices.IsSorted(asked) {
			t.Errorf("%d register_req", len(asked))
		}
	})
}

// Bad accounts are found and named, whatever a relay does about them, and the others do not wait
// for them for long.
func TestBadAccounts(t *testing.T) {
	const n = 500
	bad := func(name string) bool { return strings.HasSuffix(name, "7") && name[len(name)-2] == '0' } // 5 of 500
	cases := map[string]func(r *relay) func(p *peer, a protocol.RegisterAccount){
		"an error for each": func(*relay) func(p *peer, a protocol.RegisterAccount) {
			return func(p *peer, a protocol.RegisterAccount) {
				if bad(a.Name) {
					p.send(protocol.ErrorMessage{Text: "account does not exist"})
					return
				}
				p.judge(a)
			}
		},
		"silence": func(*relay) func(p *peer, a protocol.RegisterAccount) {
			return func(p *peer, a protocol.RegisterAccount) {
				if !bad(a.Name) {
					p.judge(a)
				}
			}
		},
		"late answers out of order": func(r *relay) func(p *peer, a protocol.RegisterAccount) {
			i := 0
			return func(p *peer, a protocol.RegisterAccount) {
				i++
				time.AfterFunc(time.Duration(i*7919%100)*time.Millisecond, func() {
					r.mu.Lock()
					defer r.mu.Unlock()
					if bad(a.Name) {
						p.send(protocol.ErrorMessage{Text: "account does not exist"})
						return
					}
					p.judge(a)
				})
			}
		},
	}
	for name, script := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &relay{}
				r.register = script(r)
				w := start(t, r, link.Options{}, many(n)...)
				time.Sleep(12 * time.Second)
				if s := w.link.Status(); s.Registered != n-5 {
					t.Fatalf("after 12 s: %d registered, %d refused", s.Registered, len(s.Refused))
				}
				time.Sleep(time.Minute)
				s := w.link.Status()
				if s.Registered != n-5 || len(s.Refused) != 5 || s.Pending != 0 {
					t.Fatalf("after a minute: %d registered, %d pending, refused: %+v", s.Registered, s.Pending,
						s.Refused)
				}
				var tries uint64
				for _, f := range s.Refused {
					tries += uint64(f.Tries)
					if !bad(string(f.Account)) || f.Reason == "" || f.Since.IsZero() || f.Tries < 1 {
						t.Errorf("refused: %+v", f)
					}
				}
				if s.Counters.Refusals != tries {
					t.Errorf("%d refusals, %d of them of bad accounts", s.Counters.Refusals, tries)
				}
				if name != "silence" && s.Refused[0].Reason != "account does not exist" {
					t.Errorf("reason: %q", s.Refused[0].Reason)
				}
			})
		})
	}
}

// A bad account is tried again, less and less often, and is served once the relay takes it.
func TestRefusedAccountIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var tries []time.Time
		var healed atomic.Bool
		r := &relay{register: func(p *peer, a protocol.RegisterAccount) {
			if a.Name == "bad" {
				mu.Lock()
				defer mu.Unlock()
				if tries = append(tries, time.Now()); !healed.Load() {
					p.send(protocol.ErrorMessage{Text: "no \x1b[31msuch account\u202e"})
					return
				}
			}
			p.judge(a)
		}}
		w := start(t, r, link.Options{}, accounts("alice", "bad", "carol")...)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		s := w.link.Status()
		if len(s.Refused) != 1 || s.Refused[0].Tries < 20 || s.Refused[0].Reason != "no \ufffd[31msuch account\ufffd" ||
			s.RelayError != s.Refused[0].Reason {
			t.Fatalf("refused: %+v, error %q", s.Refused, s.RelayError)
		}
		if s.Counters.Refusals != uint64(s.Refused[0].Tries) || s.Counters.RelayErrors < s.Counters.Refusals {
			t.Errorf("counters: %+v", s.Counters)
		}
		mu.Lock()
		if n := len(tries); n > 80 || tries[n-1].Sub(tries[n-2]) < 5*time.Minute ||
			tries[n-1].Sub(tries[n-2]) > 15*time.Minute {
			t.Errorf("%d tries in 6 hours, the last after %v", n, tries[n-1].Sub(tries[n-2]))
		}
		mu.Unlock()
		healed.Store(true)
		time.Sleep(16 * time.Minute)
		if s := w.link.Status(); s.Registered != 3 || len(s.Refused) != 0 {
			t.Errorf("status: %+v", s)
		}
	})
}

// An acknowledgement that comes after its time counts, even while another account is asked alone.
func TestLateAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{register: func(p *peer, a protocol.RegisterAccount) {
			if a.Name == "slow" {
				time.AfterFunc(15*time.Second, func() { p.send(protocol.RegisterAck{Account: a.Name}) })
			} else if a.Name == "never" {
				return
			} else {
				p.judge(a)
			}
		}}
		w := start(t, r, link.Options{}, accounts("alice", "never", "slow")...)
		time.Sleep(16 * time.Second)
		s := w.link.Status()
		if s.Registered != 2 || s.Counters.Drops[link.DropUnexpected] != 0 {
			t.Errorf("status: %+v", s)
		}
		r.lastPeer().send(protocol.RegisterAck{Account: "stranger"})
		synctest.Wait()
		if d := w.link.Status().Counters.Drops[link.DropUnexpected]; d != 1 {
			t.Errorf("an acknowledgement for a stranger counts %d", d)
		}
	})
}

// While one account is asked alone, no other registration is outstanding.
func TestAloneMeansAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		r := &relay{}
		open := map[string]time.Time{}
		seen := map[string]int{}
		r.register = func(p *peer, a protocol.RegisterAccount) {
			if seen[a.Name]++; seen[a.Name] > 1 {
				for other, at := range open {
					if other != a.Name && time.Since(at) < 10*time.Second {
						t.Errorf("%s is asked again while %s is outstanding", a.Name, other)
					}
				}
			}
			open[a.Name] = time.Now()
			if len(a.Name) == len("user-00000") && strings.HasSuffix(a.Name, "0") {
				return // no answer
			}
			delete(open, a.Name)
			p.judge(a)
		}
		w = start(t, r, link.Options{}, many(100)...)
		time.Sleep(5 * time.Minute)
		if s := w.link.Status(); s.Registered != 90 || len(s.Refused) != 10 {
			t.Errorf("%d registered, refused %+v", s.Registered, s.Refused)
		}
	})
}

// An error that is about something else costs a second try of each registration, and no more.
func TestErrorOfSomethingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		r.register = func(p *peer, a protocol.RegisterAccount) {
			if strings.HasSuffix(a.Name, "50") {
				p.send(protocol.ErrorMessage{Text: "too many requests"})
			}
			time.AfterFunc(50*time.Millisecond, func() { r.mu.Lock(); defer r.mu.Unlock(); p.judge(a) })
		}
		w := start(t, r, link.Options{}, many(300)...)
		time.Sleep(30 * time.Second)
		if s := w.link.Status(); s.Registered != 300 || len(s.Refused) != 0 || s.Counters.RelayErrors < 3 {
			t.Errorf("%d registered, refused %+v, %d errors", s.Registered, s.Refused, s.Counters.RelayErrors)
		}
		before := w.link.Status().Counters
		r.lastPeer().send(protocol.ErrorMessage{Text: "later"})
		time.Sleep(time.Minute)
		if s := w.link.Status(); s.Registered != 300 || s.Counters.RelayErrors != before.RelayErrors+1 ||
			s.RelayError != "later" {
			t.Errorf("an error while none is outstanding: %+v", s)
		}
		if len(r.answered()) != 0 {
			t.Errorf("an error was answered: %v", r.answered())
		}
	})
}

func TestHintAboutTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var right atomic.Bool
		r := &relay{register: func(p *peer, a protocol.RegisterAccount) {
			if !right.Load() {
				p.send(protocol.ErrorMessage{Text: "pok expired"})
				return
			}
			p.judge(a)
		}}
		w := start(t, r, link.Options{}, accounts("alice", "bob", "carol")...)
		time.Sleep(time.Minute)
		if s := w.link.Status(); !strings.Contains(s.Hint, "clock") || len(s.Refused) != 3 {
			t.Errorf("status: %+v", s)
		}
		right.Store(true)
		time.Sleep(10 * time.Minute)
		if s := w.link.Status(); s.Hint != "" || s.Registered != 3 {
			t.Errorf("status: %+v", s)
		}
	})
}

// An account whose key does not work does not stop the others (HAS §13.1, 9).
func TestAccountWithoutProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := many(200)
		all[3].Prove = func(hive.PublicKey, string) (string, error) { return "", errors.New("key is gone") }
		all[5].Prove = func(hive.PublicKey, string) (string, error) { return "\xff", nil } // cannot be encoded
		w := start(t, &relay{}, link.Options{}, all...)
		time.Sleep(time.Second)
		s := w.link.Status()
		if s.Registered != 198 || len(s.Refused) != 2 || !strings.Contains(s.Refused[0].Reason, "key is gone") ||
			s.Hint != "" {
			t.Errorf("%d registered, refused %+v, hint %q", s.Registered, s.Refused, s.Hint)
		}
		if err := w.link.Answer(t.Context(), all[3].Name, nack(1)); !errors.Is(err, link.ErrNotConnected) {
			t.Errorf("answer for it: %v", err)
		}
	})
}

// After a reconnect everybody is registered again; those that failed before go last.
func TestFailedGoLastAfterReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{register: func(p *peer, a protocol.RegisterAccount) {
			if a.Name == "bad" {
				p.send(protocol.ErrorMessage{Text: "no"})
				return
			}
			p.judge(a)
		}}
		w := start(t, r, link.Options{}, accounts("alice", "bad", "carol")...)
		time.Sleep(time.Second)
		before := len(r.asked())
		w.net.last().cut()
		time.Sleep(2 * time.Second)
		if again := r.asked()[before:]; !slices.Equal(again, []string{"alice", "carol", "bad"}) {
			t.Errorf("registered again: %v", again)
		}
		if s := w.link.Status(); s.Registered != 2 || len(s.Refused) != 1 {
			t.Errorf("status: %+v", s)
		}
	})
}

func TestSetAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{register: func(p *peer, a protocol.RegisterAccount) {
			if a.KeyType == "memo" {
				p.send(protocol.ErrorMessage{Text: "wrong key"})
				return
			}
			p.judge(a)
		}}
		bad := account("bob")
		bad.KeyType = hive.Memo
		w := start(t, r, link.Options{}, append(accounts("alice"), bad)...)
		time.Sleep(time.Second)
		if s := w.link.Status(); s.Registered != 1 || len(s.Refused) != 1 {
			t.Fatalf("status: %+v", s)
		}

		// One stays, one gets another key, one is new: on the live connection, at once.
		if err := w.link.SetAccounts(accounts("alice", "bob", "carol")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s := w.link.Status()
		if s.Registered != 3 || len(s.Refused) != 0 || s.Counters.Connections != 1 {
			t.Errorf("status: %+v", s)
		}
		if asked := r.asked(); asked[len(asked)-1] != "carol" || slices.Index(asked[1:], "alice") != -1 {
			t.Errorf("asked: %v", asked)
		}

		// One is taken away: its requests are dropped, and its answers are not sent.
		if err := w.link.SetAccounts(accounts("bob", "carol")); err != nil {
			t.Fatal(err)
		}
		r.lastPeer().send(request("alice", 1))
		r.lastPeer().send(request("bob", 2))
		synctest.Wait()
		s = w.link.Status()
		if got := w.delivered(); len(got) != 1 || got[0].Request.Account != "bob" ||
			s.Counters.Drops[link.DropForeign] != 1 {
			t.Errorf("delivered: %+v, drops %v", got, s.Counters.Drops)
		}
		if s.Accounts != 2 || s.Registered != 2 {
			t.Errorf("status: %+v", s)
		}
		if err := w.link.Answer(t.Context(), "alice", nack(1)); !errors.Is(err, link.ErrNotConnected) {
			t.Errorf("answer of the removed: %v", err)
		}

		// None, then all again.
		if err := w.link.SetAccounts(nil); err != nil {
			t.Fatal(err)
		}
		if err := w.link.SetAccounts(many(300)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if s := w.link.Status(); s.Registered != 300 || s.Accounts != 300 {
			t.Errorf("status: %+v", s)
		}
	})
}

// SetAccounts has a refused account asked again at once; a registered one is not asked again, even
// with a key of another role.
func TestSetAccountsTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var healed atomic.Bool
		var memo atomic.Int32
		r := &relay{register: func(p *peer, a protocol.RegisterAccount) {
			if a.KeyType == "memo" {
				memo.Add(1)
			}
			if a.Name == "bad" && !healed.Load() {
				p.send(protocol.ErrorMessage{Text: "no"})
				return
			}
			p.judge(a)
		}}
		set := accounts("alice", "bad")
		w := start(t, r, link.Options{}, set...)
		time.Sleep(time.Hour)
		healed.Store(true)
		set[0].KeyType = hive.Memo // registered already: it stays so, and the relay is not asked again
		if err := w.link.SetAccounts(set); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := w.link.Status(); s.Registered != 2 || len(s.Refused) != 0 || memo.Load() != 0 {
			t.Errorf("memo key told %d times, status: %+v", memo.Load(), s)
		}
	})
}

// An account that comes while another is asked alone waits until that is over.
func TestNewAccountWhileOneIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{register: func(p *peer, a protocol.RegisterAccount) {
			if a.Name != "silent" {
				p.judge(a)
			}
		}}
		w := start(t, r, link.Options{}, accounts("alice", "silent")...)
		time.Sleep(11 * time.Second) // asked again, alone, since a second
		if asked := r.asked(); !slices.Equal(asked, []string{"alice", "silent", "silent"}) {
			t.Fatalf("asked: %v", asked)
		}
		if err := w.link.SetAccounts(accounts("alice", "silent", "zoe")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * time.Second)
		if n := len(r.asked()); n != 3 {
			t.Errorf("asked: %v", r.asked())
		}
		time.Sleep(2 * time.Second)
		if s := w.link.Status(); s.Registered != 2 {
			t.Errorf("status: %+v", s)
		}
	})
}

// An acknowledgement for an account that was not asked for on this connection does not count.
func TestAcknowledgementBeforeTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{keyed: func(p *peer) {
			p.send(protocol.KeyAck{Key: p.key})
			p.send(protocol.RegisterAck{Account: "user-00999"})
		}}
		w := start(t, r, link.Options{}, many(1000)...)
		time.Sleep(2 * time.Second)
		s := w.link.Status()
		if asked := r.asked(); len(asked) != 1000 || s.Registered != 1000 ||
			s.Counters.Drops[link.DropUnexpected] != 1 {
			t.Errorf("%d asked, %d registered, drops %v", len(asked), s.Registered, s.Counters.Drops)
		}
	})
}

// Accounts that change while the window is full leave nothing behind.
func TestSetAccountsWhileRegistering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		r.register = func(p *peer, a protocol.RegisterAccount) {
			time.AfterFunc(30*time.Millisecond, func() { r.mu.Lock(); defer r.mu.Unlock(); p.judge(a) })
		}
		w := start(t, r, link.Options{}, many(1000)...)
		all := many(1000)
		for i := range 40 {
			time.Sleep(17 * time.Millisecond)
			if err := w.link.SetAccounts(all[i*20 : i*20+200]); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(30 * time.Second)
		if s := w.link.Status(); s.Registered != 200 || s.Pending != 0 || len(s.Refused) != 0 {
			t.Errorf("status: %+v", s)
		}
	})
}

func TestSetAccountsRefusesBadOnes(t *testing.T) {
	l, err := link.New(link.Options{URL: "wss://relay.test", Handler: (&world{}).drop})
	if err != nil {
		t.Fatal(err)
	}
	owner, dumb := account("alice"), account("alice")
	owner.KeyType, dumb.Prove = hive.Owner, nil
	cases := map[string][]link.Account{
		"given twice": accounts("alice", "alice"),
		"Alice":       accounts("Alice"),
		"not owner":   {owner},
		"no way":      {dumb},
	}
	for want, set := range cases {
		if err := l.SetAccounts(set); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if s := l.Status(); s.Accounts != 0 {
		t.Errorf("some were taken: %+v", s)
	}
	if err := l.SetAccounts(accounts("alice")); err != nil || fmt.Sprint(l.Status().Pending) != "1" {
		t.Errorf("a good one: %v", err)
	}
}
