package agent_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/relay"
	"pksa/agent/service"
	"pksa/protocol/hive"
)

// busyNode is the way to a node that takes 50 ms for each answer and gives 20 a second: status 429
// answers the others.
type busyNode struct {
	http.RoundTripper
	mu     sync.Mutex
	second time.Time
	given  int
	denied int
}

func (n *busyNode) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	if now := time.Now(); now.Sub(n.second) >= time.Second {
		n.second, n.given = now, 0
	}
	n.given++
	over := n.given > 20
	if over {
		n.denied++
	}
	n.mu.Unlock()
	if over {
		return &http.Response{StatusCode: http.StatusTooManyRequests, Body: http.NoBody, Request: r}, nil
	}
	time.Sleep(50 * time.Millisecond)
	return n.RoundTripper.RoundTrip(r)
}

// 100 strangers register invented names at the wallet's own relay, each once a second. The nodes
// give 20 answers a second, and the wallet's votes go out as ever.
func TestBroadcastsDoNotWaitForStrangers(t *testing.T) {
	var w *world
	node := &busyNode{}
	within(t, worldOptions{
		relay: func(o *relay.Options) {
			own := o.Keys
			o.Known = func(account hive.AccountName) bool { return account == "alice" }
			o.Keys = func(ctx context.Context, account hive.AccountName) ([]hive.PublicKey, error) {
				if o.Known(account) {
					return own(ctx, account)
				}
				return service.ChainKeys(w.service.Nodes)(ctx, account)
			}
		},
		prepare: func(made *world) {
			w = made
			w.transport = func(r http.RoundTripper) http.RoundTripper { node.RoundTripper = r; return node }
		},
	}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		ctx, cancel := context.WithCancel(t.Context())
		var strangers sync.WaitGroup
		for i := range 100 {
			strangers.Go(func() { w.inventNames(ctx, fmt.Sprint("s", i)) })
		}
		time.Sleep(5 * time.Second)
		const votes = 10
		for i := range votes {
			begun := time.Now()
			if _, err := c.Sign(t.Context(), s, vote(fmt.Sprint("post-", i))); err != nil {
				t.Errorf("vote %d: %v", i, err)
			}
			if took := time.Since(begun); took > time.Second {
				t.Errorf("vote %d took %s", i, took)
			}
			time.Sleep(2 * time.Second)
		}
		cancel()
		strangers.Wait()
		if node.denied != 0 {
			t.Errorf("the node was asked too often %d times", node.denied)
		}
	})
}

// inventNames registers another account that does not exist each second.
func (w *world) inventNames(ctx context.Context, prefix string) {
	client := &http.Client{Transport: &http.Transport{DialContext: w.relay.DialContext, DisableKeepAlives: true}}
	conn, _, err := websocket.Dial(ctx, w.relay.URL, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		w.t.Error(err)
		return
	}
	defer conn.CloseNow()
	go func() {
		for ctx.Err() == nil {
			if _, _, err := conn.Read(ctx); err != nil {
				return
			}
		}
	}()
	for n := 0; ctx.Err() == nil; n++ {
		frame := fmt.Sprintf(`{"cmd":"register_req","app":"x","accounts":[{"name":"%s-%d","pok":"#%s"}]}`, prefix, n,
			strings.Repeat("1", 100))
		_ = conn.Write(ctx, websocket.MessageText, []byte(frame)) // fails when the test ends
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}
