package memchain

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Node is a Hive API node that shows a [Chain] as it is. It is an http.Handler and may be used
// concurrently.
type Node struct {
	name  string
	chain *Chain
}

// NewNode returns a node of the chain. The name is kept with the transactions that it takes.
func (c *Chain) NewNode(name string) *Node { return &Node{name, c} }

// ServeHTTP answers a JSON-RPC request sent by POST.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := ReadBody(w, r)
	if !ok {
		return
	}
	s, release := n.chain.State(n.name)
	reply := ReadRequest(body).Reply(s.Answer)
	release()
	WriteReply(w, http.StatusOK, reply)
}

// maxRequest is how much of a request a node reads.
const maxRequest = 2 << 20

// ReadBody returns the body of a request, or answers one that a node does not take.
func ReadBody(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil || r.Method != http.MethodPost {
		http.Error(w, "POST a JSON-RPC request", http.StatusBadRequest)
		return nil, false
	}
	return body, true
}

// WriteReply writes the answer of a node.
func WriteReply(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// Listen serves a node on a free port of loopback until ctx ends, and returns its address. wait
// returns when everything that Listen started has returned.
func Listen(ctx context.Context, node http.Handler) (url string, wait func(), err error) {
	return ListenAt(ctx, "127.0.0.1:0", node)
}

// ListenAt serves a node as [Listen] does, at an address.
func ListenAt(ctx context.Context, address string, node http.Handler) (url string, wait func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{
		Handler: node, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		served := make(chan struct{})
		go func() {
			defer close(served)
			server.Serve(listener)
		}()
		select {
		case <-ctx.Done():
		case <-served:
		}
		server.Close()
		<-served
	}()
	return "http://" + listener.Addr().String() + "/", func() { <-done }, nil
}
