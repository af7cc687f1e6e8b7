package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pksa/agent/relay/wire"
	"pksa/protocol"
	"pksa/protocol/seal"
)

// tap makes the relay a bad one: it records the first sign request and sends it once more under
// another uuid.
type tap struct {
	mu       sync.Mutex
	wire     *wire.Wire // the wallet's
	recorded wire.Frame
	answers  chan wire.Frame // to the replayed request
}

// replayUUID names the replayed request.
const replayUUID = "0badc0de-0bad-4bad-8bad-0badc0de0bad"

func newTap() *tap { return &tap{answers: make(chan wire.Frame, 1)} }

// frame sees everything that goes over the wires.
func (t *tap) frame(w *wire.Wire, f wire.Frame) {
	switch {
	case f.To == wire.ToClient && f.Cmd == "sign_req":
		t.record(w, f)
	case f.To == wire.ToRelay && f.UUID == replayUUID:
		select {
		case t.answers <- f:
		default:
		}
		return // the honest part of the relay knows no such request
	}
	w.Pass(f)
}

func (t *tap) record(w *wire.Wire, f wire.Frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wire == nil {
		t.wire, t.recorded = w, f
	}
}

// replay sends the recorded request again and returns what the wallet answers, opened with the
// session's key.
func (t *tap) replay(ctx context.Context, authKey string) (string, error) {
	t.mu.Lock()
	wallet, again := t.wire, t.recorded
	t.mu.Unlock()
	if wallet == nil {
		return "", errors.New("no sign request was recorded")
	}
	wallet.Send(wire.ToClient, again.With(map[string]any{"uuid": replayUUID}).Body)
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("no answer to the replayed request: %w", ctx.Err())
	case f := <-t.answers:
		m, err := protocol.DecodeForRelay(f.Body)
		if err != nil {
			return "", err
		}
		refusal, ok := m.(protocol.Nack)
		if !ok {
			return "", fmt.Errorf("the wallet answered the replayed request with %s", m.Cmd())
		}
		if uuid, err := open(authKey, refusal.Data); err != nil || uuid != replayUUID {
			return "", errors.New("the nack of the replayed request is not sealed for it")
		}
		return refusal.Error, nil
	}
}

// open opens a text that was sealed for a session.
func open(authKey, data string) (string, error) {
	sealed, err := seal.Parse(data)
	if err != nil {
		return "", err
	}
	text, err := sealed.Open(authKey)
	return string(text), err
}
