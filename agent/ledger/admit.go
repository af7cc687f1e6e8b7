package ledger

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
	"time"
)

// Verdict is what a judge ruled. The zero value denies.
type Verdict uint8

// The verdicts. Their numbers are on disk.
const (
	Denied   Verdict = iota // refused; the nonce or digest is used up all the same
	Pending                 // a person is asked; nothing is charged yet
	Admitted                // may be signed once Admit has returned
)

// Replay is the result of the nonce rules for a request (HAS §9.3). The zero value is not valid. A
// request that is not Fresh is refused. Once the commit has succeeded, a request that was refused
// for its nonce is never Fresh.
type Replay uint8

// The results of the nonce rules.
const (
	Fresh         Replay = iota + 1 // may be admitted
	NonceLow                        // not above the session's last, and this very request was never judged
	NonceAhead                      // too far ahead of our clock: it would lock the session
	NonceBehind                     // too far behind our clock: held back
	NonceRange                      // not in 1 … 2^53−1
	NonceRequired                   // none, and the operator or the session's state demands one
	DigestSeen                      // the same ciphertext was judged before: a copy
	SessionEnded                    // the session, or the app, is gone meanwhile: nobody's request
	// SessionOver is of a request in an ended session that was never judged. With this commit it is
	// used up, so that it may be told that the session has ended.
	SessionOver
	// NonceForgotten is of a request that may have been judged before: its nonce is not above the
	// last one, and lower than those that the ledger remembers, or not above the floor of a
	// restored ledger. Nothing can be said of it.
	NonceForgotten
	// SecretSpent is of an auth_req under the secret of a slot that has had as many as the ledger
	// remembers. None is judged any more until the secret is another one, so it uses up nothing.
	SecretSpent
)

// KindAuth is the kind of requests that never carry a nonce. None is demanded of them, and their
// digests do not spoil the auth_key of a session.
const KindAuth = "auth"

// Admission is a request that asks to be admitted. Its run was begun with the same key.
type Admission struct {
	Key     RequestKey
	Account string
	Kind    string // KindAuth, "sign", "challenge"
	// Turn is the app that asks, whoever that is shown to be by: apps take turns where many wait.
	Turn string

	// Session is the session whose key opened the request; zero if none did.
	Session SessionID
	// Remnant is the ended session whose key opened the request; zero if none did. Such a request
	// is denied.
	Remnant SessionID
	// App is the slot whose secret opened an auth_req: its digest is kept as long as that secret.
	// Empty if none, and of no effect beside a Session.
	App string
	// Garbled says that the payload can be no request of any kind, today and later, as one that was
	// altered on the way. Nothing has to be used up of it.
	Garbled bool
	// Nonce in ms as decoded; zero if the request has none, or no Session.
	Nonce int64
	// RequireNonce refuses a request that lacks a nonce.
	RequireNonce bool
	// Ticket orders admissions of one link, account and app; nil if order does not matter. Admit
	// releases it.
	Ticket *Ticket
}

// Charge is one part of the cost of an admitted request, opaque to the ledger.
type Charge struct {
	Data    []byte
	Expires time.Time // the record is dropped some time after

	number uint64 // of the request that it belongs to; only TurnBack sets and reads it
}

// Ruling is the decision of a judge. The zero value denies.
type Ruling struct {
	Verdict Verdict
	Record  []byte   // content of the audit record, opaque; JSON by custom
	Charges []Charge // with Admitted only

	// Rejected, if it is not empty, says in a word why nothing more follows: there was nothing to
	// decide, or the record is a short one. The verdict is Denied then, and Answer is recorded in
	// the same commit: there is no Settle.
	Rejected string
	Answer   []byte // nil: nothing to say

	TxID      [20]byte // zero if there is no transaction
	TxBytes   []byte   // the unsigned transaction, kept until the outcome is known
	TxExpires time.Time

	// NewSession makes a session in the same commit, with Admitted only. Ask View.MayOpen first.
	NewSession *NewSession
}

// Admitting is what Admit recorded.
type Admitting struct {
	Number  uint64 // of the first audit record; names the request from now on
	Verdict Verdict
	Time    time.Time // ledger time of the record
	Session *Session  // the session as it is now, the new one if one was made; nil if none
}

// View is the ledger as a judge sees it: as all earlier requests of the same commit leave it. It is
// valid during the call of the judge only.
type View struct {
	Now     time.Time // ledger time
	Session *Session  // of the request; nil if it has none, or if that has ended
	Replay  Replay    // whether nonce or digest may be used up; a request that is not Fresh must be denied

	// Generation changes when charges of a ruling were not recorded, because the commit failed or
	// the judge panicked, and when charges are given back or count again. A judge that keeps
	// counters in memory then builds them again from Charges.
	Generation uint64

	b   *batch
	app string // slot that the request opened with: a session that it makes is of that app
}

// Charges returns all charges that are recorded and have not expired, in no order. Those of earlier
// requests in the same commit are among them.
func (v View) Charges() iter.Seq[Charge] {
	return func(yield func(Charge) bool) {
		for charges := range v.b.allCharges() {
			for _, c := range charges {
				if c.Expires.After(v.Now) && !yield(c) {
					return
				}
			}
		}
	}
}

// ChargesOf returns the charges of the request with this number that expire at until and have not
// expired. It reads no other charges, so it takes the same time in a ledger that holds many. What
// an earlier program charged after a person's yes, and gathered, is not found by the request.
func (v View) ChargesOf(number uint64, until time.Time) []Charge {
	if !until.After(v.Now) {
		return nil
	}
	for _, list := range [][]counted{v.b.l.state.charges, v.b.charges} {
		for _, c := range list {
			if c.number == number {
				return c.charges
			}
		}
	}
	key := endKey(millis(until), number)
	sealed, found, err := v.b.in.get(bucketCharges, key)
	var charges []Charge
	if err == nil && found {
		charges, err = v.b.openCharges(pair{key, sealed})
	}
	if err != nil {
		v.b.fail(err)
		return nil
	}
	return charges
}

// allCharges returns the charges of each record: first those that are gathered, then those in the
// trail, then those of this batch.
func (b *batch) allCharges() iter.Seq[[]Charge] {
	return func(yield func([]Charge) bool) {
		if !b.gatheredCharges(yield) {
			return
		}
		for _, c := range slices.Concat(b.l.state.charges, b.charges) {
			if !yield(c.charges) {
				return
			}
		}
	}
}

// gatheredCharges calls yield with the charges in their bucket. It returns false if yield did.
func (b *batch) gatheredCharges(yield func([]Charge) bool) bool {
	for p, err := range scan(b.in, bucketCharges, nil) {
		var charges []Charge
		if err == nil {
			charges, err = b.openCharges(p)
		}
		if err != nil {
			b.fail(err) // counted too low, a limit would let through: fail the commit
			return false
		}
		if !yield(charges) {
			return false
		}
	}
	return true
}

func (b *batch) openCharges(p pair) ([]Charge, error) {
	plain, err := b.vault.open(bucketCharges, p.key, p.value)
	if err != nil {
		return nil, err
	}
	charges, err := decodeCharges(plain)
	if err != nil {
		return nil, damaged(bucketCharges, p.key)
	}
	return charges, nil
}

// MayOpen returns nil if a ruling may make this session, otherwise the reason: ErrSession,
// ErrNoSlot, ErrKeyLive, ErrKeyElsewhere, ErrKeySpent, ErrSessions,
// ErrAppSessions or ErrAllSessions.
func (v View) MayOpen(n NewSession) error { return v.b.mayOpen(n) }

// SessionWithKey returns the live session that has this auth_key, whatever its account and app.
func (v View) SessionWithKey(key Secret) (*Session, bool) {
	k, ok := v.b.authKey(key)
	if !ok || k.Session == 0 {
		return nil, false
	}
	s := v.b.liveSession(k.Session)
	return s, s != nil
}

// Admit lets judge decide on a request and commits the ruling: nonce or digest, charges,
// transaction, session and audit record in one commit. When Admit has returned without an error, an
// admitted request may be signed.
//
// judge runs in the committing goroutine, one judge at a time, before the commit is written. It
// computes; it must not wait and must not call the ledger. Admissions with tickets of one lane are
// judged in the order of the tickets. The context ends the wait for earlier tickets. Once the
// request stands in the queue, Admit waits for the commit.
//
// After an error the run still belongs to the caller, who calls Reject or Drop. ErrCommit and
// ErrUnavailable come from the disk; ErrPanic, ErrRuling and the errors of MayOpen come from the
// judge; ErrNoRun means that there is no run to admit.
func (l *Ledger) Admit(ctx context.Context, a Admission, judge func(View) Ruling) (Admitting, error) {
	defer a.Ticket.Release() // on every way out: later tickets of the lane wait for this one
	if err := a.Ticket.wait(ctx); err != nil {
		return Admitting{}, err
	}
	r, err := l.claimRun(a.Key)
	if err != nil {
		return Admitting{}, err
	}
	var out Admitting
	o := &op{done: make(chan error, 1), app: a.Turn,
		needs: func(b *batch) []name { return b.claimNames(&a, r.digest) },
		apply: func(b *batch) error {
			var err error
			out, err = b.admit(&a, r, judge)
			return err
		}}
	if err := l.queue.put(o); err != nil {
		l.unclaimRun(r, err)
		return Admitting{}, err
	}
	// The queue keeps the order from here on. Released only after the commit, a lane would have one
	// request in each commit.
	a.Ticket.Release()
	// Not left when the context ends: nobody could tell whether the request was admitted.
	if err := <-o.done; err != nil {
		l.unclaimRun(r, err)
		return Admitting{}, err
	}
	return out, nil
}

// admit judges one request and writes the ruling.
func (b *batch) admit(a *Admission, r *run, judge func(View) Ruling) (Admitting, error) {
	s := b.liveSession(a.Session)
	c := b.claim(a, r.digest, s)
	ruling, err := b.judge(View{Now: b.now, Session: s, Replay: c.replay, app: a.App}, judge)
	if err != nil {
		return Admitting{}, err // nothing was written so far: the other requests of the batch go on
	}
	if ruling.NewSession != nil {
		b.makeRoom(*ruling.NewSession) // before the number of the record is taken: it may write one
	}
	rec := Record{
		Number: b.next(), Time: b.now, Type: RecordJudged, Kind: a.Kind, App: a.App, Session: a.Session,
		Digest:  r.digest,
		Content: ruling.Record,
	}
	if a.Nonce >= 1 && a.Nonce <= maxNonce {
		rec.Nonce = a.Nonce
	}
	if c.remnant != nil {
		b.spendRemnant(c, &rec)
	} else {
		s = b.spend(c, &rec, s) // also if the ruling denies: a denied request never becomes an allowed one
	}
	if s != nil {
		rec.App = s.App
	}
	if ruling.NewSession != nil {
		s = b.makeSession(*ruling.NewSession, &rec, c)
	}
	q := request{Key: a.Key, Digest: r.digest, Account: a.Account, Kind: a.Kind, App: rec.App, Session: rec.Session}
	if ruling.Rejected != "" {
		rec.Type, rec.Outcome = RecordRejected, ruling.Rejected
		q.Answered, q.Final, q.Answer = true, true, ruling.Answer
	}
	b.record(rec, ruling.change(r.end, q))
	b.after = append(b.after, func(*state) {
		b.l.known.judged(r, rec.Number)
		if ruling.Rejected != "" {
			r.final = true
			r.answerLocked(ruling.Answer)
			b.l.storedLocked(r.key, rec.Number)
		}
	})
	return Admitting{Number: rec.Number, Verdict: ruling.Verdict, Time: b.now, Session: s}, nil
}

// makeSession makes the session of a ruling. The digest of its request is kept with it.
func (b *batch) makeSession(n NewSession, rec *Record, c claim) *Session {
	s := b.openSession(n, rec.Number)
	rec.App, rec.Session = n.App, s.ID
	if b.seen(sessionOwner(s.ID), rec.Digest) {
		return s // from what an earlier session with the auth_key left
	}
	switch c.spends {
	case SpentSlotDigest:
		// The session has it, too: the slot's digests go with its secret, and a copy opens by the
		// key of the session.
		return b.spend(claim{spends: SpentSlotDigest, owners: []owner{sessionOwner(s.ID)}}, rec, s)
	case SpentSessionDigest, SpentNonce:
		return s
	}
	return b.spend(claim{spends: SpentSessionDigest, owners: []owner{sessionOwner(s.ID)}}, rec, s)
}

// change returns what a ruling changes in a request.
func (ruling *Ruling) change(end int64, q request) *change {
	q.Verdict = ruling.Verdict
	if len(ruling.TxBytes) > 0 || ruling.TxID != [20]byte{} {
		q.TxID, q.TxBytes, q.TxExpires = ruling.TxID, ruling.TxBytes, ruling.TxExpires
	}
	return &change{end, q, ruling.Charges}
}

// judge runs a judge and checks its ruling against the view. If the ruling is not recorded, the
// generation changes: what the judge counted is void.
func (b *batch) judge(v View, judge func(View) Ruling) (ruling Ruling, err error) {
	v.b, v.Generation = b, b.l.generation
	defer func() {
		if p := recover(); p != nil {
			// The value of the panic may hold what the request said, so the log gets its type and
			// the place only.
			b.o.Logger.Error("judging panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = ErrPanic
		}
		if err != nil {
			b.l.generation++
		}
	}()
	ruling = judge(v)
	switch {
	case b.err != nil:
		return ruling, b.err // the view could not be read whole: the judge saw too little
	case ruling.Verdict > Admitted, ruling.Verdict != Denied && v.Replay != Fresh,
		ruling.Verdict != Denied && ruling.Rejected != "",
		ruling.Verdict != Admitted && (len(ruling.Charges) > 0 || ruling.NewSession != nil):
		return ruling, ErrRuling
	case ruling.NewSession != nil && (v.Session != nil || v.app != "" && v.app != ruling.NewSession.App):
		return ruling, ErrRuling // a session is of the app whose secret opened the request, for life
	case ruling.NewSession != nil:
		return ruling, b.mayOpen(*ruling.NewSession)
	}
	return ruling, nil
}

// Look calls f with the ledger as a judge sees it, for a caller that computes something before the
// first request. f runs in the committing goroutine, as a judge does. Nothing is written. The view
// has no request.
func (l *Ledger) Look(ctx context.Context, f func(View)) error {
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		f(View{Now: b.now, b: b, Generation: b.l.generation})
		return b.err
	}})
}

// Decide judges a pending request again, after a person has agreed, by the rules that are then in
// force. The ruling admits or denies. What Admit promises holds here too. The view is Fresh while
// the session of the request lives. ErrNotPending: the request does not wait for a person.
func (l *Ledger) Decide(ctx context.Context, number uint64, judge func(View) Ruling) (Admitting, error) {
	if err := ctx.Err(); err != nil {
		return Admitting{}, context.Cause(ctx)
	}
	var out Admitting
	err := l.submit(&op{
		needs: func(b *batch) []name {
			if r := l.judgedRun(number); r != nil {
				return []name{b.requestName(r.end, number)}
			}
			return nil
		},
		apply: func(b *batch) error {
			var err error
			out, err = b.decide(number, judge)
			return err
		}})
	if err != nil {
		return Admitting{}, err
	}
	return out, nil
}

func (b *batch) decide(number uint64, judge func(View) Ruling) (Admitting, error) {
	r := b.l.judgedRun(number)
	if r == nil {
		return Admitting{}, ErrNotPending
	}
	// Not the run but the store says whether it still waits: an outcome may be in this very batch.
	q, ok := b.findRequest(r.end, number)
	if !ok || q.Verdict != Pending || q.Final {
		return Admitting{}, ErrNotPending
	}
	// Its nonce or digest was used up when it was set pending, and is not looked at again.
	s, replay := b.liveSession(q.Session), Fresh
	if q.Session != 0 && s == nil {
		replay = SessionEnded
	}
	ruling, err := b.judge(View{Now: b.now, Session: s, Replay: replay, app: q.App}, judge)
	if err == nil && ruling.Verdict == Pending {
		b.l.generation++ // judge let it pass: to be pending is possible for other requests
		err = ErrRuling
	}
	if err != nil {
		return Admitting{}, err
	}
	if ruling.NewSession != nil {
		b.makeRoom(*ruling.NewSession)
	}
	rec := Record{
		Number: b.next(), Time: b.now, Type: RecordDecided, Ref: number, Kind: q.Kind, Digest: q.Digest,
		Content: ruling.Record,
	}
	if ruling.NewSession != nil {
		own := claim{spends: SpentNothing}
		if q.App != "" {
			own.spends = SpentSlotDigest // when it was set pending
		}
		s = b.makeSession(*ruling.NewSession, &rec, own)
		q.App, q.Session = rec.App, rec.Session
	}
	b.record(rec, ruling.change(r.end, q))
	return Admitting{Number: number, Verdict: ruling.Verdict, Time: b.now, Session: s}, nil
}
