package service

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"pksa/agent/config"
	"pksa/agent/status"
)

// statusServer is the listener of status.listen, in whose place another one comes while it serves.
// Reloads change it, one at a time.
type statusServer struct {
	metrics *status.Metrics
	log     *slog.Logger

	mu      sync.Mutex      // guards all that follows
	ctx     context.Context // of serve; nil before it
	now     *statusListener // nil: status.listen is empty
	running sync.WaitGroup
}

// statusListener answers at one address.
type statusListener struct {
	net.Listener
	handler atomic.Pointer[http.Handler]
	stop    context.CancelFunc // nil before it serves
}

func (l *statusListener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*l.handler.Load()).ServeHTTP(w, r)
}

func (s *Service) listenStatus(cfg *config.Config) error {
	t := &statusServer{metrics: s.Agent.Metrics(), log: s.log.With("component", "status")}
	var err error
	if t.now, err = t.open(cfg); err != nil {
		return err
	}
	s.servers = append(s.servers, server{serve: t.serve, close: t.close})
	s.Agent.AddPart(t.prepare)
	return nil
}

// open opens the listener that the settings name; nil if they name none.
func (t *statusServer) open(cfg *config.Config) (*statusListener, error) {
	if cfg.StatusListen == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", cfg.StatusListen)
	if err != nil {
		return nil, fmt.Errorf("status.listen: %w", err)
	}
	l := &statusListener{Listener: listener}
	t.guard(l, cfg.StatusHosts)
	return l, nil
}

// guard has a listener answer requests that name one of the hosts.
func (t *statusServer) guard(l *statusListener, hosts []string) {
	handler := t.metrics.Guard(t.metrics.Handler(), status.Guard{Listener: l.Addr(), Hosts: hosts, Logger: t.log})
	l.handler.Store(&handler)
}

// serve answers until ctx ends.
func (t *statusServer) serve(ctx context.Context) error {
	t.mu.Lock()
	t.ctx = ctx
	t.runLocked()
	t.mu.Unlock()
	<-ctx.Done()
	t.running.Wait()
	return nil
}

// runLocked lets the listener answer, once the service serves.
func (t *statusServer) runLocked() {
	l := t.now
	if l == nil || t.ctx == nil || t.ctx.Err() != nil {
		return
	}
	ctx, stop := context.WithCancel(t.ctx)
	l.stop = stop
	t.running.Go(func() {
		if err := status.Serve(ctx, l, l); err != nil && ctx.Err() == nil {
			t.log.Error("server ended", "err", err)
		}
	})
}

// exchange puts a listener in the place of the one that serves, whose address is free at once.
// Requests that it has begun to answer are answered.
func (t *statusServer) exchange(next *statusListener) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if was := t.now; was != nil {
		if was.stop != nil {
			was.stop()
		}
		was.Close()
	}
	t.now = next
	t.runLocked()
}

func (t *statusServer) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == nil {
		return nil
	}
	return t.now.Close()
}

// prepare opens the listener of other settings. Where both want one port, the old listener goes
// first, and comes back if the new one cannot be had.
func (t *statusServer) prepare(was, next *config.Config) (take, drop func(), err error) {
	none := func() {}
	if was.StatusListen == next.StatusListen {
		if t.now == nil || slices.Equal(was.StatusHosts, next.StatusHosts) {
			return none, none, nil
		}
		return func() { t.guard(t.now, next.StatusHosts) }, none, nil
	}
	if !samePort(was.StatusListen, next.StatusListen) {
		l, err := t.open(next)
		if err != nil {
			return nil, nil, err
		}
		return func() { t.exchange(l) }, func() { l.closeIfAny() }, nil
	}
	t.exchange(nil)
	back := func() {
		l, err := t.open(was)
		if err != nil {
			t.log.Error("the address of before cannot be had again; a restart opens it", "err", err)
		}
		t.exchange(l)
	}
	l, err := t.open(next)
	if err != nil {
		back()
		return nil, nil, err
	}
	return func() { t.exchange(l) }, func() { l.closeIfAny(); back() }, nil
}

func (l *statusListener) closeIfAny() {
	if l != nil {
		l.Close()
	}
}

// samePort reports whether two addresses have one port, of several addresses of this machine.
func samePort(one, other string) bool {
	_, a, err1 := net.SplitHostPort(one)
	_, b, err2 := net.SplitHostPort(other)
	return err1 == nil && err2 == nil && a == b && a != "0"
}
