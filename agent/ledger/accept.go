package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Acceptance is how a restored ledger goes on. A copy also holds the secret that was rotated out
// since it was made, the session that was revoked, and the room of limits that was used up. The
// zero value trusts none of it.
type Acceptance struct {
	Audit []byte // content of the audit records
	// Keep names the slots that the operator confirms: their secrets count, and their sessions
	// live. All other secrets make place for ones that nobody knows, and all other sessions are
	// revoked.
	Keep []string
	// KeepAll confirms all slots.
	KeepAll bool
	// Charge returns what counts in the place of what was charged since the copy was made. Nil:
	// limits go on as the copy counts them.
	Charge func(LostCharge) (Charge, error)
}

// Accepted is the result of Accept.
type Accepted struct {
	Last   uint64     // the last record that the restored ledger had
	Mark   uint64     // the record that the mark spoke of; zero if there was no valid one
	Fits   bool       // the ledger fits its mark, and nothing was changed
	Ended  []*Session // sessions that ended
	Closed []string   // slots whose secret was replaced by one that nobody knows
	Limits bool       // limits count as used up until their windows have passed
	// Approvers are those that were removed: which of them the operator had removed since the copy
	// was made, nobody knows.
	Approvers []string
}

// Accept makes a restored ledger usable, which Open refuses with ErrRestored, because the operator
// says so. What happened after the copy was made is lost. Therefore:
//
//   - no nonce up to now counts any more;
//   - secrets and sessions of slots that were not confirmed count no more, see [Acceptance];
//   - sessions of the other slots that took requests without a nonce end;
//   - their other sessions, and those that are made under the present secret of a slot, must send
//     nonces;
//   - limits have the room that [Acceptance] says;
//   - nobody is an approver any more: they are enrolled anew;
//   - audit numbers go on above the number in the mark.
//
// Somebody who held an auth_req of a confirmed slot back may still deliver it: rotate the slot.
// Accept changes nothing in a ledger that fits its mark. ErrNoSlot: there is no slot that is to be
// kept; nothing was changed.
func Accept(path string, o Options, a Acceptance) (Accepted, error) {
	l, err := open(path, o)
	if err != nil {
		return Accepted{}, err
	}
	for _, name := range a.Keep {
		if _, known := l.state.slots[name]; !known {
			return Accepted{}, errors.Join(fmt.Errorf("%q: %w", name, ErrNoSlot), l.store.close())
		}
	}
	switch err := l.checkMark(); {
	case err == nil:
		return Accepted{Last: l.state.last.number, Mark: l.state.last.number, Fits: true}, l.store.close()
	case !errors.Is(err, ErrRestored):
		return Accepted{}, errors.Join(err, l.store.close())
	}
	done := Accepted{Last: l.state.last.number}
	taken, first, err := l.prepareAccept(&done)
	if err != nil {
		return Accepted{}, errors.Join(err, l.store.close())
	}
	l.unaccepted = true
	if err := l.announce(announcement{taken: taken}); err != nil {
		return Accepted{}, errors.Join(err, l.store.close())
	}
	l.start()
	w := accepting{Acceptance: a, done: &done, taken: taken, first: first}
	for err == nil && l.unaccepted {
		err = l.submitContext(context.Background(), &op{apply: w.portion})
	}
	return done, errors.Join(err, l.Close()) // Close replaces the mark, if the ledger was accepted
}

// announce has the mark say that an act is under way, where that takes several commits: a ledger of
// which it was cut off between them opens with no program.
func (l *Ledger) announce(a announcement) error {
	held := len(l.state.sessions) + len(l.state.remnants)
	if held <= l.o.expireMost {
		return nil // one commit
	}
	// A record that the ledger does not reach before its end: each session and each slot has a
	// record, or two. Older programs go by that.
	beyond := max(a.taken, l.state.last.number) + uint64(4*(held+len(l.state.slots)+1))
	return l.o.disk.Replace(markPath(l.path), l.vault.markText(chainEnd{number: beyond, mac: a.encode()}))
}

// accepting is an acceptance that is under way. The committing goroutine has it.
type accepting struct {
	Acceptance
	done    *Accepted
	taken   uint64 // the highest number that a lost record may have
	first   uint64 // the number of the first record that is left
	begun   bool
	doubted doubted         // what is left to do
	closed  map[string]bool // slots that are not kept
}

// doubted are sessions, and what ended ones left, of which lost records may have used something up.
type doubted struct{ sessions, remnants []SessionID }

func (d *doubted) none() bool { return len(d.sessions)+len(d.remnants) == 0 }

// portion doubts so many of them as one commit does, and takes them off the lists. each gets those
// of the sessions that still live.
func (d *doubted) portion(b *batch, each func(*Session)) {
	left := b.o.expireMost
	next := func(list *[]SessionID) (part []SessionID) {
		n := min(len(*list), left)
		part, *list, left = (*list)[:n], (*list)[n:], left-n
		return part
	}
	for _, id := range next(&d.remnants) {
		b.doubtRemnant(id)
	}
	for _, id := range next(&d.sessions) {
		if s := b.session(id); s != nil { // not swept meanwhile
			each(s)
		}
	}
}

// portion does a portion of it in a commit: first all but the sessions and what ended ones left,
// then so many of these.
func (w *accepting) portion(b *batch) error {
	if !w.begun {
		if err := w.begin(b); err != nil {
			return err
		}
		w.begun = true
	}
	w.doubted.portion(b, func(s *Session) {
		_, known := b.l.state.slots[s.App] // unknown: a mend that lost it was cut off
		fresh := b.takeSessionBack(s, "nonces unknown since the ledger was restored")
		switch {
		case fresh == nil:
			w.done.Ended = append(w.done.Ended, s)
		case w.closed[s.App] || !known:
			w.done.Ended = append(w.done.Ended, b.revoke(revoked(w.Audit), []*Session{fresh})...)
		}
	})
	if w.doubted.none() {
		b.after = append(b.after, func(*state) { b.l.unaccepted = false })
	}
	return nil
}

// prepareAccept makes room for what an accepted ledger writes. It returns the highest number that a
// lost record may have, and the number of the first record that is left.
func (l *Ledger) prepareAccept(done *Accepted) (taken, first uint64, err error) {
	mark, _ := l.readMark() // zero if it is missing, or not ours
	done.Mark = mark.number
	if a, is := mark.announcement(); is {
		done.Mark = a.taken
	}
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
	return max(done.Mark, lost), first, err
}

// begin records the acceptance and takes back what the lost records may have used up, but for the
// sessions.
func (w *accepting) begin(b *batch) error {
	var full Charge
	if w.Charge != nil {
		// What was spent since the copy, nobody knows; the latest of it may have been just now.
		var err error
		if full, err = w.Charge(LostCharge{At: b.now}); err != nil {
			return err // nothing was written so far
		}
	}
	if w.first > max(b.l.state.kept, 1) {
		b.keepFrom(w.first)
	}
	last := b.last.number
	b.last.number = max(last, w.taken) // a number that an outcome may still name must not be given twice
	number := b.record(Record{Type: RecordAccepted, Ref: last, Outcome: "restored ledger accepted",
		Content: w.Audit}, nil)
	if w.Charge != nil {
		b.put(bucketCharges, endKey(millis(full.Expires), number), encodeCharges([]Charge{full}))
		w.done.Limits = true
	}
	w.doubted.sessions = slices.Sorted(maps.Keys(b.l.state.sessions))
	w.doubted.remnants = b.allRemnants(func(*Remnant) bool { return true })
	b.doubtNonces()
	var err error
	if w.done.Approvers, err = b.dropApprovers(); err != nil {
		return err
	}
	w.closed = map[string]bool{}
	for _, slot := range b.l.Slots() {
		if w.KeepAll || slices.Contains(w.Keep, slot.Name) {
			continue
		}
		if err := b.closeSlot(slot.Name, w.Audit); err != nil {
			return err
		}
		w.closed[slot.Name] = true
		w.done.Closed = append(w.done.Closed, slot.Name)
	}
	return nil
}

// closeSlot replaces the secret of a slot by one that nobody knows. An acceptance that was cut off
// may have revoked some of its sessions already.
func (b *batch) closeSlot(name string, audit []byte) error {
	s, err := b.rotateSlot(name, Secret(rand.Text()+rand.Text()), b.now.Add(-cutOff), audit)
	if err != nil {
		return err
	}
	b.put(bucketSlots, []byte(name), s.encode())
	b.after = append(b.after, func(st *state) { st.slots[name] = s })
	return nil
}

// takeSessionBack lets nothing count as new in a session that lost records may have used up. It
// returns the session as it is then; nil if it ended by that.
func (b *batch) takeSessionBack(s *Session, outcome string) *Session {
	if s.Nonceless || s.LastNonce > millis(b.now) {
		// Which ciphertexts it took is lost: any of them would be fresh again. Or the clock of its
		// application runs ahead: a nonce that is lost may be above the floor.
		b.endSession(s, ending{Outcome: outcome})
		b.doubtRemnant(s.ID)
		return nil
	}
	fresh := b.update(s, b.last.number, func(s *Session) {
		s.NoncesOnly = true
		s.judged = judged{covers: s.LastNonce} // of what came since the copy, nothing is remembered
	})
	b.putSession(fresh)
	return fresh
}

// doubtNonces lets no nonce up to now count, and no login without one.
func (b *batch) doubtNonces() {
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
}
