package ledger_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"pksa/agent/ledger"
)

func TestTrailThatWasChanged(t *testing.T) {
	for name, change := range map[string]func(*bolt.Bucket) error{
		"altered": func(b *bolt.Bucket) error {
			v := slices.Clone(b.Get(ledger.NumberKey(3)))
			v[40] ^= 1
			return b.Put(ledger.NumberKey(3), v)
		},
		"removed":       func(b *bolt.Bucket) error { return b.Delete(ledger.NumberKey(3)) },
		"first removed": func(b *bolt.Bucket) error { return b.Delete(ledger.NumberKey(1)) },
		"moved": func(b *bolt.Bucket) error {
			x, y := slices.Clone(b.Get(ledger.NumberKey(3))), slices.Clone(b.Get(ledger.NumberKey(4)))
			return errors.Join(b.Put(ledger.NumberKey(3), y), b.Put(ledger.NumberKey(4), x))
		},
		"inserted":    func(b *bolt.Bucket) error { return b.Put(ledger.NumberKey(9), b.Get(ledger.NumberKey(3))) },
		"end cut off": func(b *bolt.Bucket) error { return b.Delete(ledger.NumberKey(6)) },
		"emptied": func(b *bolt.Bucket) error {
			return b.ForEach(func(k,
				_ []byte) error {
				return b.Delete(k)
			})
		},
		"foreign record": func(b *bolt.Bucket) error { return b.Put([]byte("x"), []byte("y")) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.slot("mybot")
			s := r.session("alice", "mybot", "k1")
			for i := range 4 {
				r.try(s, fmt.Sprint(i), 0)
			}
			must(t, r.l.Close())
			must(t, ledger.TestingRewrite(r.path, "audit", change))
			l, err := ledger.Open(r.path, r.o)
			if err == nil {
				must(t, l.Close())
				t.Fatal("it opens")
			}
			if !errors.Is(err, ledger.ErrDamaged) && !errors.Is(err, ledger.ErrRestored) {
				t.Error(err)
			}
			t.Log(err)
		})
	}
}

// TestFlippedBits flips bits all over the file. What opens must be whole.
func TestFlippedBits(t *testing.T) {
	r, s := long(t)
	must(t, r.l.Settle(r.lastNumber(), ledger.Settlement{Outcome: "done", Answer: []byte("yes")}))
	must(t, r.l.Close())
	good, err := os.ReadFile(r.path)
	must(t, err)
	o := r.o
	o.Logger = nil
	rng := rand.New(rand.NewPCG(3, 4))
	// How much of the file is in use differs from run to run, so the flips go on until enough of
	// them have met something.
	refused, tries := 0, 0
	for ; refused < 80 && tries < 2400; tries++ {
		bad := slices.Clone(good)
		bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
		must(t, os.WriteFile(r.path, bad, 0o600))
		l, err := ledger.Open(r.path, o)
		if err != nil {
			if !errors.Is(err, ledger.ErrDamaged) && !errors.Is(err, ledger.ErrOther) {
				t.Error(err)
			}
			refused++
			continue
		}
		if _, err := l.Verify(ctx); err != nil {
			t.Error(err)
		}
		if got, ok := l.Session(s.ID); !ok || got.Digests != 38 {
			t.Errorf("session: %+v", got)
		}
		must(t, l.Close())
	}
	if refused < 80 {
		t.Errorf("only %d of %d refused", refused, tries)
	}
	t.Log("refused", refused, "of", tries)
}

// A charge that reads wrong refuses to open, and is not found when the first request counts.
func TestAlteredCharge(t *testing.T) {
	r, s := long(t)
	for range 10 {
		must(t, r.whole(s, nonces.Add(1)))
	}
	must(t, r.l.Close())
	altered := false
	must(t, ledger.TestingRewrite(r.path, "charges", func(b *bolt.Bucket) error {
		key, value := b.Cursor().First()
		altered = key != nil
		value = slices.Clone(value)
		value[20] ^= 1
		return b.Put(slices.Clone(key), value)
	}))
	if !altered {
		t.Fatal("no charge was gathered")
	}
	_, err := ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrDamaged)
}

func (r *rig) lastNumber() uint64 {
	all := r.numbers(0)
	return all[len(all)-1]
}

// FuzzPages holds the check of pages against bytes of any sort: it must end, and must not panic.
func FuzzPages(f *testing.F) {
	r := newRig(f)
	r.slot("mybot")
	must(f, r.l.Close())
	good, err := os.ReadFile(r.path)
	must(f, err)
	if err := ledger.CheckPages(good); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) { _ = ledger.CheckPages(b) })
}

// TestRecordOfAnotherHistory puts a record in that is sealed for its place, but follows another
// past.
func TestRecordOfAnotherHistory(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	must(t, r.l.Close())
	copied, err := os.ReadFile(r.path)
	must(t, err)
	mark, err := os.ReadFile(strings.TrimSuffix(r.path, ".db") + ".mark")
	must(t, err)
	var foreign []byte
	for _, text := range []string{"one past", "another past"} {
		must(t, os.WriteFile(r.path, copied, 0o600))
		must(t, os.WriteFile(strings.TrimSuffix(r.path, ".db")+".mark", mark, 0o600))
		r.open()
		r.try(s, text, 0)
		r.try(s, "after", 0)
		must(t, r.l.Close())
		must(t, ledger.TestingRewrite(r.path, "audit", func(b *bolt.Bucket) error {
			if foreign != nil {
				return b.Put(ledger.NumberKey(4), foreign)
			}
			foreign = slices.Clone(b.Get(ledger.NumberKey(4)))
			return nil
		}))
	}
	_, err = ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrDamaged)
}

func TestSwappedSessions(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	x, y := ledger.NumberKey(uint64(r.session("alice", "mybot", "k1").ID)),
		ledger.NumberKey(uint64(r.session("bob", "mybot", "k2").ID))
	must(t, r.l.Close())
	must(t, ledger.TestingRewrite(r.path, "sessions", func(b *bolt.Bucket) error {
		first, second := slices.Clone(b.Get(x)), slices.Clone(b.Get(y))
		return errors.Join(b.Put(x, second), b.Put(y, first))
	}))
	_, err := ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrDamaged)
}
