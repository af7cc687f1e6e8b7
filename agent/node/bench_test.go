package node_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// quick answers every broadcast at once, so that only the client is measured.
type quick struct{ rest http.RoundTripper }

func (q quick) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil || !bytes.Contains(body[:80], []byte(broadcastMethod)) {
		r.Body = io.NopCloser(bytes.NewReader(body))
		return q.rest.RoundTrip(r)
	}
	id := string(body[bytes.LastIndexByte(body, ':')+1 : len(body)-1])
	answer := `{"jsonrpc":"2.0","result":{},"id":` + id + `}`
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer)),
		ContentLength: int64(len(answer)), Request: r}, nil
}

func BenchmarkBroadcast(b *testing.B) {
	w := newWorld(b, 3)
	tx := w.sign(hive.Posting, voteJSON)
	c, err := node.New(node.Options{
		URLs: []string{w.nodes[0].URL(), w.nodes[1].URL(), w.nodes[2].URL()}, Network: hive.Mainnet,
		Transport: quick{nodetest.Transport(w.nodes...)},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if o := c.Broadcast(b.Context(), tx); o.State != node.Accepted {
			b.Fatalf("outcome %+v", o)
		}
	}
}

func BenchmarkBroadcastParallel(b *testing.B) {
	w := newWorld(b, 3)
	tx := w.sign(hive.Posting, voteJSON)
	c, err := node.New(node.Options{URLs: []string{w.nodes[0].URL()}, Network: hive.Mainnet,
		Transport: quick{nodetest.Transport(w.nodes...)}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			c.Broadcast(context.Background(), tx)
		}
	})
}

func BenchmarkBroadcastLoopback(b *testing.B) {
	w := newWorld(b, 1)
	tx := w.sign(hive.Posting, voteJSON)
	w.nodes[0].FailAlways(broadcastMethod, nodetest.FalseAccept)
	ctx, cancel := context.WithCancel(context.Background())
	url, wait, err := w.nodes[0].Listen(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer wait()
	defer cancel()
	c, err := node.New(node.Options{URLs: []string{url}, Network: hive.Mainnet})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if o := c.Broadcast(ctx, tx); o.State != node.Accepted {
			b.Fatalf("outcome %+v", o)
		}
	}
}

func BenchmarkHead(b *testing.B) {
	w := newWorld(b, 3)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.c.Head(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
