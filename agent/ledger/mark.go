package ledger

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The mark is a small file beside the ledger with the last audit number and its MAC. It is replaced
// at the start, at the end and every minute, after the commit that it speaks of: a ledger that does
// not reach its mark was put back alone.

// markPath returns the path of the mark: "ledger.mark" beside "ledger.db".
func markPath(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".mark"
}

func (v *vault) markText(at chainEnd) []byte {
	body := fmt.Sprintf("pksa ledger mark 1\nid %s\nrecord %d\nmac %x\n", v.id, at.number, at.mac)
	return fmt.Appendf(nil, "%sseal %x\n", body, v.hash("mark", []byte(body)))
}

// writeMark replaces the mark with the chain end as it is committed.
func (l *Ledger) writeMark() error {
	if l.unaccepted {
		return nil // the mark is all that tells that this ledger is older than it should be
	}
	return l.o.disk.Replace(markPath(l.path), l.vault.markText(l.state.last))
}

// replaceMark replaces the mark when the ledger is opened and closed. On a full disk the old one
// stays: it is true, if of earlier, and whoever only reads the trail must not be kept from it.
func (l *Ledger) replaceMark() error {
	err := l.writeMark()
	if noRoom(err) {
		l.o.Logger.Warn("mark was not replaced", "err", err)
		return nil
	}
	return err
}

// readMark reads the mark and returns the chain end in it.
func (l *Ledger) readMark() (chainEnd, error) {
	text, err := os.ReadFile(markPath(l.path))
	if err != nil {
		return chainEnd{}, err
	}
	return l.vault.parseMark(text)
}

// parseMark reads the text of a mark. There is one way to write a mark, so parseMark writes it
// again and compares.
func (v *vault) parseMark(text []byte) (chainEnd, error) {
	if err := checkMarkFormat(text); err != nil {
		return chainEnd{}, err
	}
	var at chainEnd
	var id, seal string
	var mac []byte
	if _, err := fmt.Sscanf(string(text), "pksa ledger mark 1\nid %s\nrecord %d\nmac %x\nseal %s\n",
		&id, &at.number, &mac, &seal); err != nil {
		return chainEnd{}, errors.New("mark reads wrong")
	}
	copy(at.mac[:], mac)
	if !hmac.Equal(text, v.markText(at)) {
		return chainEnd{}, errors.New("mark is not of this ledger, or was changed")
	}
	return at, nil
}

// checkMark returns ErrRestored unless the ledger holds the record that the mark names.
func (l *Ledger) checkMark() error {
	at, err := l.readMark()
	var newer *NewerError
	switch {
	case errors.As(err, &newer):
		return err // what it means, only the newer program knows: nobody may accept it here
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %q is missing", errMarkLost, markPath(l.path))
	case err != nil:
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

// macOf returns the MAC of a record, if it is still in the store.
func (l *Ledger) macOf(number uint64) (mac [32]byte, known bool, err error) {
	if number == 0 {
		return l.vault.chainStart().mac, true, nil
	}
	s, known, err := l.lookup.recordAt(number)
	return s.at.mac, known, err
}

// Accepted is the result of Accept.
type Accepted struct {
	Last  uint64     // the last record that the restored ledger had
	Mark  uint64     // the record that the mark spoke of; zero if there was no valid one
	Ended []*Session // sessions that took requests without nonce: which requests, nobody knows any more
}

// Accept makes a restored ledger usable, which Open refuses with ErrRestored, because the operator
// says so. What happened after the copy was made is lost. Therefore:
//
//   - no nonce up to now counts any more;
//   - sessions that took requests without a nonce end;
//   - the other sessions, and those that are made under the present secret of a slot, must send
//     nonces;
//   - audit numbers go on above the number in the mark.
//
// Somebody who held an auth_req back may still deliver it: rotate the slots. Accept changes nothing
// in a ledger that fits its mark.
func Accept(path string, o Options, audit []byte) (Accepted, error) {
	l, err := open(path, o)
	if err != nil {
		return Accepted{}, err
	}
	switch err := l.checkMark(); {
	case err == nil:
		return Accepted{Last: l.state.last.number, Mark: l.state.last.number}, l.store.close()
	case !errors.Is(err, ErrRestored):
		return Accepted{}, errors.Join(err, l.store.close())
	}
	done := Accepted{Last: l.state.last.number}
	taken, first, err := l.prepareAccept(&done)
	if err != nil {
		return Accepted{}, errors.Join(err, l.store.close())
	}
	l.unaccepted = true
	l.start()
	err = l.submitContext(context.Background(), &op{apply: func(b *batch) error {
		if first > max(b.l.state.kept, 1) {
			b.keepFrom(first)
		}
		done.Ended = b.accept(taken, audit)
		b.after = append(b.after, func(*state) { l.unaccepted = false })
		return nil
	}})
	return done, errors.Join(err, l.Close()) // Close replaces the mark, if the ledger was accepted
}

// prepareAccept makes room for what an accepted ledger writes. It returns the highest number that a
// lost record may have, and the number of the first record that is left.
func (l *Ledger) prepareAccept(done *Accepted) (taken, first uint64, err error) {
	mark, _ := l.readMark() // zero if it is missing, or not ours
	done.Mark = mark.number
	if err := l.store.secure(); err != nil {
		return 0, 0, err
	}
	// Before the acceptance is committed: afterwards nobody would know which of them are lost. A
	// crash in between leaves a ledger that is still refused, and segments that are aside.
	lost, err := l.setAside(done.Last)
	if err != nil {
		return 0, 0, err
	}
	all, err := l.store.segments()
	if err != nil {
		return 0, 0, err
	}
	first, err = l.firstRecord(all) // what was removed since the copy was made, it does not know
	return max(mark.number, lost), first, err
}

// accept records the acceptance and takes back what the lost records may have used up. taken is the
// highest number that a lost record may have.
func (b *batch) accept(taken uint64, audit []byte) (ended []*Session) {
	last := b.last.number
	b.last.number = max(last, taken) // a number that an outcome may still name must not be given twice
	b.record(Record{Type: RecordAccepted, Ref: last, Outcome: "restored ledger accepted", Content: audit}, nil)
	return b.takeBack("nonces unknown since the ledger was restored")
}

// takeBack lets nothing count as new that lost records may have used up, and returns the sessions
// that ended by it.
func (b *batch) takeBack(outcome string) (ended []*Session) {
	for _, s := range b.allSessions() {
		if s.Nonceless || s.LastNonce > millis(b.now) {
			// Which ciphertexts it took is lost: any of them would be fresh again. Or the clock of
			// its application runs ahead: a nonce that is lost may be above the floor.
			b.endSession(s, ending{Outcome: outcome})
			ended = append(ended, s)
			continue
		}
		fresh := b.update(s, b.last.number, func(s *Session) {
			s.NoncesOnly = true
			s.judged = judged{covers: s.LastNonce} // of what came since the copy, nothing is remembered
		})
		b.putSession(fresh)
	}
	b.doubtRemnants()
	// The digests of auth_reqs are lost too. They would make sessions, which must send nonces.
	for _, slot := range b.l.Slots() {
		slot.NoncesOnly = true
		b.put(bucketSlots, []byte(slot.Name), slot.encode())
		b.after = append(b.after, func(st *state) { st.slots[slot.Name] = slot })
	}
	// A request that was taken since the copy has a nonce about as high as the clock was then: not
	// above now, unless the clock of its application runs ahead.
	floor := max(millis(b.now), b.l.state.floor)
	b.put(bucketMeta, metaFloor, encodeNumber(uint64(floor)))
	b.after = append(b.after, func(st *state) { st.floor = floor })
	return ended
}
