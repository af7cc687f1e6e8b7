package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// Login is how [Client.Keep] logs in.
type Login struct {
	// Account is the account of the session.
	Account hive.AccountName
	// Secret is the secret of the application's slot: the wallet must be one in service mode.
	Secret Secret
	// File keeps the session from run to run, readable by its owner only. Each account needs one of
	// its own, and one program at a time uses it.
	File string
}

// Format writes everything but the secret.
func (l Login) Format(f fmt.State, verb rune) { secret.Format(f, verb, l) }

// Kept is a session that goes on from run to run. Make one with [Client.Keep]. All methods may be
// called concurrently. However it is printed, it shows nothing.
type Kept struct {
	secret.Redacted
	client *Client
	login  Login

	mu   sync.Mutex // held while the wallet is asked about the session: one login at a time
	kept keptSession
}

var (
	// ErrNewSession means that the wallet had ended the session, as [Kept] found out by asking
	// after nobody had answered, or after somebody had said so. A new session is there: look at the
	// chain, then ask again. The error matches [ErrNobody] or [ErrSessionExpired], too.
	ErrNewSession = errors.New("the wallet had ended the session; there is a new one")
	// ErrTooManyLogins means that so many sessions were made in the last hour that something is
	// wrong: another one is not asked for, because the wallet would run out of sessions for the
	// account.
	ErrTooManyLogins = errors.New("too many new sessions")
)

const (
	// maxLogins is how many sessions are made within loginWindow, in all runs together.
	maxLogins   = 5
	loginWindow = time.Hour
	// confirmedFor is how long a session counts as alive after the wallet has answered in it. A
	// session that was ended meanwhile shows by silence.
	confirmedFor = time.Hour
	// endsSoon is how long before its end a session is not used any more.
	endsSoon = time.Minute
	// confirmWithin bounds the question whether the session lives, after silence: a wallet that is
	// there answers at once.
	confirmWithin = 15 * time.Second
)

// Keep logs in, or goes on with the session that the file has from an earlier run. A session that
// the wallet has ended is replaced by a new one; one that lives is never replaced, so that an
// application that starts often makes one session and not many. Where the wallet refuses the
// session and a new login, the session is kept: nobody but the wallet knows whether it lives.
//
// The auth_key of a new session is in the file before the wallet is asked for it: a program that is
// cut off in between goes on with the same session in its next run. The session before it stays in
// the file until the wallet has granted the new one or refused it.
//
// With another secret than in the run before, the wallet is asked whether the session lives: one
// that has never heard of it makes it.
//
// The errors are those of [Client.Authenticate], ErrTooManyLogins, and those of the file. After
// ErrNobody nothing is changed: the wallet is not there, listens at another relay, or knows another
// secret.
func (c *Client) Keep(ctx context.Context, l Login) (*Kept, error) {
	if l.Secret == "" || l.File == "" {
		return nil, errors.New("client: Keep needs Secret and File")
	}
	if _, err := hive.ParseAccountName(string(l.Account)); err != nil {
		return nil, fmt.Errorf("client: account %q: %w", l.Account, err)
	}
	k := &Kept{client: c, login: l}
	if err := k.kept.read(l); err != nil {
		return nil, err
	}
	if slot := slotOf(l.Secret); k.kept.slot != slot {
		if k.kept.slot != "" {
			k.kept.confirmed = time.Time{} // another wallet, perhaps, that would stay silent
		}
		k.kept.slot = slot
	}
	_, err := k.Session(ctx)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Session returns the session for requests. It asks the wallet whether the session lives if that
// was not seen for an hour, and logs in again before its end.
func (k *Kept) Session(ctx context.Context) (*Session, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := timeNow()
	if s := k.kept.session; s != nil && !k.kept.over(now) {
		if now.Sub(k.kept.confirmed) < confirmedFor {
			return s, nil
		}
		return k.confirm(ctx, true)
	}
	return k.open(ctx, nil)
}

// Sign does what [Client.Sign] does, in the session. If the wallet says that the session has ended,
// a new one is made and the request is made once more in it, provided that the answer is verified:
// then nothing was done before. If somebody else says so, or if nobody answers, Sign finds out
// whether the session has ended, and the error matches ErrNewSession if there is a new one.
func (k *Kept) Sign(ctx context.Context, r SignRequest) (signed *Signed, err error) {
	err = k.within(ctx, func(s *Session) (err error) { signed, err = k.client.Sign(ctx, s, r); return err })
	return signed, err
}

// SignExact does what [Client.SignExact] does, in the session, and finds out about it as
// [Kept.Sign] does.
func (k *Kept) SignExact(ctx context.Context, r ExactRequest) (signed *Signed, err error) {
	err = k.within(ctx, func(s *Session) (err error) { signed, err = k.client.SignExact(ctx, s, r); return err })
	return signed, err
}

// Challenge does what [Client.Challenge] does, in the session, and finds out about it as
// [Kept.Sign] does.
func (k *Kept) Challenge(ctx context.Context, ch Challenge) (proof *Proof, err error) {
	err = k.within(ctx, func(s *Session) (err error) { proof, err = k.client.Challenge(ctx, s, ch); return err })
	return proof, err
}

// within makes a request in the session, and once more if the session had ended and goes on, or
// another one has begun.
func (k *Kept) within(ctx context.Context, request func(*Session) error) error {
	for again := false; ; again = true {
		s, err := k.Session(ctx)
		if err != nil {
			return err
		}
		goesOn, err := k.learn(ctx, s, request(s))
		if !goesOn || again {
			return err
		}
	}
}

// learn takes what became of a request: an answer of the wallet shows that the session lives. After
// silence, and after the word that the session has ended, whoever says so, the wallet is asked
// whether it lives. A relay that says it for no reason causes one login for a request. learn
// reports whether the request can be made again because nothing was done and there is a session.
func (k *Kept) learn(ctx context.Context, s *Session, err error) (goesOn bool, _ error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	ended := isEnded(err)
	if k.kept.session != s {
		return ended, err // replaced meanwhile, for another request
	}
	if err == nil {
		k.kept.confirmed = timeNow()
		return false, nil
	}
	if !errors.Is(err, ErrNobody) && !errors.Is(err, ErrSessionExpired) || ctx.Err() != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, confirmWithin)
	defer cancel()
	now, failure := k.confirm(ctx, !ended)
	switch {
	case errors.Is(failure, ErrTooManyLogins):
		return false, fmt.Errorf("%w; %w", err, failure)
	case failure != nil:
		// Silence again, or a refusal: that is why nobody answered, or it says no more.
		k.client.log.Debug("asking whether the session lives", "account", s.account, "err", failure)
		return false, err
	case now != s:
		err = fmt.Errorf("%w: %w", err, ErrNewSession)
	}
	return ended, err
}

// isEnded reports whether the wallet itself says of this request that its session has ended.
func isEnded(err error) bool {
	return errors.Is(err, ErrSessionExpired) && errors.Is(err, ErrNothingDone)
}

// confirm asks the wallet for the session that is kept. A wallet that has ended it refuses: then a
// new one is opened. A nack that is not sealed may be the relay's, and changes nothing. If the
// session may live all the same, it stays unless a new one is granted.
func (k *Kept) confirm(ctx context.Context, mayLive bool) (*Session, error) {
	was := k.kept.session
	err := k.ask(ctx)
	switch {
	case err == nil:
		return was, nil
	case !isNo(err):
		return nil, err
	case was.Expires().IsZero():
		return k.goBack(err)
	}
	k.client.log.Info("the wallet does not confirm the session; logging in again", "account", k.login.Account)
	if !mayLive || isEnded(err) {
		was = nil
	}
	return k.open(ctx, was)
}

// isNo reports whether a wallet that knows the auth_key refuses it, or says that its session has
// ended. Not every wallet binds that to the request, and an auth_err cannot be sealed: what a relay
// repeats or makes up costs a login, and no session is lost by it.
func isNo(err error) bool {
	var refused *RefusedError
	var failed *FailedError
	switch {
	case errors.As(err, &refused):
		return refused.sealed
	case errors.As(err, &failed):
		return failed.sealed && errors.Is(failed, ErrSessionExpired) || failed.Text == protocol.TextAuthFailed
	}
	return false
}

// goBack drops a session that was asked for and not granted. Its key is not tried again,
// because it may have been granted and ended without our knowing. The session before it, if there
// is one, stays: a wallet that lets nobody log in any more refuses with the words for a session
// that has ended, and serves those that there are.
func (k *Kept) goBack(refusal error) (*Session, error) {
	now := timeNow()
	k.kept.session, k.kept.before = k.kept.before, nil
	if n := len(k.kept.opened); n > 0 {
		k.kept.opened = k.kept.opened[:n-1] // no session was made
	}
	if s := k.kept.session; s == nil || k.kept.over(now) {
		k.kept.session = nil
		return nil, errors.Join(refusal, k.kept.write(k.login.File))
	}
	k.client.log.Warn("the wallet lets this application log in no more; going on with the session that is there, "+
		"which may have ended", "account", k.login.Account, "err", refusal)
	k.kept.confirmed = now
	return k.kept.session, k.kept.write(k.login.File)
}

// open makes a new session. before, if it is not nil, goes on if the wallet refuses.
func (k *Kept) open(ctx context.Context, before *Session) (*Session, error) {
	now := timeNow()
	if s := k.kept.session; s != nil && s.Expires().IsZero() {
		return k.confirm(ctx, true) // asked for in a run that was cut off
	}
	if next, full := k.kept.mayOpen(now); full {
		return nil, fmt.Errorf("client: login for %s: %w: %d in the last hour; the next one at %s. Does something end "+
			"them, or is the clock wrong?", k.login.Account, ErrTooManyLogins, maxLogins,
			next.UTC().Format(time.RFC3339))
	}
	was := k.kept
	k.kept.session, k.kept.before, k.kept.confirmed = NewSession(k.login.Account, ""), before, time.Time{}
	k.kept.opened = append(k.kept.opened, now)
	// Before the wallet is asked: what cannot be kept would be asked for again in each run.
	if err := k.kept.write(k.login.File); err != nil {
		k.kept = was
		return nil, err
	}
	return k.confirm(ctx, true)
}

// ask asks the wallet for the session that is kept, and keeps what it says.
func (k *Kept) ask(ctx context.Context) error {
	_, err := k.client.Authenticate(ctx, Auth{Account: k.login.Account, Session: k.kept.session,
		Secret: k.login.Secret})
	if err != nil {
		return err
	}
	k.kept.confirmed, k.kept.before = timeNow(), nil
	return k.kept.write(k.login.File)
}

// over reports whether the session has ended or is about to. One that was not granted yet has not.
func (s *keptSession) over(now time.Time) bool {
	end := s.session.Expires()
	return !end.IsZero() && !now.Before(end.Add(-endsSoon))
}

// mayOpen forgets the logins that are too old to count. If there are too many all the same, it
// returns when another one may be made.
func (s *keptSession) mayOpen(now time.Time) (next time.Time, full bool) {
	var recent []time.Time
	for _, at := range s.opened {
		// A time of the future is one of a wrong clock.
		if age := now.Sub(at); age >= 0 && age < loginWindow {
			recent = append(recent, at)
		}
	}
	s.opened = recent
	if len(recent) < maxLogins {
		return time.Time{}, false
	}
	return recent[0].Add(loginWindow), true
}

// read reads the file. None, and an empty one, is a first run.
func (s *keptSession) read(l Login) error {
	text, err := os.ReadFile(l.File)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("client: reading the kept session: %w", err)
	}
	if *s, err = parseKept(text); err != nil {
		return fmt.Errorf("client: %s: %w; if it is one, remove the file to log in again", l.File, err)
	}
	if s.session != nil && s.session.account != l.Account {
		return fmt.Errorf("client: %s keeps a session of %s, not of %s: each account needs a file of its own; "+
			"if %[2]s was a mistake, remove the file", l.File, s.session.account, l.Account)
	}
	return nil
}
