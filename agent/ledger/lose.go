package ledger

import (
	"bytes"
	"time"
)

// give notes that a value is lost, and what takes its place.
func (x *examination) give(b bucket, key []byte) {
	gone := edit{actDelete, b, key, nil}
	switch {
	case b == bucketAudit:
		x.edits = append(x.edits, gone) // what is lost with it shows when the trail is followed
		if number, err := numberOf(key); err == nil {
			x.bad[number] = true
		}
	case b == bucketSlots:
		x.lost(nameOf(b, key), "its secret is lost and its sessions end; make it anew, with a new secret", gone)
	case b == bucketSessions:
		x.lost(nameOf(b, key), "it ends; its application logs in with a new key", gone)
		if number, err := numberOf(key); err == nil {
			x.edits = append(x.edits, edit{actDelete, bucketMeta, claimKey(SessionID(number)), nil},
				edit{actDelete, bucketMeta, addedRelayKey(SessionID(number)), nil},
				edit{actDelete, bucketMeta, judgedKey(SessionID(number)), nil},
				edit{act: actDrop, bucket: digestBucket(sessionOwner(SessionID(number)))})
		}
	case b == bucketKeys:
		x.giveKey(key)
	case b == bucketRequests:
		x.lost(nameOf(b, key), "it is not answered again, and never carried out again", gone)
	case b == bucketCharges:
		x.giveCharge(key, gone)
	case b == bucketMeta:
		x.giveFact(key)
	default: // a digest
		x.done.Floor = true
		x.lost(nameOf(b, key), "which requests without nonce were taken is not known; nonces are demanded", gone)
	}
}

// giveKey lets an auth_key of which nothing is known any more make no session again. That of a live
// session is known by the session.
func (x *examination) giveKey(key []byte) {
	put := func(k authKey) edit { return edit{actPut, bucketKeys, key, x.seal(bucketKeys, key, k.encode())} }
	if k, lives := x.sessions[string(key)]; lives {
		x.restored(nameOf(bucketKeys, key), put(k))
		return
	}
	x.done.Floor = true
	x.lost(nameOf(bucketKeys, key), "it makes no session again, and nonces are demanded",
		put(authKey{Ended: x.o.Now(), Revoked: true, Nonceless: true}))
}

// giveCharge notes what was charged by the record of the request, if that can be read.
func (x *examination) giveCharge(key []byte, gone edit) {
	c := LostCharge{At: x.o.Now()}
	if end, number, err := endOf(key); err == nil {
		c.Until, c.number = fromMillis(end), number
	}
	x.charges = append(x.charges, c)
	means := "the audit record says what it was; else limits count as used up"
	if _, isSum := sumNumber(c.number); isSum {
		means = "limits whose window holds the latest of these requests, or of the day after, count as used up"
	}
	x.lost(nameOf(bucketCharges, key), means, gone)
}

// giveFact notes what goes on without a fact.
func (x *examination) giveFact(key []byte) {
	put := func(plain []byte) edit { return edit{actPut, bucketMeta, key, x.seal(bucketMeta, key, plain)} }
	means, e := "nothing depends on it", edit{actDelete, bucketMeta, key, nil}
	switch {
	case bytes.Equal(key, metaGathered):
		x.lostGathered = true
		means = "what was charged since the last segment counts twice"
	case bytes.Equal(key, metaKept):
		x.lostKept = true
		means = "the trail begins with the oldest record that there is"
	case bytes.Equal(key, metaTurns):
		x.lostTurns = true
		means = "the records say the same"
	case bytes.Equal(key, metaHoles):
		means = "the trail is followed again"
	case bytes.Equal(key, metaYield):
		e = put(Yield{At: x.o.Now(), Relay: "a relay that is not known any more"}.encode())
		means = "this copy counts as one that has yielded to another, until `pksa ledger moved`"
	case bytes.Equal(key, metaPause):
		e = put(encodePause(x.o.Now()))
		means = "the wallet is paused, until `pksa resume`"
	case bytes.Equal(key, metaPolicy):
		note, _ := encodeApproved(nil) // it is short
		e = put(note)
		means = "no policy is approved, and the wallet does not start until `pksa policy accept`"
	case bytes.Equal(key, metaFloor):
		x.done.Floor = true
		means = "no nonce up to now counts any more"
	case bytes.HasPrefix(key, fatePrefix):
		means = "its charge counts"
	case bytes.HasPrefix(key, remnantPrefix):
		means = "its application is not told that it has ended"
	case bytes.HasPrefix(key, accountNotePrefix):
		means = "the account is seen anew, and its stop is lifted"
	case bytes.HasPrefix(key, approverPrefix):
		means = "their passkey counts no more, until they are enrolled anew"
	case bytes.HasPrefix(key, claimPrefix):
		means = "its session has no name that the application gave itself"
	case bytes.HasPrefix(key, addedRelayPrefix):
		means = "the wallet is not connected to this relay any more, unless the settings name it"
	case bytes.HasPrefix(key, retiredPrefix), bytes.HasPrefix(key, outlivedPrefix):
		e = put([]byte{1}) // the key says all
	case bytes.HasPrefix(key, judgedPrefix):
		means = "copies of its requests, and overtaken ones, are met with silence"
	case bytes.HasPrefix(key, documentedPrefix):
		means = "its app gets nacks until `pksa app answers NAME documented` says otherwise"
	case bytes.HasPrefix(key, pausedPrefix):
		e = put(encodePause(x.o.Now()))
		means = "its app is paused, until `pksa resume NAME`"
	case bytes.Equal(key, metaCreated):
	default:
		x.done.Floor = true // of a newer program: nobody here knows what it guards
		means = "no nonce up to now counts any more, and nonces are demanded"
	}
	x.lost(nameOf(bucketMeta, key), means, e)
}

// longestWait is how long a request can wait for a person, and more: relays may say that a request
// expires within a day, and those that say more are not listened to. A limit whose window is
// shorter counts too much for a time, and none too little.
const longestWait = 24 * time.Hour

// apply writes what was decided with the commit that mends the ledger: the record of it, and what
// lets nothing be free by a loss.
func (x *examination) apply(b *batch) error {
	charges, err := x.charged(b)
	if err != nil {
		return err // nothing was written so far
	}
	if x.end > b.last.number {
		b.last.number = x.end // of the hole at the end of the trail; its MAC is that of the record before
	}
	x.done.Limits = len(charges) > 0
	outcome := "damaged values restored"
	switch {
	case len(x.done.Lost) > 0:
		outcome = "damaged values given up"
	case x.goesOn:
		outcome = "mend that was cut off finished"
	}
	var content []byte
	if x.m.Audit != nil {
		content = x.m.Audit(x.done)
	}
	b.record(Record{Type: RecordAdmin, Outcome: outcome, Content: content}, nil)
	for key, c := range charges {
		b.put(bucketCharges, []byte(key), encodeCharges(c))
	}
	x.doubted = x.doubts(b)
	if x.done.Floor {
		b.doubtNonces()
	}
	x.portion(b)
	// From here on the trail is read without the hole, also by programs that know of none.
	b.gatherNow = len(x.done.Lost) > 0
	b.l.generation++
	return nil
}

// doubts returns the sessions that a mend ends or changes, and what ended ones left.
func (x *examination) doubts(b *batch) (d doubted) {
	for _, s := range b.allSessions() {
		if _, known := x.slots[s.App]; !known || x.done.Floor {
			d.sessions = append(d.sessions, s.ID)
		}
	}
	if x.done.Floor {
		d.remnants = b.allRemnants(func(*Remnant) bool { return true })
	}
	return d
}

// portion ends or changes so many of them as one commit does.
func (x *examination) portion(b *batch) {
	x.doubted.portion(b, func(s *Session) {
		if _, known := x.slots[s.App]; !known {
			b.endSession(s, ending{Outcome: "session ended: its app was lost"})
			if x.done.Floor {
				b.doubtRemnant(s.ID)
			}
		} else if b.takeSessionBack(s, "nonces unknown since records were lost") != nil {
			return
		}
		x.done.Ended = append(x.done.Ended, s)
	})
	if x.doubted.none() && x.accepted {
		b.after = append(b.after, func(*state) { b.l.unaccepted = false })
	}
}

// charged returns what counts in the place of lost charges, by the keys of the store.
func (x *examination) charged(b *batch) (map[string][]Charge, error) {
	all := map[string][]Charge{}
	if x.m.Charge == nil {
		return nil, nil
	}
	for _, lost := range x.charges {
		if latest, isSum := sumNumber(lost.number); isSum {
			// Which requests were in it is lost, but not when the latest of them came. Each of them
			// was charged when a person agreed, at the latest, which may be a wait later.
			if s, found := b.l.recordOf(latest); found {
				if last := s.Time.Add(longestWait); last.Before(lost.At) {
					lost.At = last
				}
			}
		} else if r, found := b.l.chargedBy(lost.number); found && !lost.Until.IsZero() {
			lost.Record, lost.At = &r, r.Time
		}
		c, err := x.m.Charge(lost)
		if err != nil {
			return nil, err
		}
		if c.Expires.After(b.now) {
			key := string(endKey(millis(c.Expires), lost.number))
			all[key] = append(all[key], c)
		}
	}
	return all, nil
}

// chargedBy returns the record that says what a request was charged: its own, or that of the yes of
// a person who was asked. It returns false if that cannot be read.
func (l *Ledger) chargedBy(number uint64) (Record, bool) {
	s, found := l.recordOf(number)
	if !found || s.Verdict != Pending {
		return s.Record, found
	}
	for r, err := range l.Audit(number + 1) {
		if err != nil || r.Ref == number && r.Type == RecordSettled {
			break
		}
		if r.Ref == number && r.Type == RecordDecided {
			return r, true
		}
	}
	return Record{}, false
}

// recordOf reads one record, wherever it lies. It returns false if it cannot be read.
func (l *Ledger) recordOf(number uint64) (stored, bool) {
	if s, found, err := l.lookup.recordAt(number); found && err == nil {
		return s, true
	}
	all, err := l.store.segments()
	if err != nil {
		return stored{}, false
	}
	for _, info := range all {
		if number < info.first || number > info.last {
			continue
		}
		for s, err := range l.readSegment(info.segmentID) {
			if err == nil && s.Number == number {
				return s, true
			}
		}
	}
	return stored{}, false
}
