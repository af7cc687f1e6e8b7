// Package repeats keeps failures that repeat from filling a log. Wrap the handler of the log with
// [New].
//
// # What it promises
//
// The first warning or error of a kind is written at once. What repeats within a minute is counted,
// and the last of it is written with that count when the minute ends: nothing is left out without a
// number. The same is done with what ends such a failure. Lines about a request, which have its
// uuid, and other lines below a warning pass as they are.
package repeats

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// every is how often failures of a kind are written.
	every = time.Minute
	// maxKinds is how many kinds are told apart by what they are about; beyond, by their message
	// alone. Messages are constants of the program, so there is a bound to those.
	maxKinds = 256
)

// names are the attributes that tell what a failure is about. Others, such as the error, may differ
// each time.
var names = []string{"account", "app", "list", "method", "node", "relay", "role", "what"}

// ends are what the log says when a failure that may come again each second is over.
var ends = []string{"node works again", "node list is read again"}

// Handler passes records on, and counts those that repeat. Its methods may be called concurrently.
type Handler struct {
	next  slog.Handler
	about string // of the attributes that all its records have
	kinds *kinds
}

// kinds is what was written lately. All handlers that come from one share it.
type kinds struct {
	mu   sync.Mutex
	seen map[string]*kind
}

// kind is failures that are alike.
type kind struct {
	repeated int // since the last one was written
	last     slog.Record
	next     slog.Handler
	timer    *time.Timer
}

// New returns a handler that passes records on to next.
func New(next slog.Handler) *Handler {
	return &Handler{next: next, kinds: &kinds{seen: map[string]*kind{}}}
}

// Enabled reports what the next handler says.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// WithAttrs returns a handler whose records have these attributes.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	about := h.about
	for _, a := range attrs {
		about += aboutOf(a)
	}
	return &Handler{h.next.WithAttrs(attrs), about, h.kinds}
}

// WithGroup returns a handler whose records have their attributes in a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.next.WithGroup(name), h.about, h.kinds}
}

// aboutOf returns an attribute as part of the name of a kind; empty if it is none of these.
func aboutOf(a slog.Attr) string {
	if !slices.Contains(names, a.Key) {
		return ""
	}
	return "\x00" + a.Key + "=" + a.Value.String()
}

// Handle writes a record, or counts it.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn && !slices.Contains(ends, r.Message) {
		return h.next.Handle(ctx, r)
	}
	about, request := h.about, false
	r.Attrs(func(a slog.Attr) bool {
		about += aboutOf(a)
		request = request || a.Key == "uuid"
		return true
	})
	if !request && h.kinds.count(r.Message+about, h.next, r) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// count reports whether a record repeats one of the last minute, and is counted.
func (k *kinds) count(name string, next slog.Handler, r slog.Record) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.seen) >= maxKinds && k.seen[name] == nil {
		name, _, _ = strings.Cut(name, "\x00")
	}
	if one := k.seen[name]; one != nil {
		one.repeated++
		one.last, one.next = r.Clone(), next
		return true
	}
	k.seen[name] = &kind{timer: time.AfterFunc(every, func() { k.minute(name) })}
	return false
}

// minute writes what repeated in the minute that ends. After a minute without any, the next failure
// is a first one again.
func (k *kinds) minute(name string) {
	k.mu.Lock()
	one := k.seen[name]
	if one == nil || one.repeated == 0 {
		delete(k.seen, name)
		k.mu.Unlock()
		return
	}
	r, next := one.take()
	one.timer.Reset(every)
	k.mu.Unlock()
	_ = next.Handle(context.Background(), r)
}

// take returns the last record with the count, which begins anew.
func (k *kind) take() (slog.Record, slog.Handler) {
	r := k.last
	r.AddAttrs(slog.Int("repeated", k.repeated))
	k.repeated, k.last = 0, slog.Record{}
	return r, k.next
}

// Flush writes what was counted and not written yet, before the program ends.
func (h *Handler) Flush() {
	h.kinds.mu.Lock()
	defer h.kinds.mu.Unlock()
	for name, one := range h.kinds.seen {
		one.timer.Stop()
		delete(h.kinds.seen, name)
		if one.repeated > 0 {
			r, next := one.take()
			_ = next.Handle(context.Background(), r)
		}
	}
}
