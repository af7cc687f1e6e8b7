package agent

import (
	"unicode/utf8"

	"pksa/agent/ledger"
	"pksa/protocol"
	"pksa/protocol/seal"
	"pksa/protocol/secret"
)

// whose is what trial decryption found.
type whose uint8

const (
	nobodys     whose = iota // nothing of ours opens it: silence
	opened                   // a key opens it
	altered                  // it was sealed with a session's key and altered on the way
	quarantined              // its session does not listen to this relay for now
)

// maxAuthKey bounds the session key that an application chooses. A uuid has 36 bytes, the longest
// seen in the wild 64 hexadecimal digits.
const maxAuthKey = 256

// identify finds who asks, by the key that opens the payload and never by what the message says:
// the slot whose secret opens auth_key, else a live session of the account, most recently used
// first, else a pairing link that waits for this request (HAS §9.2, §10). If none opens it, but the
// first block decrypts to the beginning of an object under a session's key, somebody altered a
// request of that session.
func (a *Agent) identify(d delivered) (*run, whose) {
	if d.msg.Kind == protocol.Auth && d.msg.AuthKey != "" {
		if r, ok := a.bySlot(d); ok {
			// The slot's secret in auth_key proves nothing about the payload: a relay can combine
			// the auth_key of one request with the altered payload of another.
			if r.session != nil && a.quiet(r.session.ID, d) {
				return nil, quarantined
			}
			return r, opened
		}
	}
	sessions := a.ledger.SessionsOf(string(d.msg.Account))
	for _, s := range sessions {
		clear, err := d.sealed.Open(string(s.AuthKey))
		if err != nil {
			continue
		}
		if a.quiet(s.ID, d) {
			return nil, quarantined
		}
		return &run{delivered: d, app: s.App, authKey: secret.Hide(string(s.AuthKey)), session: s, clear: clear}, opened
	}
	if pr, ok := a.pairings.waiting(d.msg.Account, d.msg.UUID, d.arrived); ok && d.msg.Kind == protocol.Auth {
		if clear, err := d.sealed.Open(string(pr.link.Reveal().Key)); err == nil {
			return &run{delivered: d, app: pr.app, authKey: secret.Hide(string(pr.link.Reveal().Key)), pairing: pr,
				clear: clear}, opened
		}
	}
	return a.alteredFrom(d, sessions)
}

// quiet reports whether a session is silent on the relay that brought the request.
func (a *Agent) quiet(id ledger.SessionID, d delivered) bool {
	return a.byDamage.quiet(id, d.relay, d.arrived) || a.byReplay.quiet(id, d.relay, d.arrived)
}

// alteredFrom finds the session whose request was altered on the way, if one of them is.
func (a *Agent) alteredFrom(d delivered, sessions []*ledger.Session) (*run, whose) {
	for _, s := range sessions {
		if !d.sealed.Damaged(string(s.AuthKey)) {
			continue
		}
		if a.quiet(s.ID, d) {
			return nil, quarantined
		}
		return &run{delivered: d, app: s.App, authKey: secret.Hide(string(s.AuthKey)), session: s}, altered
	}
	return nil, nobodys
}

// bySlot opens auth_key with the secrets of the slots. The slot whose secret opens it is the
// application, whatever name stands in the payload. The payload must open with the key that was in
// auth_key: a relay that combines one application's auth_key with another payload gets nothing.
func (a *Agent) bySlot(d delivered) (*run, bool) {
	key, err := seal.Parse(d.msg.AuthKey)
	if err != nil {
		return nil, false
	}
	for _, slot := range a.ledger.Slots() {
		if slot.SameSecretAs != "" {
			continue // a secret names one app
		}
		clear, err := key.Open(string(slot.Secret))
		if err != nil || len(clear) < minSecret || len(clear) > maxAuthKey || !utf8.Valid(clear) {
			continue
		}
		authKey := string(clear)
		payload, err := d.sealed.Open(authKey)
		if err != nil {
			return nil, false
		}
		r := &run{delivered: d, app: slot.Name, authKey: secret.Hide(authKey), clear: payload}
		for _, s := range a.ledger.SessionsOf(string(d.msg.Account)) {
			// A key known under another slot gives no session here: opening one is refused later.
			if string(s.AuthKey) == authKey && s.App == slot.Name {
				r.session = s
			}
		}
		return r, true
	}
	return nil, false
}
