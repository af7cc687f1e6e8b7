package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pksa/agent/ledger/pg"
	"pksa/keystore/durable"
)

// TestStores runs the contract of a store over every implementation.
func TestStores(t *testing.T) {
	for name, place := range map[string]func(t *testing.T) func() store{
		"bbolt": func(t *testing.T) func() store {
			path := filepath.Join(t.TempDir(), "ledger.db")
			return func() store { return newBoltStore(path, durable.System(), 8) }
		},
		"bbolt with a journal":      withJournal(64 << 10),
		"bbolt with a tiny journal": withJournal(framePage),
		"memory": func(*testing.T) func() store {
			disk := newMemDisk()
			return func() store { return &memStore{disk: disk} }
		},
		"faulty without faults": func(*testing.T) func() store {
			disk := newMemDisk()
			through := func(_ string, do func() error) error { return do() }
			return func() store { return &faultyStore{under: &memStore{disk: disk}, around: through} }
		},
	} {
		t.Run(name, func(t *testing.T) {
			for name, test := range contract {
				t.Run(name, func(t *testing.T) { test(&shelf{t, place(t)}) })
			}
		})
	}
}

// withJournal makes stores in a file that has a journal of so many bytes from its first commit on.
func withJournal(size int64) func(t *testing.T) func() store {
	return func(t *testing.T) func() store {
		path := filepath.Join(t.TempDir(), "ledger.db")
		return func() store { return newJournalStore(path, size) }
	}
}

func newJournalStore(path string, size int64) *boltStore {
	s := newBoltStore(path, durable.System(), 8)
	s.journalAfter, s.journalSize = 0, size
	return s
}

// shelf is a place for a store, and the test that tries it.
type shelf struct {
	*testing.T
	at func() store // a store that is not open, as another process would have it
}

func (s *shelf) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shelf) want(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("error is %v, want %v", err, want)
	}
}

// made creates a store and opens it.
func (s *shelf) made() store {
	s.Helper()
	at := s.at()
	s.must(at.create(nil, func() error { return nil }))
	return s.opened(at)
}

func (s *shelf) opened(at store) store {
	s.Helper()
	s.must(at.open())
	s.must(at.secure())
	s.Cleanup(func() { _ = at.close() })
	return at
}

// reopened closes a store and opens it as another process would.
func (s *shelf) reopened(at store) store {
	s.Helper()
	s.must(at.close())
	return s.opened(s.at())
}

// holds expects these pairs, "key=value", in a bucket.
func (s *shelf) holds(at store, b bucket, want ...string) {
	s.Helper()
	list, more, err := at.list(b, nil, 1000)
	s.must(err)
	if more {
		s.Errorf("%s holds more than it shows", b)
	}
	var got []string
	for _, p := range list {
		got = append(got, string(p.key)+"="+string(p.value))
		value, found, err := at.get(b, p.key)
		s.must(err)
		if !found || !bytes.Equal(value, p.value) {
			s.Errorf("%q: listed as %q, read as %q, %v", p.key, p.value, value, found)
		}
	}
	if !slices.Equal(got, want) {
		s.Errorf("%s holds %q, want %q", b, got, want)
	}
}

func put(b bucket, key, value string) edit { return edit{actPut, b, []byte(key), []byte(value)} }
func del(b bucket, key string) edit        { return edit{actDelete, b, []byte(key), nil} }
func drop(b bucket) edit                   { return edit{act: actDrop, bucket: b} }

var contract = map[string]func(*shelf){
	"create":          contractCreate,
	"order":           contractOrder,
	"edits":           contractEdits,
	"nested":          contractNested,
	"values":          contractValues,
	"list bytes":      contractListBytes,
	"many":            contractMany,
	"atomicity":       contractAtomicity,
	"slices":          contractSlices,
	"reopen":          contractReopen,
	"lock":            contractLock,
	"not open":        contractNotOpen,
	"concurrency":     contractConcurrency,
	"segments":        contractSegments,
	"old segments":    contractOldSegments,
	"retired segment": contractRetired,
	"retire":          contractRetire,
}

func contractCreate(s *shelf) {
	at := s.at()
	s.want(at.open(), ErrMissing)
	s.want(at.create(nil, func() error { return errInjected }), errInjected)
	s.want(at.open(), ErrMissing) // it was not ready
	s.must(at.create([]edit{put(bucketMeta, "id", "x")}, func() error { return nil }))
	s.want(s.at().create(nil, func() error { s.Error("ready over another store"); return nil }), ErrExists)
	s.opened(at)
	s.holds(at, bucketMeta, "id=x")
	for _, b := range allBuckets[1:] {
		s.holds(at, b)
	}
}

func contractOrder(s *shelf) {
	at := s.made()
	keys := []string{"b", "a\xff", "a", "\x00", "\xff", "a\x00", "ab", "\xff\x00", "c/d"}
	var edits []edit
	for _, key := range keys {
		edits = append(edits, put(bucketSlots, key, "v"), put(bucketKeys, "other "+key, "w"))
	}
	s.must(at.commit(edits))
	slices.Sort(keys)
	for _, from := range append([]string{"", "\x00\x00", "aa", "zz", "\xff\xff"}, keys...) {
		for most := range len(keys) + 2 {
			list, more, err := at.list(bucketSlots, []byte(from), most)
			s.must(err)
			at, _ := slices.BinarySearch(keys, from)
			want := keys[at:min(at+most, len(keys))]
			if !slices.EqualFunc(list, want, func(p pair, key string) bool { return string(p.key) == key }) {
				s.Errorf("%d from %q on are %q, want %q", most, from, list, want)
			}
			if more != (len(want) < len(keys[at:])) {
				s.Errorf("%d from %q on: more %v", most, from, more)
			}
		}
	}
}

func contractEdits(s *shelf) {
	at := s.made()
	s.must(at.commit([]edit{put(bucketSlots, "a", "1"), put(bucketSlots, "b", "1"), put(bucketSlots, "c", "1")}))
	s.must(at.commit([]edit{
		put(bucketSlots, "a", "2"), del(bucketSlots, "b"), del(bucketSlots, "none"), put(bucketSlots, "d", "2"),
		put(bucketSlots, "e", "2"), del(bucketSlots, "e"), del(bucketSlots, "c"), put(bucketSlots, "c", "2"),
	}))
	s.holds(at, bucketSlots, "a=2", "c=2", "d=2")
	s.must(at.commit(nil))
	s.holds(at, bucketSlots, "a=2", "c=2", "d=2")
	s.must(at.commit([]edit{drop(bucketSlots), drop(bucketKeys), put(bucketSlots, "f", "3")}))
	s.holds(at, bucketSlots, "f=3")
	s.holds(at, bucketKeys)
	s.holds(s.reopened(at), bucketSlots, "f=3")
}

func contractNested(s *shelf) {
	at := s.made()
	x, y, slash := bucketDigests+"/x", bucketDigests+"/y\x00\xff", bucketDigests+"/x/z"
	s.must(at.commit([]edit{del(x, "none"), drop(y)}))
	s.must(at.commit([]edit{put(x, "a", "1"), put(y, "a", "2"), put(slash, "a", "3"), put(x, "b", "1")}))
	s.holds(at, x, "a=1", "b=1")
	s.holds(at, y, "a=2")
	s.holds(at, slash, "a=3")
	s.holds(at, bucketDigests)
	s.must(at.commit([]edit{drop(x), put(x, "c", "4"), drop(y)}))
	at = s.reopened(at)
	s.holds(at, x, "c=4")
	s.holds(at, y)
	s.holds(at, slash, "a=3")
}

func contractValues(s *shelf) {
	at := s.made()
	large := strings.Repeat("large ", 1<<18)
	s.must(at.commit([]edit{put(bucketSlots, "empty", ""), put(bucketSlots, "large", large),
		{actPut, bucketSlots, []byte("nil"), nil}}))
	for range 2 {
		for key, want := range map[string]string{"empty": "", "nil": "", "large": large} {
			value, found, err := at.get(bucketSlots, []byte(key))
			s.must(err)
			if !found || string(value) != want {
				s.Errorf("%s has %d bytes, found %v", key, len(value), found)
			}
		}
		list, more, err := at.list(bucketSlots, nil, 9)
		if s.must(err); len(list) != 2 || !more { // the large one ends it
			s.Errorf("listed %d, more %v", len(list), more)
		}
		value, found, err := at.get(bucketSlots, []byte("none"))
		s.must(err)
		if found || len(value) != 0 {
			s.Errorf("what is not there is %q", value)
		}
		at = s.reopened(at)
	}
	var many []edit
	for i := range 10_000 {
		many = append(many, put(bucketAudit, fmt.Sprintf("%05d", i), "some value"))
	}
	s.must(at.commit(many))
	list, more, err := at.list(bucketAudit, []byte("05000"), 20_000)
	s.must(err)
	if len(list) != 5000 || more {
		s.Errorf("%d of 5,000 pairs, more %v", len(list), more)
	}
}

// contractListBytes lists values of about as many bytes as end a list.
func contractListBytes(s *shelf) {
	at := s.made()
	for size, want := range map[int]int{listBytes - 1: 2, listBytes: 1, listBytes + 1: 1} {
		s.must(at.commit([]edit{put(bucketSlots, "a", strings.Repeat("a", size)), put(bucketSlots, "b", "b"),
			put(bucketSlots, "c", "c")}))
		var keys []string
		list, more, err := at.list(bucketSlots, nil, 9)
		s.must(err)
		if len(list) != want || !more {
			s.Errorf("behind a value of %d bytes the list has %d, more %v", size, len(list), more)
		}
		for p, err := range scan(at, bucketSlots, nil) {
			s.must(err)
			keys = append(keys, string(p.key))
		}
		if !slices.Equal(keys, []string{"a", "b", "c"}) {
			s.Errorf("behind a value of %d bytes a scan finds %q", size, keys)
		}
	}
}

// contractMany reads many names at once: twice the same, some that are not there, of several
// buckets.
func contractMany(s *shelf) {
	at := s.made()
	x, y := bucketDigests+"/x", bucketDigests+"/y"
	s.must(at.commit([]edit{put(bucketSlots, "a", "1"), put(bucketSlots, "b", ""), put(bucketKeys, "a", "2"),
		put(x, "a\x00\xff", "3"), put(y, "b", "4"), put(y, "c", "5"), put(bucketSlots, "large",
			strings.Repeat("l", listBytes-3)), put(bucketSlots, "end", "ee")}))
	s.must(at.commit([]edit{drop(y), put(y, "c", "6"), del(bucketKeys, "none"), put(bucketKeys, "gone", "7")}))
	s.must(at.commit([]edit{del(bucketKeys, "gone")}))
	names := func(pairs ...string) (all []name) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, name{bucket(pairs[i]), []byte(pairs[i+1])})
		}
		return all
	}
	want := func(at store, all []name, want ...string) {
		s.Helper()
		results, err := at.getMany(all)
		s.must(err)
		var texts []string
		for i, r := range results {
			value, found, err := at.get(all[i].bucket, all[i].key)
			s.must(err)
			if found != r.found || !bytes.Equal(value, r.value) {
				s.Errorf("%q in %q is %q, %v among many, and %q, %v alone", all[i].key, all[i].bucket, r.value,
					r.found, value, found)
			}
			text := "none"
			if r.found {
				text = string(r.value[:min(len(r.value), 3)])
			}
			texts = append(texts, text)
		}
		if !slices.Equal(texts, want) {
			s.Errorf("read %q, want %q", texts, want)
		}
	}
	for range 2 {
		want(at, nil)
		want(at, names("slots", "b", "authkeys", "a", "slots", "a", "slots", "c", string(x), "a\x00\xff",
			string(y), "b", string(y), "c", "digests/z", "c", "slots", "b", "authkeys", "gone", "authkeys", "none",
			"slots", "a"),
			"", "2", "1", "none", "3", "none", "6", "none", "", "none", "none", "1")
		// The bytes of values end what is returned, when they are many enough, and not before.
		want(at, names("slots", "large", "slots", "a", "slots", "b", "slots", "none", "slots", "a", "slots", "b",
			"slots", "end"), "lll", "1", "", "none", "1", "", "ee")
		want(at, names("slots", "large", "slots", "a", "slots", "end", "slots", "a"), "lll", "1", "ee")
		want(at, names("slots", "large", "slots", "large", "slots", "a"), "lll", "lll")
		at = s.reopened(at)
	}
	many := make([]name, 5000)
	for i := range many {
		many[i] = name{bucketSlots, fmt.Append(nil, i)}
	}
	results, err := at.getMany(many)
	if s.must(err); len(results) != len(many) {
		s.Errorf("%d of 5,000 names were read", len(results))
	}
	many[0].key[0] = 'x'
	results, err = at.getMany(names("slots", "a", "slots", "b"))
	s.must(err)
	copy(results[0].value, "y")
	want(at, names("slots", "a"), "1")
	s.must(at.close())
	if _, err := at.getMany(many[:1]); err == nil {
		s.Error("a closed store is read")
	}
}

// contractAtomicity lets the last edit of a commit be an impossible one.
func contractAtomicity(s *shelf) {
	at := s.made()
	s.must(at.commit([]edit{put(bucketSlots, "a", "1")}))
	bad := []edit{put(bucketSlots, "a", "2"), put(bucketDigests+"/x", "b", "2"), drop(bucketMeta), {act: actPut,
		bucket: bucketSlots}}
	if at.commit(bad) == nil {
		s.Fatal("a commit without a key succeeded")
	}
	if at.commit([]edit{put(bucketSlots, "c", "3")}) == nil {
		s.Error("a commit succeeded before the store was opened again")
	}
	s.must(at.open())
	if at.commit([]edit{put(bucketSlots, "d", "3")}) == nil {
		s.Error("a commit succeeded before what was read was secured")
	}
	s.must(at.open())
	s.must(at.secure())
	for range 2 {
		s.holds(at, bucketSlots, "a=1")
		s.holds(at, bucketDigests+"/x")
		at = s.reopened(at)
	}
	s.must(at.commit([]edit{put(bucketSlots, "e", "4")}))
	s.holds(at, bucketSlots, "a=1", "e=4")
}

func contractSlices(s *shelf) {
	at := s.made()
	e, content := put(bucketSlots, "key", "value"), []byte("content")
	s.must(at.commit([]edit{e}))
	s.must(at.writeSegment(numbered(1), parts(content)))
	copy(e.key, "xxx")
	copy(e.value, "xxxxx")
	copy(content, "xxxxxxx")
	for range 2 {
		s.holds(at, bucketSlots, "key=value")
		list, _, err := at.list(bucketSlots, nil, 1)
		s.must(err)
		value, _, err := at.get(bucketSlots, []byte("key"))
		s.must(err)
		segment, err := at.readSegment(numbered(1), 0, 100)
		s.must(err)
		if string(segment) != "content" {
			s.Errorf("segment is %q", segment)
		}
		for _, b := range [][]byte{list[0].key, list[0].value, value, segment} {
			copy(b, "yyyyyyy")
		}
	}
}

func contractReopen(s *shelf) {
	at := s.made()
	s.must(at.commit([]edit{put(bucketSlots, "a", "1")}))
	s.must(at.open()) // while it is open
	s.must(at.secure())
	s.holds(at, bucketSlots, "a=1")
	s.must(at.commit([]edit{put(bucketSlots, "b", "2")}))
	at = s.reopened(at)
	s.holds(at, bucketSlots, "a=1", "b=2")
}

func contractLock(s *shelf) {
	at := s.made()
	second := s.at()
	s.want(second.open(), ErrLocked)
	if second.commit([]edit{put(bucketSlots, "a", "1")}) == nil {
		s.Error("a store that is not open takes a commit")
	}
	s.must(second.close())
	s.must(at.commit([]edit{put(bucketSlots, "a", "1")})) // the first one is as it was
	s.must(at.close())
	s.must(at.close())
	s.opened(second)
	s.holds(second, bucketSlots, "a=1")
	s.want(at.open(), ErrLocked)
}

func contractNotOpen(s *shelf) {
	at := s.made()
	s.must(at.close())
	if _, _, err := at.get(bucketSlots, []byte("a")); err == nil {
		s.Error("a closed store is read")
	}
	if _, _, err := at.list(bucketSlots, nil, 1); err == nil {
		s.Error("a closed store is listed")
	}
	if at.secure() == nil || at.commit([]edit{put(bucketSlots, "a", "1")}) == nil {
		s.Error("a closed store takes a commit")
	}
}

// contractConcurrency reads while commits are made: no read may see a part of one.
func contractConcurrency(s *shelf) {
	at := s.made()
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				list, _, err := at.list(bucketSlots, nil, 10)
				if err != nil || len(list) > 0 && (len(list) != 2 || !bytes.Equal(list[0].value, list[1].value)) {
					s.Errorf("listed %q, %v", list, err)
					return
				}
				if _, _, err := at.get(bucketSlots, []byte("a")); err != nil {
					s.Error(err)
				}
			}
		})
	}
	for i := range 50 {
		value := fmt.Sprint(i, strings.Repeat("x", i*100))
		s.must(at.commit([]edit{put(bucketSlots, "a", value), put(bucketSlots, "b", value)}))
		s.must(at.writeSegment(numbered(uint64(i)), parts([]byte(value))))
	}
	close(done)
	readers.Wait()
}

// numbered is a segment for a test.
func numbered(n uint64) segmentID { return segmentID{first: n*10 + 1, last: n*10 + 10} }

// parts is the content of a segment in several parts.
func parts(content []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for part := range slices.Chunk(content, 1+len(content)/3) {
			if !yield(slices.Clip(part), nil) {
				return
			}
		}
	}
}

// indexes expects these segments.
func (s *shelf) indexes(at store, want ...uint64) {
	s.Helper()
	list, err := at.segments()
	s.must(err)
	if !slices.EqualFunc(list, want, func(info segmentInfo, n uint64) bool { return info.segmentID == numbered(n) }) {
		s.Errorf("segments are %v, want %v", list, want)
	}
	for _, info := range list {
		if info.written.IsZero() {
			s.Errorf("segment %s was written at no time", info.name())
		}
		if content, err := at.readSegment(info.segmentID, 0, 1<<40); err != nil || int64(len(content)) != info.size {
			s.Errorf("segment %s has %d bytes, and %d are listed, %v", info.name(), len(content), info.size, err)
		}
	}
}

func contractSegments(s *shelf) {
	at := s.made()
	s.indexes(at)
	large := bytes.Repeat([]byte("large "), 1<<20)
	for _, index := range []uint64{2, 1_000_000, 0, 10, 1} {
		s.must(at.writeSegment(numbered(index), parts(fmt.Append(nil, "segment ", index))))
	}
	s.must(at.writeSegment(numbered(10), parts(large)))
	s.want(at.writeSegment(numbered(2), func(yield func([]byte, error) bool) {
		_ = yield([]byte("half of"), nil) && yield(nil, errInjected)
	}), errInjected)
	for range 2 {
		s.indexes(at, 0, 1, 2, 10, 1_000_000)
		for index, want := range map[uint64][]byte{2: []byte("segment 2"), 10: large,
			1_000_000: []byte("segment 1000000")} {
			var content []byte
			for len(content) < len(want)+1 {
				part, err := at.readSegment(numbered(index), int64(len(content)), int64(len(want)/2))
				s.must(err)
				if content = append(content, part...); len(part) < len(want)/2 {
					break
				}
			}
			if !bytes.Equal(content, want) {
				s.Errorf("segment %d has %d bytes", index, len(content))
			}
			if part, err := at.readSegment(numbered(index), int64(len(want))+5, 9); err != nil || len(part) != 0 {
				s.Errorf("behind its end segment %d has %q, %v", index, part, err)
			}
		}
		at = s.reopened(at)
	}
	s.must(at.removeSegment(numbered(1)))
	s.must(at.removeSegment(numbered(1)))
	s.must(at.retireSegment(numbered(3)))
	_, err := at.readSegment(numbered(1), 0, 9)
	s.want(err, fs.ErrNotExist)
	s.indexes(s.reopened(at), 0, 2, 10, 1_000_000)
}

// contractOldSegments makes a store where an earlier one left segments.
func contractOldSegments(s *shelf) {
	at := s.made()
	s.must(at.writeSegment(numbered(0), parts([]byte("old"))))
	s.must(at.close())
	switch at := at.(type) {
	case *boltStore:
		s.must(at.disk.Remove(at.path))
	case *memStore:
		at.disk.made = false
	case *pgStore:
		s.must(at.run(pg.Statement{SQL: `DELETE FROM pksa.leader`}))
		s.must(at.close())
	default:
		s.Skip("the same as what is under it")
	}
	at = s.made()
	s.indexes(at)
	_, err := at.readSegment(numbered(0), 0, 9)
	s.want(err, fs.ErrNotExist)
}

func contractRetired(s *shelf) {
	at := s.made()
	s.must(at.writeSegment(numbered(1), parts([]byte("one"))))
	s.must(at.writeSegment(numbered(2), parts([]byte("two"))))
	s.must(at.retireSegment(numbered(1)))
	s.indexes(at, 2)
	_, err := at.readSegment(numbered(1), 0, 9)
	s.want(err, fs.ErrNotExist)
	s.must(at.writeSegment(numbered(1), parts([]byte("another one")))) // its name may be used again
	s.must(at.retireSegment(numbered(1)))
	s.indexes(s.reopened(at), 2)
}

// contractRetire takes a store out of use. Another one can be made in its place.
func contractRetire(s *shelf) {
	at := s.made()
	for i := range 3 {
		s.must(at.commit([]edit{put(bucketSlots, fmt.Sprint(i), "1")}))
		s.must(at.writeSegment(numbered(uint64(i)), parts([]byte("one"))))
		s.must(at.retire("heir"))
		if at.commit([]edit{put(bucketSlots, "b", "1")}) == nil {
			s.Error("a retired store takes a commit")
		}
		for heir, want := range map[string]bool{"heir": true, "other": false} {
			if is, err := s.at().retiredFor(heir); is != want || err != nil {
				s.Errorf("retired for %s: %v, %v", heir, is, err)
			}
		}
		s.want(s.at().open(), ErrMissing)
		at = s.made()
		s.holds(at, bucketSlots)
		s.indexes(at)
		if is, err := s.at().retiredFor("heir"); is || err != nil {
			s.Errorf("a store that was made since is retired: %v, %v", is, err)
		}
	}
	if s.at().retire("heir") == nil {
		s.Error("a store that is not open retires")
	}
}

// TestOneFileKnowsBbolt: whatever else the ledger does, it does above the contract of a store.
func TestOneFileKnowsBbolt(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var know []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			if strings.HasPrefix(spec.Path.Value, `"go.etcd.io/bbolt`) && !strings.HasSuffix(name, "_test.go") {
				know = append(know, name)
			}
		}
	}
	if !slices.Equal(slices.Compact(know), []string{"boltstore.go"}) {
		t.Errorf("bbolt is imported by %q", know)
	}
}
