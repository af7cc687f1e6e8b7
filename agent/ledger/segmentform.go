package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// The form of a segment file is told by its name.
//
// Format 3: a line in clear, then chunks. A chunk is the length of its sealed value, 32 bits, big
// endian, and the sealed value. The additional data of a chunk are the numbers of the first and the
// last record of the segment, the number of the chunk, and whether it is the last one: chunks
// cannot be left out, exchanged, repeated or moved to another segment, and a file that was cut off
// at a chunk lacks the last one. The opened chunks, one after another, are what the segment holds:
// the MAC before the first record, and then of each record number, length and bytes. A chunk has
// 256 KiB at most, whatever the records in it. The bytes of a record are a one and their packed
// form or, if that is not shorter, a zero and themselves.
//
// Format 2 is the same, but that records are written as they are.
//
// Format 1, which programs of before wrote: the whole is one sealed value. It begins with a one,
// and goes on as above. To read it takes as much memory as it has bytes.

const (
	// segmentLine begins a segment of format 3, chunksLine one of format 2, and the same with
	// another number one of a newer format.
	segmentLine   = segmentTitle + "3\n"
	chunksLine    = segmentTitle + "2\n"
	segmentTitle  = "pksa audit segment "
	segmentLength = 4 // bytes of the length before each sealed chunk
	// sealedMost is the largest length of a sealed chunk that is believed: no room is made on a
	// liar's word.
	sealedMost = 256<<10 + 256
	// recordHead is the size of the largest number and length before a record.
	recordHead = 2 * binary.MaxVarintLen64
)

// chunkKey returns the place of a chunk, for its additional data.
func chunkKey(id segmentID, number uint64, last bool) []byte {
	key := numberKey(id.first)
	for _, n := range []uint64{id.last, number} {
		key = binary.BigEndian.AppendUint64(key, n)
	}
	if last {
		return append(key, 1)
	}
	return append(key, 0)
}

// sealSegment returns the content of a segment of these records, in parts. It holds a chunk and a
// record at a time.
func (v *vault) sealSegment(id segmentID, records iter.Seq2[stored, error]) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if !yield([]byte(segmentLine), nil) {
			return
		}
		var w writer
		var record []byte
		var number uint64 // of the next chunk
		emit := func(size int, last bool) bool {
			sealed := v.seal(id.last+1, bucketSegment, chunkKey(id, number, last), w.b[:size])
			number++
			w.b = append(w.b[:0], w.b[size:]...)
			return yield(binary.BigEndian.AppendUint32(nil, uint32(len(sealed))), nil) && yield(sealed, nil)
		}
		begun := false
		for s, err := range records {
			if err != nil {
				yield(nil, err)
				return
			}
			if !begun {
				begun = true
				w.fixed(s.prev[:])
			}
			w.uint(s.Number)
			record = packRecord(record[:0], s.body)
			w.bytes(record)
			for len(w.b) > segmentChunk { // the last chunk is never empty, so it stays until more comes
				if !emit(segmentChunk, false) {
					return
				}
				crashpoint("segment begun") // on disk: a part of it, under a name of its own
			}
		}
		emit(len(w.b), true)
	}
}

// segmentReader reads the records of a segment one after another. Of chunks it holds a chunk and
// a record, and no open file. The caller checks whether the first record follows the segment
// before.
type segmentReader struct {
	vault *vault
	in    store
	id    segmentID
	holes []Hole
	skim  bool // without MACs

	begun  bool
	packed bool     // its records are
	at     int64    // where the next chunk begins
	chunk  uint64   // its number
	ended  bool     // there is none
	rest   []byte   // opened, and not read yet
	prev   [32]byte // MAC of the record before
	last   uint64   // its number
	names  names    // that were met
}

// readSegment returns the records of a segment, chained to one another by their own bytes. An error
// ends it; what came before is as it was sealed.
func (v *vault) readSegment(from store, id segmentID, holes []Hole) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		r := segmentReader{vault: v, in: from, id: id, holes: holes}
		for {
			s, err := r.next()
			if err == io.EOF || !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// next returns the next record, or io.EOF after the last.
func (r *segmentReader) next() (stored, error) {
	if !r.begun {
		if err := r.begin(); err != nil {
			return stored{}, err
		}
		r.begun, r.names = true, names{}
	}
	if len(r.rest) == 0 && r.ended {
		// By their name others know which records a segment has.
		if r.last == 0 || !r.id.whole && r.last != r.id.last {
			return stored{}, r.damaged()
		}
		return stored{}, io.EOF
	}
	for {
		number, body, rest, ok := parseNext(r.rest)
		if ok {
			r.rest = rest
			return r.record(number, body)
		}
		// What is no head of a record becomes none by what follows.
		if _, _, head := parseHead(r.rest); r.ended || !head && len(r.rest) >= recordHead {
			return stored{}, r.damaged()
		}
		if err := r.fill(); err != nil {
			return stored{}, err
		}
	}
}

// packRecord appends a record as it is written in a segment.
func packRecord(to, body []byte) []byte {
	if packed, ok := pack(append(to, 1), body); ok {
		return packed
	}
	return append(append(to, 0), body...)
}

// unpackRecord returns the record that packRecord wrote.
func unpackRecord(b []byte) ([]byte, error) {
	r := reader{b: b}
	if packed := r.bool(); packed && !r.bad {
		return unpack(r.b)
	}
	if r.bad {
		return nil, errPack
	}
	return r.b, nil
}

// parseHead reads number and length of a record.
func parseHead(b []byte) (number, size uint64, ok bool) {
	r := reader{b: b}
	number, size = r.uint(), r.uint()
	return number, size, !r.bad
}

// parseNext reads one record if b has all of it.
func parseNext(b []byte) (number uint64, body, rest []byte, ok bool) {
	r := reader{b: b}
	number = r.uint()
	body = r.take(r.uint())
	return number, body, r.b, !r.bad
}

// record chains a record to the one before, unless a hole lies between them.
func (r *segmentReader) record(number uint64, body []byte) (s stored, err error) {
	if r.packed {
		if body, err = unpackRecord(body); err != nil {
			return stored{}, r.damaged()
		}
	}
	s.prev, s.body = r.prev, body
	i := slices.IndexFunc(r.holes, func(h Hole) bool { return h.To+1 == number })
	if i >= 0 && r.last > 0 {
		s.prev = r.holes[i].after
	}
	outside := number < r.id.first || number > r.id.last || r.last == 0 && !r.id.whole && number != r.id.first
	if outside {
		return stored{}, r.damaged()
	}
	if s.Record, err = decodeRecord(number, body, r.names); err != nil {
		return stored{}, r.damaged()
	}
	if s.at = (chainEnd{number: number, time: millis(s.Time)}); !r.skim {
		s.at = r.vault.chain(s.prev, number, body, s.at.time)
	}
	r.prev, r.last = s.at.mac, number
	return s, nil
}

// begin reads what comes before the first record.
func (r *segmentReader) begin() error {
	if r.id.whole {
		if err := r.openWhole(); err != nil {
			return err
		}
	} else {
		line, err := r.in.readSegment(r.id, 0, int64(len(segmentTitle)+recordHead))
		if err != nil {
			return err
		}
		if err := checkSegmentLine(r.id, line); err != nil {
			return err
		}
		r.at, r.packed = int64(len(segmentLine)), bytes.HasPrefix(line, []byte(segmentLine))
		if err := r.fill(); err != nil {
			return err
		}
	}
	head := reader{b: r.rest}
	copy(r.prev[:], head.take(32))
	if head.bad {
		return r.damaged()
	}
	r.rest = head.b
	return nil
}

// openWhole opens a segment of format 1, in the memory that it was read to.
func (r *segmentReader) openWhole() error {
	sealed, err := r.in.readSegment(r.id, 0, 1<<62)
	if err != nil {
		return err
	}
	plain, err := r.vault.openInPlace(bucketSegment, numberKey(r.id.index()), sealed)
	if err != nil {
		return r.damaged()
	}
	if err := checkSegmentFormat(r.id, plain); err != nil {
		return err
	}
	head := reader{b: plain}
	if head.version(segmentWhole); head.bad {
		return r.damaged()
	}
	r.rest, r.ended = head.b, true
	return nil
}

// fill opens the next chunk.
func (r *segmentReader) fill() error {
	const most = segmentLength + sealedMost + 1 // one more: whether another chunk follows
	b, err := r.in.readSegment(r.id, r.at, most)
	if err != nil {
		return err
	}
	if len(b) < segmentLength {
		return r.damaged()
	}
	size := int(binary.BigEndian.Uint32(b))
	if size > sealedMost || len(b) < segmentLength+size {
		return r.damaged()
	}
	last := len(b) == segmentLength+size
	plain, err := r.vault.open(bucketSegment, chunkKey(r.id, r.chunk, last), b[segmentLength:segmentLength+size])
	if err != nil || len(plain) == 0 {
		return r.damaged()
	}
	r.at += int64(segmentLength + size)
	r.chunk++
	r.ended = last
	if len(r.rest) > 0 { // of a record that goes on; what was read lies in the chunks before
		plain = slices.Concat(r.rest, plain)
	}
	r.rest = plain
	return nil
}

func (r *segmentReader) damaged() error { return damagedSegment(r.id) }

func damagedSegment(id segmentID) error {
	return &ValueError{fmt.Sprintf("audit segment %s, of records %d to %d, was altered or cut off", id.name(),
		id.first, id.last)}
}

// checkSegmentLine returns a NewerError for the first line of a segment of a newer format.
func checkSegmentLine(id segmentID, line []byte) error {
	if bytes.HasPrefix(line, []byte(segmentLine)) || bytes.HasPrefix(line, []byte(chunksLine)) {
		return nil
	}
	text, ok := strings.CutPrefix(string(line), segmentTitle)
	text, _, ended := strings.Cut(text, "\n")
	format, err := strconv.ParseUint(text, 10, 64)
	if !ok || err != nil || !ended || format <= segmentFormat {
		return damagedSegment(id)
	}
	return newerSegment(id, format)
}

// checkSegmentFormat returns a NewerError for an opened segment of a newer format, in the form of
// format 1.
func checkSegmentFormat(id segmentID, plain []byte) error {
	if len(plain) == 0 || plain[0] <= segmentWhole {
		return nil
	}
	return newerSegment(id, uint64(plain[0]))
}

func newerSegment(id segmentID, format uint64) error {
	return &NewerError{What: "audit segment " + id.name(), Format: format, Reads: segmentFormat}
}

// name returns the name of a segment's file: the numbers of its first and its last record or, of
// format 1, its place on the grid of those programs.
func (id segmentID) name() string {
	if id.whole {
		return fmt.Sprintf("%06d", id.index())
	}
	return fmt.Sprintf("%012d-%012d", id.first, id.last)
}
