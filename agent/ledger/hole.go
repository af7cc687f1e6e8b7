package ledger

import (
	"slices"
	"time"
)

// Hole is a part of the audit trail that is lost, and without which the operator chose to go on
// (see [Mend]). The chain of the trail stays verifiable around it: the hole names the MAC of the
// record before it, and the MAC that the record after it names.
type Hole struct {
	From, To uint64    // the lost records; To is From-1 if none is missing and only the chain is broken
	At       time.Time // when the operator chose so

	before chainEnd // of record From-1; without MAC if that record was no longer kept
	after  [32]byte // the MAC that record To+1 names
}

// Records returns how many numbers are lost.
func (h Hole) Records() uint64 { return h.To + 1 - h.From }

// covers reports whether a record is among the lost ones.
func (h Hole) covers(number uint64) bool { return h.From <= number && number <= h.To }

// encodeHoles writes the list that stands among the facts.
func encodeHoles(list []Hole) []byte {
	var w writer
	w.byte(1)
	w.uint(uint64(len(list)))
	for _, h := range list {
		w.uint(h.From)
		w.uint(h.To)
		w.time(h.At)
		w.uint(uint64(max(h.before.time, 0)))
		w.fixed(h.before.mac[:])
		w.fixed(h.after[:])
	}
	return w.b
}

func decodeHoles(plain []byte) (list []Hole, err error) {
	r := reader{b: plain}
	r.version(1)
	n := r.uint()
	r.bad = r.bad || n > uint64(len(r.b)) // no room is made on a liar's word
	for ; n > 0 && !r.bad; n-- {
		h := Hole{From: r.uint(), To: r.uint(), At: r.time()}
		h.before.time = r.int64()
		copy(h.before.mac[:], r.take(32))
		copy(h.after[:], r.take(32))
		r.bad = r.bad || h.From == 0 || h.To < h.From-1
		h.before.number = h.From - 1
		list = append(list, h)
	}
	return list, r.end()
}

// holes reads the list of the holes; nil if there is none.
func (r lookup) holes() ([]Hole, error) {
	plain, err := r.value(bucketMeta, metaHoles)
	if err != nil || plain == nil {
		return nil, err
	}
	list, err := decodeHoles(plain)
	if err != nil {
		return nil, damaged(bucketMeta, metaHoles)
	}
	return list, nil
}

// holeOf returns the hole that a record is lost in.
func holeOf(list []Hole, number uint64) (Hole, bool) {
	i := slices.IndexFunc(list, func(h Hole) bool { return h.covers(number) })
	if i < 0 {
		return Hole{}, false
	}
	return list[i], true
}

// crosses reports whether a hole lies between a chain end and a record, and nothing else. A chain
// end without MAC is that of a record which is no longer kept.
func (s *stored) crosses(last chainEnd, list []Hole) bool {
	return slices.ContainsFunc(list, func(h Hole) bool {
		return h.From == last.number+1 && h.To+1 == s.Number && (h.before.mac == last.mac || last.mac == [32]byte{}) &&
			h.after == s.prev
	})
}

// Holes returns the parts of the trail without which the operator chose to go on, in their order.
func (l *Ledger) Holes() []Hole {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.holes
}
