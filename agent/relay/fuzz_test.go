package relay_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
)

// FuzzFrames sends a registered wallet's connection a few frames of any content, one a line, and
// checks that the relay runs, serves others, and sends only messages.
func FuzzFrames(f *testing.F) {
	for _, frame := range relaytest.MalformedFrames() {
		f.Add(frame)
	}
	for _, frames := range [][]string{
		{`{"cmd":"key_req"}`, `ping`, `{"cmd":"auth_wait"}`},
		{`{"cmd":"sign_req","account":"alice","data":"d"}`,
			`{"cmd":"auth_req","account":"alice","data":"d","auth_key":"k","token":null}`},
		{`{"cmd":"register_req","app":"a","accounts":[{"name":"alice","pok":"#x"},{"name":"bob","challenge":"#x",` +
			`"key_type":"memo"}]}`},
		{`{"cmd":"sign_ack","uuid":"00000000-0000-4000-8000-000000000000","data":{"a":1},"broadcast":false,` +
			`"pok":"#x"}`},
		{`{"cmd":"attach_req","uuid":"00000000-0000-4000-8000-000000000000"}`,
			`{"cmd":"challenge_nack","uuid":"00000000-0000-4000-8000-000000000000"}`},
	} {
		f.Add([]byte(strings.Join(frames, "\n")))
	}
	s := start(f, relay.Options{Limits: relay.Limits{AppFrames: 1 << 20, AppPending: 1 << 20, AccountPending: 1 << 20,
		Bytes: 1 << 20}, Timeout: time.Second})
	f.Fuzz(func(t *testing.T, frames []byte) {
		p := dial(t, s)
		for frame := range strings.SplitSeq(string(frames), "\n") {
			if p.conn.Write(t.Context(), websocket.MessageText, []byte(frame)) != nil {
				return
			}
		}
		// Frames of one connection are worked on in order: when this is answered all before it
		// were.
		p.raw(`{"cmd":"attach_req","uuid":"ffffffff-0000-4000-8000-000000000000"}`)
		for {
			m := p.next()
			if m == nil {
				t.Fatal("the connection ended")
			}
			if m.text("cmd") == "attach_nack" && m.text("uuid") == "ffffffff-0000-4000-8000-000000000000" {
				break
			}
			if _, err := json.Marshal(m); err != nil || m.text("cmd") == "" {
				t.Errorf("the relay said %v", m)
			}
		}
		p.close()
		dial(t, s).relayKey()
	})
}
