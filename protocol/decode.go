package protocol

import (
	"bytes"
	"math"
	"strconv"

	"pksa/protocol/hive"
)

// maxSealedKey bounds auth_key, a sealed session key. Known applications send 128 base64 characters
// at most: 64 hexadecimal digits, sealed.
const maxSealedKey = 4096

// envelopeNames are the members that any message has (HAS §4). Others are skipped.
var envelopeNames = []string{
	"cmd", "account", "data", "uuid", "expire", "auth_key", "token", "pok", "broadcast", "error", "key",
	"app", "accounts", "timeout", "version", "protocol", "server", "socketid", "ping_rate",
}

// commandSet has the commands that one end of a socket takes, and for each the function that reads
// the other members.
type commandSet map[string]func(*object) Message

// walletCommands are the commands that a relay sends to a wallet.
var walletCommands = commandSet{
	"connected":     decodeConnected,
	"error":         decodeError,
	"key_ack":       decodeKeyAck,
	"register_ack":  decodeRegisterAck,
	"auth_req":      func(o *object) Message { return decodeRequest(o, Auth, true) },
	"sign_req":      func(o *object) Message { return decodeRequest(o, Sign, true) },
	"challenge_req": func(o *object) Message { return decodeRequest(o, Challenge, true) },
}

// appCommands are the commands that a relay sends to an application.
var appCommands = commandSet{
	"connected":      decodeConnected,
	"error":          decodeError,
	"auth_wait":      func(o *object) Message { return decodeWait(o, Auth) },
	"sign_wait":      func(o *object) Message { return decodeWait(o, Sign) },
	"challenge_wait": func(o *object) Message { return decodeWait(o, Challenge) },
	"auth_ack":       func(o *object) Message { return decodeAck(o, Auth) },
	"sign_ack":       func(o *object) Message { return decodeAck(o, Sign) },
	"challenge_ack":  func(o *object) Message { return decodeAck(o, Challenge) },
	"auth_nack":      func(o *object) Message { return decodeNack(o, Auth) },
	"sign_nack":      func(o *object) Message { return decodeNack(o, Sign) },
	"challenge_nack": func(o *object) Message { return decodeNack(o, Challenge) },
	"auth_err":       func(o *object) Message { return decodeErr(o, Auth) },
	"sign_err":       func(o *object) Message { return decodeErr(o, Sign) },
	"challenge_err":  func(o *object) Message { return decodeErr(o, Challenge) },
	"attach_ack":     func(o *object) Message { return AttachAck{o.uuid()} },
	"attach_nack":    func(o *object) Message { return AttachNack{o.uuid()} },
}

// relayCommands are the commands that wallets and applications send to a relay. Of a *_wait only
// the command is read: no wallet needs to send one, and Keychain sends it without a uuid.
var relayCommands = commandSet{
	"error":          decodeError,
	"key_req":        func(*object) Message { return KeyReq{} },
	"register_req":   decodeRegisterReq,
	"auth_req":       func(o *object) Message { return decodeRequest(o, Auth, false) },
	"sign_req":       func(o *object) Message { return decodeRequest(o, Sign, false) },
	"challenge_req":  func(o *object) Message { return decodeRequest(o, Challenge, false) },
	"auth_wait":      func(*object) Message { return BareWait{Auth} },
	"sign_wait":      func(*object) Message { return BareWait{Sign} },
	"challenge_wait": func(*object) Message { return BareWait{Challenge} },
	"auth_ack":       appCommands["auth_ack"],
	"sign_ack":       appCommands["sign_ack"],
	"challenge_ack":  appCommands["challenge_ack"],
	"auth_nack":      appCommands["auth_nack"],
	"sign_nack":      appCommands["sign_nack"],
	"challenge_nack": appCommands["challenge_nack"],
	"auth_err":       appCommands["auth_err"],
	"sign_err":       appCommands["sign_err"],
	"challenge_err":  appCommands["challenge_err"],
	"attach_req":     func(o *object) Message { return AttachReq{o.uuid()} },
}

// DecodeForWallet reads a frame that a relay sent to a wallet: [Connected], [ErrorMessage],
// [KeyAck], [RegisterAck] or [Request]. A Request has a valid account, a checked uuid and an expire
// above 0. Errors are *DecodeError. A wallet does not answer a frame that it cannot read; it counts
// it by Reason (HAS §12).
func DecodeForWallet(frame []byte) (Message, error) { return decode(frame, walletCommands) }

// DecodeForApp reads a frame that a relay sent to an application: [Connected], [ErrorMessage],
// [Wait], [Ack], [Nack], [Err], [AttachAck] or [AttachNack]. It also reads the forms of other
// wallets: a nack without data, a sign_ack without broadcast. Errors are *DecodeError.
func DecodeForApp(frame []byte) (Message, error) { return decode(frame, appCommands) }

// DecodeForRelay reads a frame that a wallet or an application sent to a relay: [Ping], [KeyReq],
// [RegisterReq], [Request] (without uuid and expire, because the relay sets them), [BareWait],
// [Ack], [Nack], [Err], [AttachReq] or [ErrorMessage]. Errors are *DecodeError.
func DecodeForRelay(frame []byte) (Message, error) {
	if string(frame) == "ping" {
		return Ping{}, nil
	}
	return decode(frame, relayCommands)
}

func decode(frame []byte, commands commandSet) (Message, error) {
	o := &object{names: envelopeNames, open: true}
	if len(frame) > MaxFrame {
		o.fail("", ReasonSize)
		return nil, o.failed()
	}
	readText(o, frame)
	cmd := o.text("cmd")
	if o.err != nil {
		return nil, o.failed()
	}
	read, ok := commands[cmd]
	if !ok {
		o.failDetail("", ReasonCommand, foreign([]byte(cmd)))
		return nil, o.failed()
	}
	o.what = cmd
	m := read(o)
	if o.err != nil {
		return nil, o.failed()
	}
	return m, nil
}

func decodeConnected(o *object) Message {
	return Connected{
		TimeoutSeconds:  o.seconds("timeout"),
		Version:         o.optionalText("version"),
		Protocol:        o.protocolNumber(),
		Server:          o.optionalText("server"),
		SocketID:        o.optionalText("socketid"),
		PingRateSeconds: o.seconds("ping_rate"),
	}
}

func decodeError(o *object) Message { return ErrorMessage{Text: o.text("error")} }

func decodeKeyAck(o *object) Message {
	text := o.text("key")
	if o.err != nil {
		return nil
	}
	key, err := hive.ParsePublicKey(text)
	if err != nil {
		o.fail("key", ReasonValue)
	}
	return KeyAck{Key: key}
}

func decodeRegisterReq(o *object) Message {
	m := RegisterReq{App: o.text("app")}
	for _, text := range o.elements("accounts", MaxAccounts) {
		account, ok := decodeRegisterAccount(text)
		if !ok {
			o.fail("accounts", ReasonType)
			return nil
		}
		m.Accounts = append(m.Accounts, account)
	}
	if len(m.Accounts) == 0 {
		o.fail("accounts", ReasonValue)
	}
	return m
}

func decodeRegisterAccount(text []byte) (RegisterAccount, bool) {
	o := &object{names: []string{"name", "pok", "key_type", "challenge"}, open: true}
	o.read(text)
	account := RegisterAccount{
		Name:      o.text("name"),
		PoK:       o.optionalText("pok"),
		KeyType:   o.optionalText("key_type"),
		Challenge: o.optionalText("challenge"),
	}
	return account, o.err == nil
}

func decodeRegisterAck(o *object) Message { return RegisterAck{Account: o.text("account")} }

// decodeRequest reads a request. From a relay it must have a uuid and an expire.
func decodeRequest(o *object, kind Kind, fromRelay bool) Message {
	m := Request{Kind: kind}
	if fromRelay { // first, so that a bad uuid is reported before any other fault
		m.UUID = o.uuid()
		m.Expire = o.integer("expire", 1)
	}
	m.Account = o.account()
	m.Data = o.sealed("data", MaxData)
	if kind == Auth {
		m.AuthKey = o.optionalText("auth_key")
		if len(m.AuthKey) > maxSealedKey {
			o.fail("auth_key", ReasonSize)
		}
	}
	m.Token = o.optionalText("token")
	return m
}

func decodeWait(o *object, kind Kind) Message {
	return Wait{Kind: kind, UUID: o.uuid(), Expire: o.integer("expire", 1), Account: o.optionalText("account")}
}

func decodeAck(o *object, kind Kind) Message {
	m := Ack{Kind: kind, UUID: o.uuid()}
	if kind == Sign {
		m.Data = o.stringOrObject("data")
		m.Broadcast = o.optionalBoolean("broadcast")
	} else {
		m.Data = []byte(o.sealed("data", MaxData))
	}
	m.PoK = o.optionalText("pok")
	return m
}

func decodeNack(o *object, kind Kind) Message {
	return Nack{Kind: kind, UUID: o.uuid(), Data: o.optionalText("data"), Error: o.optionalText("error"),
		PoK: o.optionalText("pok")}
}

func decodeErr(o *object, kind Kind) Message {
	return Err{Kind: kind, UUID: o.uuid(), Error: o.text("error"), PoK: o.optionalText("pok")}
}

func (o *object) uuid() UUID {
	text := o.text("uuid")
	if o.err != nil {
		return ""
	}
	uuid, err := ParseUUID(text)
	if err != nil {
		o.fail("uuid", ReasonValue)
	}
	return uuid
}

func (o *object) account() hive.AccountName {
	text := o.text("account")
	if o.err != nil {
		return ""
	}
	account, err := hive.ParseAccountName(text)
	if err != nil {
		o.fail("account", ReasonValue)
	}
	return account
}

// sealed reads a required string that is not empty and has at most most bytes. Package seal checks
// its base64.
func (o *object) sealed(name string, most int) string {
	value, ok := o.required(name)
	if !ok {
		return ""
	}
	text := o.unquote(name, value)
	switch {
	case o.err != nil:
	case text == "":
		o.fail(name, ReasonValue)
	case len(text) > most:
		o.fail(name, ReasonSize)
	}
	return text
}

func (o *object) stringOrObject(name string) []byte {
	value, ok := o.required(name)
	if !ok {
		return nil
	}
	if value[0] != '"' && value[0] != '{' {
		o.fail(name, ReasonType)
		return nil
	}
	if len(value) > MaxData {
		o.fail(name, ReasonSize)
		return nil
	}
	return bytes.Clone(value)
}

// seconds reads a number of seconds, at most a year. It may be absent, which gives 0.
func (o *object) seconds(name string) int {
	n := o.optionalInteger(name, 0)
	if n > 366*24*3600 {
		o.fail(name, ReasonValue)
		return 0
	}
	return int(n)
}

// protocolNumber reads the one number of HAS that may have a fraction.
func (o *object) protocolNumber() float64 {
	value, ok := o.optional("protocol")
	if !ok {
		return 0
	}
	if c := value[0]; c != '-' && (c < '0' || c > '9') {
		o.fail("protocol", ReasonType)
		return 0
	}
	number, err := strconv.ParseFloat(string(value), 64)
	if err != nil || math.Signbit(number) || number > 1000 {
		o.fail("protocol", ReasonValue)
		return 0
	}
	return number
}
