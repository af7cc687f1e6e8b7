package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"pksa/protocol/plain"
)

// loaded is what was read from the store: the committed state, and the known requests by number.
type loaded struct {
	lookup
	store store
	state *state
	runs  map[uint64]*run
}

// load opens the store and reads all of it. After an error the store is closed.
func (l *Ledger) load() (*loaded, error) {
	if err := l.store.open(); err != nil {
		return nil, errors.Join(err, l.store.close())
	}
	l.vault.where = l.store.identity()
	f := &loaded{lookup: l.lookup, store: l.store, state: newState(), runs: map[uint64]*run{}}
	for _, part := range []func() error{f.meta, f.people, f.requests, f.charges, f.fates, f.remnants, f.trail} {
		if err := part(); err != nil {
			return nil, errors.Join(err, l.store.close())
		}
	}
	f.state.arrange()
	f.state.late = l.o.fills(f.state.since)
	return f, nil
}

// renew opens the store again and reads all of it, after a commit that did not succeed. It reads as
// a start does, so that the way back is used every day.
func (l *Ledger) renew() error {
	l.abandonRotation() // it reads in the store that is given up here
	f, err := l.unsecured, error(nil)
	if f == nil {
		// From here on nobody reads: the store may show what the next power cut takes back.
		l.setBroken(ErrUnavailable, false)
		f, err = l.load()
	}
	var full *noRoomError
	if err == nil {
		// Before anybody acts on what was read: a commit on top of what is not on the disk could
		// outlive it.
		err = l.store.secure()
	}
	switch {
	case err == nil:
		l.unsecured = nil
		l.adopt(f)
		l.setBroken(nil, false)
		return nil
	case errors.As(err, &full):
		// It stays open, and nobody writes: what was read still holds at the next attempt. Until
		// then the trail can be read, as far as it was committed before.
		l.unsecured = f
	default:
		l.unsecured = nil
		err = errors.Join(err, l.store.close())
	}
	err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	l.setBroken(err, l.unsecured != nil)
	return err
}

func (l *Ledger) setBroken(err error, legible bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken, l.legible = err, legible
}

// adopt makes what was loaded the committed state.
func (l *Ledger) adopt(f *loaded) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = f.state
	l.rotated, l.looked = 0, false // that is looked for again
	l.generation++                 // what judges counted of rulings that are not in the store is void
	l.mergeLocked(f.runs)
}

// mergeLocked brings the known requests in line with those that were found in the store.
func (l *Ledger) mergeLocked(found map[uint64]*run) {
	old := l.known
	l.known = newKnown(len(found))
	runs := l.known.runs
	for number, f := range found {
		// A request that came again after it was swept has two numbers; the later one counts.
		if other := runs[f.key]; other == nil || other.number < number {
			runs[f.key] = f
		}
	}
	for key, f := range runs {
		// Nobody works on what was done, so it is as the store says, or gone. But its outcome may
		// be in the queue: it must not be settled once more.
		if _, done := old.find(key); done {
			f.final = true
		}
	}
	for key, r := range old.runs {
		f := runs[key]
		switch {
		case r.stored: // as above
			if f != nil {
				f.final = f.final || r.final
			}
		case f == nil:
			r.doubtful = false // now it is known that the store does not hold it
			runs[key] = r
		case f.stored && r.answered:
			// Its answer was committed after all. Those who wait hold the old run, which has it
			// too.
		default:
			// Others wait for the run that is in work, so it stays. If it has no number yet, its
			// caller was told that the commit failed, though the store has it: nobody may sign it.
			r.failed, r.doubtful = r.failed || r.number == 0, false
			r.number = f.number
			runs[key] = r
		}
	}
	l.known.index()
}

// meta checks that the ledger is ours, and reads its facts.
func (f *loaded) meta() error {
	var err error
	if f.state.format, err = f.checkFormat(); err != nil {
		return err
	}
	for _, name := range allBuckets {
		// A store that lacks a bucket returns an error, whatever the key.
		if _, _, err := f.in.get(name, metaID); err != nil {
			return err
		}
	}
	if err := f.checkID(); err != nil {
		return err
	}
	number, err := f.metaNumber(metaGathered)
	if err != nil {
		return err
	}
	kept, err := f.metaNumber(metaKept)
	if err != nil {
		return err
	}
	if f.state.yield, err = f.yield(); err != nil {
		return err
	}
	if f.state.paused, err = f.pauseAt(metaPause); err != nil {
		return err
	}
	if f.state.approved, err = f.approvedPolicy(); err != nil {
		return err
	}
	if f.state.turns, err = f.turns(); err != nil {
		return err
	}
	if f.state.holes, err = f.holes(); err != nil {
		return err
	}
	if f.state.created, err = f.metaNumber(metaCreated); err != nil {
		return err
	}
	floor, err := f.metaNumber(metaFloor)
	f.state.gathered, f.state.kept, f.state.floor = uint64(number), uint64(kept), floor
	f.state.whole = f.state.gathered
	return err
}

// checkID checks that the ledger is that of our keystore. Where id or proof says otherwise although
// values open with our key, the one is damaged.
func (f *loaded) checkID() error {
	id, _, err := f.in.get(bucketMeta, metaID)
	if err != nil {
		return err
	}
	proof, err := f.value(bucketMeta, metaProof)
	wrong := fmt.Errorf("%w: the id fits, the key does not", ErrOther)
	switch {
	case err != nil && !errors.Is(err, ErrDamaged):
		return err
	case string(id) != f.vault.id:
		wrong = fmt.Errorf("%w: its id is %s", ErrOther, plain.Quote(string(id), 64))
	case err == nil && string(proof) == f.vault.id:
		return nil
	}
	ours, err := f.fits()
	if err == nil && ours {
		return damaged(bucketMeta, metaID)
	}
	return errors.Join(err, wrong)
}

// people reads slots and sessions as they were gathered, and checks that every auth_key can be
// read.
func (f *loaded) people() error {
	err := f.each(bucketSlots, func(key, plain []byte) error {
		s, err := decodeSlot(string(key), plain)
		f.state.slots[s.Name] = s
		return err
	})
	if err != nil {
		return err
	}
	for name, s := range f.state.slots {
		fact, err := f.value(bucketMeta, documentedKey(name))
		if err != nil {
			return err
		}
		s.Documented = fact != nil
		if s.Paused, err = f.pauseAt(pausedKey(name)); err != nil {
			return err
		}
		f.state.slots[name] = s
	}
	err = f.each(bucketSessions, func(key, plain []byte) error {
		id, err := numberOf(key)
		if err != nil {
			return err
		}
		s, err := decodeSession(SessionID(id), plain)
		f.state.sessions[s.ID] = s
		return err
	})
	if err != nil {
		return err
	}
	if err := f.sessionFacts(); err != nil {
		return err
	}
	return f.each(bucketKeys, func(_, plain []byte) error {
		_, err := decodeAuthKey(plain)
		return err
	})
}

// sessionFacts reads what stands beside the sessions' own values.
func (f *loaded) sessionFacts() error {
	many := foreseen{store: f.store}
	r := lookup{f.vault, &many}
	var names []name
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(f.state.sessions)), scanChunk/3) {
		names = names[:0]
		for _, id := range ids {
			names = append(names, name{bucketMeta, claimKey(id)}, name{bucketMeta, addedRelayKey(id)},
				name{bucketMeta, judgedKey(id)})
		}
		if err := many.readAhead(names); err != nil {
			return err
		}
		for _, id := range ids {
			if err := r.sessionFacts(f.state.sessions[id]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r lookup) sessionFacts(s *Session) error {
	claim, err := r.value(bucketMeta, claimKey(s.ID))
	if err != nil {
		return err
	}
	s.Claim = string(claim)
	added, err := r.value(bucketMeta, addedRelayKey(s.ID))
	if err != nil {
		return err
	}
	s.AddedRelay = added != nil && string(added) == s.Relay
	return r.judged(s)
}

// requests reads the requests that are gathered.
func (f *loaded) requests() error {
	return f.each(bucketRequests, func(key, plain []byte) error {
		end, number, err := endOf(key)
		if err != nil {
			return err
		}
		q, err := decodeRequest(plain)
		if err != nil {
			return err
		}
		f.runs[number] = q.run(end, number)
		return nil
	})
}

// charges checks that every gathered charge can be read. One that reads wrong would otherwise fail
// each later commit that counts.
func (f *loaded) charges() error {
	return f.each(bucketCharges, func(_, plain []byte) error {
		_, err := decodeCharges(plain)
		return err
	})
}

// trail follows the audit records to the last one, checks their chain, and applies those that are
// not gathered yet.
func (f *loaded) trail() error {
	st := f.state
	st.last = f.vault.chainStart()
	first := st.gathered > 0
	if h, lost := holeOf(st.holes, st.gathered); lost {
		first, st.last = false, h.before // what the lost record changed is gathered, as the others before it
	}
	for p, err := range scan(f.in, bucketAudit, numberKey(st.gathered)) {
		if err != nil {
			return err
		}
		s, err := f.vault.openRecord(p.key, p.value)
		if err != nil {
			return err
		}
		if first && s.Number == st.gathered {
			first, st.last = false, s.at // it begins the chain here; what it changed is gathered
			st.since.add(len(p.value))
			continue
		}
		if err := s.follows(st.last, st.holes); err != nil {
			return err
		}
		st.last = s.at
		st.since.add(len(p.value))
		st.apply(&s.Record)
		st.applyChange(&s, f.runs)
	}
	if first {
		return &ValueError{fmt.Sprintf("audit record %d is missing", st.gathered)}
	}
	return nil
}

// applyChange applies what a record that is not gathered changed in its request.
func (st *state) applyChange(s *stored, runs map[uint64]*run) {
	if s.extra == nil {
		return
	}
	number := s.requestNumber()
	st.positions[number] = position{record: s.Number, end: s.extra.end}
	if len(s.extra.charges) > 0 {
		st.charges = append(st.charges, counted{number, s.Number, s.extra.charges})
	}
	runs[number] = s.extra.request.run(s.extra.end, number)
}

// run returns the run of a request that was read from the store.
func (q *request) run(end int64, number uint64) *run {
	r := &run{key: q.Key, digest: q.Digest, end: end, number: number, done: make(chan struct{})}
	if q.Answered {
		close(r.done)
		r.answered, r.stored, r.final = true, true, q.Final
	}
	return r
}

// apply applies what a record that is not gathered changed in sessions and digests. Sessions that
// have ended since then are not in the state.
func (st *state) apply(r *Record) {
	if r.Type != RecordJudged && r.Type != RecordDecided && r.Type != RecordRejected {
		return
	}
	// A digest under an older secret of the slot was dropped when the secret was rotated.
	ofSlot := r.Spent == SpentSlotDigest || r.Spent == SpentSessionDigest && r.Kind == KindAuth
	if slot, ok := st.slots[r.App]; ok && ofSlot && r.Number > slot.generation {
		remember(st.recent, slotOwner(slot), r.Digest)
	}
	s := st.sessions[r.Session]
	if s == nil {
		return
	}
	if r.Spent == SpentSessionDigest || r.Spent == SpentSlotDigest {
		remember(st.recent, sessionOwner(s.ID), r.Digest)
	}
	// A session may have been written after this record, with what it did.
	if r.Number > s.asOf && (r.Spent != SpentNothing || r.Nonce != 0) {
		s.apply(r)
		s.asOf = r.Number
		st.dirty[s.ID] = struct{}{}
	}
}
