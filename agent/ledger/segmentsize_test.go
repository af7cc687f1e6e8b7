package ledger_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"pksa/agent/ledger"
)

// note adds one record with so many bytes of content, in a commit of its own.
func (r *rig) note(size int) {
	r.t.Helper()
	content := make([]byte, size) // it cannot be packed, so that sizes are known
	_, _ = rand.NewChaCha8([32]byte{5}).Read(content)
	_, err := r.l.Append(ctx, ledger.Entry{Type: ledger.RecordEvent, Outcome: "test", Content: content})
	must(r.t, err)
}

// noted makes a trail of records with these sizes, and returns the names of its segments.
func noted(t *testing.T, o ledger.Options, sizes []int) []string {
	r := newRigWith(t, o)
	for i, size := range sizes {
		r.note(size)
		if i%3 == 1 {
			r.reopen() // what was counted before goes on
		}
	}
	must(t, r.l.Close()) // nothing is moved any more
	r.open()
	v, err := r.l.Verify(ctx)
	must(t, err)
	if v.To != uint64(len(sizes)) || len(r.numbers(0)) != len(sizes) {
		t.Errorf("of %d records %v are there", len(sizes), v)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(r.path), "audit")); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return r.segments()
}

// sealedSize is how many bytes a record with so many bytes of content has in the ledger's file.
func sealedSize(t *testing.T, size int) (n uint64) {
	r := newRig(t)
	r.note(size)
	must(t, r.l.Close())
	must(t, ledger.TestingRewrite(r.path, "audit", func(b *bolt.Bucket) error {
		_, value := b.Cursor().First()
		n = uint64(len(value))
		return nil
	}))
	return n
}

// A segment ends before the record that is one too many.
func TestSegmentEndsByNumber(t *testing.T) {
	for n, want := range map[int][]string{
		7: nil, 8: nil, 9: {"000000000001-000000000008"}, 16: {"000000000001-000000000008"},
		17: {"000000000001-000000000008", "000000000009-000000000016"},
	} {
		if got := noted(t, options("test").WithSegment(8), slices.Repeat([]int{5}, n)); !slices.Equal(got, want) {
			t.Errorf("%d records are in %v", n, got)
		}
	}
}

// A segment ends before the record that would take it beyond its bytes.
func TestSegmentEndsByBytes(t *testing.T) {
	const size = 5000
	each := sealedSize(t, size)
	for bytes, want := range map[uint64][]string{
		4*each - 1: {"000000000001-000000000003", "000000000004-000000000006"},
		4 * each:   {"000000000001-000000000004"},
		4*each + 1: {"000000000001-000000000004"},
	} {
		got := noted(t, options("test").WithSegmentBytes(bytes), slices.Repeat([]int{size}, 8))
		if !slices.Equal(got, want) {
			t.Errorf("8 records of %d bytes in segments of %d: %v", each, bytes, got)
		}
	}
	// One more takes the last segment beyond its bytes.
	got := noted(t, options("test").WithSegmentBytes(4*each), slices.Repeat([]int{size}, 9))
	if want := []string{"000000000001-000000000004", "000000000005-000000000008"}; !slices.Equal(got, want) {
		t.Errorf("9 records: %v", got)
	}
}

// A record larger than a segment is one by itself.
func TestRecordLargerThanASegment(t *testing.T) {
	got := noted(t, options("test").WithSegmentBytes(20_000), []int{1, 1, 900_000, 1, 30_000, 40_000, 1})
	want := []string{"000000000001-000000000002", "000000000003-000000000003", "000000000004-000000000004",
		"000000000005-000000000005", "000000000006-000000000006"}
	if !slices.Equal(got, want[:len(got)]) || len(got) < 4 {
		t.Errorf("segments: %v", got)
	}
}

// TestTrailOfAnySizes writes records of random sizes, with restarts, failures and ends of the
// process in between. The trail has all of them, in order and whole, from wherever it is read.
func TestTrailOfAnySizes(t *testing.T) {
	seeds := uint64(6)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 12))
		r := newRigWith(t, options("test").WithSegment(1+rng.Uint64N(12)).WithSegmentBytes(1000+rng.Uint64N(30_000)))
		var fails atomic.Bool
		r.around(func(op string, do func() error) error {
			if op == "writeSegment" && fails.Load() {
				return errInjected
			}
			return do()
		})
		var sizes []int
		for range 120 {
			size := rng.IntN(300)
			if rng.IntN(5) == 0 {
				size = rng.IntN(60_000)
			}
			sizes = append(sizes, size)
			r.note(size)
			switch rng.IntN(12) {
			case 0:
				r.reopen()
			case 1:
				fails.Store(rng.IntN(2) == 0)
			}
		}
		fails.Store(false)
		r.reopen()
		r.note(7) // so that it goes on
		sizes = append(sizes, 7)
		for range 2 {
			for _, from := range []int{1, 2 + rng.IntN(50), 60 + rng.IntN(60), len(sizes)} {
				next := from
				for rec, err := range r.l.Audit(uint64(from)) {
					must(t, err)
					if rec.Number != uint64(next) || len(rec.Content) != sizes[next-1] {
						t.Fatalf("seed %d: record %d of %d bytes, want %d of %d", seed, rec.Number,
							len(rec.Content), next,
							sizes[next-1])
					}
					next++
				}
				if next != len(sizes)+1 {
					t.Errorf("seed %d: from %d on it ends before %d", seed, from, next)
				}
			}
			v, err := r.l.Verify(ctx)
			must(t, err)
			if v != (ledger.Verified{From: 1, To: uint64(len(sizes))}) {
				t.Errorf("seed %d: verified %v", seed, v)
			}
			r.reopen()
		}
	}
}

// Segments beyond audit.max go, the oldest first, and without waiting for the next minute.
func TestRetentionByBytes(t *testing.T) {
	r, _ := long(t) // four segments of eight records
	var sizes []int64
	for i := range 4 {
		info, err := os.Stat(r.segment(i*8 + 1))
		must(t, err)
		sizes = append(sizes, info.Size())
	}
	must(t, r.l.Close())
	whole := r.path
	for name, c := range map[string]struct {
		most int64
		left int
	}{
		"all fit":            {sizes[0] + sizes[1] + sizes[2] + sizes[3], 4},
		"one byte more":      {sizes[0] + sizes[1] + sizes[2] + sizes[3] + 1, 4},
		"one byte too many":  {sizes[0] + sizes[1] + sizes[2] + sizes[3] - 1, 3},
		"two fit":            {sizes[2] + sizes[3], 2},
		"not even the last":  {sizes[3] - 1, 0},
		"any number of them": {0, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := &rig{t: t, o: r.o, path: filepath.Join(t.TempDir(), "ledger.db"), clock: r.clock}
				x.o.Logger, x.o.KeepBytes = nil, c.most
				must(t, os.CopyFS(filepath.Dir(x.path), os.DirFS(filepath.Dir(whole))))
				x.open()
				if all := sizes[0] + sizes[1] + sizes[2] + sizes[3]; x.l.TrailSize() != all {
					t.Errorf("the trail has %d bytes, want %d", x.l.TrailSize(), all)
				}
				time.Sleep(time.Minute + time.Second)
				var left int64
				for _, size := range sizes[4-c.left:] {
					left += size
				}
				if got := x.segments(); len(got) != c.left || x.l.TrailSize() != left {
					t.Errorf("segments: %v, of %d bytes", got, x.l.TrailSize())
				}
				v, err := x.l.Verify(ctx)
				must(t, err)
				if v.From != uint64((4-c.left)*8+1) || v.To != 40 {
					t.Errorf("verified %v", v)
				}
				must(t, x.l.Close())
			})
		})
	}
}

// While many segments come in a minute, the trail stays within its bytes.
func TestRetentionByBytesAtOnce(t *testing.T) {
	o := options("test").WithSegmentBytes(20_000)
	o.KeepBytes = 50_000
	r := newRigWith(t, o)
	for range 60 {
		r.note(4000)
		if size := r.l.TrailSize(); size > o.KeepBytes+21_000 { // one that is new
			t.Fatalf("the trail has %d bytes", size)
		}
	}
	must(t, r.l.Flush(ctx))
	var size int64
	for _, name := range r.segments() {
		info, err := os.Stat(filepath.Join(filepath.Dir(r.path), "audit", name))
		must(t, err)
		size += info.Size()
	}
	if got := r.l.TrailSize(); got != size || size == 0 {
		t.Errorf("the trail has %d bytes, and is said to have %d", size, got)
	}
	v, err := r.l.Verify(ctx)
	must(t, err)
	if v.From < 30 || v.To != 60 {
		t.Errorf("verified %v", v)
	}
}

// asBefore makes of a ledger what a program left that knew format 1 only: each segment is one
// sealed value, and the ledger does not say its format.
func (r *rig) asBefore() {
	r.t.Helper()
	must(r.t, r.l.Close())
	must(r.t, ledger.TestingOldForm(r.path, r.o))
}

// A home that an older program left is read, goes on in the new form, and keeps what it has.
func TestSegmentsOfOlderPrograms(t *testing.T) {
	r, _ := long(t)
	r.asBefore()
	if got := r.segments(); !slices.Equal(got, []string{"000000", "000001", "000002", "000003"}) {
		t.Fatalf("segments: %v", got)
	}
	r.open()
	for n := uint64(40); n <= 60; n++ {
		for from := uint64(1); from <= n; from += 7 {
			if got := r.numbers(from); uint64(len(got)) != n-from+1 || got[0] != from {
				t.Fatalf("of %d records from %d on: %v", n, from, got)
			}
		}
		v, err := r.l.Verify(ctx)
		must(t, err)
		if v != (ledger.Verified{From: 1, To: n}) {
			t.Errorf("verified %v of %d", v, n)
		}
		if n%6 == 0 {
			r.reopen()
		}
		r.note(10)
	}
	got := r.segments()
	if want := []string{"000000", "000001", "000002", "000003", "000000000033-000000000040"}; len(got) < 5 ||
		!slices.Equal(sortedByNumber(got)[:5], want) {
		t.Errorf("segments: %v", got)
	}
}

// sortedByNumber puts names of format 1 before the others.
func sortedByNumber(names []string) []string {
	slices.SortFunc(names, func(a, b string) int {
		return 2*(len(a)-len(b))/max(1, abs(len(a)-len(b))) + strings.Compare(a, b)
	})
	return names
}

func abs(n int) int { return max(n, -n) }

// Segments of an older program show what was done to them, are given up, and are removed when they
// are old.
func TestOldSegmentsAreGuarded(t *testing.T) {
	for name, change := range map[string]func(folder string) error{
		"altered": func(folder string) error {
			b, err := os.ReadFile(folder + "/000001")
			b[100] ^= 1
			return errors.Join(err, os.WriteFile(folder+"/000001", b, 0o600))
		},
		"removed":   func(folder string) error { return os.Remove(folder + "/000001") },
		"exchanged": func(folder string) error { return os.Rename(folder+"/000002", folder+"/000001") },
		"emptied":   func(folder string) error { return os.WriteFile(folder+"/000001", nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := long(t)
			r.asBefore()
			must(t, change(filepath.Join(filepath.Dir(r.path), "audit")))
			r.open()
			_, err := r.l.Verify(ctx)
			wantError(t, err, ledger.ErrDamaged)
			must(t, r.l.Close())
			_, err = ledger.Mend(ctx, r.path, r.o, ledger.Mending{Lose: func([]ledger.Loss) (bool, error) {
				return true, nil
			}})
			must(t, err)
			r.open()
			if _, err = r.l.Verify(ctx); err != nil {
				t.Errorf("mended: %v", err)
			}
			if holes := r.l.Holes(); len(holes) == 0 || holes[0].From != 9 {
				t.Errorf("holes: %+v", holes)
			}
		})
	}
}

func TestOldSegmentsAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := long(t)
		r.asBefore()
		r.keepsTwo("000002", "000003")
	})
}

// What crashes left of segments that were being written goes, also where it is of an older program.
func TestLeftoversOfSegments(t *testing.T) {
	r, _ := long(t)
	folder := filepath.Join(filepath.Dir(r.path), "audit")
	for _, name := range []string{".000001.new-123", ".000000000033-000000000077.new-5", ".000001.new", "x"} {
		must(t, os.WriteFile(filepath.Join(folder, name), bytes.Repeat([]byte{1}, 100), 0o600))
	}
	for range 9 {
		r.note(1)
	}
	must(t, r.l.Close())
	got := r.segments()
	if slices.Contains(got, ".000001.new-123") || slices.Contains(got, ".000000000033-000000000077.new-5") ||
		!slices.Contains(got, ".000001.new") || !slices.Contains(got, "x") {
		t.Errorf("the folder has %v", got)
	}
}

// A crash of an older program may have left segments whose records are in the ledger's file, too.
// Then they are in two segments, and each record is read once.
func TestOldSegmentsBesideTheirRecords(t *testing.T) {
	r := newRigWith(t, options("test").WithSegment(8))
	plain := r.o
	r.around(func(op string, do func() error) error {
		if op == "writeSegment" {
			return errInjected
		}
		return do()
	})
	for range 40 {
		r.note(10)
	}
	must(t, r.l.Close())
	copied, err := os.ReadFile(r.path)
	must(t, err)
	r.o = plain
	r.open()
	for range 6 {
		must(t, r.l.Flush(ctx)) // a segment each
	}
	must(t, r.l.Close())
	must(t, ledger.TestingOldForm(r.path, r.o))
	must(t, os.WriteFile(r.path, copied, 0o600))
	r.open()
	for n := uint64(40); n < 50; n++ {
		for from := uint64(1); from <= n; from += 3 {
			if got := r.numbers(from); uint64(len(got)) != n-from+1 || got[0] != from {
				t.Fatalf("of %d records from %d on: %v", n, from, got)
			}
		}
		v, err := r.l.Verify(ctx)
		must(t, err)
		if v != (ledger.Verified{From: 1, To: n}) {
			t.Errorf("verified %v of %d", v, n)
		}
		r.note(10)
	}
	if got := r.segments(); !slices.Contains(got, "000000") || !slices.Contains(got, "000000000001-000000000008") {
		t.Errorf("segments: %v", got)
	}
}

// While the clock is in doubt nothing can be committed, and no segment is written over and over.
func TestNoSegmentWhileTheClockIsHeld(t *testing.T) {
	r := newRigWith(t, options("test").WithSegment(8))
	var written atomic.Int64
	var fails atomic.Bool
	fails.Store(true)
	held := make(chan struct{})
	r.around(func(op string, do func() error) error {
		if op != "writeSegment" {
			return do()
		}
		written.Add(1)
		if fails.Load() {
			return errInjected
		}
		<-held // the one that an opened ledger begins with
		return do()
	})
	for range 20 {
		r.note(1)
	}
	fails.Store(false)
	r.reopen()
	written.Store(0)
	r.clock.add(1000 * time.Hour)
	_, doubt := r.l.HoldClock(time.Hour)
	close(held)
	if !doubt {
		t.Fatal("the clock is not in doubt")
	}
	for range 3 {
		_, err := r.l.Append(ctx, ledger.Entry{Type: ledger.RecordEvent, Outcome: "test"})
		wantError(t, err, ledger.ErrClock)
	}
	if n := written.Load(); n > 1 {
		t.Errorf("segments were written %d times", n)
	}
	r.l.AgreeClock()
	r.note(1)
	r.note(1)
	must(t, r.l.Flush(ctx))
	if got := r.segments(); len(got) != 2 {
		t.Errorf("segments: %v", got)
	}
}
