package client

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// Session is the secret that an application shares with a wallet for one account: the auth_key (HAS
// §9). It may be used concurrently, by one client at a time: two clients that share one disturb the
// order of its nonces, and the wallet refuses what comes out of order. However it is printed, it
// shows nothing; keep it with [Session.Save].
type Session struct {
	secret.Redacted
	account hive.AccountName
	authKey string

	mu      sync.Mutex
	token   string         // of protocol 0.8; empty if the wallet gave none
	expires time.Time      // zero until a wallet has granted it
	exact   bool           // the wallet signs transactions of the application's making
	shared  bool           // and adds its signature to those of others
	nonce   protocol.Nonce // the last one used
}

// NewSession returns a session that no wallet has granted yet. If authKey is empty it makes one
// from 122 random bits. Give an authKey that was arranged with the wallet by hand.
func NewSession(account hive.AccountName, authKey string) *Session {
	if authKey == "" {
		authKey = newUUID()
	}
	return &Session{account: account, authKey: authKey}
}

// Account returns the account whose wallet the session is with.
func (s *Session) Account() hive.AccountName { return s.account }

// AuthKey returns the secret of the session: whoever has it can ask in the application's name. The
// wallet's operator needs it to make the session by hand.
func (s *Session) AuthKey() string { return s.authKey }

// Expires returns when the session ends by the wallet's last approval; zero if there was none.
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
	Exact   bool             `json:"tx,omitzero"`
	Shared  bool             `json:"signatures,omitzero"`
}

// Save returns the session as JSON, for [LoadSession]. It holds the secret: keep it where only the
// application can read it. An older copy is as good, as long as the clock is not set back: nonces
// follow the clock. The error is for an auth_key that is not UTF-8.
func (s *Session) Save() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	saved := savedSession{Account: s.account, AuthKey: s.authKey, Token: s.token, Nonce: s.nonce, Exact: s.exact,
		Shared: s.shared}
	if !s.expires.IsZero() {
		saved.Expires = s.expires.UnixMilli()
	}
	text, err := json.Marshal(saved)
	if err != nil {
		return nil, errors.New("client: the auth_key is not UTF-8 and cannot be saved")
	}
	return text, nil
}

// LoadSession returns the session that [Session.Save] has saved. It takes nothing that Save does
// not write, except blanks between the parts of the JSON. Its error does not quote the text, which
// holds the secret.
func LoadSession(text []byte) (*Session, error) {
	var saved savedSession
	// Strictly: a text with two auth_keys, or with more behind it, could be read as another session
	// by another program.
	err := json.Unmarshal(text, &saved, json.RejectUnknownMembers(true))
	if err != nil || !saved.possible() {
		return nil, errors.New("client: not a saved session")
	}
	s := &Session{account: saved.Account, authKey: saved.AuthKey, token: saved.Token, nonce: saved.Nonce,
		exact: saved.Exact, shared: saved.Shared}
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

// hasEnded reports whether the end that the wallet named is over.
func (s *Session) hasEnded(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.expires.IsZero() && !now.Before(s.expires)
}

// next returns a nonce above all earlier ones: the time in ms, or one more than the last (HAS
// §9.3).
func (s *Session) next(now time.Time) protocol.Nonce {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nonce = max(s.nonce+1, protocol.Nonce(now.UnixMilli()))
	return s.nonce
}

// renew takes over what the wallet said when it granted the session.
func (s *Session) renew(said protocol.AuthAckData) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expires, s.token = time.UnixMilli(said.Expire), string(said.Token)
	s.exact, s.shared = said.Exact, said.Exact && said.Shared
}

// signs reports whether the wallet has said that it signs transactions of the application's making,
// and that it adds its signature to those of others.
func (s *Session) signs() (exact, shared bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exact, s.shared
}

func (s *Session) oldToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// newUUID returns a new uuid of version 4, the form that wallets expect of an auth_key.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Format writes everything but the secret.
func (a Auth) Format(f fmt.State, verb rune) { secret.Format(f, verb, a) }
