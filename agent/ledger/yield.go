package ledger

import (
	"context"
	"time"
)

// Yield is the note that this copy of a wallet has yielded to another copy, which serves the same
// accounts. It holds until [Ledger.Moved].
//
// A program that is older than the note does not know it, and serves: it would do so without the
// note, too.
type Yield struct {
	At      time.Time
	Relay   string // at which the other copy was met
	Records uint64 // of this ledger, then
	Other   uint64 // of the other copy's ledger
}

func (y Yield) encode() []byte {
	var w writer
	w.byte(1)
	w.time(y.At)
	w.text(y.Relay)
	w.uint(y.Records)
	w.uint(y.Other)
	return w.b
}

// yield reads the note; nil if there is none.
func (r lookup) yield() (*Yield, error) {
	plain, err := r.value(bucketMeta, metaYield)
	if err != nil || plain == nil {
		return nil, err
	}
	v := reader{b: plain}
	v.version(1)
	y := Yield{At: v.time(), Relay: v.text(), Records: v.uint(), Other: v.uint()}
	if v.end() != nil {
		return nil, damaged(bucketMeta, metaYield)
	}
	return &y, nil
}

// Yielded returns the note of a yield. It reports false if this copy has not yielded, or may go on
// since.
func (l *Ledger) Yielded() (Yield, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.state.yield == nil {
		return Yield{}, false
	}
	return *l.state.yield, true
}

// Yield notes that this copy has yielded, together with a record of the trail. It returns when both
// are on disk.
func (l *Ledger) Yield(ctx context.Context, y Yield, e Entry) error {
	return l.changeYield(ctx, &y, e)
}

// Moved lets this copy serve again, at the operator's word: the other one is stopped for good. It
// records that, and returns when it is on disk.
func (l *Ledger) Moved(ctx context.Context, e Entry) error { return l.changeYield(ctx, nil, e) }

func (l *Ledger) changeYield(ctx context.Context, y *Yield, e Entry) error {
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		if y == nil {
			b.delete(bucketMeta, metaYield)
			b.afterAnother()
		} else {
			b.put(bucketMeta, metaYield, y.encode())
		}
		b.append(e)
		b.after = append(b.after, func(st *state) { st.yield = y })
		return nil
	}})
}

// afterAnother lets nothing count that another copy of the wallet may have used up: what that one
// judged, this ledger does not know.
func (b *batch) afterAnother() {
	for _, id := range b.allRemnants(func(*Remnant) bool { return true }) {
		b.dropRemnant(id) // the session may have lived on there
	}
	floor := max(millis(b.now), b.l.state.floor)
	b.put(bucketMeta, metaFloor, encodeNumber(uint64(floor)))
	b.after = append(b.after, func(st *state) { st.floor = floor })
}
