package ledger

import (
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

// The mark also says which store the ledger is in, if that is not the file at its path. Such a mark
// has format 2, and programs that know no other store refuse it. So a ledger is moved by one
// rename.

// markText writes the mark of the store that is open.
func (v *vault) markText(at chainEnd) []byte { return v.markOf(at, v.where) }

// markOf writes the mark of a ledger in a store, by the store's identity.
func (v *vault) markOf(at chainEnd, where string) []byte {
	format, place := 1, ""
	if where != "" {
		format, place = markFormat, "place "+where+"\n"
	}
	body := fmt.Sprintf("pksa ledger mark %d\nid %s\n%srecord %d\nmac %x\n", format, v.id, place, at.number, at.mac)
	return fmt.Appendf(nil, "%sseal %x\n", body, v.hash("mark", []byte(body)))
}

// announcement is what the mark says while a ledger is accepted or mended in several commits. No
// program opens a ledger with such a mark: its number is one that the ledger does not reach. What
// the mark would have said else stands where other marks have a MAC.
type announcement struct {
	taken uint64 // the highest number that a record may have had
	mends bool   // a mend is under way, after which nothing is left to accept
}

// encode writes it in the place of a MAC. No record has a MAC with so many zeros.
func (a announcement) encode() (mac [32]byte) {
	mac[0] = 1
	if a.mends {
		mac[0] = 2
	}
	copy(mac[24:], numberKey(a.taken))
	return mac
}

// announcement returns what a mark announces, and whether it announces anything.
func (at chainEnd) announcement() (announcement, bool) {
	a := announcement{mends: at.mac[0] == 2}
	a.taken, _ = numberOf(at.mac[24:])
	return a, a.encode() == at.mac
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

// readMark reads the mark and returns the chain end in it. ErrElsewhere: the mark is of a ledger in
// another store than the one that is open.
func (l *Ledger) readMark() (chainEnd, error) {
	at, where, err := l.vault.readMark(l.path)
	if err == nil && where != l.vault.where {
		return chainEnd{}, ErrElsewhere
	}
	return at, err
}

// readMark reads the mark of the ledger at path, and in which store the ledger is.
func (v *vault) readMark(path string) (at chainEnd, where string, err error) {
	text, err := os.ReadFile(markPath(path))
	if err != nil {
		return chainEnd{}, "", err
	}
	return v.parseMark(text)
}

// parseMark reads the text of a mark. There is one way to write a mark, so parseMark writes it
// again and compares.
func (v *vault) parseMark(text []byte) (at chainEnd, where string, err error) {
	if err := checkMarkFormat(text); err != nil {
		return chainEnd{}, "", err
	}
	head, body, _ := strings.Cut(string(text), "\nrecord ")
	first, place, in := strings.Cut(head, "\nplace ")
	var mac []byte
	var id, seal string
	var format int
	_, err1 := fmt.Sscanf(first, markTitle+"%d\nid %s", &format, &id)
	_, err2 := fmt.Sscanf(body, "%d\nmac %x\nseal %s\n", &at.number, &mac, &seal)
	if err1 != nil || err2 != nil || in && place == "" {
		return chainEnd{}, "", errors.New("it reads wrong")
	}
	copy(at.mac[:], mac)
	if !hmac.Equal(text, v.markOf(at, place)) {
		return chainEnd{}, "", errors.New("it is not of this ledger, or was changed")
	}
	return at, place, nil
}

// checkMark returns ErrRestored unless the ledger holds the record that the mark names.
func (l *Ledger) checkMark() error {
	at, err := l.readMark()
	var newer *NewerError
	switch {
	case errors.Is(err, ErrElsewhere):
		return err // it is no older state of this ledger, and nobody may accept it as one
	case errors.As(err, &newer):
		return err // what it means, only the newer program knows: nobody may accept it here
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %q is missing", errMarkLost, markPath(l.path))
	case err != nil:
		return fmt.Errorf("%w: %q: %v", errMarkRead, markPath(l.path), withoutPath(err))
	}
	if a, is := at.announcement(); is {
		if a.mends {
			return fmt.Errorf("%w: mending it was cut off, and goes on when it is mended again", ErrRestored)
		}
		return fmt.Errorf("%w: bringing it back has not ended", ErrRestored)
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

// elsewhere returns ErrElsewhere in place of ErrMissing if the mark names another store than a
// ledger was looked for in.
func (l *Ledger) elsewhere(err error) error {
	if !errors.Is(err, ErrMissing) {
		return err
	}
	_, where, bad := l.vault.readMark(l.path)
	if bad != nil || (where == "") == (l.o.Database == nil) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrElsewhere, err)
}

// withoutPath returns why a file cannot be read, for a text that names it already.
func withoutPath(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// macOf returns the MAC of a record, if it is still in the store.
func (l *Ledger) macOf(number uint64) (mac [32]byte, known bool, err error) {
	if number == 0 {
		return l.vault.chainStart().mac, true, nil
	}
	s, known, err := l.lookup.recordAt(number)
	return s.at.mac, known, err
}
