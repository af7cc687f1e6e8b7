package ledger

import (
	"context"
	"time"
)

// RequestKey names a request: the relay that delivered it and its uuid in lower case.
type RequestKey struct{ Relay, UUID string }

// Arrival is what is known of a request before anything of it is opened.
type Arrival struct {
	Key     RequestKey
	Digest  [32]byte  // SHA-256 of the ciphertext bytes (decoded, salt included)
	Account string    // who it is for
	Expires time.Time // the relay's word; how long the answer is kept
}

// BeginState says what a delivered request is to us. The zero value is not valid.
type BeginState uint8

// What Begin says.
const (
	New      BeginState = iota + 1 // never seen: the caller owns the run and ends it with Admit and Settle, Reject or Drop
	InWork                         // the same request is being worked on (or was when the process died): Wait
	Answered                       // it was answered: send Answer again
	Conflict                       // same uuid, other ciphertext: drop and count
)

// Begun is Begin's word on a request.
type Begun struct {
	State  BeginState
	Answer []byte // of Answered: what was recorded, opaque; nil means that there is nothing to say
	run    *run
}

// Wait waits for the run that works on the request and returns its answer, nil if there is nothing to say.
// ErrNoRun means that the run was dropped: begin again.
func (b Begun) Wait(ctx context.Context) ([]byte, error) {
	select {
	case <-b.run.done:
		return b.run.result, b.run.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
