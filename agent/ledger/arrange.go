package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Arrangement is changes of slots and sessions that are made together, in the order of its fields.
// The zero value changes nothing.
type Arrangement struct {
	Remove  []string     // slots, with their sessions
	End     []SessionID  // sessions that are revoked
	Rotate  []Slot       // to these secrets; their sessions go on
	Answers []Slot       // to these forms
	Add     []Slot       // as [Ledger.AddSlotAs] does
	Open    []NewSession // by hand
	Audit   []byte       // content of each record
}

func (a *Arrangement) empty() bool {
	return len(a.Remove)+len(a.End)+len(a.Rotate)+len(a.Answers)+len(a.Add)+len(a.Open) == 0
}

// Standing is what a plan starts from: all slots by name, and all live sessions by number. The
// sessions are shared: do not change them.
type Standing struct {
	Slots    []Slot
	Sessions []*Session
	Now      time.Time // ledger time
}

// ArrangeError names the part of an arrangement that cannot be made: a slot, or a session if Slot
// is empty.
type ArrangeError struct {
	Slot string
	Open int // place in Arrangement.Open
	Err  error
}

// Error returns the part and the reason.
func (e *ArrangeError) Error() string {
	if e.Slot != "" {
		return fmt.Sprintf("slot %s: %v", e.Slot, e.Err)
	}
	return fmt.Sprintf("session %d: %v", e.Open+1, e.Err)
}

// Unwrap returns the reason: an error of the method that makes this change alone.
func (e *ArrangeError) Unwrap() error { return e.Err }

// Arrange makes all changes that plan returns in one commit, or none of them, and returns the
// sessions that it opened. plan runs in the committing goroutine and must not wait: what it sees is
// what is changed. An error of plan is returned as it is; a change that cannot be made is an
// [*ArrangeError]. With try, nothing is written: it only finds out whether it could be.
//
// If more than 2,000 sessions end, so many end at a time, in commits before that, once it is known
// that all can be done; plan is called again for each commit. If more than 2,000 are opened, those
// beyond that are opened in commits after it. After an error some may have ended, or be open.
func (l *Ledger) Arrange(ctx context.Context, try bool, plan func(Standing) (Arrangement, error)) ([]*Session, error) {
	var opened, ended []*Session
	var more Arrangement // that is opened later
	err := l.inPortions(ctx, &ended, func(b *batch) (part []*Session, left bool, _ error) {
		a, err := plan(b.standing())
		if err != nil || a.empty() {
			return nil, false, err
		}
		// A step that is refused must have written nothing, and the third change may be refused.
		// So all of them are tried first where nobody sees it.
		t := b.trial()
		if _, err := t.arrange(a); err != nil {
			return nil, false, err
		}
		if t.err != nil {
			b.fail(t.err)
			return nil, false, t.err
		}
		if try {
			return nil, false, nil
		}
		if part, left = b.endPortion(a); left {
			return part, true, nil
		}
		a, more = b.openPortion(a)
		if opened, err = b.arrange(a); err != nil {
			b.fail(err) // unreachable: the same steps over the same state
		}
		return nil, false, err
	})
	if err != nil {
		return nil, err
	}
	return l.openMore(ctx, opened, more)
}

// openPortion divides an arrangement into what one commit does and the sessions that are opened
// later.
func (b *batch) openPortion(a Arrangement) (now, later Arrangement) {
	n := min(len(a.Open), b.o.expireMost)
	now, later = a, Arrangement{Open: a.Open[n:], Audit: a.Audit}
	now.Open = a.Open[:n]
	return now, later
}

// openMore opens what is left of an arrangement, in portions, and returns all that are open. What
// happened meanwhile may keep it from opening some.
func (l *Ledger) openMore(ctx context.Context, opened []*Session, left Arrangement) ([]*Session, error) {
	for len(left.Open) > 0 {
		var part []*Session
		var rest Arrangement
		err := l.submitContext(ctx, &op{apply: func(b *batch) error {
			now, later := b.openPortion(left)
			if _, err := b.trial().arrange(now); err != nil {
				return err
			}
			var err error
			if part, err = b.arrange(now); err != nil {
				b.fail(err) // unreachable: the same steps over the same state
			}
			rest = later
			return err
		}})
		if refused := (&ArrangeError{}); errors.As(err, &refused) {
			refused.Open += len(opened)
		}
		if err != nil {
			// As text: an ArrangeError says that nothing was done.
			return nil, fmt.Errorf("%d sessions were opened, and %d were not: %v", len(opened), len(left.Open), err)
		}
		opened, left = append(opened, part...), rest
	}
	return opened, nil
}

// endPortion ends some of the sessions that an arrangement ends, if they are too many for one
// commit.
func (b *batch) endPortion(a Arrangement) (part []*Session, left bool) {
	end := idSet(a.End)
	part, left = b.someOf(b.sessionsWith(func(s *Session) bool {
		return end[s.ID] || slices.Contains(a.Remove, s.App)
	}))
	if !left {
		return nil, false
	}
	for _, s := range part {
		if slices.Contains(a.Remove, s.App) {
			b.endSession(s, appRemoved)
		} else {
			b.endSession(s, revoked(a.Audit))
		}
	}
	return part, true
}

func revoked(audit []byte) ending {
	return ending{Outcome: "session revoked", Revoked: true, Content: audit}
}

// standing returns the slots and live sessions as the batch sees them.
func (b *batch) standing() Standing {
	v := Standing{Sessions: live(b.allSessions(), b.now), Now: b.now}
	slots := map[string]Slot{}
	err := b.each(bucketSlots, func(key, plain []byte) error {
		s, err := decodeSlot(string(key), plain)
		slots[s.Name] = s
		return err
	})
	if err != nil {
		b.fail(err)
	}
	for _, name := range slices.Sorted(maps.Keys(slots)) {
		s, _ := b.slot(name) // with the form of its answers
		v.Slots = append(v.Slots, s)
	}
	return v
}

// trial returns a batch over this one, which sees its changes and is thrown away.
func (b *batch) trial() *batch {
	t := newBatch(b.l)
	t.tries = true
	t.now, t.last, t.since = b.now, b.last, b.since
	t.digests, t.remnants = maps.Clone(b.digests), maps.Clone(b.remnants)
	for id, s := range b.sessions {
		t.change(id, s)
	}
	t.pending.under = &b.pending
	return t
}

func (b *batch) arrange(a Arrangement) ([]*Session, error) {
	for _, name := range a.Remove {
		if _, err := b.removeSlot(name, a.Audit); err != nil {
			return nil, &ArrangeError{Slot: name, Err: err}
		}
	}
	end := idSet(a.End)
	b.revoke(revoked(a.Audit), b.sessionsWith(func(s *Session) bool { return end[s.ID] }))
	for _, s := range a.Rotate {
		if err := b.keep(b.rotateSlot(s.Name, s.Secret, time.Time{}, a.Audit)); err != nil {
			return nil, &ArrangeError{Slot: s.Name, Err: err}
		}
	}
	for _, s := range a.Answers {
		if err := b.keep(b.setAnswers(s.Name, s.Documented, a.Audit)); err != nil {
			return nil, &ArrangeError{Slot: s.Name, Err: err}
		}
	}
	for _, s := range a.Add {
		err := CheckSlotName(s.Name)
		if err == nil {
			err = b.keep(b.addSlot(s, a.Audit))
		}
		if err != nil {
			return nil, &ArrangeError{Slot: s.Name, Err: err}
		}
	}
	var opened []*Session
	for i, n := range a.Open {
		s, err := b.addSession(n, a.Audit)
		if err != nil {
			return nil, &ArrangeError{Open: i, Err: err}
		}
		opened = append(opened, s)
	}
	return opened, b.err
}

// keep writes a slot that was made, or returns why it was not.
func (b *batch) keep(s Slot, err error) error {
	if err == nil {
		b.putSlot(s)
	}
	return err
}
