package protocol

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"pksa/protocol/hive"
)

// ErrFrameTooLarge is wrapped by the error of [Encode] for a message above MaxSend.
var ErrFrameTooLarge = errors.New("frame too large")

// Encode returns a message as one frame, with its members in the order of the tables of HAS §4.
// Empty members are left out. It refuses every value that a decoder refuses, such as a uuid of
// another form, an invalid account name and text that is not UTF-8. It refuses frames above MaxSend
// with [ErrFrameTooLarge]. Errors name command and member and quote no value.
func Encode(m Message) ([]byte, error) {
	if _, ok := m.(Ping); ok {
		return []byte("ping"), nil
	}
	if m == nil {
		return nil, errors.New("encoding no message")
	}
	w := &writer{what: m.Cmd()}
	w.open()
	w.text("cmd", m.Cmd())
	w.message(m)
	w.close()
	if w.err == nil && len(w.buf) > MaxSend {
		return nil, fmt.Errorf("encoding %s: %w: %d bytes", w.what, ErrFrameTooLarge, len(w.buf))
	}
	return w.done()
}

func (w *writer) message(m Message) {
	switch m := m.(type) {
	case Connected:
		w.connected(m)
	case ErrorMessage:
		w.text("error", m.Text)
	case KeyReq:
	case KeyAck:
		w.publicKey("key", m.Key)
	case RegisterReq:
		w.registerReq(m)
	case RegisterAck:
		w.text("account", m.Account)
	case Request:
		w.request(m)
	case Wait:
		w.kind(m.Kind)
		w.uuid(m.UUID)
		w.integer("expire", m.Expire, 1)
		w.optionalText("account", m.Account)
	case BareWait:
		w.kind(m.Kind)
	case Ack:
		w.ack(m)
	case Nack:
		w.kind(m.Kind)
		w.uuid(m.UUID)
		w.optionalText("data", m.Data)
		w.optionalText("error", m.Error)
		w.optionalText("pok", m.PoK)
	case Err:
		w.kind(m.Kind)
		w.uuid(m.UUID)
		w.text("error", m.Error)
		w.optionalText("pok", m.PoK)
	case AttachReq:
		w.uuid(m.UUID)
	case AttachAck:
		w.uuid(m.UUID)
	case AttachNack:
		w.uuid(m.UUID)
	default:
		w.fail("cmd", "unknown type") // such as a pointer to a message
	}
}

func (w *writer) connected(m Connected) {
	w.integer("timeout", int64(m.TimeoutSeconds), 0)
	w.optionalText("version", m.Version)
	if !(m.Protocol >= 0 && m.Protocol <= 1000) {
		w.fail("protocol", "value not allowed")
		return
	}
	w.raw("protocol", strconv.AppendFloat(nil, m.Protocol, 'f', -1, 64))
	w.optionalText("server", m.Server)
	w.optionalText("socketid", m.SocketID)
	if m.PingRateSeconds != 0 {
		w.integer("ping_rate", int64(m.PingRateSeconds), 1)
	}
}

func (w *writer) registerReq(m RegisterReq) {
	w.text("app", m.App)
	if len(m.Accounts) == 0 || len(m.Accounts) > MaxAccounts {
		w.fail("accounts", "value not allowed")
		return
	}
	w.name("accounts")
	w.buf = append(w.buf, '[')
	for _, account := range m.Accounts {
		w.element()
		w.open()
		w.text("name", account.Name)
		w.optionalText("pok", account.PoK)
		w.optionalText("key_type", account.KeyType)
		w.optionalText("challenge", account.Challenge)
		w.close()
	}
	w.buf = append(w.buf, ']')
}

func (w *writer) request(m Request) {
	w.kind(m.Kind)
	w.account("account", m.Account)
	w.sealed("data", m.Data)
	if m.AuthKey != "" && (m.Kind != Auth || len(m.AuthKey) > maxSealedKey) {
		w.fail("auth_key", "value not allowed")
	}
	w.optionalText("auth_key", m.AuthKey)
	w.optionalText("token", m.Token)
	if m.UUID == "" && m.Expire == 0 {
		return // from an application to a relay
	}
	w.uuid(m.UUID)
	w.integer("expire", m.Expire, 1)
}

func (w *writer) ack(m Ack) {
	w.kind(m.Kind)
	w.uuid(m.UUID)
	if m.Kind != Sign {
		w.sealed("data", string(m.Data))
		if m.Broadcast != nil {
			w.fail("broadcast", "value not allowed")
		}
	} else {
		w.stringOrObject("data", m.Data)
		if m.Broadcast != nil {
			w.boolean("broadcast", *m.Broadcast)
		}
	}
	w.optionalText("pok", m.PoK)
}

// writer builds JSON text. It keeps the first failure in err, and buf is of no use after that.
type writer struct {
	what string
	buf  []byte
	err  error
}

// done returns the text if it keeps the bounds that readers check.
func (w *writer) done() ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	if reason, ok := checkBounds(w.buf); !ok {
		return nil, fmt.Errorf("encoding %s: %s", w.what, reason.sentence())
	}
	return w.buf, nil
}

func (w *writer) fail(member, problem string) {
	if w.err == nil {
		w.err = fmt.Errorf("encoding %s: %s: %s", w.what, member, problem)
	}
}

func (w *writer) open()  { w.buf = append(w.buf, '{') }
func (w *writer) close() { w.buf = append(w.buf, '}') }

// element starts an element of an array or a member of an object: it writes the comma, if one is
// needed.
func (w *writer) element() {
	if last := w.buf[len(w.buf)-1]; last != '{' && last != '[' {
		w.buf = append(w.buf, ',')
	}
}

func (w *writer) name(name string) {
	w.element()
	w.buf = append(w.buf, '"')
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, '"', ':')
}

func (w *writer) text(name, value string) {
	w.name(name)
	buf, err := jsontext.AppendQuote(w.buf, value)
	if err != nil {
		w.fail(name, "not valid UTF-8")
		return
	}
	w.buf = buf
}

func (w *writer) optionalText(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *writer) raw(name string, value []byte) {
	w.name(name)
	w.buf = append(w.buf, value...)
}

func (w *writer) boolean(name string, value bool) {
	w.raw(name, strconv.AppendBool(nil, value))
}

func (w *writer) integer(name string, value, low int64) {
	if value < low || value > maxInteger {
		w.fail(name, "value not allowed")
		return
	}
	w.raw(name, strconv.AppendInt(nil, value, 10))
}

func (w *writer) kind(kind Kind) {
	if !kind.valid() {
		w.fail("cmd", "value not allowed")
	}
}

func (w *writer) uuid(uuid UUID) {
	if _, err := ParseUUID(string(uuid)); err != nil {
		w.fail("uuid", "value not allowed")
		return
	}
	w.text("uuid", string(uuid))
}

func (w *writer) account(name string, account hive.AccountName) {
	if _, err := hive.ParseAccountName(string(account)); err != nil {
		w.fail(name, "value not allowed")
		return
	}
	w.text(name, string(account))
}

func (w *writer) publicKey(name string, key hive.PublicKey) {
	if key.IsNull() {
		w.fail(name, "value not allowed")
		return
	}
	w.text(name, key.String())
}

func (w *writer) sealed(name, value string) {
	if value == "" || len(value) > MaxData {
		w.fail(name, "value not allowed")
		return
	}
	w.text(name, value)
}

// stringOrObject copies raw JSON unchanged if it is valid for the strict reader on the other side.
// done checks the bounds.
func (w *writer) stringOrObject(name string, value []byte) {
	if len(value) == 0 || len(value) > MaxData || value[0] != '"' && value[0] != '{' ||
		!jsontext.Value(value).IsValid() {
		w.fail(name, "value not allowed")
		return
	}
	w.raw(name, value)
}

// payload returns the text like done, if it is not larger than a payload may be.
func (w *writer) payload() ([]byte, error) {
	if len(w.buf) > MaxData {
		w.fail("payload", ReasonSize.sentence())
	}
	return w.done()
}
