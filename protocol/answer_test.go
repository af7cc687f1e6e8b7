package protocol_test

import (
	"reflect"
	"testing"

	"pksa/protocol"
)

func TestAnswers(t *testing.T) {
	const other = protocol.UUID("00000000-0000-4000-8000-00000000000F")
	yes := true
	for _, answer := range []protocol.Answer{
		protocol.Ack{Kind: protocol.Sign, UUID: testUUID, Data: []byte(`{}`), Broadcast: &yes, PoK: "proof"},
		protocol.Nack{Kind: protocol.Auth, UUID: testUUID, Data: "data", Error: "error", PoK: "proof"},
		protocol.Err{Kind: protocol.Challenge, UUID: testUUID, Error: "error", PoK: "proof"},
	} {
		if same, ok := protocol.AnswerOf(answer); !ok || !reflect.DeepEqual(same, answer) {
			t.Errorf("%T is no answer", answer)
		}
		of := reflect.ValueOf(answer)
		if answer.RequestKind() != of.FieldByName("Kind").Interface() || answer.RequestUUID() != testUUID ||
			answer.Proof() != "proof" {
			t.Errorf("%T: %v, %v, %q", answer, answer.RequestKind(), answer.RequestUUID(), answer.Proof())
		}
		changed := answer.WithUUID(other).WithProof("")
		if changed.RequestUUID() != other || changed.Proof() != "" {
			t.Errorf("changed to %+v", changed)
		}
		if back := changed.WithUUID(testUUID).WithProof("proof"); !reflect.DeepEqual(back, answer) {
			t.Errorf("%+v and back: %+v", answer, back)
		}
	}
	for _, m := range []protocol.Message{protocol.Request{}, protocol.Wait{}, protocol.ErrorMessage{},
		protocol.AttachAck{}, &protocol.Nack{}, (*protocol.Ack)(nil), nil} {
		if _, ok := protocol.AnswerOf(m); ok {
			t.Errorf("%T passes for an answer", m)
		}
	}
}
