package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pksa/agent/relay/wire"
	"pksa/protocol"
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

// replay sends the recorded request again and returns the id of the transaction that the wallet
// answers with.
func (t *tap) replay(ctx context.Context) (string, error) {
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
		ack, _ := m.(protocol.Ack)
		id, ok := ack.TransactionID()
		if !ok {
			return "", fmt.Errorf("the wallet answered the replayed request with %s", m.Cmd())
		}
		return id, nil
	}
}
