package ledger

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// journal is the latest commits of a store in a file, as they lie in one contiguous area of it, one
// after another. A commit of bbolt writes six pages or more, and waits for two syncs; one that is
// added to the journal writes its own bytes, and waits for one. What is in the journal is held in
// memory as well, over what bbolt has, until all of it goes to bbolt in one transaction.
//
// The area is the value of a key that bbolt never writes again, so the file stays one file, which
// is whole whenever it is copied. Each commit is a frame that begins with a page of its own: no
// page is written twice between two syncs, so a write that a power cut tears spoils no earlier
// commit. A frame names the turn of the area that it belongs to, and its place in it. The turn
// stands in bbolt too, and is changed by the very transaction that takes over what the journal
// has. So frames count if, and only if, bbolt has not taken them over yet.
type journal struct {
	area  area
	turn  turn
	used  int64 // bytes of the area that have frames
	count uint32
	over  overlay // what the frames say
	pages []byte  // of the last frame, for the next one
}

// area is a part of a file.
type area struct {
	file  areaFile
	begin int64
	size  int64
}

type areaFile interface {
	io.ReaderAt
	io.WriterAt
}

const (
	// framePage is how much of the file is written at a time: what begins on a page is torn by no
	// later write.
	framePage = 4096
	// frameHead is the sum, the turn, the place in the turn and the length of a frame.
	frameHead = sha256.Size + turnSize + 4 + 4
	turnSize  = 16
)

// turn names one use of the area: a number that grows, and a random one. Nobody who sees no more
// than what is sealed can put bytes into a value that pass for a frame.
type turn [turnSize]byte

func (t turn) number() uint64 { return binary.BigEndian.Uint64(t[:]) }

// next returns the turn that follows.
func (t turn) next() (n turn) {
	binary.BigEndian.PutUint64(n[:], t.number()+1)
	_, _ = rand.Read(n[8:]) // never fails: crypto/rand ends the process instead
	return n
}

func parseTurn(b []byte) (t turn, err error) {
	if len(b) != turnSize {
		return t, errCodec
	}
	copy(t[:], b)
	return t, nil
}

func wholePages(n int64) int64 { return (n + framePage - 1) / framePage * framePage }

// frame returns the frame of edits, and the edits with values that lie in it: those who made the
// edits may use theirs again.
func (j *journal) frame(edits []edit) ([]byte, []edit) {
	size := frameHead + 10
	for _, e := range edits {
		size += 1 + 3*10 + len(e.bucket) + len(e.key) + len(e.value)
	}
	w := writer{b: make([]byte, frameHead, size)}
	own := slices.Clone(edits)
	w.uint(uint64(len(edits)))
	for i := range own {
		e := &own[i]
		w.byte(byte(e.act))
		w.text(string(e.bucket))
		w.bytes(e.key)
		if e.act == actPut {
			w.bytes(e.value)
			e.value = w.b[len(w.b)-len(e.value) : len(w.b) : len(w.b)]
		}
	}
	copy(w.b[sha256.Size:], j.turn[:])
	binary.BigEndian.PutUint32(w.b[sha256.Size+turnSize:], j.count)
	binary.BigEndian.PutUint32(w.b[sha256.Size+turnSize+4:], uint32(len(w.b)-frameHead))
	sum := sha256.Sum256(w.b[sha256.Size:])
	copy(w.b, sum[:])
	return w.b, own
}

// add writes a frame behind those that are there. It does not sync. It reports false, and has
// written nothing, if there is no room for it.
func (j *journal) add(frame []byte) (bool, error) {
	size := wholePages(int64(len(frame)))
	if size > j.area.size-j.used {
		return false, nil
	}
	// Whole pages: the kernel need not read what lies there.
	j.pages = append(append(j.pages[:0], frame...), make([]byte, size-int64(len(frame)))...)
	_, err := j.area.file.WriteAt(j.pages, j.area.begin+j.used)
	return err == nil, err
}

// added notes a frame that is durable, and what it says.
func (j *journal) added(frame []byte, edits []edit) {
	j.used += wholePages(int64(len(frame)))
	j.count++
	j.over.apply(edits)
}

// all returns edits that make a store have what the journal has, and the turn that follows.
func (j *journal) all(next turn) []edit {
	return append(j.over.edits(), edit{actPut, bucketTurn, keyTurn, next[:]})
}

// begin begins a turn, when all of the one before has been taken over.
func (j *journal) begin(next turn) { j.turn, j.used, j.count, j.over = next, 0, 0, overlay{} }

// decodeEdits reads what a frame says. What it returns lies in b.
func decodeEdits(b []byte) ([]edit, error) {
	r := reader{b: b}
	n := r.uint()
	var edits []edit
	for range n {
		if r.bad {
			break
		}
		e := edit{act: act(r.byte()), bucket: bucket(r.text()), key: r.take(r.uint())}
		if e.act == actPut {
			e.value = r.take(r.uint())
		}
		r.bad = r.bad || e.act < actPut || e.act > actDrop || len(e.key) == 0 && e.act != actDrop
		edits = append(edits, e)
	}
	return edits, r.end()
}

// frameAt is a frame as it lies in the area.
type frameAt struct {
	turn  turn
	count uint32
	bytes []byte // with its head
	whole bool   // its sum is right
}

// read reads from the beginning of the area.
func (a *area) read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	return a.file.ReadAt(b, a.begin)
}

// readFrame reads what may be a frame. It is not whole if it is none. The sum is computed only of
// what is of the turn that is wanted, or of a later one.
func (a *area) readFrame(at int64, wanted turn) (f frameAt, err error) {
	head := make([]byte, frameHead)
	if a.size-at < frameHead {
		return f, nil
	}
	if _, err := a.file.ReadAt(head, a.begin+at); err != nil {
		return f, err
	}
	copy(f.turn[:], head[sha256.Size:])
	f.count = binary.BigEndian.Uint32(head[sha256.Size+turnSize:])
	length := int64(binary.BigEndian.Uint32(head[sha256.Size+turnSize+4:]))
	if f.turn != wanted && f.turn.number() <= wanted.number() || length > a.size-at-frameHead {
		return f, nil
	}
	f.bytes = make([]byte, frameHead+length)
	if _, err := a.file.ReadAt(f.bytes, a.begin+at); err != nil {
		return f, err
	}
	sum := sha256.Sum256(f.bytes[sha256.Size:])
	f.whole = bytes.Equal(sum[:], f.bytes[:sha256.Size])
	return f, nil
}

// read reads the frames of the turn. What follows the last one was never told to anybody: it was
// cut off on its way to the disk. But a frame that is there behind one that reads wrong, or of a
// later turn than bbolt knows, means that something was lost that had been on the disk.
func (j *journal) read() error {
	j.used, j.count, j.over = 0, 0, overlay{}
	for at := int64(0); at+framePage <= j.area.size; {
		f, err := j.area.readFrame(at, j.turn)
		switch {
		case err != nil:
			return err
		case !f.whole, f.turn != j.turn && at > 0: // a turn begins at the beginning
			at += framePage
			continue
		case f.turn != j.turn:
			return fmt.Errorf("%w: its pages are older than its journal", ErrDamaged)
		case f.count != j.count:
			return fmt.Errorf("%w: a commit in its journal reads wrong", ErrDamaged)
		}
		edits, err := decodeEdits(f.bytes[frameHead:])
		if err != nil {
			return fmt.Errorf("%w: a commit in its journal reads wrong", ErrDamaged)
		}
		j.added(f.bytes, edits)
		at = j.used
	}
	return nil
}

// overlay is what edits have made of some keys. The zero value has none. It keeps the values of the
// edits, and no keys.
type overlay struct {
	buckets map[bucket]*overBucket
}

type overBucket struct {
	dropped bool // nothing counts of what lies under it
	values  map[string]overValue
	keys    []string // of values, in order
}

type overValue struct {
	bytes []byte
	gone  bool
}

func (o *overlay) empty() bool { return len(o.buckets) == 0 }

func (o *overlay) apply(edits []edit) {
	if o.buckets == nil {
		o.buckets = map[bucket]*overBucket{}
	}
	for _, e := range edits {
		b := o.buckets[e.bucket]
		if b == nil || e.act == actDrop {
			b = &overBucket{dropped: e.act == actDrop, values: map[string]overValue{}}
			o.buckets[e.bucket] = b
		}
		if e.act != actDrop {
			b.set(string(e.key), overValue{e.value, e.act == actDelete})
		}
	}
}

func (b *overBucket) set(key string, v overValue) {
	if _, known := b.values[key]; !known {
		at := len(b.keys)
		if at > 0 && b.keys[at-1] > key { // most come in order
			at, _ = slices.BinarySearch(b.keys, key)
		}
		b.keys = slices.Insert(b.keys, at, key)
	}
	b.values[key] = v
}

// size returns how many keys it says something of.
func (o *overlay) size() (n int) {
	for _, b := range o.buckets {
		n += len(b.keys)
	}
	return n
}

// get returns what is said of a key. It reports false if that is nothing: then what lies under it
// counts.
func (o *overlay) get(in bucket, key []byte) (v overValue, known bool) {
	b := o.buckets[in]
	if b == nil {
		return v, false
	}
	if v, known = b.values[string(key)]; !known && b.dropped {
		return overValue{gone: true}, true
	}
	return v, known
}

// edits returns edits that make the same of a store, in an order in which few pages are touched
// more than once.
func (o *overlay) edits() []edit {
	names := make([]bucket, 0, len(o.buckets))
	n := 0
	for name, b := range o.buckets {
		names = append(names, name)
		n += len(b.keys) + 1
	}
	slices.Sort(names)
	edits := make([]edit, 0, n)
	for _, name := range names {
		b := o.buckets[name]
		if b.dropped {
			edits = append(edits, edit{act: actDrop, bucket: name})
		}
		for _, key := range b.keys {
			v := b.values[key]
			switch {
			case !v.gone:
				edits = append(edits, edit{actPut, name, []byte(key), v.bytes})
			case !b.dropped:
				edits = append(edits, edit{actDelete, name, []byte(key), nil})
			}
		}
	}
	return edits
}

// from returns the keys of a bucket at or above one.
func (o *overlay) from(in bucket, key []byte) (b *overBucket, keys []string) {
	if b = o.buckets[in]; b == nil {
		return nil, nil
	}
	at, _ := slices.BinarySearch(b.keys, string(key))
	return b, b.keys[at:]
}
