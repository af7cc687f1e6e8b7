package protocol

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// BroadcastAck returns the sign_ack for a transaction that the wallet has sent to the chain. id is
// 40 hexadecimal digits (HAS §4.4). The caller adds the proof of key.
func BroadcastAck(uuid UUID, id string) Ack {
	broadcast := true
	return Ack{Kind: Sign, UUID: uuid, Data: []byte(`"` + id + `"`), Broadcast: &broadcast}
}

// SealedAck returns the sign_ack for a transaction that the application made. sealed is the sealed
// payload in base64; broadcast says that the chain has the transaction.
func SealedAck(uuid UUID, sealed string, broadcast bool) Ack {
	return Ack{Kind: Sign, UUID: uuid, Data: []byte(`"` + sealed + `"`), Broadcast: &broadcast}
}

// SealedSignature returns the sealed payload of such a sign_ack; ok is false if it has none.
func (m Ack) SealedSignature() (sealed string, ok bool) {
	if _, isID := m.TransactionID(); isID || m.Kind != Sign || len(m.Data) == 0 || m.Data[0] != '"' {
		return "", false
	}
	plain, err := jsontext.AppendUnquote(nil, m.Data)
	return string(plain), err == nil
}

// TransactionID returns the transaction id of a sign_ack in lower case; ok is false if it has none.
// The relay can read and forge a sign_ack, so look for the transaction on the chain before you
// trust it (HAS §7).
func (m Ack) TransactionID() (id string, ok bool) {
	if m.Kind != Sign || len(m.Data) == 0 || m.Data[0] != '"' {
		return "", false
	}
	plain, err := jsontext.AppendUnquote(nil, m.Data)
	if err != nil || len(plain) != 40 {
		return "", false
	}
	for _, c := range plain {
		if !isHex(c) {
			return "", false
		}
	}
	return strings.ToLower(string(plain)), true
}

// SignedTransaction returns the signed transaction of a sign_ack, as the JSON that came; ok is
// false if it has none.
func (m Ack) SignedTransaction() (transaction []byte, ok bool) {
	if m.Kind != Sign || len(m.Data) == 0 || m.Data[0] != '{' {
		return nil, false
	}
	return bytes.Clone(m.Data), true
}
