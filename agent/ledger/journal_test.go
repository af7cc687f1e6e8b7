package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// numberedCommit is a commit that takes the pages of a frame; zero: a few bytes. All of it has one
// number, so a part of it would show.
func numberedCommit(n, pages int) []edit {
	value := fmt.Sprint(n, strings.Repeat("x", pages*framePage/2))
	return []edit{put(bucketSlots, "a", value), put(bucketDigests+"/x", fmt.Sprint(n), ""),
		put(bucketSlots, "b", value)}
}

// numberIn returns the number of the last commit that a store shows: zero if it shows none. All
// commits before it must be there.
func numberIn(t *testing.T, s *boltStore) (n int) {
	t.Helper()
	list, _, err := s.list(bucketSlots, nil, 9)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		return 0
	}
	if len(list) != 2 || !bytes.Equal(list[0].value, list[1].value) {
		t.Fatalf("it shows a part of a commit: %d pairs", len(list))
	}
	if _, err := fmt.Sscan(strings.TrimRight(string(list[0].value), "x"), &n); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, found, err := s.get(bucketDigests+"/x", []byte(fmt.Sprint(i+1))); err != nil || !found {
			t.Fatalf("commit %d is not there: %v", i+1, err)
		}
	}
	return n
}

func journalShelf(t *testing.T, size int64) (*shelf, *boltStore) {
	s := &shelf{t, withJournal(size)(t)}
	return s, s.made().(*boltStore)
}

func mustCommit(t *testing.T, s *boltStore, n, pages int) {
	t.Helper()
	if err := s.commit(numberedCommit(n, pages)); err != nil {
		t.Fatal(err)
	}
}

func contentOf(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// numberAfter opens a file with this content, as after a power cut, and returns the number of the
// last commit, also after another one.
func numberAfter(t *testing.T, content []byte) (int, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newJournalStore(path, 1)
	defer s.close()
	if err := s.open(); err != nil {
		return 0, err
	}
	n := numberIn(t, s)
	if err := s.secure(); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, n+1, 0)
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	if got := numberIn(t, s); got != n+1 {
		t.Fatalf("after commit %d it shows %d", n+1, got)
	}
	return n, nil
}

// A power cut leaves any of the pages that were not synced yet: the commit is there or not, and
// none before it is lost.
func TestJournalIsTorn(t *testing.T) {
	_, s := journalShelf(t, 16*framePage)
	mustCommit(t, s, 1, 1)
	mustCommit(t, s, 2, 0)
	before, used := contentOf(t, s.path), s.journal.used
	mustCommit(t, s, 3, 3)
	after, pages := contentOf(t, s.path), int((s.journal.used-used)/framePage)
	if pages < 4 || len(before) != len(after) {
		t.Fatalf("the last commit has %d pages", pages)
	}
	begin := s.journal.area.begin + used
	for some := range 1 << pages {
		torn := slices.Clone(before)
		for i := range pages {
			if some>>i&1 == 1 {
				at := begin + int64(i)*framePage
				copy(torn[at:at+framePage], after[at:])
			}
		}
		want := 2
		if some == 1<<pages-1 {
			want = 3
		}
		if n, err := numberAfter(t, torn); err != nil || n != want {
			t.Errorf("with pages %b commit %d is the last one, %v", some, n, err)
		}
	}
}

// What was durable and reads wrong later is told, and never passes for what was not durable.
func TestJournalRots(t *testing.T) {
	_, s := journalShelf(t, 16*framePage)
	for i := range 3 {
		mustCommit(t, s, i+1, 1)
	}
	whole := contentOf(t, s.path)
	begin := int(s.journal.area.begin)
	for range 2 { // the last one cannot be told from one that was cut off
		length := frameHead + int(binary.BigEndian.Uint32(whole[begin+frameHead-4:]))
		for at := begin; at < begin+length; at += 401 {
			rotten := slices.Clone(whole)
			rotten[at] ^= 4
			if n, err := numberAfter(t, rotten); !errors.Is(err, ErrDamaged) {
				t.Fatalf("with byte %d wrong commit %d is the last one, %v", at-begin, n, err)
			}
		}
		begin += int(wholePages(int64(length)))
	}
}

// bbolt goes back to the page before when the one that is in force reads wrong. What the journal
// had at that time is overwritten by then.
func TestPagesOlderThanJournal(t *testing.T) {
	_, s := journalShelf(t, 4*framePage)
	mustCommit(t, s, 1, 0)
	if err := s.takeOver(); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, 2, 0)
	if err := s.takeOver(); err != nil {
		t.Fatal(err)
	}
	// Nothing was written in the new turn: the old one is whole.
	older := spoilNewest(t, contentOf(t, s.path))
	if n, err := numberAfter(t, older); n != 2 || err != nil {
		t.Errorf("commit %d is the last one, %v", n, err)
	}
	mustCommit(t, s, 3, 0)
	if n, err := numberAfter(t, contentOf(t, s.path)); n != 3 || err != nil {
		t.Errorf("commit %d is the last one, %v", n, err)
	}
	if n, err := numberAfter(t, spoilNewest(t, contentOf(t, s.path))); !errors.Is(err, ErrDamaged) {
		t.Errorf("commit %d passes for the last one, %v", n, err)
	}
}

// spoilNewest makes the page of bbolt that is in force read wrong.
func spoilNewest(t *testing.T, content []byte) []byte {
	t.Helper()
	_, c, ok := newestMeta(bytes.NewReader(content))
	if !ok {
		t.Fatal("no page is in force")
	}
	first := order.Uint64(content[pageHeader+48:])
	at := pageHeader
	if second := order.Uint64(content[int(c.size)+pageHeader+48:]); second > first {
		at += int(c.size)
	}
	spoiled := slices.Clone(content)
	spoiled[at+56] ^= 1
	return spoiled
}

// Whatever is written, a store with a journal reads as one without.
func TestJournalReadsAsPages(t *testing.T) {
	s, at := journalShelf(t, 4*framePage)
	random := rand.New(rand.NewPCG(1, 2))
	model := map[bucket]map[string][]byte{}
	buckets := []bucket{bucketSlots, bucketAudit, bucketDigests + "/x", bucketDigests + "/y"}
	key := func() []byte { return []byte(fmt.Sprintf("%02d", random.IntN(20))) }
	for step := range 600 {
		var edits []edit
		for range 1 + random.IntN(5) {
			switch b := buckets[random.IntN(len(buckets))]; random.IntN(12) {
			case 0:
				edits = append(edits, drop(b))
			case 1, 2, 3:
				edits = append(edits, edit{act: actDelete, bucket: b, key: key()})
			default:
				edits = append(edits, edit{actPut, b, key(), []byte(fmt.Sprint(step)[:random.IntN(2)])})
			}
		}
		s.must(at.commit(edits))
		var err error
		model, err = edited(model, edits)
		s.must(err)
		switch random.IntN(25) {
		case 0:
			s.must(at.takeOver())
		case 1:
			at = s.reopened(at).(*boltStore)
		case 2: // as after a kill
			at.secured = false
			at = s.reopened(at).(*boltStore)
		case 3:
			at.failed = true
			s.must(at.secure())
		}
		for _, b := range buckets {
			from, most := key(), 1+random.IntN(20)
			list, more, err := at.list(b, from, most)
			s.must(err)
			var got, want []string
			for _, p := range list {
				got = append(got, string(p.key)+"="+string(p.value))
			}
			for _, k := range slices.Sorted(maps.Keys(model[b])) {
				if k >= string(from) {
					want = append(want, k+"="+string(model[b][k]))
				}
			}
			if more != (len(want) > most) || !slices.Equal(got, want[:min(most, len(want))]) {
				t.Fatalf("step %d: %s from %s on, %d at most: %q, more %v, want %q", step, b, from, most, got, more,
					want)
			}
			k := key()
			value, found, err := at.get(b, k)
			s.must(err)
			if v, there := model[b][string(k)]; found != there || !bytes.Equal(v, value) {
				t.Fatalf("step %d: %s %s is %q, %v, want %q, %v", step, b, k, value, found, v, there)
			}
		}
	}
}

// A commit that was written and not synced is not told, and not shown, until the file is secured.
func TestJournalThatDoesNotSync(t *testing.T) {
	s, at := journalShelf(t, 16*framePage)
	mustCommit(t, at, 1, 0)
	failing := errors.New("disk is away")
	at.sync = func(*bolt.DB) error { return failing }
	s.want(at.commit(numberedCommit(2, 0)), failing)
	if n := numberIn(t, at); n != 1 {
		t.Errorf("commit %d is the last one", n)
	}
	s.want(at.commit(numberedCommit(3, 0)), ErrUnavailable)
	// The kernel may show what it will never write: all of it goes to another file.
	inode, err := at.file.Stat()
	s.must(err)
	s.must(at.open())
	at.sync = (*bolt.DB).Sync
	s.want(at.commit(numberedCommit(3, 0)), ErrUnavailable)
	s.must(at.secure())
	if now, err := os.Stat(at.path); err != nil || os.SameFile(inode, now) {
		t.Errorf("the file was not rewritten: %v", err)
	}
	n := numberIn(t, at)
	if !at.journal.over.empty() {
		t.Error("the journal was not taken over")
	}
	mustCommit(t, at, n+1, 0)
	if at.journal.used == 0 {
		t.Error("a rewritten file has no journal")
	}
	at = s.reopened(at).(*boltStore)
	if got := numberIn(t, at); got != n+1 {
		t.Errorf("commit %d is the last one, want %d", got, n+1)
	}
}

// A copy shows the state of one moment, whatever is committed meanwhile.
func TestCopyOfJournal(t *testing.T) {
	_, s := journalShelf(t, 4*framePage)
	mustCommit(t, s, 1, 0)
	done, ended := make(chan struct{}), make(chan int)
	go func() {
		n := 1
		for {
			select {
			case <-done:
				ended <- n
				return
			default:
				n++
				if err := s.commit(numberedCommit(n, n%3)); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	least := 1
	for i := range 20 {
		path := filepath.Join(t.TempDir(), fmt.Sprint("copy", i))
		if err := s.copyTo(path); err != nil {
			t.Fatal(err)
		}
		n, err := numberAfter(t, contentOf(t, path))
		if err != nil || n < least {
			t.Errorf("commit %d is the last one in a copy, after %d: %v", n, least, err)
		}
		least = n
	}
	close(done)
	if n := <-ended; n < least {
		t.Errorf("of %d commits a copy has %d", n, least)
	}
}

// A file gets its journal at work, and large commits do not go through it.
func TestJournalOfABusyStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	s := &shelf{t, func() store {
		at := newJournalStore(path, 8*framePage)
		at.journalAfter = 3
		return at
	}}
	at := s.made().(*boltStore)
	for i := range 3 {
		mustCommit(t, at, i+1, 0)
	}
	if at.journal.area.size != 0 {
		t.Error("a store at rest has a journal")
	}
	mustCommit(t, at, 4, 0)
	if at.journal.area.size != 8*framePage || at.journal.used != framePage {
		t.Fatalf("the journal has %d bytes, and %d are used", at.journal.area.size, at.journal.used)
	}
	n := 4
	for range 20 {
		n++
		mustCommit(t, at, n, 5)
	}
	if !at.journal.over.empty() {
		t.Error("large commits go through the journal")
	}
	for range 20 {
		n++
		mustCommit(t, at, n, 0)
	}
	if at.journal.over.empty() {
		t.Error("small commits do not go through the journal after large ones")
	}
	// Of a bucket with others in it, bbolt drops these too.
	if s.must(at.commit([]edit{drop(bucketSessions)})); !at.journal.over.empty() {
		t.Error("a bucket is dropped in the journal")
	}
	mustCommit(t, at, n, 0)
	at = s.reopened(at).(*boltStore)
	if got := numberIn(t, at); got != n || at.journal.area.size != 8*framePage || !at.journal.over.empty() {
		t.Errorf("commit %d is the last one, want %d; the journal has %d bytes, and something in it: %v", got, n,
			at.journal.area.size, !at.journal.over.empty())
	}
}

// The journal holds what fills its area. The next commit begins a turn, and one that is larger than
// the area goes past it.
func TestJournalIsFull(t *testing.T) {
	_, s := journalShelf(t, 4*framePage)
	for n := 1; n <= 5; n++ {
		mustCommit(t, s, n, 0)
		if want := int64((n-1)%4 + 1); s.journal.used != want*framePage || len(s.journal.over.buckets) != 2 {
			t.Errorf("after %d commits of a page %d bytes are used", n, s.journal.used)
		}
	}
	// A value that leaves no byte of the area, and one that is a byte longer.
	spare := 4*framePage - frameHead - len("\x01\x01\x05slots\x01k\x80\x01")
	for more, want := range []int64{4 * framePage, 0} {
		if err := s.commit([]edit{put(bucketSlots, "k", strings.Repeat("x", spare+more))}); err != nil {
			t.Fatal(err)
		}
		if s.journal.used != want {
			t.Errorf("with %d bytes more than fit %d bytes are used, want %d", more, s.journal.used, want)
		}
		if v, _, err := s.get(bucketSlots, []byte("k")); len(v) != spare+more || err != nil {
			t.Errorf("a value of %d bytes has %d, %v", spare+more, len(v), err)
		}
	}
}

// fuzzArea is an area in memory.
type fuzzArea struct{ *bytes.Reader }

func (fuzzArea) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }

func readArea(b []byte) (*journal, error) {
	j := &journal{area: area{file: fuzzArea{bytes.NewReader(b)}, size: int64(len(b)) / framePage * framePage},
		turn: turn{7: 1}}
	return j, j.read()
}

// FuzzJournal reads what a file may hold. What is read makes the same frame again.
func FuzzJournal(f *testing.F) {
	j := journal{turn: turn{7: 1}}
	frame, _ := j.frame([]edit{put(bucketSlots, "a", "1"), del(bucketSlots, "b"), drop(bucketDigests + "/x")})
	f.Add(frame[frameHead:])
	f.Add([]byte{0})
	f.Add([]byte{1, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = readArea(append(slices.Clone(b), make([]byte, framePage)...))
		edits, err := decodeEdits(b)
		if err != nil {
			return
		}
		j := journal{turn: turn{7: 1}}
		frame, own := j.frame(edits)
		if !bytes.Equal(frame[frameHead:], b) {
			t.Errorf("%x is written as %x", b, frame[frameHead:])
		}
		read, err := readArea(append(frame, make([]byte, 2*framePage)...))
		var want overlay
		want.apply(own)
		if err != nil || read.count != 1 || fmt.Sprint(read.over.edits()) != fmt.Sprint(want.edits()) {
			t.Errorf("%x is read as %d frames, %v", b, read.count, err)
		}
	})
}
