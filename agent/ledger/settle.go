package ledger

import (
	"cmp"
	"math"
	"time"

	"pksa/protocol/sorts"
)

// Settlement is the outcome of a judged request.
type Settlement struct {
	// Outcome in a word, for the audit trail: "accepted", "refused", "uncertain", "signed", …
	Outcome string
	// Answer is what a re-delivered request gets, opaque; nil: nothing to say. Of no effect if one
	// was recorded already.
	Answer []byte
	// Record is the content of the audit record, opaque.
	Record []byte
	// Open says that the answer is given but the outcome is not known yet: the request stays
	// unfinished, and is settled once more.
	Open bool
	// ChargedUntil is set if the request failed although it was charged for a transaction: until
	// when the charges count. The transaction gets the fate Failed with the outcome.
	ChargedUntil time.Time
}

// Rejection ends a run that was never judged.
type Rejection struct {
	Outcome string
	Account string
	Kind    string
	App     string
	Session SessionID
	Answer  []byte // nil: nothing to say
	Record  []byte
}

// Unfinished is a judged request whose outcome is not known. After a restart none of them may be
// signed or sent again. If it has a transaction, the caller looks that up until it is found or
// provably expired; otherwise the caller answers with an error.
type Unfinished struct {
	Number    uint64
	Key       RequestKey
	Account   string
	Kind      string
	App       string
	Session   SessionID
	Digest    [32]byte // of the ciphertext
	Verdict   Verdict
	Answered  bool // settled as Open: only the outcome is missing
	TxID      [20]byte
	TxBytes   []byte
	TxExpires time.Time
}

// Settle records the outcome of a judged request and hands the answer to those who wait for it. It
// does not wait: the outcome is written with the next commit, and with a later one if that does not
// succeed. ErrNoRun: there is no such request, or it is settled already.
func (l *Ledger) Settle(number uint64, s Settlement) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.known.numbers[number]
	if r == nil || r.final {
		return ErrNoRun
	}
	// Queued before anything is noted: a closed ledger leaves the request unfinished.
	size := stepBytes + len(s.Answer) + len(s.Record)
	err := l.queue.put(&op{keep: true, size: size,
		needs: func(b *batch) []name { return []name{b.requestName(r.end, number)} },
		apply: func(b *batch) error {
			b.settle(r.key, number, r.end, s)
			return nil
		}})
	if err != nil {
		return err
	}
	r.final = !s.Open
	r.answerLocked(s.Answer)
	return nil
}

// settle writes an outcome, unless the store has it.
func (b *batch) settle(key RequestKey, number uint64, end int64, s Settlement) {
	q, ok := b.findRequest(end, number)
	// The step may be applied a second time, after a commit that was reported as failed.
	if ok && (q.Final || q.Answered && s.Open) {
		b.after = append(b.after, func(*state) { b.l.storedLocked(key, number) })
		return
	}
	rec := Record{Type: RecordSettled, Ref: number, Outcome: s.Outcome, Key: key, Content: s.Record}
	if !ok {
		b.record(rec, nil) // unreachable: only what is settled is swept; the trail gets the outcome all the same
		return
	}
	failed := Fate{TxID: q.TxID, Number: number, Account: q.Account, App: q.App, State: Failed, TxExpires: q.TxExpires,
		Until: s.ChargedUntil, At: b.now}
	if !q.Answered { // an application never gets a second answer
		q.Answered, q.Answer = true, s.Answer
	}
	if !s.Open {
		q.Final, q.TxBytes, q.TxExpires = true, nil, time.Time{}
	}
	failed.Record = b.record(rec, &change{end: end, request: q})
	b.addFailed(failed)
	b.after = append(b.after, func(*state) { b.l.storedLocked(key, number) })
}

// Reject ends a run that was not judged, or whose Admit did not succeed, and records that. The
// answer may be nil. Like Settle it does not wait. ErrNoRun.
func (l *Ledger) Reject(key RequestKey, rej Rejection) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.known.runs[key]
	if r == nil || r.claimed || r.answered || r.number != 0 && !r.failed {
		return ErrNoRun
	}
	size := stepBytes + len(rej.Answer) + len(rej.Record)
	err := l.queue.put(&op{keep: true, size: size, apply: func(b *batch) error { b.reject(r, rej); return nil }})
	if err != nil {
		return err
	}
	r.final = true
	r.answerLocked(rej.Answer)
	return nil
}

func (b *batch) reject(r *run, rej Rejection) {
	if number := b.l.numberOfRun(r.key); number != 0 {
		// A commit that was reported as failed is in the store after all.
		b.settle(r.key, number, r.end, Settlement{Outcome: rej.Outcome, Answer: rej.Answer, Record: rej.Record})
		return
	}
	rec := Record{Type: RecordRejected, Outcome: rej.Outcome, Content: rej.Record}
	q := request{
		Key: r.key, Digest: r.digest, Account: rej.Account, Kind: rej.Kind, App: rej.App, Session: rej.Session,
		Answered: true, Final: true, Answer: rej.Answer,
	}
	number := b.record(rec, &change{end: r.end, request: q})
	b.after = append(b.after, func(*state) { b.l.storedLocked(r.key, number) })
}

// NumberOf returns the number of a request that was judged and is still known; zero if it is not.
func (l *Ledger) NumberOf(key RequestKey) uint64 { return l.numberOfRun(key) }

func (l *Ledger) numberOfRun(key RequestKey) uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.known.number(key)
}

// reading returns the lookup for reads outside of commits.
func (l *Ledger) reading() (lookup, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.broken != nil {
		// What the store shows may be no more than the end of a commit that failed.
		return lookup{}, ErrUnavailable
	}
	return l.lookup, nil
}

// readingTrail returns the lookup for reading the trail, and the number of the last record that may
// be read.
func (l *Ledger) readingTrail() (r lookup, last uint64, err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case l.broken == nil:
		return l.lookup, math.MaxUint64, nil
	case l.legible:
		// What follows may be the end of a commit that failed.
		return l.lookup, l.state.last.number, nil
	}
	return lookup{}, 0, ErrUnavailable
}

// readRequest reads a request outside of commits. It may miss a request that is being gathered; the
// caller then asks again.
func (l *Ledger) readRequest(end int64, number uint64) (q request, found bool, err error) {
	l.mu.RLock()
	at := l.state.positions[number]
	l.mu.RUnlock()
	r, err := l.reading()
	if err != nil {
		return request{}, false, err
	}
	return r.findRequest(at.record, end, number)
}

// Unfinished returns the judged requests whose outcome is not known, by number. After Open these
// are the requests that the last process left; later those in work are among them.
func (l *Ledger) Unfinished() ([]Unfinished, error) {
	type waiting struct {
		number uint64
		end    int64
	}
	l.mu.RLock()
	var all []waiting
	for number, r := range l.known.numbers {
		if !r.final {
			all = append(all, waiting{number, r.end})
		}
	}
	l.mu.RUnlock()
	sorts.By(all, func(a, b waiting) int { return cmp.Compare(a.number, b.number) })
	var list []Unfinished
	for _, p := range all {
		q, found, err := l.readRequest(p.end, p.number)
		if err != nil {
			return nil, err
		}
		if !found || q.Final {
			continue
		}
		list = append(list, Unfinished{
			Number: p.number, Key: q.Key, Account: q.Account, Kind: q.Kind, App: q.App, Session: q.Session,
			Digest: q.Digest, Verdict: q.Verdict, Answered: q.Answered, TxID: q.TxID, TxBytes: q.TxBytes,
			TxExpires: q.TxExpires,
		})
	}
	return list, nil
}
