package ledger

import (
	"context"
	"time"
)

// encodePause returns the note that the operator paused the wallet, and when. It holds until it is
// taken away, also over restarts.
//
// A program that is older than the note does not know it, and serves.
func encodePause(at time.Time) []byte {
	var w writer
	w.byte(1)
	w.time(at)
	return w.b
}

// pause reads the note; the zero time if there is none.
func (r lookup) pause() (time.Time, error) {
	plain, err := r.value(bucketMeta, metaPause)
	if err != nil || plain == nil {
		return time.Time{}, err
	}
	v := reader{b: plain}
	v.version(1)
	at := v.time()
	if v.end() != nil {
		return time.Time{}, damaged(bucketMeta, metaPause)
	}
	return at, nil
}

// Paused returns since when the wallet is paused. It reports false if it is not.
func (l *Ledger) Paused() (time.Time, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.paused, !l.state.paused.IsZero()
}

// Pause notes that the wallet is paused, together with a record of the trail. It returns when both
// are on disk. A wallet that is paused stays so, and nothing is recorded.
func (l *Ledger) Pause(ctx context.Context, e Entry) error {
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		if !b.l.state.paused.IsZero() {
			return nil
		}
		at := b.now
		b.put(bucketMeta, metaPause, encodePause(at))
		b.append(e)
		b.after = append(b.after, func(st *state) { st.paused = at })
		return nil
	}})
}

// Resume takes the note away that Pause made, together with a record of the trail. It returns when
// both are on disk, and records nothing if the wallet is not paused.
func (l *Ledger) Resume(ctx context.Context, e Entry) error {
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		if b.l.state.paused.IsZero() {
			return nil
		}
		b.delete(bucketMeta, metaPause)
		b.append(e)
		b.after = append(b.after, func(st *state) { st.paused = time.Time{} })
		return nil
	}})
}
