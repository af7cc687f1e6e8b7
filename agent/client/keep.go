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
	// ErrNewSession means that the wallet had ended the session, as [Kept] found out by asking: it
	// said so, or nobody answered. A new session is there. After silence, when the error matches
	// [ErrNobody], too, look at the chain before you ask again.
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
// cut off in between goes on with the same session in its next run.
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
		return k.confirm(ctx)
	}
	return k.open(ctx)
}

// Sign does what [Client.Sign] does, in the session. If nobody answers, or the answer is that the
// session has ended, it finds out whether that is so: then a new one is made, and the error matches
// ErrNewSession.
func (k *Kept) Sign(ctx context.Context, r SignRequest) (*Signed, error) {
	s, err := k.Session(ctx)
	if err != nil {
		return nil, err
	}
	signed, err := k.client.Sign(ctx, s, r)
	return signed, k.learn(ctx, s, err)
}

// Challenge does what [Client.Challenge] does, in the session, and finds out about it as
// [Kept.Sign] does.
func (k *Kept) Challenge(ctx context.Context, ch Challenge) (*Proof, error) {
	s, err := k.Session(ctx)
	if err != nil {
		return nil, err
	}
	proof, err := k.client.Challenge(ctx, s, ch)
	return proof, k.learn(ctx, s, err)
}

// learn takes what became of a request: an answer of the wallet shows that the session lives, and
// after silence the wallet is asked whether it does.
func (k *Kept) learn(ctx context.Context, s *Session, err error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept.session != s {
		return err // replaced meanwhile, for another request
	}
	if err == nil {
		k.kept.confirmed = timeNow()
		return nil
	}
	if !errors.Is(err, ErrNobody) && !saysEnded(err) || ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, confirmWithin)
	defer cancel()
	now, failure := k.confirm(ctx)
	switch {
	case errors.Is(failure, ErrTooManyLogins):
		return fmt.Errorf("%w; %w", err, failure)
	case failure != nil:
		// Silence again, or a refusal: that is why nobody answered, or it says no more.
		k.client.log.Debug("asking whether the session lives", "account", s.account, "err", failure)
	case now != s:
		return fmt.Errorf("%w: %w", err, ErrNewSession)
	}
	return err
}

// saysEnded reports whether the answer to a request is that its session has ended. The relay may
// have said so: only the wallet's refusal to confirm the session counts.
func saysEnded(err error) bool {
	var refused *RefusedError
	var failed *FailedError
	return errors.As(err, &refused) && refused.Text == protocol.TextSessionExpired ||
		errors.As(err, &failed) && failed.Text == protocol.TextSessionExpired
}

// confirm asks the wallet for the session that is kept. A wallet that has ended it refuses, sealed:
// then a new one is opened. A refusal that is not sealed may be the relay's, and changes nothing.
func (k *Kept) confirm(ctx context.Context) (*Session, error) {
	granted := !k.kept.session.Expires().IsZero()
	err := k.ask(ctx)
	var refused *RefusedError
	if err == nil {
		return k.kept.session, nil
	}
	if !errors.As(err, &refused) || !refused.Verified {
		return nil, err
	}
	if granted {
		return k.replace(ctx)
	}
	// Never granted: the wallet does not let this application log in. The key is not tried again,
	// because it may have been granted and ended without our knowing.
	k.kept.session = nil
	if n := len(k.kept.opened); n > 0 {
		k.kept.opened = k.kept.opened[:n-1] // no session was made
	}
	return nil, errors.Join(err, k.kept.write(k.login.File))
}

// replace logs in anew after the wallet has refused to confirm the session. If the new login is
// refused, too, the session stays: a wallet that lets nobody log in any more refuses both with the
// same words, and serves the sessions that there are.
func (k *Kept) replace(ctx context.Context) (*Session, error) {
	was := k.kept.session
	k.client.log.Info("the wallet does not confirm the session; logging in again", "account", k.login.Account)
	s, err := k.open(ctx)
	var refused *RefusedError
	if k.kept.session != nil || !errors.As(err, &refused) {
		return s, err
	}
	k.client.log.Warn("the wallet lets this application log in no more; going on with the session that is there, "+
		"which may have ended", "account", k.login.Account, "err", err)
	k.kept.session, k.kept.confirmed = was, timeNow()
	return was, k.kept.write(k.login.File)
}

// open makes a new session.
func (k *Kept) open(ctx context.Context) (*Session, error) {
	now := timeNow()
	if s := k.kept.session; s != nil && s.Expires().IsZero() {
		return k.confirm(ctx) // asked for in a run that was cut off
	}
	if next, full := k.kept.mayOpen(now); full {
		return nil, fmt.Errorf("client: login for %s: %w: %d in the last hour; the next one at %s. Does something end "+
			"them, or is the clock wrong?", k.login.Account, ErrTooManyLogins, maxLogins,
			next.UTC().Format(time.RFC3339))
	}
	was := k.kept
	k.kept.session, k.kept.confirmed = NewSession(k.login.Account, ""), time.Time{}
	k.kept.opened = append(k.kept.opened, now)
	// Before the wallet is asked: what cannot be kept would be asked for again in each run.
	if err := k.kept.write(k.login.File); err != nil {
		k.kept = was
		return nil, err
	}
	return k.confirm(ctx)
}

// ask asks the wallet for the session that is kept, and keeps what it says.
func (k *Kept) ask(ctx context.Context) error {
	_, err := k.client.Authenticate(ctx, Auth{Account: k.login.Account, Session: k.kept.session,
		Secret: k.login.Secret})
	if err != nil {
		return err
	}
	k.kept.confirmed = timeNow()
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
		return fmt.Errorf("client: %s keeps a session of %s, not of %s: each account needs a file of its own", l.File,
			s.session.account, l.Account)
	}
	return nil
}
