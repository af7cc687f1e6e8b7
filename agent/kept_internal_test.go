package agent

import (
	"testing"

	"pksa/agent/link"
	"pksa/protocol"
	"pksa/protocol/secret"
)

// What is kept of a request whose outcome is still looked for has none of its bytes, and can
// answer.
func TestKeptRunHasNoBytes(t *testing.T) {
	r := &run{
		delivered: delivered{
			msg:     protocol.Request{Kind: protocol.Sign, Account: "alice", UUID: "u", Data: "sealed"},
			brought: new(link.Delivery), digest: [32]byte{1},
		},
		authKey: secret.Hide("a key"), clear: []byte("clear"), pairing: new(pairing), leavePlace: func() {},
	}
	k := r.kept()
	if k.msg.Data != "" || k.clear != nil || k.brought != nil || k.pairing != nil || k.leavePlace != nil ||
		len(k.sealed.String()) > 0 {
		t.Errorf("%d and %d bytes are kept", len(k.msg.Data), len(k.clear))
	}
	if r.msg.Data == "" || r.clear == nil {
		t.Error("the run itself has lost its bytes")
	}
	got, _ := k.nack(protocol.TextBusy).(protocol.Nack)
	want, _ := r.nack(protocol.TextBusy).(protocol.Nack)
	if want.Data == "" || got.Data != want.Data || k.key != r.key {
		t.Error("it answers differently")
	}
}
