package relay

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// A connection is remembered to have had answers of so many accounts.
func TestAnsweredIsBounded(t *testing.T) {
	s := &socket{answered: map[hive.AccountName]struct{}{}}
	for n, want := range []int{1: 1, maxAnswered - 1: maxAnswered - 1, maxAnswered: maxAnswered, maxAnswered + 1: 1} {
		if want == 0 {
			continue
		}
		clear(s.answered)
		for i := range n {
			s.noteAnsweredLocked(hive.AccountName(fmt.Sprint("name-", i)))
		}
		if len(s.answered) != want || !s.wasAnswered(hive.AccountName(fmt.Sprint("name-", n-1))) {
			t.Errorf("after %d accounts %d are remembered", n, len(s.answered))
		}
	}
}

// Whoever weighs most makes room, as if all were looked at each time, and where nobody weighs more
// than the one who asks, not all of them are.
func TestWhoMakesRoom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	r := &Relay{store: newStore(), open: map[*socket]struct{}{}}
	var all []*socket
	for range 8 {
		s := &socket{relay: r, asked: map[*request]struct{}{}}
		r.open[s] = struct{}{}
		all = append(all, s)
	}
	byHeld, byPending := func(s *socket) int { return s.held }, func(s *socket) int { return s.pending }
	looks, spared := 0, 0
	check := func(s *socket, mine, loose int, atMost *int, weigh func(*socket) int) {
		most := max(mine, loose)
		for _, other := range all {
			if other != s {
				most = max(most, weigh(other))
			}
		}
		looked := false
		got := s.victimOfAll(mine, loose, atMost, func(other *socket) int {
			looked = true
			return weigh(other)
		})
		switch {
		case most == mine && got != nil:
			t.Errorf("a victim of %d bytes where nobody weighs more than %d", len(got.message), mine)
		case most > mine && (got == nil || got.app == nil && most > loose || got.app != nil && weigh(got.app) != most):
			t.Errorf("no victim of the one that weighs %d, but %+v", most, got)
		}
		if looks++; !looked {
			spared++
		}
	}
	for n := range 4000 {
		s := all[random.IntN(len(all))]
		if random.IntN(3) > 0 || len(s.asked) == 0 {
			q := &request{id: protocol.UUID(newUUID()), kind: protocol.Sign, message: make([]byte, random.IntN(200)),
				account: hive.AccountName(fmt.Sprint("account-", n)), expire: time.Now().Add(time.Hour)}
			r.store.add(q)
			r.store.bind(q, s)
		}
		for q := range s.asked {
			if random.IntN(2) == 0 {
				r.store.remove(q)
			} else if random.IntN(200) == 0 {
				r.store.bind(q, nil)
			}
			break
		}
		check(s, s.held+100, r.store.looseLen, &r.store.mostHeld, byHeld)
		check(s, s.pending+1, r.store.loose, &r.store.mostPending, byPending)
	}
	if spared < looks/20 {
		t.Errorf("of %d looks %d were spared", looks, spared)
	}
}
