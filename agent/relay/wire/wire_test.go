package wire_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/relay"
	"pksa/agent/relay/wire"
)

// start runs a relay and connects a client, in a bubble.
func start(t *testing.T, carry func(*wire.Wire, wire.Frame)) (*wire.Server, *websocket.Conn) {
	t.Helper()
	s, err := wire.Start(wire.Options{
		Relay: relay.Options{NoProof: true, Logger: slog.New(slog.DiscardHandler)}, Carry: carry,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	client := &http.Client{Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}}
	conn, _, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return s, conn
}

// next reads one frame and holds it against the command that it should have.
func next(t *testing.T, conn *websocket.Conn, cmd string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, body, err := conn.Read(ctx); err != nil || !strings.Contains(string(body), `"cmd":"`+cmd+`"`) {
		t.Fatalf("read %s, %v where %s was expected", body, err, cmd)
	}
}

const request = `{"cmd":"attach_req","uuid":"00000000-0000-4000-8000-000000000000"}`

// TestWatchKeepRepeatCut does to one frame what a wire is for.
func TestWatchKeepRepeatCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // two directions, two goroutines
		var seen []string
		s, conn := start(t, func(w *wire.Wire, f wire.Frame) {
			mu.Lock()
			seen = append(seen, f.Cmd)
			mu.Unlock()
			if f.Cmd == "attach_req" {
				if _, before := w.Hold(f); before {
					t.Error("a frame was held before")
				}
				w.After(time.Second, func() {
					kept, _ := w.Release(wire.ToRelay)
					w.Pass(kept)
					w.Pass(kept.With(map[string]any{"uuid": "00000000-0000-4000-8000-000000000001"}))
				})
				return
			}
			w.Pass(f)
		})
		next(t, conn, "connected")
		began := time.Now()
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(request)); err != nil {
			t.Fatal(err)
		}
		next(t, conn, "attach_nack")
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("the frame was kept for %s", waited)
		}
		next(t, conn, "attach_nack")
		mu.Lock()
		defer mu.Unlock()
		if got := strings.Join(seen, " "); got != "connected attach_req attach_nack attach_nack" {
			t.Errorf("seen: %s", got)
		}
		s.Cut()
		if _, _, err := conn.Read(t.Context()); err == nil {
			t.Error("the connection still stands")
		}
	})
}

// TestStraight: without a function the client is connected to the relay itself.
func TestStraight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, conn := start(t, nil)
		next(t, conn, "connected")
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(request)); err != nil {
			t.Fatal(err)
		}
		next(t, conn, "attach_nack")
	})
}
