package ledger

import (
	"context"
	"slices"
	"time"
)

// encodePause returns the note that the operator paused the wallet or an app, and when. It holds
// until it is taken away, also over restarts.
//
// A program that is older than the note does not know it, and serves.
func encodePause(at time.Time) []byte {
	var w writer
	w.byte(1)
	w.time(at)
	return w.b
}

// pauseIn reads the note; the zero time if there is none.
func pauseIn(key, plain []byte) (time.Time, error) {
	if plain == nil {
		return time.Time{}, nil
	}
	v := reader{b: plain}
	v.version(1)
	at := v.time()
	if v.end() != nil {
		return time.Time{}, damaged(bucketMeta, key)
	}
	return at, nil
}

func (r lookup) pauseAt(key []byte) (time.Time, error) {
	plain, err := r.value(bucketMeta, key)
	if err != nil {
		return time.Time{}, err
	}
	return pauseIn(key, plain)
}

// pausedKey returns the key of the note that an app is paused. It stands beside the slot's own
// value for the reason that is given at [documentedKey].
func pausedKey(app string) []byte { return slices.Concat(pausedPrefix, []byte(app)) }

var pausedPrefix = []byte("paused app ")

// Paused returns since when the wallet is paused. It reports false if it is not.
func (l *Ledger) Paused() (time.Time, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.paused, !l.state.paused.IsZero()
}

// PausedApp returns since when an app is paused. It reports false if it is not, or is not there.
func (l *Ledger) PausedApp(name string) (time.Time, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	at := l.state.slots[name].Paused
	return at, !at.IsZero()
}

// Pause notes that the wallet is paused, together with a record of the trail; or that an app is,
// if the record names one. It returns when both are on disk. What is paused stays so, and nothing
// is recorded. ErrNoSlot.
func (l *Ledger) Pause(ctx context.Context, e Entry) error {
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		at := b.now
		if e.App != "" {
			return b.pauseApp(e, func(s *Slot) bool {
				was := s.Paused.IsZero()
				s.Paused = at
				return was
			})
		}
		if !b.l.state.paused.IsZero() {
			return nil
		}
		b.put(bucketMeta, metaPause, encodePause(at))
		b.append(e)
		b.after = append(b.after, func(st *state) { st.paused = at })
		return nil
	}})
}

// Resume takes the note away that Pause made, together with a record of the trail. It returns when
// both are on disk, and records nothing if there is no note. ErrNoSlot.
func (l *Ledger) Resume(ctx context.Context, e Entry) error {
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		if e.App != "" {
			return b.pauseApp(e, func(s *Slot) bool {
				was := !s.Paused.IsZero()
				s.Paused = time.Time{}
				return was
			})
		}
		if b.l.state.paused.IsZero() {
			return nil
		}
		b.delete(bucketMeta, metaPause)
		b.append(e)
		b.after = append(b.after, func(st *state) { st.paused = time.Time{} })
		return nil
	}})
}

// pauseApp changes whether an app is paused, if change reports that it does, with its record.
func (b *batch) pauseApp(e Entry, change func(*Slot) bool) error {
	s, ok := b.slot(e.App)
	switch {
	case !ok:
		return ErrNoSlot
	case change(&s):
		b.putSlot(s)
		b.append(e)
	}
	return nil
}
