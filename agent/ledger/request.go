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
		if err != nil || b.State != Answered || stored.number == 0 {
			return b, err
		}
		q, found, err := l.readRequest(stored.end, stored.number)
		switch {
		case err != nil:
			return Begun{}, err
		case found && (q.Key != a.Key || q.Digest != a.Digest): // two hashes meet
			return Begun{State: Conflict}, nil
		case found:
			b.Answer = q.Answer
			return b, nil
		}
	}
	return Begun{}, ErrBusy
}

// begin looks a request up in memory. If its answer is in the store, begin returns where.
func (l *Ledger) begin(a Arrival) (b Begun, stored doneRun, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.known.runs[a.Key]
	d, done := doneRun{}, false
	if r == nil {
		d, done = l.known.find(a.Key)
	}
	switch {
	case done && d.digest != l.known.ofDigest(a.Digest):
		return Begun{State: Conflict}, doneRun{}, nil
	case done:
		return Begun{State: Answered}, d, nil
	case r == nil && (l.known.len() >= l.o.Requests || l.queue.full()):
		return Begun{}, doneRun{}, ErrBusy
	case r == nil:
		r = &run{key: a.Key, digest: a.Digest, end: millis(a.Expires.Add(l.o.AnswerMargin)), done: make(chan struct{})}
		l.known.runs[a.Key] = r
		l.makeRoomLocked()
		return Begun{State: New, run: r}, doneRun{}, nil
	case r.digest != a.Digest:
		return Begun{State: Conflict}, doneRun{}, nil
	case r.stored:
		return Begun{State: Answered}, doneRun{end: r.end, number: r.number}, nil
	case r.answered:
		return Begun{State: Answered, Answer: r.answer}, doneRun{}, nil
	}
	return Begun{State: InWork, run: r}, doneRun{}, nil
}

// WasAnswered reports whether a request was answered, or is met with silence for good, and is still
// remembered: until it has expired, and a margin longer.
func (l *Ledger) WasAnswered(key RequestKey) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if r := l.known.runs[key]; r != nil {
		return r.answered || r.stored
	}
	_, done := l.known.find(key)
	return done
}

// Drop forgets a run that was never judged, because the request belongs to nobody. If the request
// comes again, it is New. If there is no such run, Drop does nothing.
func (l *Ledger) Drop(key RequestKey) {
	l.mu.Lock()
	r := l.known.runs[key]
	failed := r != nil && (r.failed || r.doubtful)
	if r != nil && r.number == 0 && !r.answered && !r.claimed && !r.doubtful {
		delete(l.known.runs, key)
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
	r := l.known.runs[key]
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

// AnswerTo returns the answer that is recorded for the first judged request with this ciphertext.
// It returns nil if nothing is to be said, while there is none yet, and once it is of no more use.
func (l *Ledger) AnswerTo(digest [32]byte) ([]byte, error) {
	l.mu.RLock()
	r, d, found := l.known.firstOf(digest)
	if found && r != nil && r.stored {
		d = doneRun{end: r.end, number: r.number}
	}
	var answer []byte
	if found && r != nil && r.answered && !r.stored {
		answer = r.answer
	}
	l.mu.RUnlock()
	if d.number == 0 {
		return answer, nil
	}
	q, there, err := l.readRequest(d.end, d.number)
	if err != nil || !there || q.Digest != digest { // the last: two hashes meet
		return nil, err
	}
	return q.Answer, nil
}

func (l *Ledger) judgedRun(number uint64) *run {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.known.numbers[number]
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
	old := l.known.runs[key]
	if old == nil {
		return
	}
	fresh := *old // a copy: those who wait read answer of the old one without the lock
	fresh.answer, fresh.number, fresh.stored = nil, number, true
	if fresh.final {
		l.known.finish(&fresh)
		return
	}
	l.known.runs[key], l.known.numbers[number] = &fresh, &fresh
}

// makeRoomLocked has the next commits drop some, when many requests are known.
func (l *Ledger) makeRoomLocked() {
	if l.sweeping || l.known.len() <= l.o.Requests*3/4 {
		return
	}
	l.sweeping = l.sweepNext()
}
