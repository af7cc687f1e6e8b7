package ledger

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"time"
)

// Slot is an app as the operator knows it: a name and the secret that proves it (HAS:
// auth_req_secret).
type Slot struct {
	Name    string
	Secret  Secret
	Created time.Time
	Rotated time.Time // when the secret in force began
	// NoncesOnly demands nonces of sessions made until the secret is rotated: the ledger was
	// restored, so digests of auth_reqs may have been lost.
	NoncesOnly bool
	// Documented says that this app gets the documented errs in place of nacks (HAS §4.4).
	Documented bool
	// Paused is since when the operator has each request of this app told to come again later. The
	// zero time: it is served.
	Paused time.Time
	// SameSecretAs is the slot before this one that has the same secret, or empty. A secret names
	// one app, so this slot's secret is disabled: what it opens is the other one's. Programs that
	// did not compare secrets left such slots. Only [Ledger.Slots] and [Ledger.Slot] fill it.
	SameSecretAs string

	// generation is the number of the record that made the secret; digests of auth_reqs belong to
	// it.
	generation uint64
}

// SlotAny is the name by which policies mean every slot. No slot may have it.
const SlotAny = "any"

var slotName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// CheckSlotName returns ErrSlotName if a slot may not have this name.
func CheckSlotName(name string) error {
	if name == SlotAny || !slotName.MatchString(name) {
		return ErrSlotName
	}
	return nil
}

// AddSlot makes a slot. audit is the content of the audit record, opaque, here and in the methods
// below. ErrSlotName, ErrSlotExists, *SecretTakenError.
func (l *Ledger) AddSlot(ctx context.Context, name string, secret Secret, audit []byte) (Slot, error) {
	return l.AddSlotAs(ctx, Slot{Name: name, Secret: secret}, audit)
}

// AddSlotAs makes a slot as AddSlot does, and takes the form of its answers from the given one.
func (l *Ledger) AddSlotAs(ctx context.Context, slot Slot, audit []byte) (Slot, error) {
	if err := CheckSlotName(slot.Name); err != nil {
		return Slot{}, err
	}
	return l.writeSlot(ctx, func(b *batch) (Slot, error) { return b.addSlot(slot, audit) })
}

// addSlot records a new slot.
func (b *batch) addSlot(slot Slot, audit []byte) (Slot, error) {
	if b.get(bucketSlots, []byte(slot.Name)) != nil {
		return Slot{}, ErrSlotExists
	}
	if err := b.freeSecret(slot.Secret); err != nil {
		return Slot{}, err
	}
	number := b.record(Record{Type: RecordAdmin, Outcome: "slot added", App: slot.Name, Content: audit}, nil)
	return Slot{Name: slot.Name, Secret: slot.Secret, Created: b.now, Rotated: b.now, Documented: slot.Documented,
		generation: number}, nil
}

// SetAnswers sets the form of the answers that a slot's app gets, and returns the slot. Answers
// that are recorded already stay as they are. ErrNoSlot.
func (l *Ledger) SetAnswers(ctx context.Context, name string, documented bool, audit []byte) (Slot, error) {
	return l.writeSlot(ctx, func(b *batch) (Slot, error) { return b.setAnswers(name, documented, audit) })
}

// setAnswers records the form of a slot's answers.
func (b *batch) setAnswers(name string, documented bool, audit []byte) (Slot, error) {
	s, ok := b.slot(name)
	if !ok {
		return Slot{}, ErrNoSlot
	}
	b.record(Record{Type: RecordAdmin, Outcome: "answers of slot set", App: name, Content: audit}, nil)
	s.Documented = documented
	return s, nil
}

// documentedKey returns the key of the fact that a slot's app gets the documented answers. It does
// not stand in the slot's own value, which programs of before it would call damaged; they pass over
// facts that they do not know.
func documentedKey(name string) []byte { return slices.Concat(documentedPrefix, []byte(name)) }

var documentedPrefix = []byte("documented answers ")

// RotateSlot replaces the secret of a slot. The sessions of the slot live on. What opened with the
// old secret opens no more, so its digests are dropped, and so are tombstones that guard nothing
// else. ErrNoSlot, *SecretTakenError; also the slot's own secret is taken, because what it opened
// before would be fresh again.
func (l *Ledger) RotateSlot(ctx context.Context, name string, secret Secret, audit []byte) (Slot, error) {
	return l.writeSlot(ctx, func(b *batch) (Slot, error) {
		return b.rotateSlot(name, secret, time.Time{}, audit)
	})
}

// RotateSlotAndEnd does what RotateSlot does, revokes all sessions of the slot, and returns them:
// whoever had the old secret has nothing left. The last 2,000 sessions end in the commit that
// replaces the secret, so none is made after it; more than that end before, in commits of their
// own. After an error some of many may have ended.
func (l *Ledger) RotateSlotAndEnd(ctx context.Context, name string, secret Secret, audit []byte) (Slot, []*Session,
	error) {
	var ended []*Session
	var slot Slot
	var since time.Time
	why := revoked(audit)
	err := l.inPortions(ctx, &ended, func(b *batch) ([]*Session, bool, error) {
		if _, ok := b.slot(name); !ok {
			return nil, false, ErrNoSlot
		}
		if err := b.freeSecret(secret); err != nil {
			return nil, false, err
		}
		if since.IsZero() {
			since = b.now.Add(-cutOff)
		}
		part, left := b.someOf(b.sessionsWith(func(s *Session) bool { return s.App == name }))
		if left {
			return b.revoke(why, part), true, nil
		}
		s, err := b.rotateSlot(name, secret, since, audit)
		if err != nil {
			return nil, false, err
		}
		slot = s
		b.putSlot(s)
		// After the tombstones were thinned: a key that a thief may know makes no session again,
		// whatever secret it comes with.
		return b.revoke(why, part), false, nil
	})
	if err != nil {
		return Slot{}, nil, err
	}
	return slot, ended, nil
}

// rotateSlot records the new secret of a slot and drops what guarded the old one, but for the
// tombstones of auth_keys that were revoked since then, if that is not zero.
func (b *batch) rotateSlot(name string, secret Secret, since time.Time, audit []byte) (Slot, error) {
	s, ok := b.slot(name)
	if !ok {
		return Slot{}, ErrNoSlot
	}
	if err := b.freeSecret(secret); err != nil {
		return Slot{}, err
	}
	b.forget(slotOwner(s)) // before the generation changes, which names the owner
	b.retire(s.Secret)
	b.thin(name, name, since)
	s.generation = b.record(Record{Type: RecordAdmin, Outcome: "slot rotated", App: name, Content: audit}, nil)
	s.Secret, s.Rotated, s.NoncesOnly = secret, b.now, false
	return s, nil
}

// retiredKey returns the key of the fact that a secret was a slot's and was replaced.
func (v *vault) retiredKey(secret Secret) []byte {
	hash := v.hash("retired secret", []byte(secret))
	return slices.Concat(retiredPrefix, hash[:])
}

var retiredPrefix = []byte("retired ")

// retire remembers that a secret was replaced. A slot may get it again. The digests of what it
// opened are dropped, so that would be fresh then; see [batch.outlived].
func (b *batch) retire(secret Secret) { b.put(bucketMeta, b.vault.retiredKey(secret), []byte{1}) }

// outlivedKey returns the key of the fact that an auth_key was revoked as long as a secret lived
// that was replaced.
func outlivedKey(keyHash []byte) []byte { return slices.Concat(outlivedPrefix, keyHash) }

var outlivedPrefix = []byte("outlived ")

// again reports whether an auth_req may be one that made a session with this secret before, when
// some slot had it: a relay may have kept it.
func (b *batch) again(s Slot, n NewSession) bool {
	if n.Origin != Service || b.get(bucketMeta, b.vault.retiredKey(s.Secret)) == nil {
		return false
	}
	k, ok := b.authKey(n.AuthKey)
	return ok && k.Session == 0 && k.Ended.Before(s.Rotated) ||
		b.get(bucketMeta, outlivedKey(b.vault.keyHash(n.AuthKey))) != nil
}

// freeSecret returns a *SecretTakenError if a slot has the secret already.
func (b *batch) freeSecret(secret Secret) error {
	taken := ""
	err := b.each(bucketSlots, func(key, plain []byte) error {
		s, err := decodeSlot(string(key), plain)
		if err == nil && taken == "" && s.Secret == secret {
			taken = s.Name
		}
		return err
	})
	if err != nil {
		b.fail(err)
		return err
	}
	if taken != "" {
		return &SecretTakenError{App: taken}
	}
	return nil
}

// writeSlot commits the slot that make returns.
func (l *Ledger) writeSlot(ctx context.Context, make func(*batch) (Slot, error)) (Slot, error) {
	var made Slot
	err := l.submitContext(ctx, &op{apply: func(b *batch) error {
		s, err := make(b)
		if err != nil {
			return err
		}
		made = s
		b.putSlot(s)
		return nil
	}})
	if err != nil {
		return Slot{}, err
	}
	return made, nil
}

// putSlot writes a slot.
func (b *batch) putSlot(s Slot) {
	b.put(bucketSlots, []byte(s.Name), s.encode())
	if s.Documented {
		b.put(bucketMeta, documentedKey(s.Name), []byte{1})
	} else {
		b.delete(bucketMeta, documentedKey(s.Name))
	}
	if !s.Paused.IsZero() {
		b.put(bucketMeta, pausedKey(s.Name), encodePause(s.Paused))
	} else {
		b.delete(bucketMeta, pausedKey(s.Name))
	}
	b.after = append(b.after, func(st *state) { st.slots[s.Name] = s })
}

// RemoveSlot removes a slot, ends its sessions and returns them. ErrNoSlot. The last 2,000 sessions
// end in the commit that removes it, more than that before, in commits of their own: after an error
// some of many may have ended.
func (l *Ledger) RemoveSlot(ctx context.Context, name string, audit []byte) ([]*Session, error) {
	var ended []*Session
	err := l.inPortions(ctx, &ended, func(b *batch) ([]*Session, bool, error) {
		part, left := b.someOf(b.sessionsWith(func(s *Session) bool { return s.App == name }))
		if left {
			for _, s := range part {
				b.endSession(s, appRemoved)
			}
			return part, true, nil
		}
		part, err := b.removeSlot(name, audit)
		return part, false, err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// cutOff is how long before a rotation one may have been cut off that had ended sessions already.
const cutOff = time.Hour

// appRemoved is why the sessions of a slot end with it.
var appRemoved = ending{Outcome: "app removed", Quiet: true}

// removeSlot records the end of a slot and of its sessions.
func (b *batch) removeSlot(name string, audit []byte) (ended []*Session, err error) {
	s, ok := b.slot(name)
	if !ok {
		return nil, ErrNoSlot
	}
	b.record(Record{Type: RecordAdmin, Outcome: "slot removed", App: name, Content: audit}, nil)
	for _, session := range b.allSessions() {
		if session.App == name {
			b.endSession(session, appRemoved)
			ended = append(ended, session)
		}
	}
	b.dropRemnantsOf(name)
	b.forget(slotOwner(s))
	b.retire(s.Secret)
	b.thin(name, "", time.Time{}) // after its sessions have ended: their tombstones are among them
	b.delete(bucketSlots, []byte(name))
	b.delete(bucketMeta, documentedKey(name))
	b.delete(bucketMeta, pausedKey(name))
	b.after = append(b.after, func(st *state) { delete(st.slots, name) })
	return ended, nil
}

// slotNames returns the names of what is read of a slot.
func slotNames(app string) []name {
	return []name{{bucketSlots, []byte(app)}, {bucketMeta, documentedKey(app)}, {bucketMeta, pausedKey(app)}}
}

// slot returns a slot as the batch sees it.
func (b *batch) slot(name string) (Slot, bool) {
	plain := b.get(bucketSlots, []byte(name))
	if plain == nil {
		return Slot{}, false
	}
	s, err := decodeSlot(name, plain)
	if err != nil {
		b.fail(damaged(bucketSlots, []byte(name)))
		return Slot{}, false
	}
	s.Documented = b.get(bucketMeta, documentedKey(name)) != nil
	if s.Paused, err = pauseIn(pausedKey(name), b.get(bucketMeta, pausedKey(name))); err != nil {
		b.fail(err)
		return Slot{}, false
	}
	return s, true
}

// widestWindow is the longest time that NonceBehind can ever be, by the settings.
const widestWindow = 366 * 24 * time.Hour

// thinMost is how many tombstones one rotation or removal drops or hands on, beside those of
// revoked auth_keys, which operators make: each takes some hundred bytes of memory until the commit
// has ended, and an application can have a million. The others stay as they are until the next
// time. They refuse more than they must, never less: their auth_keys are no other app's.
const thinMost = 10_000

// thin drops the tombstones of a slot whose secret is gone, because no old auth_req opens any more.
// A tombstone stays if its auth_key could bring back a request that was judged: for good if it took
// requests without a nonce, or while its last nonce lies in the window, as wide as that may be set
// later. That of a revoked auth_key stays in case the secret is given again; until then the
// auth_key is as good as any; one that was revoked since then, if that is not zero, stays as it is.
// Such a tombstone belongs to the app now from then on; an empty name means any app.
func (b *batch) thin(app, now string, since time.Time) {
	window := millis(b.now.Add(-widestWindow))
	type entry struct {
		key   []byte
		value *authKey
	}
	var entries []entry
	var outlived [][]byte
	changed := 0
	err := b.each(bucketKeys, func(key, plain []byte) error {
		k, err := decodeAuthKey(plain)
		if err != nil || k.App != app || k.Session != 0 {
			return err
		}
		guards := k.Nonceless || k.LastNonce > window
		switch {
		case k.Revoked && !since.IsZero() && millis(k.Ended) >= millis(since):
			return nil
		case k.Revoked:
			outlived = append(outlived, bytes.Clone(key))
		case guards && k.App == now || changed >= b.o.thinMost:
			return nil
		default:
			changed++
		}
		if !guards {
			entries = append(entries, entry{key: key})
			return nil
		}
		k.App, k.Revoked = now, false
		entries = append(entries, entry{key, &k})
		return nil
	})
	if err != nil {
		b.fail(err)
	}
	for _, key := range outlived {
		b.put(bucketMeta, outlivedKey(key), []byte{1})
	}
	for _, e := range entries {
		if e.value == nil {
			b.delete(bucketKeys, e.key)
		} else {
			b.put(bucketKeys, e.key, e.value.encode())
		}
	}
}
