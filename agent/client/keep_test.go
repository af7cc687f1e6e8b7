package client_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
)

// sessions is a wallet that grants sessions and ends them.
type sessions struct {
	*world
	file    string
	refuse  bool            // every login
	endsAll bool            // each session as soon as it is there
	alive   map[string]bool // by auth_key
	logins  []string        // the auth_key of each login
	signs   int
	ended   func(protocol.Request, string) protocol.Message // the answer in a session that ended
	no      func(protocol.Request, string) protocol.Message // the answer to a login that is refused
	onLogin func(authKey string) (silent bool)
}

func newSessions(t *testing.T) *sessions {
	s := &sessions{world: newWorld(t, nil, nil), file: filepath.Join(t.TempDir(), "bot.session"),
		alive: map[string]bool{}, no: relaytest.Refuse}
	s.setAnswer(s.answerRequest)
	s.ended = func(req protocol.Request, authKey string) protocol.Message {
		return relaytest.Nack(req, authKey, protocol.TextSessionExpired)
	}
	return s
}

// answerRequest runs with the world locked.
func (s *sessions) answerRequest(req protocol.Request) (protocol.Message, bool) {
	if req.Kind != protocol.Auth {
		s.signs++
		if s.alive[s.authKey] && !s.endsAll {
			return nil, false
		}
		return s.ended(req, s.authKey), true
	}
	authKey, err := relaytest.Open(s.secret, req.AuthKey)
	if err != nil {
		s.t.Error(err)
	}
	known := slices.Contains(s.logins, authKey)
	s.logins = append(s.logins, authKey)
	if s.onLogin != nil && s.onLogin(authKey) {
		return nil, true
	}
	if s.refuse || known && (s.endsAll || !s.alive[authKey]) {
		return s.no(req, authKey), true
	}
	s.alive[authKey] = true
	return nil, false
}

func (s *sessions) keep(ctx context.Context) (*client.Kept, error) {
	return s.client.Keep(ctx, client.Login{Account: "alice", Secret: client.Secret(s.secret), File: s.file})
}

func (s *sessions) mustKeep() *client.Kept {
	s.t.Helper()
	kept, err := s.keep(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return kept
}

// do changes the wallet.
func (s *sessions) do(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// A program is cut off after it has written the key of a new session, and before it hears that the
// wallet lets nobody log in any more. The next run goes on with the session that it had.
func TestKeepGoesBackAfterACut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSessions(t)
		s.mustKeep()
		first := s.logins[0]
		time.Sleep(2 * time.Hour) // then the wallet is asked whether the session lives
		ctx, cut := context.WithCancel(t.Context())
		s.do(func() {
			s.refuse = true
			s.onLogin = func(authKey string) bool {
				if authKey == first {
					return false
				}
				cut()
				return true
			}
		})
		if _, err := s.keep(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("cut off: %v", err)
		}
		s.do(func() { s.onLogin = nil })
		kept := s.mustKeep()
		session, err := kept.Session(t.Context())
		if err != nil || session.AuthKey() != first {
			t.Fatalf("another session, %v", err)
		}
		if _, err := kept.Sign(t.Context(), vote(1)); err != nil {
			t.Error(err)
		}
		if len(s.logins) != 4 || s.logins[2] == first || s.logins[3] != s.logins[2] {
			t.Errorf("%d logins", len(s.logins))
		}
	})
}

// A program is led to another wallet, with the secret of its slot there. That wallet has never
// heard of the session, and would be silent: it is asked at once. With the same secret it is not.
func TestKeepWithAnotherSecret(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSessions(t)
		for range 2 {
			s.mustKeep()
		}
		if len(s.logins) != 1 {
			t.Fatalf("%d logins with one secret", len(s.logins))
		}
		first := s.logins[0]
		s.do(func() {
			s.secret, s.logins, s.alive = "the secret of another slot, long enough", nil, map[string]bool{}
			s.ended = func(protocol.Request, string) protocol.Message { return nil }
		})
		for range 2 {
			if _, err := s.mustKeep().Sign(t.Context(), vote(1)); err != nil {
				t.Fatal(err)
			}
		}
		if len(s.logins) != 1 || s.logins[0] != first {
			t.Errorf("%d logins with another secret", len(s.logins))
		}
	})
}

// A wallet that says that the session has ended is asked for another one, and the request is made
// in it: nothing was done before.
func TestKeepLogsInAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSessions(t)
		kept := s.mustKeep()
		first := s.logins[0]
		s.do(func() { s.alive[first] = false })
		began := time.Now()
		if _, err := kept.Sign(t.Context(), vote(1)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 || s.signs != 2 || len(s.logins) != 3 || s.logins[2] == first {
			t.Errorf("%d requests and %d logins in %s", s.signs, len(s.logins), took)
		}
	})
}

// The documented form of a refused login is an err that nothing seals. A new session is asked for
// all the same, and the one that is there stays if it is refused, too.
func TestKeepAfterAnAuthErr(t *testing.T) {
	for name, lastOne := range map[string]bool{"the wallet has ended it": false, "the wallet refuses logins": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newSessions(t)
				s.no = func(req protocol.Request, _ string) protocol.Message {
					return protocol.Err{Kind: req.Kind, UUID: req.UUID, Error: protocol.TextAuthFailed}
				}
				s.mustKeep()
				first := s.logins[0]
				s.do(func() { s.refuse, s.alive[first] = lastOne, lastOne })
				time.Sleep(2 * time.Hour)
				session, err := s.mustKeep().Session(t.Context())
				if err != nil || (session.AuthKey() == first) != lastOne {
					t.Errorf("the same session: %v, %v", session.AuthKey() == first, err)
				}
			})
		})
	}
}

// Who says that the session has ended is not known: there is a new session, and the caller decides
// whether to ask again. If the session lives, it stays.
func TestKeepAfterAWordOfNobody(t *testing.T) {
	cases := map[string]struct {
		sealed, lives bool
	}{
		"sealed for no request": {true, false},
		"not sealed":            {false, false},
		"not true":              {false, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newSessions(t)
				s.ended = func(req protocol.Request, authKey string) protocol.Message {
					if c.lives {
						s.alive[authKey] = true
					}
					m := protocol.Nack{Kind: req.Kind, UUID: req.UUID, Error: protocol.TextSessionExpired}
					if c.sealed {
						m.Data = relaytest.Seal(authKey, string(req.UUID))
					}
					return m
				}
				kept := s.mustKeep()
				for range 3 {
					s.do(func() { s.alive[s.authKey] = false })
					_, err := kept.Sign(t.Context(), vote(1))
					if !errors.Is(err, client.ErrSessionExpired) || errors.Is(err, client.ErrNothingDone) ||
						errors.Is(err, client.ErrNewSession) == c.lives {
						t.Errorf("error %v", err)
					}
				}
				keys := map[string]bool{}
				for _, key := range s.logins {
					keys[key] = true
				}
				want := map[bool]int{true: 1, false: 4}[c.lives]
				if s.signs != 3 || len(keys) != want {
					t.Errorf("%d requests, %d sessions, wanted %d", s.signs, len(keys), want)
				}
			})
		})
	}
}

// A wallet that ends every session at once is not asked for ever.
func TestKeepIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSessions(t)
		kept := s.mustKeep()
		s.do(func() { s.endsAll = true })
		var err error
		for i := range 6 {
			before := s.signs
			if _, err = kept.Sign(t.Context(), vote(1)); !errors.Is(err, client.ErrSessionExpired) {
				t.Fatalf("call %d: %v", i, err)
			}
			if made := s.signs - before; made > 2 {
				t.Errorf("call %d was made %d times", i, made)
			}
		}
		if !errors.Is(err, client.ErrTooManyLogins) {
			t.Errorf("and then %v", err)
		}
	})
}
