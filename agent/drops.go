package agent

import (
	"maps"
	"sync"
	"time"

	"pksa/agent/ledger"
)

// Why requests are dropped without an answer, as metrics and the audit trail count them.
const (
	dropExpired    = "expired"
	dropFarExpire  = "expires too late"
	dropForeign    = "account not held"
	dropData       = "data is no sealed payload"
	dropConflict   = "uuid used for other data"
	dropNobody     = "nobody's"
	dropQuarantine = "session in quarantine"
	dropReplay     = "auth replay"
	dropBusy       = "busy"
	dropStopping   = "stopping"
	dropUnrecorded = "told before that it failed"
	dropProbe      = "probe of another wallet"
)

// dropsEvery is how often the counts of dropped requests go into the audit trail.
const dropsEvery = time.Hour

// drops counts the requests that got no answer since the counts were recorded last. The agent has
// one: the goroutines of the links' handlers and tidy count, the hourly loop and the stop record.
// The zero value is ready.
type drops struct {
	mu     sync.Mutex
	counts map[string]map[string]uint64 // by relay and reason
	links  map[string]map[string]uint64 // what the links had counted when they were asked last
}

func (d *drops) add(relay, reason string, n uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addLocked(relay, reason, n)
}

func (d *drops) addLocked(relay, reason string, n uint64) {
	if n == 0 {
		return
	}
	if d.counts == nil {
		d.counts = map[string]map[string]uint64{}
	}
	if d.counts[relay] == nil {
		d.counts[relay] = map[string]uint64{}
	}
	d.counts[relay][reason] += n
}

// addTotals adds what a link has dropped by itself since it was asked last. A link's totals only
// grow.
func (d *drops) addTotals(relay string, totals map[string]uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for reason, n := range totals {
		d.addLocked(relay, reason, n-d.links[relay][reason])
	}
	if d.links == nil {
		d.links = map[string]map[string]uint64{}
	}
	d.links[relay] = maps.Clone(totals)
}

// reset returns the counts and begins again; nil if nothing was dropped.
func (d *drops) reset() map[string]map[string]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	counts := d.counts
	d.counts = nil
	return counts
}

// drop counts a request that gets no answer. It is not recorded one by one: a flood of requests
// that are nobody's must not fill the disk.
func (a *Agent) drop(d delivered, reason string) {
	a.metrics.Dropped(reason)
	a.dropped.add(d.relay, reason, 1)
	a.log.Debug("request dropped", append(d.attrs(), "reason", reason)...)
}

// recordDrops records what was dropped since the last time.
func (a *Agent) recordDrops() {
	for _, l := range a.links {
		totals := map[string]uint64{}
		for reason, n := range l.Status().Counters.Drops {
			totals[string(reason)] = n
		}
		a.dropped.addTotals(l.URL(), totals)
	}
	if counts := a.dropped.reset(); counts != nil {
		a.noteEvent(eventDropped, ledger.Entry{}, map[string]any{"dropped": counts})
	}
	if counts := a.twins.sums(); counts != nil {
		a.noteEvent(eventProbes, ledger.Entry{}, map[string]any{"probes": counts})
	}
}
