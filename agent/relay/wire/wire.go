package wire

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Direction is where a frame goes.
type Direction uint8

// The two ways through a wire.
const (
	ToRelay  Direction = iota + 1 // from a wallet or an application
	ToClient                      // from the relay
)

// Frame is one frame on its way.
type Frame struct {
	To   Direction
	N    int // its place among the frames of its direction on this wire, from 0
	Body []byte

	// What the body says, empty if it does not say so or is no JSON object.
	Cmd     string
	UUID    string
	Account string
}

func readFrame(to Direction, n int, body []byte) Frame {
	f := Frame{To: to, N: n, Body: body}
	var said struct{ Cmd, UUID, Account string }
	if json.Unmarshal(body, &said) == nil {
		f.Cmd, f.UUID, f.Account = said.Cmd, said.UUID, said.Account
	}
	return f
}

// With returns the frame with members of its JSON object replaced, or added. A frame that is no
// object stays as it is.
func (f Frame) With(members map[string]any) Frame {
	var object map[string]any
	if json.Unmarshal(f.Body, &object) != nil {
		return f
	}
	for name, value := range members {
		object[name] = value
	}
	body, err := json.Marshal(object)
	if err != nil {
		return f
	}
	return readFrame(f.To, f.N, body)
}

// Wire joins one client to the relay. [Options.Carry] gets it to act on. Its methods may be called
// concurrently; frames that are written concurrently go in any order.
type Wire struct {
	// ID counts the connections of a server from 0.
	ID int

	client, relay *websocket.Conn
	ctx           context.Context // ends with the wire; a wire is one call of serve, whose context this is
	end           context.CancelFunc
	later         sync.WaitGroup
	held          [ToClient + 1]chan Frame // one place for a frame that is held back, for each direction
	frozen        chan struct{}
	freeze        sync.Once
}

// serve joins one connection of a client to the relay and returns when either end is gone.
func (s *Server) serve(rw http.ResponseWriter, req *http.Request) {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	w := &Wire{ctx: ctx, end: end, frozen: make(chan struct{})}
	client, err := websocket.Accept(rw, req, &websocket.AcceptOptions{InsecureSkipVerify: true, OnPingReceived: w.pong})
	if err != nil {
		return
	}
	defer client.CloseNow()
	dialer := &http.Client{Transport: &http.Transport{DialContext: s.inner.DialContext, DisableKeepAlives: true}}
	relay, _, err := websocket.Dial(ctx, "ws://"+s.inner.Addr().String(), &websocket.DialOptions{HTTPClient: dialer,
		OnPingReceived: w.pong})
	if err != nil {
		return
	}
	defer relay.CloseNow()
	client.SetReadLimit(-1)
	relay.SetReadLimit(-1)
	w.client, w.relay = client, relay
	for i := range w.held {
		w.held[i] = make(chan Frame, 1)
	}
	if !s.enter(w) {
		return
	}
	defer s.leave(w)
	var pumps sync.WaitGroup
	pumps.Go(func() { w.pump(ToRelay, client, s.carry) })
	pumps.Go(func() { w.pump(ToClient, relay, s.carry) })
	pumps.Wait()
	w.later.Wait()
}

// pong reports whether a ping is answered.
func (w *Wire) pong(context.Context, []byte) bool {
	select {
	case <-w.frozen:
		return false
	default:
		return true
	}
}

func (s *Server) enter(w *Wire) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	w.ID = s.fresh
	s.fresh++
	s.wires[w] = struct{}{}
	s.done.Add(1)
	return true
}

func (s *Server) leave(w *Wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.wires, w)
	s.done.Done()
}

func (w *Wire) pump(to Direction, from *websocket.Conn, carry func(*Wire, Frame)) {
	defer w.end()
	for n := 0; ; n++ {
		_, body, err := from.Read(w.ctx)
		if err != nil {
			return
		}
		select {
		case <-w.frozen:
			<-w.ctx.Done()
			return
		default:
			carry(w, readFrame(to, n, body))
		}
	}
}

// Pass sends a frame on.
func (w *Wire) Pass(f Frame) { w.Send(f.To, f.Body) }

// Send puts a text of any content on the wire.
func (w *Wire) Send(to Direction, body []byte) { w.write(to, websocket.MessageText, body) }

// SendBinary puts a binary frame on the wire, which HAS does not have.
func (w *Wire) SendBinary(to Direction, body []byte) { w.write(to, websocket.MessageBinary, body) }

func (w *Wire) write(to Direction, kind websocket.MessageType, body []byte) {
	conn := w.client
	if to == ToRelay {
		conn = w.relay
	}
	select {
	case <-w.frozen:
	default:
		conn.Write(w.ctx, kind, body) // an error ends the reading side too
	}
}

// After does something later, unless the wire has ended by then.
func (w *Wire) After(d time.Duration, do func()) {
	w.later.Go(func() {
		if w.Sleep(d) {
			do()
		}
	})
}

// Sleep waits, and reports whether the wire still stands. While [Options.Carry] sleeps nothing
// passes in its direction.
func (w *Wire) Sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.ctx.Done():
		return false
	}
}

// Hold keeps a frame back and returns the one that was held before in its direction, if there was
// one.
func (w *Wire) Hold(f Frame) (before Frame, ok bool) {
	before, ok = w.Release(f.To)
	w.held[f.To] <- f
	return before, ok
}

// Release returns the frame that is held back in a direction, if there is one.
func (w *Wire) Release(to Direction) (f Frame, ok bool) {
	select {
	case f = <-w.held[to]:
		return f, true
	default:
		return Frame{}, false
	}
}

// Cut breaks the connection without a close frame.
func (w *Wire) Cut() { w.end() }

// Freeze leaves both connections open and dead: nothing is read, answered or sent any more, pings
// included.
func (w *Wire) Freeze() { w.freeze.Do(func() { close(w.frozen) }) }
