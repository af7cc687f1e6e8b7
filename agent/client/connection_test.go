package client

import (
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pksa/protocol"
)

// FuzzFrames gives a client frames of any content, one a line, while three requests wait. It must
// neither panic nor hold more than its bounds, and a call ends once.
func FuzzFrames(f *testing.F) {
	const id, other = "9b0e2dc3-f574-4766-abdd-c429dce11284", "11111111-2222-4333-8444-555555555555"
	f.Add(`{"cmd":"sign_wait","uuid":"` + id + `","expire":1700000060000}` + "\n" + `{"cmd":"sign_ack","uuid":"` + id +
		`","data":"x"}`)
	f.Add(`{"cmd":"sign_ack","uuid":"` + id + `","data":"x"}` + "\n" + `{"cmd":"sign_wait","uuid":"` + id +
		`","expire":1}`)
	f.Add(`{"cmd":"error","error":"x"}` + "\n" + `{"cmd":"error","error":"x"}` + "\n" + `{"cmd":"auth_wait","uuid":"` +
		other + `","expire":1}`)
	f.Add(`{"cmd":"attach_nack","uuid":"` + id + `"}` + "\n" + `{"cmd":"attach_ack","uuid":"` + other + `"}`)
	f.Fuzz(func(t *testing.T, frames string) {
		c := &Client{log: slog.New(slog.NewTextHandler(io.Discard, nil)), changed: make(chan struct{}),
			calls: map[string]*call{}}
		conn := &connection{timeout: time.Minute, early: map[string][]protocol.Answer{}}
		calls := []*call{newCall(protocol.Sign, "alice"), newCall(protocol.Sign, "alice"),
			newCall(protocol.Auth, "bob")}
		conn.unnamed = append(conn.unnamed, calls...)
		for frame := range strings.SplitSeq(frames, "\n") {
			if c.handleFrame(conn, []byte(frame)) != nil {
				break
			}
		}
		if len(conn.early) > maxEarly || len(c.calls) > len(calls) {
			t.Errorf("%d early answers, %d calls", len(conn.early), len(c.calls))
		}
		c.lose(conn)
		for _, waiting := range calls {
			c.finish(waiting, nil)
			<-waiting.ended
		}
		if len(c.calls) != 0 {
			t.Errorf("%d calls are left", len(c.calls))
		}
	})
}
