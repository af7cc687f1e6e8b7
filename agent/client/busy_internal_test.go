package client

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pksa/protocol"
)

// A relay can keep what the wallet has sealed. The word "busy" counts for the request whose nonce
// it names; given as the answer to another one it decides nothing, and without a nonce nothing is
// asked again because of it.
func TestBusyCountsForItsRequest(t *testing.T) {
	s := NewSession("alice", "the auth key of a test")
	nonce := protocol.Nonce(1_764_142_000_000)
	x := exchange{session: s, kind: protocol.Sign, nonce: &nonce}
	busy := func(n protocol.Nonce) string { return fmt.Sprint(protocol.TextBusyNonce, " ", n) }
	call := newCall(protocol.Sign, "alice")
	answer := func(text string) error {
		return x.checkFailure(call, protocol.Err{Kind: protocol.Sign, Error: sealText(s.authKey, []byte(text))})
	}
	if err := answer(busy(nonce)); !errors.Is(err, ErrBusy) || !errors.Is(err, ErrFailed) {
		t.Errorf("of this request: %v", err)
	}
	for _, text := range []string{busy(nonce - 1), "busy ", "busy x", "busy 01764142000000"} {
		if err := answer(text); !errors.Is(err, errIgnore) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := answer(protocol.TextBusyNonce); !errors.Is(err, ErrFailed) || errors.Is(err, ErrBusy) {
		t.Errorf("without a nonce: %v", err)
	}
	plain := x.checkFailure(call, protocol.Err{Kind: protocol.Sign, Error: busy(nonce)})
	if errors.Is(plain, ErrBusy) {
		t.Errorf("unsealed: %v", plain)
	}
}

// Requests are spread over time, slower when the wallet is busy, and faster again later.
func TestPace(t *testing.T) {
	var p pace
	now := time.Unix(1_800_000_000, 0)
	for i := range 10 {
		if wait := p.take(now, 10); wait > 0 {
			t.Fatalf("request %d of a burst waits %s", i, wait)
		}
	}
	if wait := p.take(now, 10); wait != 100*time.Millisecond {
		t.Errorf("the next one waits %s", wait)
	}
	p.slower()
	if wait := p.take(now, 10); wait != 300*time.Millisecond {
		t.Errorf("at half the rate it waits %s", wait)
	}
	for range 100 {
		p.faster()
	}
	if wait := p.take(now, 10); wait != 400*time.Millisecond {
		t.Errorf("at the old rate it waits %s", wait)
	}
	for range 100 {
		p.slower()
	}
	if p.rate != 1 {
		t.Errorf("the rate falls to %v", p.rate)
	}
}
