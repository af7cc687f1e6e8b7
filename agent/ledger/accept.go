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
	if err := l.announce(taken); err != nil {
		return Accepted{}, errors.Join(err, l.store.close())
	}
	l.start()
	w := accepting{Acceptance: a, done: &done, taken: taken, first: first}
	for err == nil && l.unaccepted {
		err = l.submitContext(context.Background(), &op{apply: w.portion})
	}
	return done, errors.Join(err, l.Close()) // Close replaces the mark, if the ledger was accepted
}

// announce has the mark name a record that the ledger does not reach before it is accepted, where
// that takes several commits: one that was cut off between them opens with no program.
func (l *Ledger) announce(taken uint64) error {
	held := len(l.state.sessions) + len(l.state.remnants)
	if held <= l.o.expireMost {
		return nil // one commit
	}
	// Each session and each slot has a record, or two.
	beyond := taken + uint64(4*(held+len(l.state.slots)+1))
	return l.o.disk.Replace(markPath(l.path), l.vault.markText(chainEnd{number: beyond}))
}

// accepting is an acceptance that is under way. The committing goroutine has it.
type accepting struct {
	Acceptance
	done     *Accepted
	taken    uint64 // the highest number that a lost record may have
	first    uint64 // the number of the first record that is left
	begun    bool
	sessions []SessionID // that are left to do
	remnants []SessionID
	closed   map[string]bool // slots that are not kept
}

// portion does a portion of it in a commit: first all but the sessions and what ended ones left,
// then so many of these.
func (w *accepting) portion(b *batch) error {
	if !w.begun {
		if w.first > max(b.l.state.kept, 1) {
			b.keepFrom(w.first)
		}
		if err := w.begin(b); err != nil {
			return err
		}
		w.begun = true
	}
	left := b.o.expireMost
	next := func(list *[]SessionID) (part []SessionID) {
		n := min(len(*list), left)
		part, *list, left = (*list)[:n], (*list)[n:], left-n
		return part
	}
	for _, id := range next(&w.remnants) {
		b.doubtRemnant(id)
	}
	for _, id := range next(&w.sessions) {
		s := b.session(id)
		if s == nil {
			continue // swept meanwhile
		}
		fresh := b.takeSessionBack(s, "nonces unknown since the ledger was restored")
		switch {
		case fresh == nil:
			w.done.Ended = append(w.done.Ended, s)
		case w.closed[s.App]:
			w.done.Ended = append(w.done.Ended, b.revoke(revoked(w.Audit), []*Session{fresh})...)
		}
	}
	if len(w.sessions) == 0 && len(w.remnants) == 0 {
		b.after = append(b.after, func(*state) { b.l.unaccepted = false })
	}
	return nil
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
	last := b.last.number
	b.last.number = max(last, w.taken) // a number that an outcome may still name must not be given twice
	number := b.record(Record{Type: RecordAccepted, Ref: last, Outcome: "restored ledger accepted",
		Content: w.Audit}, nil)
	if w.Charge != nil {
		b.put(bucketCharges, endKey(millis(full.Expires), number), encodeCharges([]Charge{full}))
		w.done.Limits = true
	}
	w.sessions = slices.Sorted(maps.Keys(b.l.state.sessions))
	w.remnants = b.allRemnants(func(*Remnant) bool { return true })
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

// takeBack lets nothing count as new that lost records may have used up, and returns the sessions
// that ended by it.
func (b *batch) takeBack(outcome string) (ended []*Session) {
	for _, id := range b.allRemnants(func(*Remnant) bool { return true }) {
		b.doubtRemnant(id)
	}
	for _, s := range b.allSessions() {
		if b.takeSessionBack(s, outcome) == nil {
			ended = append(ended, s)
		}
	}
	b.doubtNonces()
	return ended
}

// takeSessionBack does so for a session, and returns it as it is then; nil if it ended by that.
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
