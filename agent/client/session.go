package client

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// Session is what an application shares with a wallet for one account: the auth_key. It may be used
// concurrently, by one client at a time: two clients that share one disturb the order of its
// nonces. However it is printed, it shows nothing; [Session.Save] is the way to keep it.
type Session struct {
	secret.Redacted
	account hive.AccountName
	authKey string

	mu      sync.Mutex
	token   string         // of protocol 0.8; empty if the wallet gave none
	expires time.Time      // zero if no wallet has said
	nonce   protocol.Nonce // the last one used
}

// NewSession makes a session that no wallet knows yet. With an empty authKey it gets one of its
// own, from 122 random bits; give one if it was arranged with the wallet by hand.
func NewSession(account hive.AccountName, authKey string) *Session {
	if authKey == "" {
		authKey = newUUID()
	}
	return &Session{account: account, authKey: authKey}
}

// Account returns the account whose wallet the session is with.
func (s *Session) Account() hive.AccountName { return s.account }

// AuthKey returns the secret of the session: whoever has it can ask in the application's name. It
// is what the wallet's operator needs to make the session by hand.
func (s *Session) AuthKey() string { return s.authKey }

// Expires returns when the session ends, as the wallet said; zero if it has not said.
func (s *Session) Expires() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expires
}

// savedSession is the form in which Save writes.
type savedSession struct {
	Account hive.AccountName `json:"account"`
	AuthKey string           `json:"auth_key"`
	Token   string           `json:"token,omitzero"`
	Expires int64            `json:"expires,omitzero"` // ms since 1970
	Nonce   protocol.Nonce   `json:"nonce,omitzero"`
}

// Save returns the session as JSON, for [LoadSession]. It holds the secret: keep it where only you
// can read it. A copy that is somewhat old is as good, as long as the clock is not set back.
func (s *Session) Save() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	saved := savedSession{Account: s.account, AuthKey: s.authKey, Token: s.token, Nonce: s.nonce}
	if !s.expires.IsZero() {
		saved.Expires = s.expires.UnixMilli()
	}
	text, err := json.Marshal(saved)
	if err != nil {
		return nil, errors.New("client: the auth_key is not UTF-8 and cannot be saved")
	}
	return text, nil
}

// LoadSession returns the session that [Session.Save] has saved. It takes nothing that Save does not
// write, except blanks between the parts of the JSON. Its error does not quote the text, which holds
// the secret.
func LoadSession(text []byte) (*Session, error) {
	var saved savedSession
	// Strictly: a text with two auth_keys, or with more behind it, could be read as another session
	// by another program.
	err := json.Unmarshal(text, &saved, json.RejectUnknownMembers(true))
	if err != nil || !saved.possible() {
		return nil, errors.New("client: not a saved session")
	}
	s := &Session{account: saved.Account, authKey: saved.AuthKey, token: saved.Token, nonce: saved.Nonce}
	if saved.Expires != 0 {
		s.expires = time.UnixMilli(saved.Expires)
	}
	return s, nil
}

// possible reports whether the members have values that a session can have.
func (s savedSession) possible() bool {
	_, err := hive.ParseAccountName(string(s.Account))
	// Beyond this nonce there is no next one that wallets can read (HAS §9.3).
	const last = 1<<53 - 1
	return err == nil && s.AuthKey != "" && s.Expires >= 0 && s.Nonce >= 0 && s.Nonce < last
}

// hasEnded reports whether the session has ended by what the wallet said.
func (s *Session) hasEnded(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.expires.IsZero() && !now.Before(s.expires)
}

// next returns a nonce above all before: the time in ms, or one more than the last (HAS §9.3).
func (s *Session) next(now time.Time) protocol.Nonce {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nonce = max(s.nonce+1, protocol.Nonce(now.UnixMilli()))
	return s.nonce
}

func (s *Session) renew(expires time.Time, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expires, s.token = expires, token
}

func (s *Session) oldToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// newUUID makes a uuid of version 4, which is what wallets expect an auth_key to look like.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Format writes everything but the secret.
func (a Auth) Format(f fmt.State, verb rune) {
	type plain Auth
	fmt.Fprintf(f, fmt.FormatString(f, verb), plain(a.shown()))
}

// LogValue is everything but the secret.
func (a Auth) LogValue() slog.Value {
	type plain Auth
	return slog.AnyValue(plain(a.shown()))
}

func (a Auth) shown() Auth {
	if a.Secret != "" {
		a.Secret = secret.Mark
	}
	return a
}
