package protocol

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// BroadcastAck is the sign_ack of a transaction that the wallet has sent to the chain. id is 40
// hexadecimal digits (HAS §4.4). The proof of key is for the caller to add.
func BroadcastAck(uuid UUID, id string) Ack {
	broadcast := true
	return Ack{Kind: Sign, UUID: uuid, Data: []byte(`"` + id + `"`), Broadcast: &broadcast}
}

// TransactionID returns the id that a sign_ack names, in lower case; ok is false if it names none.
// The relay can read and forge a sign_ack: look the transaction up on the chain before believing it
// (HAS §7).
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

// SignedTransaction returns the transaction object that a sign_ack carries, as the JSON that came;
// ok is false if it carries none.
func (m Ack) SignedTransaction() (transaction []byte, ok bool) {
	if m.Kind != Sign || len(m.Data) == 0 || m.Data[0] != '{' {
		return nil, false
	}
	return bytes.Clone(m.Data), true
}
