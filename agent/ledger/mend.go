package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// mendMost is the size of the largest value that is mended. Larger ones are rare, and take minutes.
const mendMost = 32 << 10

// Mending is how a damaged ledger is mended. The zero value restores what can be restored.
type Mending struct {
	// Lose decides whether to go on without what cannot be restored; nil: no. What is lost then is
	// in the list.
	Lose func([]Loss) (bool, error)
	// Charge returns what counts in the place of a charge that is lost. nil: nothing does.
	Charge func(LostCharge) (Charge, error)
	// Progress is called now and then while a value is being restored, with its name and how many
	// of its bytes were tried. It may be nil.
	Progress func(what string, done, all int)
	Every    time.Duration // between calls of Progress; zero: a second
	// Audit returns the content of the audit record. It may be nil.
	Audit func(Mended) []byte
}

// Mended is the result of Mend.
type Mended struct {
	Restored []string // in words
	Lost     []Loss
	// Floor says that no nonce up to now counts any more, and that nonces are demanded, because
	// which requests were taken is not known any more.
	Floor bool
	// Limits says that something may have been charged that is not known any more.
	Limits bool
	Ended  []*Session
}

// Loss is a value, or a part of the trail, that cannot be restored.
type Loss struct {
	What  string // "audit records 5 to 7"
	Means string // what goes on without it, a sentence without its end
}

// LossError reports what of a ledger cannot be restored. It is an ErrDamaged; nothing was changed.
type LossError struct{ Lost []Loss }

// Error returns a sentence that names what is damaged.
func (e *LossError) Error() string {
	var names []string
	for i, l := range e.Lost {
		if i == 20 {
			names = append(names, fmt.Sprintf("and %d more", len(e.Lost)-i))
			break
		}
		names = append(names, l.What)
	}
	return fmt.Sprintf("%v, and this cannot be restored: %s", ErrDamaged, strings.Join(names, ", "))
}

// Is makes it an ErrDamaged.
func (e *LossError) Is(target error) bool { return target == ErrDamaged }

// Mend restores values that were altered in one byte, as failing memory and disks do it: for each
// byte it tries every other value, until the seal of the ledger fits again. What it restores is
// what was written, or the seal would not fit; nothing is guessed.
//
// What was altered in more than a byte is lost. If Lose says so, Mend goes on without it, and
// nothing is free because of that:
//
//   - a part of the trail becomes a [Hole]; segment files are kept under another name;
//   - where a lost record may have used up a nonce or a digest, no nonce up to now counts any more,
//     sessions that took requests without nonces end, and the others, and those that are made under
//     the present secret of a slot, must send nonces;
//   - where it may have charged something, Charge says what counts;
//   - an auth_key of which nothing is known any more makes no session again, and sessions whose
//     slot is lost end.
//
// All is one commit, with a record that says what was restored and what was lost. Before it, only
// damaged segment files get another name. Where more than 2,000 sessions end or change by it, those
// beyond that do so in commits after it. A mend that was cut off between them leaves a ledger that
// no program opens; the next Mend goes on with it, as does Accept.
//
// A *LossError: something is lost, and Lose did not say to go on. Other errors of the kind
// ErrDamaged: the file itself reads wrong. Then nothing was changed. A ledger in which all is good
// is not changed either.
func Mend(ctx context.Context, path string, o Options, m Mending) (Mended, error) {
	full, err := o.withDefaults()
	if err != nil {
		return Mended{}, err
	}
	s := full.newStore(path)
	if err := s.open(); err != nil {
		return Mended{}, errors.Join(err, s.close())
	}
	// The store is closed before it is opened to be mended: an error of the end is one of the look.
	x := &examination{ctx: ctx, m: &m, o: &full, lookup: lookup{full.vault(), s}, store: s}
	x.vault.where = s.identity()
	x.mark, _ = (&Ledger{vault: x.vault, path: path}).readMark()
	if a, is := x.mark.announcement(); is {
		x.mark, x.announced, x.goesOn = chainEnd{number: a.taken}, true, a.mends
	}
	err = x.examine()
	if err == nil && len(x.done.Lost) > 0 {
		err = x.agree()
	}
	if err := errors.Join(err, s.close()); err != nil {
		return Mended{}, err
	}
	x.done.Floor = x.done.Floor || x.goesOn // which sessions the mend before has left out, nobody knows
	if len(x.edits) == 0 && len(x.segments) == 0 && !x.goesOn {
		return Mended{}, nil
	}
	return x.carryOut(path)
}

// agree asks whether to go on with what is lost.
func (x *examination) agree() error {
	if x.m.Lose != nil {
		if yes, err := x.m.Lose(x.done.Lost); yes || err != nil {
			return err
		}
	}
	return &LossError{x.done.Lost}
}

// carryOut writes what was found.
func (x *examination) carryOut(path string) (Mended, error) {
	o := *x.o
	o.inTurn = true // the mended store is no store for several goroutines
	o.newStore = func(path string) store { return newMendedStore(x.o.newStore(path), x.edits) }
	l, err := open(path, o)
	if err != nil {
		return Mended{}, err
	}
	if err := l.store.secure(); err != nil {
		return Mended{}, errors.Join(err, l.store.close())
	}
	for _, id := range x.segments {
		// Before the commit: it says that they are lost. After a crash in between they are missing,
		// and the next call finds that.
		if err := l.store.retireSegment(id); err != nil {
			return Mended{}, errors.Join(err, l.store.close())
		}
	}
	l.unaccepted = true // until the commit, or for good: what is lost by the mark's word alone is for Accept
	switch err := l.checkMark(); {
	case err == nil, x.goesOn,
		!x.announced && x.mark.number > l.state.last.number && x.mark.number <= x.end:
		x.accepted = true
	case !errors.Is(err, ErrRestored):
		return Mended{}, errors.Join(err, l.store.close())
	}
	if len(x.done.Lost) > 0 || x.goesOn {
		err := l.announce(announcement{taken: max(x.mark.number, x.end), mends: x.accepted})
		if err != nil {
			return Mended{}, errors.Join(err, l.store.close())
		}
	}
	l.start()
	err = l.submitContext(x.ctx, &op{apply: x.apply})
	for err == nil && !x.doubted.none() {
		err = l.submitContext(x.ctx, &op{apply: func(b *batch) error { x.portion(b); return nil }})
	}
	return x.done, errors.Join(err, l.Close())
}

// mendedStore shows values as they are to be, and writes them with its first commit.
type mendedStore struct {
	store
	mended  pending // over the store
	written bool
}

func newMendedStore(s store, edits []edit) *mendedStore {
	m := &mendedStore{store: s, mended: pending{under: s}}
	for _, e := range edits {
		m.mended.add(e)
	}
	return m
}

func (m *mendedStore) get(b bucket, key []byte) ([]byte, bool, error) {
	if m.written {
		return m.store.get(b, key)
	}
	value, found, err := m.mended.get(b, key)
	return bytes.Clone(value), found, err
}

func (m *mendedStore) getMany(names []name) (all []got, err error) {
	if m.written {
		return m.store.getMany(names)
	}
	size := 0
	for _, n := range names {
		if size >= listBytes {
			break
		}
		value, found, err := m.get(n.bucket, n.key)
		if err != nil {
			return nil, err
		}
		all = append(all, got{value, found})
		size += len(value)
	}
	return all, nil
}

func (m *mendedStore) list(b bucket, from []byte, most int) (pairs []pair, more bool, err error) {
	if m.written {
		return m.store.list(b, from, most)
	}
	pairs, more, err = m.mended.list(b, from, most)
	for i, p := range pairs {
		pairs[i] = pair{bytes.Clone(p.key), bytes.Clone(p.value)}
	}
	return pairs, more, err
}

// commit writes what was mended before the edits: they may remove some of it. After an error,
// nobody knows whether the store has it, and the next commit writes it once more.
func (m *mendedStore) commit(edits []edit) error {
	if m.written {
		return m.store.commit(edits)
	}
	err := m.store.commit(append(append([]edit{}, m.mended.edits...), edits...))
	m.written = err == nil
	return err
}
