package ledger

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// The mark is a small file beside the ledger with the last audit number and its MAC. It is replaced
// at the start, at the end and every minute, after the commit that it speaks of: a ledger that does
// not reach its mark was put back alone.

// markPath is "ledger.mark" beside "ledger.db".
func markPath(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".mark"
}

func (v *vault) markText(at chainEnd) []byte {
	body := fmt.Sprintf("pksa ledger mark 1\nid %s\nrecord %d\nmac %x\n", v.id, at.number, at.mac)
	return fmt.Appendf(nil, "%sseal %x\n", body, v.hash("mark", []byte(body)))
}

// writeMark replaces the mark.
func (v *vault) writeMark(path string, at chainEnd) error {
	return replaceFile(markPath(path), v.markText(at))
}

// readMark gives the number and MAC of the mark. There is one way to write it, so it is read by
// writing it again.
func (v *vault) readMark(path string) (chainEnd, error) {
	text, err := os.ReadFile(markPath(path))
	if err != nil {
		return chainEnd{}, err
	}
	var at chainEnd
	var id, seal string
	var mac []byte
	if _, err := fmt.Sscanf(string(text), "pksa ledger mark 1\nid %s\nrecord %d\nmac %x\nseal %s\n", &id, &at.number,
		&mac, &seal); err != nil {
		return chainEnd{}, errors.New("mark reads wrong")
	}
	copy(at.mac[:], mac)
	if !hmac.Equal(text, v.markText(at)) {
		return chainEnd{}, errors.New("mark is not of this ledger, or was changed")
	}
	return at, nil
}

// checkMark says ErrRestored unless the ledger holds the record that the mark speaks of.
func (l *Ledger) checkMark() error {
	at, err := l.vault.readMark(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: the mark is missing", ErrRestored)
	}
	if err != nil {
		return fmt.Errorf("%w: %v", ErrRestored, err)
	}
	if at.number > l.state.last.number {
		return fmt.Errorf("%w: it ends at record %d, the mark is of %d", ErrRestored, l.state.last.number, at.number)
	}
	mac, known, err := l.macOf(at.number)
	if err != nil {
		return err
	}
	if known && mac != at.mac {
		return fmt.Errorf("%w: record %d is another than the mark's", ErrRestored, at.number)
	}
	return nil
}

// macOf is the MAC of a record that is still in the file.
func (l *Ledger) macOf(number uint64) (mac [32]byte, known bool, err error) {
	if number == 0 {
		return l.vault.chainStart().mac, true, nil
	}
	err = l.view(func(tx *bolt.Tx) error {
		var s stored
		var err error
		s, known, err = l.vault.recordAt(tx, number)
		mac = s.at.mac
		return err
	})
	return mac, known, err
}

// Accepted is what Accept did.
type Accepted struct {
	Last  uint64     // the last record that the restored ledger had
	Mark  uint64     // the record that the mark spoke of; zero if there was no valid one
	Ended []*Session // sessions that took requests without nonce: which, is no longer known
}

// Accept goes on with a ledger that Open refuses with ErrRestored, at the operator's word. What
// happened after the copy was made is lost, so: no nonce up to now counts any more; sessions that
// took requests without nonce end, the others, and those made under a slot's present secret, must
// send nonces; audit numbers go on above the mark's. Whoever had a held-back auth_req may still
// bring it: rotate the slots. Nothing of a ledger that fits its mark is changed.
func Accept(path string, o Options, audit []byte) (Accepted, error) {
	l, err := open(path, o)
	if err != nil {
		return Accepted{}, err
	}
	switch err := l.checkMark(); {
	case err == nil:
		return Accepted{Last: l.state.last.number, Mark: l.state.last.number}, l.db.Close()
	case !errors.Is(err, ErrRestored):
		return Accepted{}, errors.Join(err, l.db.Close())
	}
	mark, _ := l.vault.readMark(path) // zero if it is missing or not ours
	done := Accepted{Last: l.state.last.number, Mark: mark.number}
	lost, err := l.setAside(done.Last)
	if err != nil {
		return Accepted{}, errors.Join(err, l.db.Close())
	}
	all, err := l.segments()
	if err != nil {
		return Accepted{}, errors.Join(err, l.db.Close())
	}
	first, err := l.firstRecord(all) // what was removed since the copy was made, it does not know
	if err != nil {
		return Accepted{}, errors.Join(err, l.db.Close())
	}
	l.start()
	err = l.submitContext(context.Background(), &op{apply: func(b *batch) error {
		if first > max(b.l.state.kept, 1) {
			b.keepFrom(first)
		}
		done.Ended = b.accept(max(mark.number, lost), audit)
		return nil
	}})
	return done, errors.Join(err, l.Close()) // Close replaces the mark
}

func (b *batch) accept(taken uint64, audit []byte) (ended []*Session) {
	last := b.last.number
	b.last.number = max(last, taken)
	b.record(Record{Type: RecordAccepted, Ref: last, Outcome: "restored ledger accepted", Content: audit}, nil)
	for _, s := range b.allSessions() {
		if s.Nonceless {
			b.endSession(s, ending{Outcome: "nonces unknown since the ledger was restored"})
			ended = append(ended, s)
			continue
		}
		fresh := b.update(s, b.last.number, func(s *Session) { s.NoncesOnly = true })
		b.put(bucketSessions, numberKey(uint64(s.ID)), fresh.encode())
	}
	for _, slot := range b.l.Slots() {
		slot.NoncesOnly = true
		b.put(bucketSlots, []byte(slot.Name), slot.encode())
		b.after = append(b.after, func(st *state) { st.slots[slot.Name] = slot })
	}
	floor := millis(b.now)
	var w writer
	w.uint(uint64(floor))
	b.put(bucketMeta, metaFloor, w.b)
	b.after = append(b.after, func(st *state) { st.floor = floor })
	return ended
}
