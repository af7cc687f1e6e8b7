package notify

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options are what [New] needs.
type Options struct {
	Wallet  string // how the wallet names itself
	Targets []Target
	Logger  *slog.Logger // nil: nothing is logged
	// Transport makes the HTTP exchanges, concurrently. nil: the network.
	Transport http.RoundTripper
	// Named says more of why the token or secret of a source cannot be read; nil: nobody does.
	Named func(source string, err error) error
}

// Desk is all notifiers of a wallet. Its methods may be called concurrently. The nil Desk has no
// notifiers.
type Desk struct {
	wallet     string
	log        *slog.Logger
	transports transports
	secrets    secrets
	named      func(source string, err error) error
	testing    sync.Mutex // held by a test: one after the other

	mu      sync.Mutex // guards all that follows
	all     []*notifier
	gone    map[string]Counts // of notifiers that were replaced, by kind
	running context.Context   // of Run; nil: it was not called, or has ended
	workers *sync.WaitGroup
}

// Counts are messages that were sent or not, and events that were dropped.
type Counts struct{ Sent, Failed, Dropped uint64 }

// New makes the notifiers. Nothing is sent before [Desk.Run].
func New(o Options) *Desk {
	d := &Desk{wallet: o.Wallet, log: o.Logger, transports: newTransports(), named: o.Named,
		gone: map[string]Counts{}}
	if o.Named == nil {
		d.named = func(_ string, err error) error { return err }
	}
	if o.Logger == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if o.Transport != nil {
		d.transports = transports{o.Transport, o.Transport}
	}
	for _, t := range o.Targets {
		d.all = append(d.all, newNotifier(t))
	}
	return d
}

// Run sends what it is told of, until ctx ends. What is in the queues then is lost.
func (d *Desk) Run(ctx context.Context) {
	var workers sync.WaitGroup
	d.mu.Lock()
	d.running, d.workers = ctx, &workers
	for _, n := range d.all {
		d.startLocked(n)
	}
	d.mu.Unlock()
	<-ctx.Done()
	d.mu.Lock()
	d.running = nil // no worker begins any more
	d.mu.Unlock()
	workers.Wait()
}

func (d *Desk) startLocked(n *notifier) {
	ctx, stop := context.WithCancel(d.running)
	n.stop = stop
	d.workers.Go(func() { n.run(ctx, d) })
}

// Tell hands an event over to all notifiers. It never waits.
func (d *Desk) Tell(e Event) {
	if d == nil {
		return
	}
	d.mu.Lock()
	all := d.all
	d.mu.Unlock()
	if len(all) == 0 {
		return
	}
	e = e.bounded(time.Now())
	for _, n := range all {
		n.tell(e)
	}
}

// Any reports whether there is a notifier.
func (d *Desk) Any() bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.all) > 0
}

// TellsAll reports whether a notifier sends details.
func (d *Desk) TellsAll() bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.all, func(n *notifier) bool { return n.target.Full })
}

// Replace takes other targets. A notifier whose target stays goes on with its queue; what others
// had not sent is lost.
func (d *Desk) Replace(targets []Target) {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := slices.Clone(d.all)
	var all []*notifier
	for _, t := range targets {
		i := slices.IndexFunc(was, func(n *notifier) bool { return n.target == t })
		if i >= 0 {
			all = append(all, was[i])
			was = slices.Delete(was, i, i+1)
			continue
		}
		n := newNotifier(t)
		all = append(all, n)
		if d.running != nil {
			d.startLocked(n)
		}
	}
	for _, n := range was {
		s, c := n.now(), d.gone[n.target.Kind]
		d.gone[n.target.Kind] = Counts{c.Sent + s.Sent, c.Failed + s.Failed, c.Dropped + s.Dropped}
		if n.stop != nil {
			n.stop()
		}
	}
	d.all = all // a new list: Tell may still go through the old one
}

// Status returns how the notifiers stand, in the order of the settings.
func (d *Desk) Status() (all []Status) {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.all {
		all = append(all, n.now())
	}
	return all
}

// Counts returns what became of messages since the start, by the kind of notifier. Each kind is in
// it.
func (d *Desk) Counts() map[string]Counts {
	counts := map[string]Counts{KindNtfy: {}, KindWebhook: {}}
	if d == nil {
		return counts
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for kind, c := range d.gone {
		counts[kind] = c
	}
	for _, n := range d.all {
		s, c := n.now(), counts[n.target.Kind]
		counts[n.target.Kind] = Counts{c.Sent + s.Sent, c.Failed + s.Failed, c.Dropped + s.Dropped}
	}
	return counts
}

// Tested is what became of a test message.
type Tested struct {
	Kind    string `json:"kind"` // ntfy or webhook
	Server  string `json:"server"`
	Content string `json:"content"` // short or full
	OK      bool   `json:"ok"`      // the server took it
	MS      int64  `json:"ms"`
	Problem string `json:"problem,omitempty"`
	Next    string `json:"next,omitempty"` // what a person does about it
}

// Promises returns the members that no answer of the agent lacks.
func (Tested) Promises() []string { return []string{"kind", "ok"} }

// Test sends a message through each notifier, all at once and each one time, beside their queues.
func (d *Desk) Test(ctx context.Context) []Tested {
	d.testing.Lock()
	defer d.testing.Unlock()
	d.mu.Lock()
	all := d.all
	d.mu.Unlock()
	results := make([]Tested, len(all))
	var running sync.WaitGroup
	for i, n := range all {
		running.Go(func() { results[i] = d.try(ctx, n) })
	}
	running.Wait()
	return results
}

func (d *Desk) try(ctx context.Context, n *notifier) Tested {
	t := n.target
	e := Event{Kind: TestMessage, What: "Somebody typed `pksa notify test` on the wallet's machine.",
		Details: []string{"With content: full, what a request would do stands here."}}.bounded(time.Now())
	begun := time.Now()
	err := d.send(ctx, t, one(d.wallet, e, t.Full))
	n.note(err, d.log)
	r := Tested{Kind: t.Kind, Server: t.Server(), Content: t.content(), OK: err == nil,
		MS: time.Since(begun).Milliseconds()}
	if err != nil {
		r.Problem, r.Next = err.Error(), todo(err)
	}
	return r
}
