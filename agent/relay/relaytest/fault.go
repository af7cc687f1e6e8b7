package relaytest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"sync"
	"time"
)

// Fault decides about one frame. It passes the frame on, or something else, or nothing, by the
// methods of the wire. It is called by one goroutine for each direction of each wire.
type Fault func(w *Wire, f Frame)

// Rule applies a fault to chosen frames.
type Rule struct {
	When  func(Frame) bool // nil: every frame
	Skip  int              // so many matching frames pass first
	Times int              // then so many are taken; 0: all that follow
	Do    Fault
}

// Script takes for each frame the first rule that wants it. Frames that no rule wants pass. Rules
// count over all wires of a server.
func Script(rules ...Rule) Fault {
	var mu sync.Mutex
	seen := make([]int, len(rules))
	wanted := func(f Frame) Fault {
		mu.Lock()
		defer mu.Unlock()
		for i, rule := range rules {
			if rule.When != nil && !rule.When(f) {
				continue
			}
			n := seen[i] - rule.Skip
			seen[i]++
			if n >= 0 && (rule.Times == 0 || n < rule.Times) {
				return rule.Do
			}
		}
		return Pass
	}
	return func(w *Wire, f Frame) { wanted(f)(w, f) }
}

// On matches frames of a direction with one of these commands, or with any if none is given.
func On(to Direction, cmds ...string) func(Frame) bool {
	return func(f Frame) bool {
		if f.To != to {
			return false
		}
		for _, cmd := range cmds {
			if f.Cmd == cmd {
				return true
			}
		}
		return len(cmds) == 0
	}
}

// Pass passes the frame: no fault.
func Pass(w *Wire, f Frame) { w.Pass(f) }

// Drop loses the frame.
func Drop(*Wire, Frame) {}

// Cut breaks the connection instead of passing the frame.
func Cut(w *Wire, _ Frame) { w.Cut() }

// HalfOpen leaves the connection open and dead instead of passing the frame: no frame, ping or pong
// moves again.
func HalfOpen(w *Wire, _ Frame) { w.Freeze() }

// Delay passes the frame later; those behind it overtake it.
func Delay(d time.Duration) Fault {
	return func(w *Wire, f Frame) { w.After(d, func() { w.Pass(f) }) }
}

// Stall passes the frame later, and everything behind it later still.
func Stall(d time.Duration) Fault {
	return func(w *Wire, f Frame) {
		if w.Sleep(d) {
			w.Pass(f)
		}
	}
}

// Duplicate passes the frame n more times at once.
func Duplicate(n int) Fault {
	return func(w *Wire, f Frame) {
		for range n + 1 {
			w.Pass(f)
		}
	}
}

// Replay passes the frame, and once more after a while.
func Replay(after time.Duration) Fault {
	return func(w *Wire, f Frame) {
		w.Pass(f)
		w.After(after, func() { w.Pass(f) })
	}
}

// ReplayAs passes the frame, and once more after a while with other members: a request under a
// fresh uuid, say.
func ReplayAs(after time.Duration, members map[string]any) Fault {
	return func(w *Wire, f Frame) {
		w.Pass(f)
		w.After(after, func() { w.Pass(f.With(members)) })
	}
}

// Reorder changes the places of this frame and the next one that Reorder gets in the same direction
// of the wire, which passes first. Without a next one within a second the frame passes alone.
func Reorder(w *Wire, f Frame) {
	if before, ok := w.Release(f.To); ok {
		w.Pass(f)
		w.Pass(before)
		return
	}
	w.Hold(f)
	w.After(time.Second, func() {
		// Without this end a connection that has gone quiet would wait for the frame forever.
		if late, ok := w.Release(f.To); ok {
			w.Pass(late)
		}
	})
}

// SwapUUIDs exchanges the uuids of this frame and the next one that SwapUUIDs gets in the same
// direction of the wire. Without a next one the frame is lost.
func SwapUUIDs(w *Wire, f Frame) {
	before, ok := w.Release(f.To)
	if !ok {
		w.Hold(f)
		return
	}
	w.Pass(before.With(map[string]any{"uuid": f.UUID}))
	w.Pass(f.With(map[string]any{"uuid": before.UUID}))
}

// Set passes the frame with other members: {"uuid": …}, {"account": …}, {"expire": 0}, {"protocol":
// 99}.
func Set(members map[string]any) Fault {
	return func(w *Wire, f Frame) { w.Pass(f.With(members)) }
}

// FlipBit passes the frame with one bit of a sealed member changed, counted from the first bit
// after the salt and around the end. A member that is no base64 stays as it is.
func FlipBit(member string, bit int) Fault {
	return func(w *Wire, f Frame) {
		var object map[string]json.RawMessage
		var text string
		if json.Unmarshal(f.Body, &object) != nil || json.Unmarshal(object[member], &text) != nil {
			w.Pass(f)
			return
		}
		raw, err := base64.StdEncoding.DecodeString(text)
		const header = 16
		if err != nil || len(raw) <= header {
			w.Pass(f)
			return
		}
		at := bit % (8 * (len(raw) - header))
		raw[header+at/8] ^= 1 << (at % 8)
		w.Pass(f.With(map[string]any{member: base64.StdEncoding.EncodeToString(raw)}))
	}
}

// Inject passes the frame and then a text of any content in the same direction, such as a second
// key_ack.
func Inject(bodies ...string) Fault {
	return func(w *Wire, f Frame) {
		w.Pass(f)
		for _, body := range bodies {
			w.Send(f.To, []byte(body))
		}
	}
}

// Malformed passes the frame and then frames that are no messages: broken JSON, other JSON, wrong
// types, equal names, bad UTF-8, deep nesting, unknown commands, and a binary frame.
func Malformed(w *Wire, f Frame) {
	w.Pass(f)
	for _, body := range MalformedFrames() {
		w.Send(f.To, body)
	}
	w.SendBinary(f.To, f.Body)
}

// MalformedFrames returns texts that are no messages of HAS.
func MalformedFrames() [][]byte {
	deep := append(bytes.Repeat([]byte{'['}, 2000), bytes.Repeat([]byte{']'}, 2000)...)
	return [][]byte{
		[]byte(""), []byte(" "), []byte("null"), []byte("0"), []byte(`"cmd"`), []byte("[]"), []byte("{}"), []byte("{"),
		[]byte(`{"cmd":null}`), []byte(`{"cmd":1}`), []byte(`{"cmd":""}`), []byte(`{"cmd":"no_such_cmd"}`),
		[]byte(`{"cmd":"sign_req"}`), []byte(`{"cmd":"sign_req","uuid":7,"account":[],"data":{},"expire":"x"}`),
		[]byte(`{"cmd":"sign_req","cmd":"auth_req"}`), []byte(`{"CMD":"sign_req"}`),
		[]byte("{\"cmd\":\"sign_req\",\"account\":\"\xff\xfe\"}"), []byte(`{"cmd":"key_ack","key":"STM1"}`),
		[]byte(`{"cmd":"connected","timeout":-1,"protocol":1e999}`), []byte(`{"cmd":"error"}`),
		[]byte(`{"cmd":"register_ack","account":"nobody.asked"}`), deep,
	}
}

// Huge passes the frame and then a text of so many bytes.
func Huge(size int) Fault {
	return func(w *Wire, f Frame) {
		w.Pass(f)
		w.Send(f.To, bytes.Repeat([]byte{' '}, size))
	}
}
