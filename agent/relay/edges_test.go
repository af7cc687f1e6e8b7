package relay_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/relay"
)

// padded is a question of so many bytes.
func padded(size int) string {
	const frame = `{"cmd":"key_req"}`
	return frame + strings.Repeat(" ", size-len(frame))
}

// A frame of a mebibyte is read, and one byte more ends the connection.
func TestLargestFrame(t *testing.T) {
	const most = 1 << 20
	for _, size := range []int{most - 1, most, most + 1} {
		synctest.Test(t, func(t *testing.T) {
			app := dial(t, start(t, relay.Options{}))
			app.raw(padded(size))
			if size <= most {
				app.expect("key_ack")
			} else {
				app.ended()
			}
		})
	}
}

// While 64 large frames are begun and not ended, the rest of one more is not read. A small one is.
func TestLargeFramesAtOnce(t *testing.T) {
	for _, begun := range []int{63, 64} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, relay.Options{})
			for range begun {
				w, err := dial(t, s).conn.Writer(t.Context(), websocket.MessageText)
				if err != nil {
					t.Fatal(err)
				}
				w.Write([]byte(strings.Repeat(" ", 80<<10)))
			}
			synctest.Wait()
			small, large := dial(t, s), dial(t, s)
			small.raw(padded(64 << 10))
			small.expect("key_ack")
			large.raw(padded(64<<10 + 1))
			if begun < 64 {
				large.expect("key_ack")
			} else {
				large.quiet(time.Second)
			}
		})
	}
}
