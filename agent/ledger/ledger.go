package ledger

import (
	"context"
	"crypto/cipher"
	"errors"
	"iter"
	"log/slog"
	"time"
)

// Options are what a ledger is opened with.
type Options struct {
	ID     string                      // of the keystore that it belongs to
	AEAD   cipher.AEAD                 // seals values; 12-byte random nonces
	MAC    func(data ...[]byte) []byte // keyed, at least 32 bytes; chains the audit trail
	Now    func() time.Time            // nil: time.Now
	Logger *slog.Logger                // nil: discards

	NonceAhead         time.Duration // how far ahead of our clock a nonce may be; zero: 24 h
	NonceBehind        time.Duration // how far behind; zero: 10 min
	SessionsPerAccount int           // zero: 1,000
	DigestsPerSession  int           // after so many a session must send nonces; zero: 100,000
	AnswerMargin       time.Duration // how long an answer outlives its request; zero: 10 min
	Requests           int           // how many requests are known at most; zero: 100,000
}

// Ledger is an open ledger. All methods may be called concurrently.
type Ledger struct {
	lanes lanes
}

var errTodo = errors.New("not there yet")

func Create(path string, o Options) error             { return errTodo }
func Open(path string, o Options) (*Ledger, error)    { return nil, errTodo }
func Accept(path string, o Options) (Accepted, error) { return Accepted{}, errTodo }
func (l *Ledger) Close() error                        { return errTodo }
func (l *Ledger) Err() error                          { return errTodo }
func (l *Ledger) Flush(ctx context.Context) error     { return errTodo }
func (l *Ledger) Now() time.Time                      { return time.Time{} }

type Accepted struct {
	Last  uint64
	Mark  uint64
	Ended []Session
}

func (l *Ledger) AddSlot(ctx context.Context, name string, secret Secret, audit []byte) (Slot, error) {
	return Slot{}, errTodo
}
func (l *Ledger) RotateSlot(ctx context.Context, name string, secret Secret, audit []byte) (Slot, error) {
	return Slot{}, errTodo
}
func (l *Ledger) RemoveSlot(ctx context.Context, name string, audit []byte) ([]*Session, error) {
	return nil, errTodo
}
func (l *Ledger) Slots() []Slot                 { return nil }
func (l *Ledger) Slot(name string) (Slot, bool) { return Slot{}, false }

func (l *Ledger) AddSession(ctx context.Context, s NewSession, audit []byte) (*Session, error) {
	return nil, errTodo
}
func (l *Ledger) EndSession(ctx context.Context, id SessionID, audit []byte) (*Session, error) {
	return nil, errTodo
}
func (l *Ledger) Session(id SessionID) (*Session, bool) { return nil, false }
func (l *Ledger) Sessions() []*Session                  { return nil }
func (l *Ledger) SessionsOf(account string) []*Session  { return nil }

type run struct {
	done   chan struct{}
	result []byte
	err    error
}

func (l *Ledger) Begin(a Arrival) (Begun, error)           { return Begun{}, errTodo }
func (l *Ledger) Drop(key RequestKey)                      {}
func (l *Ledger) Reject(key RequestKey, r Rejection) error { return errTodo }

type View struct {
	Now        time.Time
	Session    *Session
	Replay     Replay
	Generation uint64
}

func (v View) Charges() iter.Seq[Charge]                  { return nil }
func (v View) MayOpen(s NewSession) error                 { return errTodo }
func (v View) SessionWithKey(key Secret) (*Session, bool) { return nil, false }

func (l *Ledger) Admit(ctx context.Context, a Admission, judge func(View) Ruling) (Admitting, error) {
	return Admitting{}, errTodo
}
func (l *Ledger) Decide(ctx context.Context, number uint64, judge func(View) Ruling) (Admitting, error) {
	return Admitting{}, errTodo
}
func (l *Ledger) Settle(number uint64, s Settlement) error            { return errTodo }
func (l *Ledger) Unfinished() ([]Unfinished, error)                   { return nil, errTodo }
func (l *Ledger) Append(ctx context.Context, e Entry) (uint64, error) { return 0, errTodo }
func (l *Ledger) Audit(from uint64) iter.Seq2[Record, error]          { return nil }
func (l *Ledger) Verify(ctx context.Context) (Verified, error)        { return Verified{}, errTodo }

type Verified struct{ From, To uint64 }
