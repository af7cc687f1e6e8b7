package protocol_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"pksa/protocol"
)

// fill returns a frame of exactly MaxFrame bytes: start, then the pieces that next makes, cut.
func fill(start string, next func(i int) string) []byte {
	var b bytes.Buffer
	b.WriteString(start)
	for i := 0; b.Len() < protocol.MaxFrame; i++ {
		b.WriteString(next(i))
	}
	return b.Bytes()[:protocol.MaxFrame]
}

func always(s string) func(int) string { return func(int) string { return s } }

// TestHostileFramesAreCheap reads frames of the largest size, each made to cost the most of
// something, and bounds what a refusal may cost in memory. A refusal takes milliseconds; the bound
// on time is for what grows faster than the frame and leaves room for a busy machine. All decoders
// read through the same code, and the relay's takes the most commands.
func TestHostileFramesAreCheap(t *testing.T) {
	frames := map[string][]byte{
		"open arrays":          fill("", always("[")),
		"open objects":         fill("", always(`{"":`)),
		"arrays in a member":   fill(`{"x":`, always("[")),
		"different names":      fill(`{`, func(i int) string { return fmt.Sprintf(`"%x":0,`, i) }),
		"equal names":          fill(`{`, always(`"a":0,`)),
		"names in objects":     fill(`{"x":[`, always(`{"a":0,"a":0},`)),
		"empty objects":        fill(`{"x":[`, always(`{},`)),
		"escapes":              fill(`{"x":"`, always(`\u0061`)),
		"quotes":               fill(`{"x":`, always(`"`)),
		"backslashes":          fill(`{"x":"`, always(`\`)),
		"digits":               fill(`{"expire":`, always("9")),
		"spaces":               fill("", always(" ")),
		"colons":               fill("", always(":")),
		"closing":              fill("", always("}")),
		"bad UTF-8 at the end": append(fill(`{"x":"`, always("a"))[:protocol.MaxFrame-1], 0xff),
		"one string, no end":   fill(`{"data":"`, always("A")),
		"unknown cmd":          append(fill(`{"cmd":"`, always("c"))[:protocol.MaxFrame-2], `"}`...),
		"many accounts": append(fill(`{"cmd":"register_req","app":"","accounts":[`,
			always(`{"name":""},`))[:protocol.MaxFrame-20], `]}`...),
		"too large": append(fill("", always(" ")), ' '),
	}
	for name, frame := range frames {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			if _, err := protocol.DecodeForRelay(frame); err == nil {
				t.Error("accepted")
			}
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			// A string of the frame's own size may be built once or twice, little else.
			allocated := after.TotalAlloc - before.TotalAlloc
			t.Logf("%v, %d bytes", took, allocated)
			if most := uint64(2*protocol.MaxFrame + 64<<10); allocated > most {
				t.Errorf("%d bytes allocated, at most %d allowed", allocated, most)
			}
			if took > 20*time.Second {
				t.Errorf("refused after %v", took)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	reason := func(err error) protocol.Reason {
		var refused *protocol.DecodeError
		if errors.As(err, &refused) {
			return refused.Reason
		}
		return ""
	}
	names := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"cmd":"key_req"`)
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, `,"%d":0`, i)
		}
		return b.String() + "}"
	}
	for n, want := range map[int]protocol.Reason{protocol.MaxFrame - 1: "", protocol.MaxFrame: "",
		protocol.MaxFrame + 1: protocol.ReasonSize} {
		frame := `{"cmd":"key_req"}` + strings.Repeat(" ", n-17)
		if _, err := protocol.DecodeForRelay([]byte(frame)); reason(err) != want {
			t.Errorf("a frame of %d bytes: %v", n, err)
		}
	}
	if _, err := protocol.DecodeForRelay([]byte(names(protocol.MaxNames - 1))); err != nil {
		t.Errorf("a name less than may be: %v", err)
	}
	if _, err := protocol.DecodeForRelay([]byte(names(protocol.MaxNames))); err != nil {
		t.Error(err)
	}
	if _, err := protocol.DecodeForRelay([]byte(names(protocol.MaxNames + 1))); reason(err) != protocol.ReasonNames {
		t.Errorf("got %v", err)
	}
	// The names of one object do not count for the next.
	many := `{"cmd":"key_req","x":[` + strings.Repeat(`{"a":1,"b":{"c":":::"}},`, 1000) + `0]}`
	if _, err := protocol.DecodeForRelay([]byte(many)); err != nil {
		t.Error(err)
	}
	// Brackets and colons inside strings are text.
	text := `{"cmd":"key_req","x":"` + strings.Repeat(`[{:\"`, 2000) + `"}`
	if _, err := protocol.DecodeForRelay([]byte(text)); err != nil {
		t.Error(err)
	}
}
