package relay_test

import (
	"strings"
	"testing"
	"testing/synctest"

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
