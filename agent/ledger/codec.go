package ledger

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// Values are written as a row of fields without names: the first byte of each is its version. There
// is one way to write a value; the reader refuses every other.

var errCodec = errors.New("value reads wrong")

type writer struct{ b []byte }

func (w *writer) byte(v byte)             { w.b = append(w.b, v) }
func (w *writer) uint(v uint64)           { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) fixed(v []byte)          { w.b = append(w.b, v...) }
func (w *writer) bytes(v []byte)          { w.uint(uint64(len(v))); w.b = append(w.b, v...) }
func (w *writer) text(v string)           { w.uint(uint64(len(v))); w.b = append(w.b, v...) }
func (w *writer) time(v time.Time)        { w.uint(uint64(millis(v))) }
func (w *writer) requestKey(v RequestKey) { w.text(v.Relay); w.text(v.UUID) }

func (w *writer) bool(v bool) {
	if v {
		w.byte(1)
	} else {
		w.byte(0)
	}
}

// optional writes a zero byte if all of v is zero, otherwise a one and v.
func (w *writer) optional(v []byte) {
	for _, c := range v {
		if c != 0 {
			w.byte(1)
			w.fixed(v)
			return
		}
	}
	w.byte(0)
}

// nilable writes v so that nil and empty differ.
func (w *writer) nilable(v []byte) {
	w.bool(v != nil)
	if v != nil {
		w.bytes(v)
	}
}

// reader reads what writer wrote. After the first mistake it returns zero values only, and end
// returns an error.
type reader struct {
	b     []byte
	bad   bool
	names names // nil: each text is a new one
}

// names are texts that were read before and come again and again: those of accounts, apps, relays.
type names map[string]string

// namesMost is how many are remembered at a time.
const namesMost = 256

func (n names) text(b []byte) string {
	if s, ok := n[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(n) >= namesMost {
		clear(n)
	}
	n[s] = s
	return s
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 { // cut off, too long, or not the shortest form
		r.bad = true
		return 0
	}
	r.take(uint64(n))
	if r.bad {
		return 0
	}
	return v
}

func (r *reader) int64() int64 {
	v := r.uint()
	if v > math.MaxInt64 {
		r.bad = true
		return 0
	}
	return int64(v)
}

func (r *reader) bool() bool {
	v := r.byte()
	r.bad = r.bad || v > 1
	return v == 1
}

// bytes returns a copy, nil if it is empty.
func (r *reader) bytes() []byte {
	return append([]byte(nil), r.take(r.uint())...)
}

func (r *reader) text() string { return string(r.take(r.uint())) }

// name returns a text of which there are few.
func (r *reader) name() string {
	if r.names == nil {
		return r.text()
	}
	return r.names.text(r.take(r.uint()))
}

func (r *reader) time() time.Time { return fromMillis(r.int64()) }

func (r *reader) requestKey() RequestKey {
	relay := r.name()
	return RequestKey{Relay: relay, UUID: r.text()}
}

// optional fills dst, with zeros if they were left out.
func (r *reader) optional(dst []byte) {
	if !r.bool() {
		return
	}
	v := r.take(uint64(len(dst)))
	zero := true
	for _, c := range v {
		zero = zero && c == 0
	}
	r.bad = r.bad || zero
	copy(dst, v)
}

func (r *reader) nilable() []byte {
	if !r.bool() {
		return nil
	}
	return append([]byte{}, r.take(r.uint())...)
}

func (r *reader) version(want byte) {
	if r.byte() != want {
		r.bad = true
	}
}

func (r *reader) end() error {
	if r.bad || len(r.b) > 0 {
		return errCodec
	}
	return nil
}

// millis returns an instant in ms since 1970. It returns 0 for the zero time and for any time
// before 1970.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixMilli(), 0)
}

// fromMillis returns the instant of which millis returns ms.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
