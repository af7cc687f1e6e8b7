package ledger_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// A recorded request is known by its ciphertext and its nonce, wherever and whenever it comes
// again: by another relay, half a year later, after a restart, long after its recorded answer was
// dropped.
func TestReplayAfterMonthsByAnotherRelay(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	n := r.newSession("alice", "mybot", "k1")
	n.Expires = r.clock.now().Add(360 * 24 * time.Hour)
	s, err := r.l.AddSession(ctx, n, nil)
	must(t, err)
	nonce := r.nowMS()
	for _, said := range []ledger.Replay{r.try(s, "with nonce", nonce), r.try(s, "without", 0)} {
		if said != ledger.Fresh {
			t.Fatalf("first time: %v", said)
		}
	}
	for range 26 {
		r.clock.add(7 * 24 * time.Hour)
		r.reopen()
	}
	for _, c := range []struct {
		text  string
		nonce int64
		want  ledger.Replay
	}{{"with nonce", nonce, ledger.NonceLow}, {"without", 0, ledger.DigestSeen}} {
		key := ledger.RequestKey{Relay: "another relay", UUID: "uuid of " + c.text}
		b, err := r.l.Begin(ledger.Arrival{Key: key, Digest: sha256.Sum256([]byte(c.text)),
			Expires: r.clock.now().Add(time.Minute)})
		must(t, err)
		if b.State != ledger.New {
			t.Fatalf("%s: %v", c.text, b.State)
		}
		var said ledger.Replay
		_, err = r.l.Admit(ctx, ledger.Admission{Key: key, Account: "alice", Kind: "sign", Session: s.ID,
			Nonce: c.nonce}, func(v ledger.View) ledger.Ruling {
			said = v.Replay
			return allowFresh(v)
		})
		must(t, err)
		if said != c.want {
			t.Errorf("%s: %v, want %v", c.text, said, c.want)
		}
	}
}

func TestNonceRules(t *testing.T) {
	const minute = int64(60_000)
	for name, c := range map[string]struct {
		nonce int64 // against the clock
		want  ledger.Replay
	}{
		"now":                  {0, ledger.Fresh},
		"ten minutes behind":   {-10 * minute, ledger.Fresh},
		"held back":            {-10*minute - 1, ledger.NonceBehind},
		"a day ahead":          {24 * 60 * minute, ledger.Fresh},
		"would lock":           {24*60*minute + 1, ledger.NonceAhead},
		"equal to the last":    {-11 * minute, ledger.NonceLow},
		"below the last":       {-12 * minute, ledger.NonceLow},
		"largest integer":      {1<<53 - 1 - 1_700_000_000_000, ledger.NonceAhead},
		"beyond all integers":  {1<<53 - 1_700_000_000_000, ledger.NonceRange},
		"negative":             {-1_700_000_000_001, ledger.NonceRange},
		"far below everything": {-1_699_999_999_999, ledger.NonceLow},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.slot("mybot")
			s := r.session("alice", "mybot", "k1")
			r.clock.add(-11 * time.Minute) // ledger time stays; the wall clock returns below
			if got := r.try(s, "first", r.nowMS()); got != ledger.NonceBehind {
				t.Fatalf("nonce behind ledger time: %v", got)
			}
			r.clock.add(11 * time.Minute)
			o := r.o
			o.NonceBehind = time.Hour
			must(t, r.l.Close())
			r.o, o = o, r.o
			r.open()
			if got := r.try(s, "first", r.nowMS()-11*minute); got != ledger.Fresh {
				t.Fatalf("nonce behind our clock with a wider window: %v", got)
			}
			must(t, r.l.Close())
			r.o = o
			r.open()
			if got := r.try(s, "second", r.nowMS()+c.nonce); got != c.want {
				t.Errorf("nonce rules say %v, want %v", got, c.want)
			}
			if again := r.try(s, "third", r.nowMS()+c.nonce); c.want == ledger.Fresh && again != ledger.NonceLow {
				t.Errorf("the same nonce again: %v", again)
			}
			r.reopen()
		})
	}
}

// TestReplayAgainstModel holds the rules against a model that keeps every request ever taken.
func TestReplayAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	r := newRig(t)
	r.o = r.o.WithSegment(16)
	r.reopen()
	r.slot("mybot")
	var sessions []*ledger.Session
	last := map[ledger.SessionID]int64{}
	taken := map[string]bool{}
	for i := range 3 {
		sessions = append(sessions, r.session("alice", "mybot", fmt.Sprint("key ", i)))
	}
	for step := range 800 {
		switch rng.IntN(40) {
		case 0:
			r.reopen()
		case 1:
			r.clock.add(time.Duration(rng.IntN(120)) * time.Second)
		}
		s := sessions[rng.IntN(len(sessions))]
		text := fmt.Sprint("text ", rng.IntN(200))
		var nonce int64
		want := ledger.Fresh
		if rng.IntN(2) == 0 {
			nonce = r.nowMS() + rng.Int64N(1_400_000) - 700_000
			switch {
			case nonce <= last[s.ID]:
				want = ledger.NonceLow
			case nonce < r.nowMS()-600_000:
				want = ledger.NonceBehind
			default:
				last[s.ID] = nonce
			}
		} else if name := s.ID.String() + text; taken[name] {
			want = ledger.DigestSeen
		} else {
			taken[name] = true
		}
		if got := r.try(s, text, nonce); got != want {
			t.Fatalf("step %d: %v, want %v", step, got, want)
		}
	}
	if _, err := r.l.Verify(ctx); err != nil {
		t.Error(err)
	}
}
