package protocol

import (
	"fmt"

	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// AuthReqData is the clear payload of auth_req (HAS §5.1). It has no nonce; the agent recognises
// repeated requests (HAS §9.4).
type AuthReqData struct {
	App       AppInfo
	Challenge *AuthChallenge // nil = none asked
	Token     secret.Text    // of protocol 0.8; ignore it
}

// AppInfo describes an application in its own words. It proves nothing.
type AppInfo struct {
	Name        string // not empty
	Description string
	Icon        string // URL; never to be fetched
	PubKey      string // only Keychain knows it; ignore it
	// Exact asks whether the wallet signs transactions that the application made: member tx, true.
	Exact bool
	// Shared asks whether the wallet adds its signature to those of others: member signatures,
	// true.
	Shared bool
}

// AuthChallenge is a challenge inside an auth_req. Its text is not checked by [CheckChallenge] yet.
type AuthChallenge struct {
	KeyType   hive.Role // posting, active or memo
	Challenge string
	Decrypt   bool
}

// DecodeAuthReqData reads the clear payload of auth_req. For an optional member, null counts as
// absent. Two clients send a nonce and a null pubkey inside the challenge; these are checked and
// dropped. Inside app, where an application describes itself, members of any name are passed over.
// Errors are *DecodeError.
func DecodeAuthReqData(text []byte) (AuthReqData, error) {
	o := readPayload("auth_req_data", text, "app", "challenge", "token")
	data := AuthReqData{App: o.app(), Token: secret.Text(o.optionalText("token"))}
	if value, ok := o.optional("challenge"); ok {
		data.Challenge = o.authChallenge(value)
	}
	if o.err != nil {
		return AuthReqData{}, o.failed()
	}
	return data, nil
}

func (o *object) app() AppInfo {
	value, ok := o.required("app")
	if !ok {
		return AppInfo{}
	}
	names := []string{"name", "description", "icon", "pubkey", "tx", "signatures"}
	inner := o.innerOf("app", value, &object{names: names, open: true})
	app := AppInfo{
		Name:        inner.text("name"),
		Description: inner.optionalText("description"),
		Icon:        inner.optionalText("icon"),
		PubKey:      inner.optionalText("pubkey"),
	}
	asks := func(name string) bool { // anything else is of an application that means something else
		value, _ := inner.raw(name)
		return string(value) == "true"
	}
	app.Exact, app.Shared = asks("tx"), asks("signatures")
	if app.Name == "" {
		inner.fail("name", ReasonValue)
	}
	o.adopt(inner)
	return app
}

func (o *object) authChallenge(value []byte) *AuthChallenge {
	inner := o.inner("challenge", value, "key_type", "challenge", "nonce", "decrypt", "pubkey")
	c := &AuthChallenge{KeyType: inner.role(challengeRoles...), Challenge: inner.text("challenge")}
	if decrypt := inner.optionalBoolean("decrypt"); decrypt != nil {
		c.Decrypt = *decrypt
	}
	inner.nonce()
	if _, ok := inner.optional("pubkey"); ok {
		inner.fail("pubkey", ReasonType)
	}
	inner.checkDecrypt(c.Decrypt, c.Challenge)
	o.adopt(inner)
	return c
}

// Encode returns the clear payload, with its members in the order of HAS §5.1.
func (d AuthReqData) Encode() ([]byte, error) {
	w := &writer{what: "auth_req_data"}
	w.open()
	w.name("app")
	w.open()
	if d.App.Name == "" {
		w.fail("app.name", "missing")
	}
	w.text("name", d.App.Name)
	w.optionalText("description", d.App.Description)
	w.optionalText("icon", d.App.Icon)
	w.optionalText("pubkey", d.App.PubKey)
	if d.App.Exact {
		w.boolean("tx", true)
	}
	if d.App.Shared {
		w.boolean("signatures", true)
	}
	w.close()
	if c := d.Challenge; c != nil {
		w.name("challenge")
		w.open()
		w.role(c.KeyType, challengeRoles...)
		w.challenge(c.Challenge, c.Decrypt)
		w.close()
	}
	w.optionalText("token", string(d.Token))
	w.close()
	return w.payload()
}

// AuthAckData is the clear payload of auth_ack (HAS §5.2).
type AuthAckData struct {
	Expire    int64             // end of the session, ms since 1970
	Token     secret.Text       // one uuid per session; clients of protocol 0.8 need it
	Challenge *ChallengeAckData // the signed challenge; nil if none was asked
	// Exact says that the wallet signs transactions that the application made: member tx, true. It
	// is told only to who asks, since some applications refuse members that they do not know.
	Exact bool
	// Shared says that it adds its signature to those of others: member signatures, true. It is
	// told only to who asks, too.
	Shared bool
}

// DecodeAuthAckData reads the clear payload of auth_ack on the application's side. The challenge
// may have either of its two names, or both with equal content. The caller checks whether Expire
// has passed. Errors are *DecodeError.
func DecodeAuthAckData(text []byte) (AuthAckData, error) {
	o := readPayload("auth_ack_data", text, "expire", "token", "challenge", "challenge_data", "tx",
		"signatures")
	data := AuthAckData{Expire: o.integer("expire", 1), Token: secret.Text(o.optionalText("token"))}
	for _, name := range []string{"challenge", "challenge_data"} {
		value, ok := o.optional(name)
		if !ok {
			continue
		}
		inner := o.inner(name, value, "pubkey", "challenge")
		signed := inner.challengeAck()
		o.adopt(inner)
		if data.Challenge != nil && *data.Challenge != signed {
			o.fail(name, ReasonValue)
		}
		data.Challenge = &signed
	}
	says := func(name string) bool {
		said := o.optionalBoolean(name)
		return said != nil && *said
	}
	data.Exact, data.Shared = says("tx"), says("signatures")
	if o.err != nil {
		return AuthAckData{}, o.failed()
	}
	return data, nil
}

// Encode returns the clear payload. It writes a signed challenge twice, as challenge and as
// challenge_data, because some clients read one and some the other (HAS §14 row 2).
func (d AuthAckData) Encode() ([]byte, error) {
	w := &writer{what: "auth_ack_data"}
	w.open()
	w.integer("expire", d.Expire, 1)
	w.optionalText("token", string(d.Token))
	if d.Challenge != nil {
		for _, name := range []string{"challenge", "challenge_data"} {
			w.name(name)
			w.challengeAck(*d.Challenge)
		}
	}
	if d.Exact {
		w.boolean("tx", true)
	}
	if d.Shared {
		w.boolean("signatures", true)
	}
	w.close()
	return w.payload()
}

// Format writes everything but the token.
func (d AuthReqData) Format(f fmt.State, verb rune) { secret.Format(f, verb, d) }

// Format writes everything but token and challenge.
func (d AuthAckData) Format(f fmt.State, verb rune) { secret.Format(f, verb, d) }
