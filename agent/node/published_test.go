package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// note is a custom_json of alice.
func note(id string, number int) string {
	return fmt.Sprintf(`["custom_json",{"required_auths":[],"required_posting_auths":["alice"],`+
		`"id":%q,"json":"{\"n\":%d}"}]`, id, number)
}

func TestCustomJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		var want []string
		for i := range 3 {
			w.broadcast(w.sign(hive.Posting, note("mine", i)))
			w.broadcast(w.sign(hive.Posting, note("another", i)))
			want = append(want, fmt.Sprintf(`{"n":%d}`, i))
			time.Sleep(6 * time.Second)
		}
		published := func() (texts []string, err error) {
			list, err := w.c.CustomJSON(context.Background(), "alice", "mine")
			for _, p := range list {
				if p.Block == 0 || p.TxID == (hive.TxID{}) {
					t.Errorf("published %+v", p)
				}
				texts = append(texts, p.JSON)
			}
			return texts, err
		}
		if got, err := published(); err != nil || !slices.Equal(got, want) {
			t.Errorf("published %v, %v, wanted %v", got, err, want)
		}
		// A node that leaves the newest out does not hide it.
		w.nodes[0].SetBehind(3)
		if got, err := published(); err != nil || !slices.Equal(got, want) {
			t.Errorf("published %v, %v, wanted %v", got, err, want)
		}
		// One that answers is enough.
		w.nodes[0].FailAlways("", nodetest.Refused)
		w.nodes[1].FailAlways("", nodetest.Refused)
		if got, err := published(); err != nil || !slices.Equal(got, want) {
			t.Errorf("published %v, %v, wanted %v", got, err, want)
		}
		w.nodes[2].FailAlways("", nodetest.Refused)
		if got, err := published(); !errors.Is(err, node.ErrNoNode) {
			t.Errorf("published %v, %v", got, err)
		}
	})
}

func TestRunReturnsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		stop := errors.New("told to stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.c.Run(ctx) }()
		synctest.Wait()
		cancel(stop)
		if err := <-done; !errors.Is(err, stop) {
			t.Errorf("Run returned %v", err)
		}
	})
}

// endless is a node with a history that has no beginning, of entries with a text of so many bytes.
type endless struct {
	http.RoundTripper         // for all else
	entries, bytes, calls int // entries of a page
}

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var call struct {
		ID     int64
		Params [4]any
	}
	if json.Unmarshal(body, &call) != nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		return e.RoundTripper.RoundTrip(r)
	}
	e.calls++
	last := int64(call.Params[1].(float64))
	if last < 0 {
		last = 1e9
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"jsonrpc":"2.0","id":%d,"result":[`, call.ID)
	for n := range int64(e.entries) {
		fmt.Fprintf(&b, `%s[%d,{"trx_id":"%040x","block":7,"op":["custom_json",{"required_posting_auths":["alice"],`+
			`"id":"mine","json":%q}]}]`, strings.Repeat(",", int(min(n, 1))), last-int64(e.entries)+1+n, last-n,
			strings.Repeat("x", e.bytes))
	}
	b.WriteString("]}")
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(b.String())), ContentLength: int64(b.Len()), Request: r}, nil
}

// A node cannot make what was published grow without end: by pages, by their entries, by bytes.
func TestPublishedIsBounded(t *testing.T) {
	const page, most = 500, 16 << 20
	const largest = 8 << 10
	for _, tt := range []struct {
		name           string
		entries, bytes int
		want, calls    int // want < 0: an error
	}{
		{"pages", 1, 10, 200, 200},
		{"bytes", page + 1, largest, most / (largest + 128), 5},
		{"more of them", page + 2, 10, -1, 1},
		{"a larger text", 1, largest + 1, 0, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			chain := nodetest.NewChain(nodetest.Options{})
			n := chain.NewNode("a.example")
			e := &endless{RoundTripper: nodetest.Transport(n), entries: tt.entries, bytes: tt.bytes}
			c, err := node.New(node.Options{URLs: []string{n.URL()}, Network: chain.Network(), Transport: e,
				Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			list, err := c.CustomJSON(context.Background(), "alice", "mine")
			ok := err == nil && len(list) == tt.want && e.calls == tt.calls
			if tt.want < 0 {
				ok = err != nil
			}
			if !ok {
				t.Errorf("%d published, %v, in %d calls; want %d in %d", len(list), err, e.calls, tt.want, tt.calls)
			}
		})
	}
}
