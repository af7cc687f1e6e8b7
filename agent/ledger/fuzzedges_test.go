package ledger_test

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"pksa/agent/ledger"
)

// edgeRows are rows of the table of bounds: how each is set to so many, what does one more of it,
// and what becomes of what is beyond.
var edgeRows = []struct {
	name string
	set  func(*ledger.Options, int)
	more func(r *rig, n int) (refused bool)
}{
	{"sessions of one app", func(o *ledger.Options, n int) { o.SessionsPerApp = n },
		func(r *rig, n int) bool { return r.refusesSession("alice", "app0", n, ledger.ErrAppSessions) }},
	{"sessions", func(o *ledger.Options, n int) { o.SessionsPerAccount = n },
		func(r *rig, n int) bool {
			return r.refusesSession("alice", fmt.Sprint("app", n%3), n, ledger.ErrSessions)
		}},
	{"sessions of all accounts", func(o *ledger.Options, n int) { o.Sessions = n },
		func(r *rig, n int) bool {
			return r.refusesSession(fmt.Sprint("acc", n%3), fmt.Sprint("app", n%2), n, ledger.ErrAllSessions)
		}},
	{"digests of requests without nonce", func(o *ledger.Options, n int) { o.DigestsPerSession = n },
		func(r *rig, n int) bool {
			if n == 1 {
				r.session("alice", "app0", "k")
			}
			return r.try(r.l.SessionsOf("alice")[0], fmt.Sprint("without a nonce ", n), 0) == ledger.NonceRequired
		}},
	{"digests of logins", func(o *ledger.Options, n int) { o.DigestsPerSlot = n },
		func(r *rig, n int) bool { return r.login("app0", fmt.Sprint(n)) == ledger.SecretSpent }},
}

// refusesSession makes a session and reports whether it is refused, which may be for one reason.
func (r *rig) refusesSession(account, app string, n int, why error) bool {
	r.t.Helper()
	_, err := r.l.AddSession(ctx, r.newSession(account, app, fmt.Sprint("k", n)), nil)
	if err != nil && !errors.Is(err, why) {
		r.t.Fatalf("session %d: %v, want %v", n, err, why)
	}
	return err != nil
}

// FuzzEdges draws a row of the table of bounds, a bound, when the ledger is opened again and its
// records are gathered, and how many more there are than the bound. One less and as many are taken,
// and each of the others is refused, whatever happened before.
func FuzzEdges(f *testing.F) {
	for row := range edgeRows {
		for bound := range 3 {
			f.Add(uint8(row), uint8(bound), uint8(2), uint16(0b1010<<bound))
		}
	}
	f.Fuzz(func(t *testing.T, row, bound, more uint8, again uint16) {
		most, at := 1+int(bound%10), edgeRows[int(row)%len(edgeRows)]
		o := options("test").WithSegment(4).InMemory(ledger.NewMemDisk())
		at.set(&o, most)
		r := newRigWith(t, o)
		r.o.Logger = slog.New(slog.DiscardHandler)
		for n := range 3 {
			r.slot(fmt.Sprint("app", n))
		}
		for n := 1; n <= most+1+int(more%4); n++ {
			if refused := at.more(r, n); refused != (n > most) {
				t.Fatalf("%s, bound %d, number %d: refused %t", at.name, most, n, refused)
			}
			if again>>(n%16)&1 == 1 {
				must(t, r.l.Flush(ctx))
				r.reopen()
			}
		}
		_, err := r.l.Verify(ctx)
		must(t, err)
	})
}

// FuzzPortionEdges draws how many sessions one commit ends or opens, how many there are beside that
// number, and before which commit the process is killed: so many commits are made, each does as
// many as it may, and the same act again does the rest.
func FuzzPortionEdges(f *testing.F) {
	for most := range uint8(3) {
		for held := range uint8(4) {
			for kill := range uint8(5) {
				f.Add(most, held, kill, true)
				f.Add(most, held+most, kill, false)
			}
		}
	}
	f.Fuzz(func(t *testing.T, bound, count, kill uint8, opens bool) {
		most, held := 1+int(bound%6), int(count%20)
		commits := (held + most - 1) / most
		killed := int(kill) % (commits + 1) // before which; the last: none
		r := newRigWith(t, options("test").WithExpireMost(most).InMemory(ledger.NewMemDisk()))
		r.o.Logger = slog.New(slog.DiscardHandler)
		r.slot("mybot")
		act := missing(r, held, 0)
		if !opens {
			_, err := r.l.Arrange(ctx, false, act)
			must(t, err)
			act = func(v ledger.Standing) (a ledger.Arrangement, _ error) {
				for _, s := range v.Sessions {
					a.End = append(a.End, s.ID)
				}
				return a, nil
			}
		}
		n := 0
		r.aroundCommits(func(commit func() error) error {
			if n++; n == killed+1 && killed < commits {
				return errInjected
			}
			return commit()
		})
		_, err := r.l.Arrange(ctx, false, act)
		done := held
		if killed < commits {
			done = killed * most
		}
		left := held - done
		if opens {
			left = done
		}
		if (err != nil) != (killed < commits) || killed == commits && n != commits {
			t.Fatalf("%d of %d in a commit, killed before %d: %v after %d commits", held, most, killed, err, n)
		}
		r.reopen()
		if live := len(r.l.Sessions()); live != left {
			t.Fatalf("%d of %d in a commit, killed before %d: %d live, want %d", held, most, killed, live, left)
		}
		_, err = r.l.Arrange(ctx, false, act)
		must(t, err)
		want := 0
		if opens {
			want = held
		}
		if live := len(r.l.Sessions()); live != want {
			t.Fatalf("in the end %d live, want %d", live, want)
		}
	})
}
