package ledger_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

func TestTicketsKeepOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.slot("mybot")
		s := r.session("alice", "mybot", "k1")
		const n = 8
		admissions := make([]ledger.Admission, n)
		for i := range admissions {
			admissions[i] = r.admission(s, fmt.Sprint(i), r.nowMS()+int64(i))
			admissions[i].Ticket = r.l.Ticket("link", "alice")
		}
		given := r.l.Ticket("link", "alice")
		other := r.admission(s, "elsewhere", 0)
		other.Ticket = r.l.Ticket("link 2", "alice")
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		admit := func(i int) {
			wg.Go(func() {
				_, err := r.l.Admit(ctx, admissions[i], func(v ledger.View) ledger.Ruling {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, i)
					return allowFresh(v)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		for i := n - 1; i > 0; i-- {
			if i != 3 {
				admit(i)
			}
		}
		admissions[3].Ticket.Release() // given up before its turn
		admissions[3].Ticket.Release()
		synctest.Wait()
		if len(order) != 0 {
			t.Errorf("admitted before the first: %v", order)
		}
		_, err := r.l.Admit(ctx, other, allowFresh) // another lane does not wait
		must(t, err)

		late := r.admission(s, "late", r.nowMS()+100)
		late.Ticket = r.l.Ticket("link", "alice")
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err = r.l.Admit(short, late, allowFresh)
		wantError(t, err, context.DeadlineExceeded)

		admit(0)
		wg.Wait()
		if want := []int{0, 1, 2, 4, 5, 6, 7}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
		given.Release()
		after := r.admission(s, "after", r.nowMS()+101)
		after.Ticket = r.l.Ticket("link", "alice")
		_, err = r.l.Admit(ctx, after, allowFresh)
		must(t, err)
		must(t, r.l.Close())
	})
}

// A request whose app is known waits for no earlier one of another app, however long that takes,
// but for those of which it is not known yet, and for those of its own.
func TestTicketsOfOtherApps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.slot("noisy")
		r.slot("quiet")
		noisy, quiet := r.session("alice", "noisy", "k1"), r.session("alice", "quiet", "k2")
		unknown, slow := r.l.Ticket("link", "alice"), r.l.Ticket("link", "alice")
		var wg sync.WaitGroup
		judged := map[string]bool{}
		admit := func(s *ledger.Session, name string, after int64) {
			a := r.admission(s, name, r.nowMS()+after)
			a.Ticket = r.l.Ticket("link", "alice")
			a.Ticket.Of(s.App)
			wg.Go(func() {
				_, err := r.l.Admit(ctx, a, func(v ledger.View) ledger.Ruling {
					judged[name] = true
					return allowFresh(v)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		admit(noisy, "n", 1)
		admit(quiet, "q", 2)
		synctest.Wait()
		if len(judged) != 0 {
			t.Errorf("judged before one whose app is not known: %v", judged)
		}
		slow.Of("noisy")
		unknown.Release()
		synctest.Wait()
		if !judged["q"] || judged["n"] {
			t.Errorf("judged while one of noisy is slow: %v", judged)
		}
		slow.Release()
		synctest.Wait()
		if !judged["n"] {
			t.Error("the second of noisy was not judged after the first")
		}
		wg.Wait()
		must(t, r.l.Close())
	})
}
