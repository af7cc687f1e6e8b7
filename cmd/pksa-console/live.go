package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Pages hear at once what changes: this program asks the wallet each second while a page is open,
// and tells all of them.
const (
	lookEvery = time.Second
	beatEvery = 15 * time.Second // so that neither side takes the other for gone
	mostLive  = 64               // pages that are open
)

// live has open pages hear that something changed.
type live struct {
	wallet wallet

	mu    sync.Mutex
	pages map[chan string]bool
	last  string // what they were told
	stop  context.CancelFunc
}

func (l *live) join() (chan string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pages) >= mostLive {
		return nil, false
	}
	if l.pages == nil {
		l.pages = map[chan string]bool{}
	}
	heard := make(chan string, 1)
	l.pages[heard] = true
	if l.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		l.stop = stop
		go l.look(ctx)
	} else if l.last != "" {
		heard <- l.last
	}
	return heard, true
}

func (l *live) leave(heard chan string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pages, heard)
	if len(l.pages) == 0 && l.stop != nil {
		l.stop()
		l.stop, l.last = nil, ""
	}
}

// look asks the wallet what waits until nobody listens.
func (l *live) look(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		var list []waiting
		now := "lost"
		if err := l.wallet(ctx, "pending", struct{}{}, &list); err == nil {
			now = "waiting"
			for _, w := range list {
				now += fmt.Sprint(" ", w.Number)
				for range w.SaidYes {
					now += "+"
				}
				for range w.ToldBy {
					now += "!"
				}
			}
		}
		l.tell(ctx, now)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (l *live) tell(ctx context.Context, now string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() != nil || now == l.last {
		return
	}
	l.last = now
	for heard := range l.pages {
		select {
		case <-heard: // what it did not hear yet is old
		default:
		}
		heard <- now
	}
}

// serve streams to one page, as long as whoever opened it is logged in.
func (l *live) serve(w http.ResponseWriter, r *http.Request, in func() bool) {
	heard, ok := l.join()
	if !ok {
		http.Error(w, "Too many pages are open.", http.StatusServiceUnavailable)
		return
	}
	defer l.leave(heard)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // proxies pass it on at once
	out := http.NewResponseController(w)
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for text := ": here\n\n"; ; {
		_ = out.SetWriteDeadline(time.Now().Add(beatEvery))
		if !in() {
			return // the browser asks again, and is told
		}
		if _, err := fmt.Fprint(w, text); err != nil || out.Flush() != nil {
			return
		}
		select {
		case now := <-heard:
			text = "data: " + now + "\n\n"
		case <-beat.C:
			text = ": beat\n\n"
		case <-r.Context().Done():
			return
		}
	}
}
