package protocol

import "pksa/protocol/hive"

// Message is one message of HAS: a struct of this file, by value. Cmd returns its command.
type Message interface {
	Cmd() string
	isMessage()
}

// Connected is the first message of a relay on each connection (HAS §4.1).
type Connected struct {
	TimeoutSeconds  int     // life of a request; 0 = the relay did not say
	Version         string  // of the relay's code; may be empty
	Protocol        float64 // 1, or 0.8; 0 = the relay did not say
	Server          string  // the relay's host; may be empty
	SocketID        string  // may be empty
	PingRateSeconds int     // 0 = the relay did not say
}

// ErrorMessage is a complaint of a relay in plain text, without uuid (HAS §4.1). Some wallets send
// it too; ours never does.
type ErrorMessage struct{ Text string }

// Ping is the text "ping", which is no JSON. Keychain's extension sends it to a relay every 10 s
// (HAS §2). A relay ignores it.
type Ping struct{}

// KeyReq asks a relay for its public key (HAS §4.1).
type KeyReq struct{}

// KeyAck has the public key of a relay. It is valid for the connection on which it came.
type KeyAck struct{ Key hive.PublicKey }

// RegisterReq is a wallet's list of the accounts that it serves, for a relay (HAS §4.2).
type RegisterReq struct {
	App      string // any text naming the wallet
	Accounts []RegisterAccount
}

// RegisterAccount is one account of a RegisterReq. Its values are not checked here: a relay decides
// about each account alone and names it in a complaint. Protocol 1 reads PoK, protocol 0.8 reads
// KeyType and Challenge. We send all three, with Challenge equal to PoK.
type RegisterAccount struct {
	Name      string
	PoK       string // encrypted memo of "#" and the time in ms (HAS §8.4)
	KeyType   string // the key that made Challenge: memo, posting or active
	Challenge string
}

// RegisterAck is a relay's word that it has registered one account.
type RegisterAck struct{ Account string }

// Request is auth_req, sign_req or challenge_req (HAS §4.3, §4.4, §4.5). The relay sets UUID and
// Expire; from an application to the relay both are empty.
type Request struct {
	Kind    Kind
	Account hive.AccountName
	Data    string // sealed payload in base64, not opened or checked, at most MaxData bytes
	AuthKey string // auth only: the session key sealed with the application's secret; empty if absent
	Token   string // of protocol 0.8; to be ignored
	UUID    UUID
	Expire  int64 // ms since 1970, as the relay says; the caller checks whether it has passed
}

// Wait is a relay's word to an application that it has the request (HAS §4.3). Waits come in the
// order of the requests.
type Wait struct {
	Kind    Kind
	UUID    UUID
	Expire  int64  // ms since 1970
	Account string // may be empty for sign and challenge
}

// BareWait is a wait without uuid, which Keychain's mobile wallet sends a relay. A relay ignores it
// (HAS §2).
type BareWait struct{ Kind Kind }

// Ack is a wallet's yes: auth_ack, sign_ack or challenge_ack.
//
// For Auth and Challenge, Data is the sealed payload in base64. For Sign it is raw JSON: the
// transaction id as a string, or the signed transaction as an object. Use [BroadcastAck] to write
// it, and TransactionID and SignedTransaction to read it.
type Ack struct {
	Kind      Kind
	UUID      UUID
	Data      []byte
	Broadcast *bool  // sign only; nil = the wallet did not say, as the reference wallet never does
	PoK       string // between wallet and relay only
}

// Nack is a wallet's no. Data is the sealed uuid. Keychain leaves Data out and sends only Error
// (HAS §4.3, §4.4).
type Nack struct {
	Kind  Kind
	UUID  UUID
	Data  string
	Error string // plain text; may be empty
	PoK   string // between wallet and relay only
}

// Err is a wallet's failure. Error is sealed for sign and challenge and plain for auth (HAS §4.3,
// §4.4).
type Err struct {
	Kind  Kind
	UUID  UUID
	Error string
	PoK   string // between wallet and relay only
}

// AttachReq asks a relay for the answer to a request that was made on a lost connection (HAS §4.6).
type AttachReq struct{ UUID UUID }

// AttachAck promises the answer on this connection, now or later.
type AttachAck struct{ UUID UUID }

// AttachNack means that the request is unknown or has expired.
type AttachNack struct{ UUID UUID }

// Cmd returns "connected".
func (Connected) Cmd() string { return "connected" }

// Cmd returns "error".
func (ErrorMessage) Cmd() string { return "error" }

// Cmd returns "ping", although the message has no cmd member.
func (Ping) Cmd() string { return "ping" }

// Cmd returns "key_req".
func (KeyReq) Cmd() string { return "key_req" }

// Cmd returns "key_ack".
func (KeyAck) Cmd() string { return "key_ack" }

// Cmd returns "register_req".
func (RegisterReq) Cmd() string { return "register_req" }

// Cmd returns "register_ack".
func (RegisterAck) Cmd() string { return "register_ack" }

// Cmd returns "auth_req", "sign_req" or "challenge_req".
func (m Request) Cmd() string { return m.Kind.String() + "_req" }

// Cmd returns "auth_wait", "sign_wait" or "challenge_wait".
func (m Wait) Cmd() string { return m.Kind.String() + "_wait" }

// Cmd returns "auth_wait", "sign_wait" or "challenge_wait".
func (m BareWait) Cmd() string { return m.Kind.String() + "_wait" }

// Cmd returns "auth_ack", "sign_ack" or "challenge_ack".
func (m Ack) Cmd() string { return m.Kind.String() + "_ack" }

// Cmd returns "auth_nack", "sign_nack" or "challenge_nack".
func (m Nack) Cmd() string { return m.Kind.String() + "_nack" }

// Cmd returns "auth_err", "sign_err" or "challenge_err".
func (m Err) Cmd() string { return m.Kind.String() + "_err" }

// Cmd returns "attach_req".
func (AttachReq) Cmd() string { return "attach_req" }

// Cmd returns "attach_ack".
func (AttachAck) Cmd() string { return "attach_ack" }

// Cmd returns "attach_nack".
func (AttachNack) Cmd() string { return "attach_nack" }

func (Connected) isMessage()    {}
func (ErrorMessage) isMessage() {}
func (Ping) isMessage()         {}
func (KeyReq) isMessage()       {}
func (KeyAck) isMessage()       {}
func (RegisterReq) isMessage()  {}
func (RegisterAck) isMessage()  {}
func (Request) isMessage()      {}
func (Wait) isMessage()         {}
func (BareWait) isMessage()     {}
func (Ack) isMessage()          {}
func (Nack) isMessage()         {}
func (Err) isMessage()          {}
func (AttachReq) isMessage()    {}
func (AttachAck) isMessage()    {}
func (AttachNack) isMessage()   {}
