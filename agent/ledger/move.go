package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
)

// Bounds that this package chose: how much of a ledger that is moved one commit has.
const (
	movePairs = 4096
	moveBytes = 4 << 20
	// movePart is how many bytes of a segment are copied at once.
	movePart = 256 << 10
)

// Moved is what [Move] has moved.
type Moved struct {
	Last     uint64 // the number of the last record
	Values   int
	Segments int
	// Ended is set if the ledger had been copied and compared before, and only the mark was left.
	Ended bool
}

// Move copies a ledger, with its trail, from the store that one set of options leads to into the
// store of another. It compares the two, takes the old one out of use, and has the mark name the
// new one. Both have the mark at path.
//
// The ledger is in use by nobody meanwhile: Move holds it as an open ledger does. Until the mark is
// replaced the ledger is where it was, and afterwards where it goes; there is no instant at which
// both would open, or neither for good: killed at any place, Move is called again and goes on.
// What an earlier call has left in the new place is set aside.
//
// An error is that of Open for the old ledger. [ErrElsewhere]: the mark names another store than
// the old one.
func Move(ctx context.Context, path string, from, to Options) (Moved, error) {
	from, err := from.withDefaults()
	if err != nil {
		return Moved{}, err
	}
	if to, err = to.withDefaults(); err != nil {
		return Moved{}, err
	}
	old, err := open(path, from)
	if errors.Is(err, ErrMissing) {
		if done, ended, err2 := endMove(path, from, to); ended || err2 != nil {
			return done, err2
		}
	}
	if err != nil {
		return Moved{}, err
	}
	m := moving{ctx: ctx, path: path, old: old, to: &to}
	if err := m.carryOut(); err != nil {
		return Moved{}, errors.Join(err, old.store.close())
	}
	return m.done, nil
}

// moving is a move that is under way.
type moving struct {
	ctx  context.Context
	path string
	old  *Ledger
	to   *Options
	done Moved
}

func (m *moving) carryOut() error {
	if err := m.old.checkMark(); err != nil {
		return err
	}
	// What was read may be a commit that a crash cut off: it must not be in the copy alone.
	if err := m.old.store.secure(); err != nil {
		return err
	}
	fresh := m.to.newStore(m.path)
	if err := m.clear(fresh); err != nil {
		return fmt.Errorf("making room where the ledger goes: %w", err)
	}
	err := fresh.create(nil, func() error { return nil })
	if err == nil {
		err = fresh.open()
	}
	if err == nil {
		err = fresh.secure()
	}
	if err == nil {
		err = m.copyTo(fresh)
	}
	if err := errors.Join(err, fresh.close()); err != nil {
		return fmt.Errorf("copying the ledger: %w", err)
	}
	crashpoint("ledger copied") // the old one, and a copy that no mark speaks of
	copied, err := open(m.path, *m.to)
	if err != nil {
		return fmt.Errorf("reading the copy of the ledger: %w", err)
	}
	if err := m.compare(copied); err != nil {
		return errors.Join(fmt.Errorf("comparing the copy of the ledger: %w", err), copied.store.close())
	}
	// The old one may have been taken over by somebody else meanwhile: then it does not retire.
	heir := heirOf(copied.state.last)
	if err := m.old.store.retire(heir); err != nil {
		return errors.Join(fmt.Errorf("taking the old ledger out of use: %w", err), copied.store.close())
	}
	crashpoint("old ledger retired") // the copy, which no mark speaks of yet; endMove goes on
	return errors.Join(copied.writeMark(), copied.store.close())
}

// heirOf names the copy of a ledger by its last record, whose MAC covers the whole trail.
func heirOf(last chainEnd) string { return hex.EncodeToString(last.mac[:12]) }

// endMove goes on with a move that was cut off when the old ledger had been taken out of use. It
// reports false if there was none.
func endMove(path string, from, to Options) (Moved, bool, error) {
	fresh, err := open(path, to)
	if errors.Is(err, ErrMissing) {
		return Moved{}, false, nil
	}
	if err != nil {
		return Moved{}, false, err
	}
	// The old one says for whom it was retired: for a ledger that ends as this one does.
	meant, err := from.newStore(path).retiredFor(heirOf(fresh.state.last))
	if err == nil && meant {
		err = fresh.store.secure()
	}
	if err == nil && meant {
		err = fresh.writeMark()
	}
	return Moved{Last: fresh.state.last.number, Ended: true}, meant, errors.Join(err, fresh.store.close())
}

// clear sets aside what an earlier move has left in the new place. It is no ledger: the mark is of
// the old one.
func (m *moving) clear(fresh store) error {
	switch err := fresh.open(); {
	case errors.Is(err, ErrMissing):
		return fresh.close()
	case err != nil:
		return errors.Join(err, fresh.close())
	case fresh.identity() == m.old.store.identity():
		return errors.Join(errors.New("the ledger is there already"), fresh.close())
	}
	if err := fresh.secure(); err != nil {
		return errors.Join(err, fresh.close())
	}
	return fresh.retire("left" + rand.Text())
}

// buckets returns all buckets that have keys of use. Those of digests have names by their owners;
// of others there are none, since they go with their owner.
func (m *moving) buckets() []bucket {
	all := append([]bucket{}, allBuckets[1:]...) // without the meta bucket
	st := m.old.state
	for id := range st.sessions {
		all = append(all, digestBucket(sessionOwner(id)))
	}
	for _, s := range st.slots {
		all = append(all, digestBucket(slotOwner(s)))
	}
	return all
}

// copyTo copies all values, and the segments. The facts come last, with what says that this is a
// ledger.
func (m *moving) copyTo(fresh store) error {
	var edits []edit
	size := 0
	commit := func() error {
		err := fresh.commit(edits)
		edits, size = nil, 0
		return err
	}
	for _, b := range m.buckets() {
		for p, err := range scan(m.old.store, b, nil) {
			if err == nil {
				err = context.Cause(m.ctx)
			}
			if err != nil {
				return err
			}
			edits = append(edits, edit{actPut, b, p.key, p.value})
			m.done.Values++
			if size += len(p.key) + len(p.value); size >= moveBytes || len(edits) >= movePairs {
				if err := commit(); err != nil {
					return err
				}
			}
		}
	}
	if err := commit(); err != nil {
		return err
	}
	if err := m.copySegments(fresh); err != nil {
		return err
	}
	for p, err := range scan(m.old.store, bucketMeta, nil) {
		if err != nil {
			return err
		}
		if bytes.Equal(p.key, metaFormat) {
			continue
		}
		edits = append(edits, edit{actPut, bucketMeta, p.key, p.value})
		m.done.Values++
	}
	// The new store may have a form that programs of an older format do not look for.
	edits = append(edits, edit{actPut, bucketMeta, metaFormat, formatText})
	m.done.Last = m.old.state.last.number
	return commit()
}

func (m *moving) copySegments(fresh store) error {
	all, err := m.old.store.segments()
	if err != nil {
		return err
	}
	for _, info := range all {
		if err := context.Cause(m.ctx); err != nil {
			return err
		}
		if err := fresh.writeSegment(info.segmentID, segmentParts(m.old.store, info.segmentID)); err != nil {
			return err
		}
		m.done.Segments++
	}
	return nil
}

// segmentParts reads a segment part by part.
func segmentParts(in store, id segmentID) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for at := int64(0); ; at += movePart {
			part, err := in.readSegment(id, at, movePart)
			if len(part) > 0 || err != nil {
				if !yield(part, err) || err != nil {
					return
				}
			}
			if len(part) < movePart {
				return
			}
		}
	}
}

// compare compares a copy with the old ledger, byte by byte.
func (m *moving) compare(copied *Ledger) error {
	if copied.state.last != m.old.state.last {
		return fmt.Errorf("it ends at record %d, and the ledger at %d", copied.state.last.number,
			m.old.state.last.number)
	}
	for _, b := range append(m.buckets(), bucketMeta) {
		if err := m.sameBucket(copied.store, b); err != nil {
			return err
		}
	}
	ours, err1 := m.old.store.segments()
	theirs, err2 := copied.store.segments()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	for i, info := range ours {
		if len(ours) != len(theirs) || theirs[i].segmentID != info.segmentID || theirs[i].size != info.size {
			return errors.New("its segments are others")
		}
		for at := int64(0); at < info.size; at += movePart {
			a, err1 := m.old.store.readSegment(info.segmentID, at, movePart)
			b, err2 := copied.store.readSegment(info.segmentID, at, movePart)
			if err := errors.Join(err1, err2, context.Cause(m.ctx)); err != nil {
				return err
			}
			if !bytes.Equal(a, b) {
				return fmt.Errorf("segment %s reads otherwise", info.name())
			}
		}
	}
	return nil
}

func (m *moving) sameBucket(in store, b bucket) error {
	next, stop := iter.Pull2(scan(in, b, nil))
	defer stop()
	for p, err := range scan(m.old.store, b, nil) {
		if err == nil {
			err = context.Cause(m.ctx)
		}
		if err != nil {
			return err
		}
		other, err, more := next()
		if err != nil {
			return err
		}
		isFormat := b == bucketMeta && bytes.Equal(p.key, metaFormat)
		if !more || !bytes.Equal(p.key, other.key) || !isFormat && !bytes.Equal(p.value, other.value) {
			return fmt.Errorf("%s %x reads otherwise", b, p.key)
		}
	}
	if other, err, more := next(); more {
		return errors.Join(err, fmt.Errorf("%s %x is there as well", b, other.key))
	}
	return nil
}
