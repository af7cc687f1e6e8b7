package node_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node/nodetest"
)

// An answer about one account may have so many bytes. Of a longer one another host is asked.
func TestAnswersOfAnyLength(t *testing.T) {
	const most = 1<<20 + 192<<10
	for _, size := range []int{most - 1, most, most + 1} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			answer := `{"jsonrpc":"2.0","result":[],"id":1}`
			w.nodes[0].FailAlways("condenser_api.get_accounts",
				nodetest.Fault{Body: []byte(answer + strings.Repeat(" ", size-len(answer)))})
			_, err := w.c.Authorities(context.Background(), "alice")
			long := err != nil && strings.Contains(fmt.Sprint(err, w.c.Status()), "too long")
			if long != (size > most) {
				t.Errorf("%d bytes: %v, %+v", size, err, w.c.Status())
			}
		})
	}
}

// A list of nodes may have so many bytes. A longer one is not used.
func TestListsOfAnyLength(t *testing.T) {
	const most = 256 << 10
	withList(t, 1, func(w *world, list *listServer) {
		for _, size := range []int{most - 1, most, most + 1} {
			name := fmt.Sprintf("https://n%d.example", size)
			text := `[{"endpoint":"` + name + `","score":100}]`
			text += strings.Repeat(" ", size-len(text))
			list.text.Store(&text)
			time.Sleep(2 * time.Hour)
			if used := strings.Contains(strings.Join(w.urls(), " "), name); used != (size <= most) {
				t.Errorf("%d bytes: used: %t, %v", size, used, w.urls())
			}
		}
	})
}
