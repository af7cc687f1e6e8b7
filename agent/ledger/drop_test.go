package ledger_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

// dropped is a ledger whose segments leave the bucket in portions, and what each commit did.
type dropped struct {
	*rig
	disk   *ledger.MemDisk
	s      *ledger.Session
	next   int
	judged []string // the requests of which the caller knows that they are

	commit atomic.Pointer[func(do func() error) error] // nil: as the store does
	most   atomic.Int64                                // records that one commit dropped at most
}

// newDropped makes one, with segments of so many records, and with few records to a portion beside
// those for its records. With beside, segments are written while requests go on, as in a wallet.
func newDropped(t *testing.T, segment uint64, few int, beside bool) *dropped {
	x := &dropped{disk: ledger.NewMemDisk()}
	o := options("test").WithSegment(segment).Gathering(few).InMemory(x.disk).Beside(beside)
	x.rig = newRigWith(t, o.Around(func(op string, do func() error) error {
		if op != "commit" {
			return do()
		}
		before := x.count()
		defer func() { x.most.Store(max(x.most.Load(), int64(before-x.count()))) }()
		if commit := x.commit.Load(); commit != nil {
			return (*commit)(do)
		}
		return do()
	}))
	x.slot("mybot")
	x.s = x.session("alice", "mybot", "k1")
	return x
}

func (x *dropped) count() int { return x.disk.Count("audit") }

// request has one judged, whose record is all that is committed for it.
func (x *dropped) request() error {
	x.next++
	text := fmt.Sprint("text ", x.next)
	_, err := x.l.Admit(ctx, x.admission(x.s, text, 0), allowFresh)
	if err == nil {
		x.judged = append(x.judged, text)
	}
	return err
}

// inOrder checks that no record is in two segments or in none, and that it can be read.
func (x *dropped) inOrder(records uint64) {
	x.t.Helper()
	v, err := x.l.Verify(ctx)
	must(x.t, err)
	if v != (ledger.Verified{From: 1, To: records}) {
		x.t.Errorf("verified %v of %d records", v, records)
	}
	next := uint64(1)
	for _, s := range x.l.TestingSegments() {
		if s[0] != next {
			x.t.Errorf("segments: %v", x.l.TestingSegments())
			break
		}
		next = s[1] + 1
	}
	if n := uint64(len(x.numbers(1))); n != records {
		x.t.Errorf("%d of %d records can be read", n, records)
	}
}

// What a commit drops of a written segment depends on what it writes, and not on how large the
// segment is: else requests would wait for it. All the same the bucket shrinks while requests come
// without a pause, and when they end it is emptied.
func TestDropInPortions(t *testing.T) {
	const segment, few = 64, 4
	synctest.Test(t, func(t *testing.T) {
		// In turn: else it is the machine that decides how many records wait for their segment.
		x := newDropped(t, segment, few, false)
		highest := 0
		for range 6 * segment {
			must(t, x.request())
			highest = max(highest, x.count())
		}
		if most := x.most.Load(); most > few+4 {
			t.Errorf("one commit dropped %d records", most)
		}
		if highest > 3*segment {
			t.Errorf("%d records in the bucket", highest)
		}
		time.Sleep(10 * time.Second)
		if n, most := x.count(), x.most.Load(); n > 2*segment || most > few+4 {
			t.Errorf("%d records in the bucket when nothing is to be done, dropped %d at once", n, most)
		}
		x.inOrder(6*segment + 2)
	})
}

// The process ends at each commit of a life in which segments are dropped over many commits, before
// and after it; or that commit fails, and the process goes on. No record is lost then, none is in
// two segments, and no request counts as new.
func TestKilledWhileDropping(t *testing.T) {
	const segment = 16
	commits, first := 0, 0
	synctest.Test(t, func(t *testing.T) {
		x := newDropped(t, segment, 1, true)
		x.commits(func(do func() error) error {
			if commits++; first == 0 && x.most.Load() > 0 {
				first = commits - 3 // about the one that drops the first records
			}
			return do()
		})
		x.live()
		n := len(x.l.TestingSegments())
		must(t, x.l.Close())
		if most := x.most.Load(); n < 1 || commits-first < 5 || most > 1+4 {
			t.Errorf("%d segments, %d records dropped at once", n, most)
		}
	})
	for at := first; at < commits; at++ {
		for _, last := range []fate{lost, unheard} {
			for _, goesOn := range []bool{false, true} {
				t.Run(fmt.Sprint(at, " ", last, ", goes on ", goesOn), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						x := newDropped(t, segment, 1, true)
						x.commits(failingAt(at, last, goesOn))
						x.live()
						x.goOn(goesOn)
						x.afterwards(segment)
					})
				})
			}
		}
	}
}

func (x *dropped) commits(f func(do func() error) error) { x.commit.Store(&f) }

// live lets some requests come, and time pass.
func (x *dropped) live() {
	for range 26 {
		_ = x.request()
	}
	time.Sleep(10 * time.Second)
}

// goOn ends the failures, and the process with them unless it goes on.
func (x *dropped) goOn(goesOn bool) {
	x.t.Helper()
	if goesOn {
		x.commit.Store(nil)
		return
	}
	x.disk.PowerCut()
	_ = x.l.Close() // nothing of it gets to the disk any more
	x.commit.Store(nil)
	x.open()
}

// failingAt fails one commit, and all that follow unless the process goes on.
func failingAt(at int, last fate, goesOn bool) func(do func() error) error {
	met := 0
	return func(do func() error) error {
		met++
		switch {
		case met <= at, met > at+1 && goesOn:
			return do()
		case met == at+1 && last == unheard:
			if err := do(); err != nil {
				return err
			}
		}
		return errInjected
	}
}

// afterwards lets more requests come, and looks at the trail when all is done.
func (x *dropped) afterwards(requests int) {
	x.t.Helper()
	for range requests {
		must(x.t, x.request())
	}
	time.Sleep(2 * time.Minute)
	must(x.t, x.l.Flush(ctx))
	synctest.Wait()
	if n := x.count(); n > 2*16 {
		x.t.Errorf("%d records in the bucket", n)
	}
	last, _ := x.l.Head()
	x.inOrder(last)
	for _, text := range x.judged {
		if got := x.try(x.s, text, 0); got != ledger.DigestSeen {
			x.t.Errorf("%s: %v", text, got)
		}
	}
}

// A segment that was dropped in part is believed only if it holds what is left of it: of one that
// was altered since, no further record leaves the ledger's file but to a segment of its own.
func TestHalfDroppedSegmentIsRead(t *testing.T) {
	for _, altered := range []bool{false, true} {
		t.Run(fmt.Sprint("altered ", altered), func(t *testing.T) { resume(t, altered) })
	}
}

func resume(t *testing.T, altered bool) {
	const segment = 64
	r := newRigWith(t, options("test").WithSegment(segment).Gathering(4))
	plain, written, commits := r.o, false, 0
	r.around(func(op string, do func() error) error {
		if op == "commit" && written {
			if commits++; commits > 3 {
				return errInjected
			}
		}
		written = written || op == "writeSegment"
		return do()
	})
	for range 2 * segment {
		if _, err := r.l.Append(ctx, ledger.Entry{Type: ledger.RecordEvent, Outcome: "test"}); err != nil {
			break
		}
	}
	_ = r.l.Close()
	names := r.segments()
	if len(names) != 1 {
		t.Fatalf("segments: %v", names)
	}
	if path := filepath.Join(filepath.Dir(r.path), "audit", names[0]); altered {
		b, err := os.ReadFile(path)
		must(t, err)
		b[len(b)/2] ^= 1
		must(t, os.WriteFile(path, b, 0o600))
	}
	r.o = plain
	r.open()
	left := r.l.TestingCount("audit")
	r.note(1)
	must(t, r.l.Close())
	r.open()
	switch now := r.l.TestingCount("audit"); {
	case altered && now <= left:
		t.Errorf("%d records in the ledger's file, %d before the segment was altered", now, left)
	case !altered && (now > left-segment/2 || !slices.Equal(r.segments(), names)):
		t.Errorf("%d records in the ledger's file, %d before; segments %v", now, left, r.segments())
	}
	for range 2 * segment {
		r.note(1)
	}
	if n := r.l.TestingCount("audit"); n > 2*segment || r.l.Backlog() != nil {
		t.Errorf("later %d records in the ledger's file: %v", n, r.l.Backlog())
	}
	_, err := r.l.Verify(ctx)
	if altered {
		wantError(t, err, ledger.ErrDamaged)
		return
	}
	must(t, err)
}
