package link_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/link"
	"pksa/protocol"
)

// A wallet holds thousands of accounts that the chain does not have, and a good one behind them.
// The relay takes its time for each bad one, as our own does. The check of the keys removes them
// while the first are outstanding. What the relay says of those is not taken for the good one's:
// that is served as soon as its turn comes, and nobody else gets blame.
func TestErrorsOfRemovedAccounts(t *testing.T) {
	for _, names := range []bool{true, false} {
		t.Run(fmt.Sprintf("the relay names them %t", names), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &relay{}
				work := make(chan func(), 10_000)
				defer close(work)
				go func() {
					for f := range work {
						f()
					}
				}()
				r.register = func(p *peer, a protocol.RegisterAccount) {
					work <- func() {
						if strings.HasPrefix(a.Name, "user-") {
							time.Sleep(time.Second)
							text := protocol.TextBadProof
							if names {
								text += ": " + a.Name
							}
							p.send(protocol.ErrorMessage{Text: text})
							return
						}
						r.mu.Lock()
						defer r.mu.Unlock()
						p.judge(a)
					}
				}
				all := append(many(3000), account("zoe"))
				w := start(t, r, link.Options{}, all...)
				time.Sleep(400 * time.Millisecond)
				if err := w.link.SetAccounts(all[3000:]); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				for w.link.Status().Registered == 0 && time.Since(begun) < time.Minute {
					time.Sleep(100 * time.Millisecond)
				}
				synctest.Wait()
				s := w.link.Status()
				if s.Registered != 1 || len(s.Refused) != 0 || s.Hint != "" || time.Since(begun) > 8*time.Second {
					t.Errorf("after %s: %+v", time.Since(begun), s)
				}
			})
		})
	}
}

// An account that is removed and comes back while its registration is outstanding is served as soon
// as that is acknowledged: a relay may take no notice of the second one.
func TestRemovedAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relay{}
		seen := map[string]bool{}
		r.register = func(p *peer, a protocol.RegisterAccount) {
			if !seen[a.Name] {
				seen[a.Name] = true
				time.AfterFunc(time.Second, func() { r.mu.Lock(); defer r.mu.Unlock(); p.judge(a) })
			}
		}
		w := start(t, r, link.Options{}, accounts("alice", "bob")...)
		time.Sleep(100 * time.Millisecond)
		for _, set := range [][]link.Account{accounts("bob"), accounts("alice", "bob")} {
			if err := w.link.SetAccounts(set); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if s := w.link.Status(); s.Registered != 2 || len(s.Refused) != 0 ||
			s.Counters.Drops[link.DropUnexpected] != 0 {
			t.Errorf("%+v", s)
		}
	})
}
