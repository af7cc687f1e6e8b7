package notify

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	// burst is how many messages a notifier sends at once, and refill how soon it may send one
	// more. What comes meanwhile is told in one message.
	burst  = 10
	refill = 30 * time.Second
	// firstPause and longestPause lie between attempts, which end after tryFor.
	firstPause   = time.Second
	longestPause = 15 * time.Second
	tryFor       = 2 * time.Minute
)

// Status is how a notifier stands.
type Status struct {
	Kind    string `json:"kind"`    // ntfy or webhook
	Server  string `json:"server"`  // without the path
	Content string `json:"content"` // short or full
	Waiting int    `json:"waiting"` // events in its queue
	// Sent and Failed are messages since the start, Dropped events that found no place.
	Sent     uint64    `json:"sent"`
	Failed   uint64    `json:"failed"`
	Dropped  uint64    `json:"dropped"`
	LastSent time.Time `json:"last_sent,omitzero"`
	// LastFailed is when an attempt last failed, Problem why, and Next what to do. They stay until
	// a message is taken.
	LastFailed time.Time `json:"last_failed,omitzero"`
	Problem    string    `json:"problem,omitempty"`
	Next       string    `json:"next,omitempty"`
}

// notifier sends to one target. Its worker alone sends; Tell puts into the queue.
type notifier struct {
	target Target
	wake   chan struct{} // holds one: the queue has something
	stop   func()        // ends the worker; nil: it has not begun

	mu     sync.Mutex // guards all that follows
	queue  queue
	untold int  // events that were dropped or not sent, and of which nobody was told
	alone  bool // the message before was of one event that has to be told whole
	status Status
}

func newNotifier(t Target) *notifier {
	return &notifier{target: t, wake: make(chan struct{}, 1),
		status: Status{Kind: t.Kind, Server: t.Server(), Content: t.content()}}
}

// tell puts an event into the queue.
func (n *notifier) tell(e Event) {
	if !n.target.Full {
		e.Details = nil
	}
	n.mu.Lock()
	dropped := n.queue.put(e)
	n.untold += dropped
	n.status.Dropped += uint64(dropped) //nolint:gosec // never negative
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *notifier) now() Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.status
	s.Waiting = len(n.queue.events)
	return s
}

// run sends what is in the queue, until ctx ends.
func (n *notifier) run(ctx context.Context, d *Desk) {
	tokens := bucket{tokens: burst, at: time.Now()}
	behind := false // the rate, or the server, has held messages up
	for {
		if n.empty() {
			behind = false
			select {
			case <-n.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if wait := tokens.wait(time.Now()); wait > 0 {
			behind = true
			if !sleep(ctx, wait) {
				return
			}
			continue
		}
		tokens.tokens--
		m := n.next(d.wallet, behind, time.Now())
		if !n.deliver(ctx, d, m) {
			behind = true
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (n *notifier) empty() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.queue.events) == 0
}

// next takes a message out of the queue, which is not empty: the first event, or all of them where
// the notifier is behind, has something untold, or is too late with the first. What has to be told
// whole gets a message of its own; where the notifier is behind, the two take turns, so that none
// holds up the other for good.
func (n *notifier) next(wallet string, behind bool, now time.Time) message {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := n.wholeLocked(now); i >= 0 && !(n.alone && n.moreLocked(now)) {
		n.alone = true
		return one(wallet, n.queue.remove(i), true)
	}
	n.alone = false
	late := n.queue.events[0].late(now)
	if n.untold == 0 && !late && (!behind || len(n.queue.events) == 1) {
		return one(wallet, n.queue.take(1)[0], n.target.Full)
	}
	untold := n.untold
	n.untold = 0
	return several(wallet, n.queue.takeIf(func(e Event) bool { return !n.whole(e, now) }), untold, n.target.Full, now)
}

// whole reports whether an event has to be told whole, can be, and still helps.
func (n *notifier) whole(e Event, now time.Time) bool {
	return n.target.Full && e.Whole != nil && !e.late(now)
}

// wholeLocked returns the place of the first event that has to be told whole; -1: there is none.
func (n *notifier) wholeLocked(now time.Time) int {
	return slices.IndexFunc(n.queue.events, func(e Event) bool { return n.whole(e, now) })
}

// moreLocked reports whether there is something else to tell.
func (n *notifier) moreLocked(now time.Time) bool {
	return n.untold > 0 || slices.ContainsFunc(n.queue.events, func(e Event) bool { return !n.whole(e, now) })
}

// deliver sends a message, and tries again as long as that may help. It reports whether it was
// taken.
func (n *notifier) deliver(ctx context.Context, d *Desk, m message) bool {
	pauses := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstPause),
		backoff.WithMaxInterval(longestPause), backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0.2),
		backoff.WithMaxElapsedTime(tryFor))
	for {
		err := d.send(ctx, n.target, m)
		if ctx.Err() != nil {
			return false
		}
		n.note(err, d.log)
		if err == nil {
			if m.whole && m.events[0].Whole != nil {
				m.events[0].Whole(n.target.Kind, n.target.Server(), time.Now())
			}
			return true
		}
		var f *failure
		wait := pauses.NextBackOff()
		if errors.As(err, &f) {
			wait = longer(wait, f.rest)
		}
		late := !m.until.IsZero() && time.Now().Add(wait).After(m.until)
		if f == nil || f.final || wait == backoff.Stop || late {
			n.giveUp(m)
			return false
		}
		if !sleep(ctx, wait) {
			return false
		}
	}
}

// longer returns the longer pause, or that no attempt follows.
func longer(wait, rest time.Duration) time.Duration {
	if wait == backoff.Stop {
		return wait
	}
	return max(wait, rest)
}

// note keeps how an attempt went. The log has a line when it begins to fail, and when it works
// again.
func (n *notifier) note(err error, log *slog.Logger) {
	n.mu.Lock()
	defer n.mu.Unlock()
	failed := n.status.Problem != ""
	if err == nil {
		n.status.Sent++
		n.status.LastSent, n.status.Problem, n.status.Next = time.Now(), "", ""
		if failed {
			log.Info("notifier works again", "notifier", n.target.Kind, "server", n.status.Server)
		}
		return
	}
	n.status.LastFailed, n.status.Problem, n.status.Next = time.Now(), err.Error(), todo(err)
	if !failed {
		log.Warn("notifier fails", "notifier", n.target.Kind, "server", n.status.Server, "err", err,
			"todo", n.status.Next)
	}
}

// giveUp counts a message that nobody took.
func (n *notifier) giveUp(m message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status.Failed++
	n.untold += len(m.events) + m.untold
}

// bucket is the messages that may be sent now.
type bucket struct {
	tokens int
	at     time.Time // when tokens was counted
}

// wait returns how long no message may be sent.
func (b *bucket) wait(now time.Time) time.Duration {
	if more := int(now.Sub(b.at) / refill); more > 0 {
		b.tokens = min(b.tokens+more, burst)
		b.at = b.at.Add(time.Duration(more) * refill)
	}
	if b.tokens > 0 {
		return 0
	}
	return b.at.Add(refill).Sub(now)
}

// sleep waits, and reports false if ctx ended.
func sleep(ctx context.Context, length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
