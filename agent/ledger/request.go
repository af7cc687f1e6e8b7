package ledger

import (
	"context"
	"errors"
	"time"
)

// RequestKey names a request: the relay that delivered it and its uuid in lower case.
type RequestKey struct{ Relay, UUID string }

// Arrival is what is known of a request before anything of it is opened.
type Arrival struct {
	Key     RequestKey
	Digest  [32]byte  // SHA-256 of the ciphertext bytes (decoded, salt included)
	Expires time.Time // the relay's word; its answer is kept for a margin longer
}

// BeginState is how a delivered request is known to the ledger. The zero value is not valid.
type BeginState uint8

// The states of a delivered request.
const (
	New      BeginState = iota + 1 // never seen; the caller ends the run: Admit and Settle, Reject, or Drop
	InWork                         // the same request is worked on, or was when the process died: Wait
	Answered                       // it was answered: send Answer again
	Conflict                       // same uuid, other ciphertext: drop and count
)

// Begun is the result of Begin.
type Begun struct {
	State  BeginState
	Answer []byte // of Answered: what was recorded, opaque; nil means that there is nothing to say
	run    *run
}

// Wait waits for the run that works on the request, if the state is InWork, and returns its answer.
// A nil answer means that there is nothing to say. ErrNoRun: the run was dropped; call Begin again.
func (b Begun) Wait(ctx context.Context) ([]byte, error) {
	select {
	case <-b.run.done:
		return b.run.answer, b.run.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// run is a request from Begin until it is forgotten. Ledger.mu guards it; answer and err do not
// change once done is closed.
type run struct {
	key    RequestKey
	digest [32]byte
	end    int64 // ms; when the answer is of no more use

	done   chan struct{} // closed when there is an answer, or none will come
	answer []byte
	err    error

	claimed  bool   // Admit has it
	doubtful bool   // its commit failed, and the store could not be asked since then whether it holds it
	number   uint64 // of the judging record; zero until one is committed
	failed   bool   // number was found after a commit that was reported as failed: nobody may sign it
	answered bool   // done is closed with an answer
	final    bool   // the outcome is known
	stored   bool   // answer is in the file, no longer here
}

// Begin takes up a request that a relay delivered. It writes nothing. If a request is delivered
// several times at once, one run is New. ErrBusy, also while too much waits for the disk;
// ErrUnavailable.
func (l *Ledger) Begin(a Arrival) (Begun, error) {
	for range 2 { // a second time if the answer was swept between the look-up and the reading
		b, stored, err := l.begin(a)
		if err != nil || stored == nil {
			return b, err
		}
		q, found, err := l.readRequest(stored.end, stored.number)
		if err != nil {
			return Begun{}, err
		}
		if found {
			b.Answer = q.Answer
			return b, nil
		}
	}
	return Begun{}, ErrBusy
}

// begin looks a request up in memory. If its answer is in the store, begin returns the run to read
// it for.
func (l *Ledger) begin(a Arrival) (b Begun, stored *run, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.runs[a.Key]
	switch {
	case r == nil && (len(l.runs) >= l.o.Requests || l.queue.full()):
		return Begun{}, nil, ErrBusy
	case r == nil:
		r = &run{key: a.Key, digest: a.Digest, end: millis(a.Expires.Add(l.o.AnswerMargin)), done: make(chan struct{})}
		l.runs[a.Key] = r
		l.makeRoomLocked()
		return Begun{State: New, run: r}, nil, nil
	case r.digest != a.Digest:
		return Begun{State: Conflict}, nil, nil
	case r.stored:
		return Begun{State: Answered}, r, nil
	case r.answered:
		return Begun{State: Answered, Answer: r.answer}, nil, nil
	}
	return Begun{State: InWork, run: r}, nil, nil
}

// WasAnswered reports whether a request was answered, or is met with silence for good, and is still
// remembered: until it has expired, and a margin longer.
func (l *Ledger) WasAnswered(key RequestKey) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	r := l.runs[key]
	return r != nil && (r.answered || r.stored)
}

// Drop forgets a run that was never judged, because the request belongs to nobody. If the request
// comes again, it is New. If there is no such run, Drop does nothing.
func (l *Ledger) Drop(key RequestKey) {
	l.mu.Lock()
	r := l.runs[key]
	failed := r != nil && (r.failed || r.doubtful)
	if r != nil && r.number == 0 && !r.answered && !r.claimed && !r.doubtful {
		delete(l.runs, key)
		r.err = ErrNoRun
		close(r.done)
	}
	l.mu.Unlock()
	if failed {
		_ = l.Reject(key, Rejection{Outcome: "dropped"}) // it is in the file, or may be, and needs an end
	}
}

// claimRun takes a run for its admission.
func (l *Ledger) claimRun(key RequestKey) (*run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.runs[key]
	if r == nil || r.claimed || r.answered || r.number != 0 {
		return nil, ErrNoRun
	}
	r.claimed = true
	return r, nil
}

// unclaimRun undoes the claim of a run whose admission ended with err.
func (l *Ledger) unclaimRun(r *run, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.claimed = false
	if errors.Is(err, ErrCommit) && l.broken != nil {
		r.doubtful = true // until the store is open again: see mergeLocked
	}
}

// judgedLocked notes that the judging of a run is committed.
func (l *Ledger) judgedLocked(r *run, number uint64) {
	r.number, r.claimed = number, false
	l.numbers[number] = r
	if _, known := l.firsts[r.digest]; !known {
		l.firsts[r.digest] = r.key
	}
}

// AnswerTo returns the answer that is recorded for the first judged request with this ciphertext.
// It returns nil if nothing is to be said, while there is none yet, and once it is of no more use.
func (l *Ledger) AnswerTo(digest [32]byte) ([]byte, error) {
	l.mu.RLock()
	r := l.runs[l.firsts[digest]]
	if r == nil || !r.answered || !r.stored {
		defer l.mu.RUnlock()
		if r == nil || !r.answered {
			return nil, nil
		}
		return r.answer, nil
	}
	l.mu.RUnlock()
	q, _, err := l.readRequest(r.end, r.number)
	return q.Answer, err
}

func (l *Ledger) judgedRun(number uint64) *run {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.numbers[number]
}

// answerLocked hands the answer to those who wait.
func (r *run) answerLocked(answer []byte) {
	if r.answered {
		return
	}
	r.answered, r.answer = true, answer
	close(r.done)
}

// storedLocked notes that the answer of a run is in the store. It replaces the run, because those
// who wait may still read the old one.
func (l *Ledger) storedLocked(key RequestKey, number uint64) {
	old := l.runs[key]
	if old == nil {
		return
	}
	fresh := *old // a copy: those who wait read answer of the old one without the lock
	fresh.answer, fresh.number, fresh.stored = nil, number, true
	l.runs[key] = &fresh
	if fresh.final {
		delete(l.numbers, number)
	} else {
		l.numbers[number] = &fresh
	}
}

// makeRoomLocked asks for a sweep when many requests are known.
func (l *Ledger) makeRoomLocked() {
	if l.sweeping || len(l.runs) <= l.o.Requests*3/4 {
		return
	}
	l.sweeping = l.queue.put(&op{apply: (*batch).sweep}) == nil
}
