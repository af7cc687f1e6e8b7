package ledger

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// However many sessions a batch makes, changes and ends, and whoever asks in between, it counts
// them as somebody does who looks at each, and so does a trial over it.
func TestTallyAgainstCounting(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 11))
		st := &state{sessions: map[SessionID]*Session{}, accounts: map[string][]*Session{}}
		last := SessionID(0)
		fresh := func() *Session {
			last++
			s := &Session{ID: last, Account: fmt.Sprint("acc", random.IntN(3)), App: fmt.Sprint("app", random.IntN(2)),
				Expires: now.Add(time.Duration(random.IntN(3)) * time.Second)} // some have expired
			return s
		}
		for range 10 {
			s := fresh()
			st.putFirst(s.Account, []*Session{s})
		}
		b := newBatch(&Ledger{state: st, o: Options{Now: func() time.Time { return now }}})
		for step := range 60 {
			id := SessionID(1 + random.IntN(int(last)))
			switch s := b.session(id); {
			case random.IntN(3) == 0:
				s := fresh()
				b.change(s.ID, s)
			case s == nil:
			case random.IntN(2) == 0:
				b.update(s, 1, func(s *Session) { s.Expires = now.Add(time.Duration(random.IntN(3)) * time.Second) })
			default:
				b.change(s.ID, nil)
			}
			if random.IntN(2) == 0 {
				continue // nobody asks
			}
			counts := b
			if random.IntN(4) == 0 {
				counts = b.trial()
			}
			checkTally(t, counts, fmt.Sprintf("seed %d, step %d", seed, step))
		}
	}
}

func checkTally(t *testing.T, b *batch, at string) {
	t.Helper()
	all := b.allSessions()
	if n := b.allCount(); n != len(all) {
		t.Fatalf("%s: %d sessions, want %d", at, n, len(all))
	}
	for n := range 3 {
		account := fmt.Sprint("acc", n)
		want, listed := map[string]int{}, 0
		for _, s := range all {
			if s.Account != account {
				continue
			}
			listed++
			if s.Expires.After(b.now) {
				want[""]++
				want[s.App]++
			}
		}
		if n := len(b.sessionsOf(account)); n != listed {
			t.Fatalf("%s: %s has %d sessions, want %d", at, account, n, listed)
		}
		for _, app := range []string{"", "app0", "app1"} {
			if n := b.countSessions(account, app); n != want[app] {
				t.Fatalf("%s: %s has %d of %q, want %d", at, account, n, app, want[app])
			}
		}
	}
}

// A list of an account has the sessions that were used last first, however many change at once.
func TestSessionsInTheOrderOfTheirUse(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 13))
		st := &state{sessions: map[SessionID]*Session{}, accounts: map[string][]*Session{}}
		var order []SessionID // the last used one first
		for range 20 {
			var changed []*Session
			for range 1 + random.IntN(4) {
				id := SessionID(1 + random.IntN(12))
				for _, s := range changed {
					if s.ID == id {
						id += 100
					}
				}
				changed = append(changed, &Session{ID: id, Account: "alice"})
				rest := []SessionID{id}
				for _, other := range order {
					if other != id {
						rest = append(rest, other)
					}
				}
				order = rest
			}
			before := fmt.Sprint(ids(st.accounts["alice"]))
			shared := st.accounts["alice"]
			st.putFirst("alice", changed)
			if fmt.Sprint(ids(shared)) != before {
				t.Fatalf("seed %d: a list that others may read was changed", seed)
			}
			if got := ids(st.accounts["alice"]); fmt.Sprint(got) != fmt.Sprint(order) {
				t.Fatalf("seed %d: %v, want %v", seed, got, order)
			}
		}
	}
}

func ids(list []*Session) (ids []SessionID) {
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}
