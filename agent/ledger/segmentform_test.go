package ledger

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// chained returns records whose contents have these sizes, numbered from one on.
func chained(v *vault, sizes ...int) []stored {
	rng := rand.NewChaCha8([32]byte{7})
	list := make([]stored, len(sizes))
	prev := v.chainStart().mac
	for i, size := range sizes {
		s := stored{Record: Record{Number: uint64(i) + 1, Type: RecordEvent, Time: fromMillis(int64(i) + 5)},
			prev: prev}
		if size > 0 {
			s.Content = make([]byte, size)
			_, _ = rng.Read(s.Content)
		}
		s.body = s.encode()
		s.at = v.chain(s.prev, s.Number, s.body, millis(s.Time))
		prev = s.at.mac
		list[i] = s
	}
	return list
}

// segmentOf makes one segment of records, in memory.
func segmentOf(t testing.TB, v *vault, list []stored) (*memStore, segmentID) {
	t.Helper()
	s := &memStore{disk: newMemDisk()}
	s.disk.holder = s
	id := segmentID{first: list[0].Number, last: list[len(list)-1].Number}
	if err := s.writeSegment(id, v.sealSegment(id, each(list))); err != nil {
		t.Fatal(err)
	}
	return s, id
}

// each returns the values of a list as they would be read.
func each[T any](list []T) func(func(T, error) bool) {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func sameRecords(a, b []stored) bool {
	return slices.EqualFunc(a, b, func(a, b stored) bool {
		return a.Number == b.Number && a.prev == b.prev && a.at == b.at && bytes.Equal(a.body, b.body) &&
			bytes.Equal(a.Content, b.Content)
	})
}

// sealedVault is a vault with a real AEAD.
func sealedVault() *vault {
	block, err := aes.NewCipher(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	v := clearVault()
	v.id, v.old, v.sealers.derive = "id", aead, func(uint64, uint64) cipher.AEAD { return aead }
	return v
}

// Records of any size come back from a segment as they were, also where they end at, before or
// behind the end of a chunk.
func TestSegmentOfAnySizes(t *testing.T) {
	v := sealedVault()
	empty := len(chained(v, 0)[0].body) // without content
	// The first record of this content fills a chunk: the MAC before it, its number, its length,
	// and that it is not packed.
	fill := segmentChunk - 32 - 1 - 3 - 1 - empty - 2
	for _, sizes := range [][]int{
		{0}, {1, 2, 3}, {fill - 1}, {fill}, {fill + 1}, {fill - 1, 0}, {fill, 0, 5}, {fill + 1, 0},
		{3 * segmentChunk, 1, 5*segmentChunk + 17, 2}, {9 << 20}, slices.Repeat([]int{100}, 3000),
	} {
		list := chained(v, sizes...)
		s, id := segmentOf(t, v, list)
		got, err := collect(v.readSegment(s, id, nil))
		if err != nil || !sameRecords(got, list) {
			t.Errorf("of %d records the first of %d bytes: %d came back, %v", len(sizes), sizes[0], len(got), err)
		}
		var stream uint64 = 32
		for _, r := range list {
			written := len(packRecord(nil, r.body))
			stream += uint64(len(binary.AppendUvarint(nil, r.Number)) +
				len(binary.AppendUvarint(nil, uint64(written))) + written)
		}
		if want := (stream + segmentChunk - 1) / segmentChunk; uint64(len(chunksOf(t, s, id))) != want {
			t.Errorf("%d bytes are in %d chunks, want %d", stream, len(chunksOf(t, s, id)), want)
		}
	}
}

// chunksOf returns the chunks of a segment, each with its length.
func chunksOf(t testing.TB, s *memStore, id segmentID) (list [][]byte) {
	t.Helper()
	b, ok := bytes.CutPrefix(s.disk.segments[id].content, []byte(segmentLine))
	if !ok {
		t.Fatal("the line is missing")
	}
	for len(b) > 0 {
		n := segmentLength + int(binary.BigEndian.Uint32(b))
		list, b = append(list, b[:n]), b[n:]
	}
	return list
}

// Chunks that were left out, cut off, exchanged, repeated, altered or moved show.
func TestChunksThatWereChanged(t *testing.T) {
	v := sealedVault()
	all := chained(v, slices.Repeat([]int{100_000}, 20)...)
	s, id := segmentOf(t, v, all[:10]) // of four chunks
	other, otherID := segmentOf(t, v, all[10:])
	good, foreign := chunksOf(t, s, id), chunksOf(t, other, otherID)
	if len(good) != 4 {
		t.Fatalf("%d chunks", len(good))
	}
	flip := func(b []byte, at int) []byte { b = slices.Clone(b); b[at] ^= 1; return b }
	file := func(chunks ...[]byte) []byte { return append([]byte(segmentLine), slices.Concat(chunks...)...) }
	for name, content := range map[string][]byte{
		"empty":               {},
		"line alone":          []byte(segmentLine),
		"another line":        append([]byte("pksa audit segment 1\n"), slices.Concat(good...)...),
		"first left out":      file(good[1:]...),
		"one left out":        file(good[0], good[2], good[3]),
		"last left out":       file(good[:3]...),
		"exchanged":           file(good[0], good[2], good[1], good[3]),
		"repeated":            file(good[0], good[1], good[1], good[2], good[3]),
		"last repeated":       file(good[0], good[1], good[2], good[3], good[3]),
		"of another segment":  file(good[0], foreign[1], good[2], good[3]),
		"last of another":     file(good[0], good[1], good[2], foreign[3]),
		"cut off in a chunk":  file(good[0], good[1], good[2][:1000]),
		"cut off in a length": file(good[0], good[1], good[2], good[3][:3]),
		"byte behind the end": file(good[0], good[1], good[2], good[3], []byte{0}),
		"altered":             file(good[0], flip(good[1], 2000), good[2], good[3]),
		"a larger length":     file(good[0], flip(good[1], 3), good[2], good[3]),
		"a huge length":       file(good[0], flip(good[1], 0), good[2], good[3]),
	} {
		s.disk.segments[id] = memSegment{content: content}
		got, err := collect(v.readSegment(s, id, nil))
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), id.name()) {
			t.Errorf("%s: the error is %v", name, err)
		}
		if name == "last left out" && len(got) > 5 {
			t.Errorf("%d records: the third chunk passes for the last one", len(got))
		}
		if len(got) > 10 || !sameRecords(got, all[:len(got)]) {
			t.Errorf("%s: %d records that are not those at the beginning", name, len(got))
		}
	}
	s.disk.segments[otherID] = memSegment{content: file(good...)} // under the name of another
	if _, err := collect(v.readSegment(s, otherID, nil)); !errors.Is(err, ErrDamaged) {
		t.Errorf("under another name: %v", err)
	}
	longer := segmentID{first: 1, last: 12}
	mustDo(t, s.writeSegment(longer, v.sealSegment(longer, each(all[:10]))))
	if _, err := collect(v.readSegment(s, longer, nil)); !errors.Is(err, ErrDamaged) {
		t.Errorf("it ends before its name says so: %v", err)
	}
}

// Segments that were written when their forms were new are read.
func TestSegmentKnownAnswer(t *testing.T) {
	v := sealedVault()
	want := chained(v, 0, 40, 3)
	want = append(want, packedRecord(v, want[2]))
	for format, last := range map[uint64]int{2: 3, 3: 4} {
		text, err := os.ReadFile(fmt.Sprintf("testdata/segment-%d.hex", format))
		if err != nil {
			t.Fatal(err)
		}
		content, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			t.Fatal(err)
		}
		s := &memStore{disk: newMemDisk()}
		s.disk.holder = s
		id := segmentID{first: 1, last: uint64(last)}
		s.disk.segments[id] = memSegment{content: content}
		got, err := collect(v.readSegment(s, id, nil))
		if err != nil || !sameRecords(got, want[:last]) {
			t.Errorf("format %d: %d records, %v", format, len(got), err)
		}
		fresh, _ := segmentOf(t, v, want[:last])
		if now := fresh.disk.segments[id].content; format == segmentFormat && len(now) != len(content) {
			t.Errorf("it is written in %d bytes now, and had %d: %x", len(now), len(content), now)
		}
	}
}

// packedRecord is a record that is packed, and comes after another one.
func packedRecord(v *vault, before stored) stored {
	s := stored{Record: before.Record, prev: before.at.mac}
	s.Number++
	s.Content = []byte(judgedContent)
	s.body = s.encode()
	s.at = v.chain(s.prev, s.Number, s.body, millis(s.Time))
	return s
}

// FuzzSegmentChunks reads what lies in a segment file, without its secrecy. Whatever it is, the
// records come back the same when they are written again.
func FuzzSegmentChunks(f *testing.F) {
	v := clearVault()
	for _, sizes := range [][]int{{0}, {5, 0, 700}, {segmentChunk, 1}} {
		s, id := segmentOf(f, v, chained(v, sizes...))
		f.Add(s.disk.segments[id].content, id.first, id.last)
	}
	f.Fuzz(func(t *testing.T, content []byte, first, last uint64) {
		s := &memStore{disk: newMemDisk()}
		s.disk.holder = s
		id := segmentID{first: first, last: last}
		s.disk.segments[id] = memSegment{content: content}
		list, err := collect(v.readSegment(s, id, nil))
		if err != nil {
			return
		}
		again, _ := segmentOf(t, v, list)
		read, err := collect(v.readSegment(again, id, nil))
		if err != nil || !sameRecords(read, list) {
			t.Errorf("%d records are read again as %d, %v", len(list), len(read), err)
		}
	})
}

// Names lead to segments and back; other files are none.
func TestSegmentNames(t *testing.T) {
	f := &segmentFiles{grid: 4096}
	for _, id := range []segmentID{
		{first: 1, last: 1}, {first: 4097, last: 9000}, {first: 1, last: 1<<63 - 1}, {first: 1e12, last: 1e13},
		gridSegment(0, 4096), gridSegment(17, 4096), gridSegment(1_000_000, 4096),
	} {
		if got, ok := f.parseName(id.name()); !ok || got != id {
			t.Errorf("%s is %+v, %v", id.name(), got, ok)
		}
	}
	if id := gridSegment(3, 4096); id.first != 12289 || id.last != 16384 || id.index() != 3 {
		t.Errorf("on the grid: %+v", id)
	}
	for _, name := range []string{"", "1", "000001.lost", ".000001.new-1", "000000000000-000000000001",
		"000000000002-000000000001", "000000000001-000000000002.lost", "0000000000001-000000000002",
		"00000000001-000000000002", "9999999999999999999", "0000001", "000000000001-99999999999999999999",
		fmt.Sprintf(".%s.new-7", segmentID{first: 1, last: 2}.name())} {
		if id, ok := f.parseName(name); ok {
			t.Errorf("%q is %+v", name, id)
		}
	}
}
