package agent

import (
	"context"
	"maps"
	"sync"
	"time"

	"pksa/agent/ledger"
)

// What happens beside requests and stands in the audit trail as an event. Requests that are
// nobody's are counted, not recorded one by one: a flood of them must not fill the disk.
const (
	eventQuarantine = "session quarantined"
	eventRelayKey   = "relay key changed"
	eventKeys       = "keys compared with the chain"
	eventDropped    = "requests dropped"
	eventAlarm      = "alarm"
)

// dropsEvery is how often the counts of dropped requests go into the audit trail.
const dropsEvery = time.Hour

// event records something that no request reports. It rides in the next commit.
func (a *Agent) event(what string, e ledger.Entry, content map[string]any) {
	e.Type, e.Outcome, e.Content = ledger.RecordEvent, what, encodeRecord(content)
	if err := a.ledger.Note(e); err != nil {
		a.log.Error("event not recorded", "event", what, "err", err)
	}
}

// dropCounts counts what got no answer since the last time it was recorded. The zero value is
// ready.
type dropCounts struct {
	mu     sync.Mutex
	counts map[string]map[string]uint64 // by relay and reason
	links  map[string]map[string]uint64 // what the links had counted when they were asked last
}

func (d *dropCounts) add(relay, reason string, n uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addLocked(relay, reason, n)
}

func (d *dropCounts) addLocked(relay, reason string, n uint64) {
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

// link adds what a link has dropped by itself, whose counters only grow.
func (d *dropCounts) link(relay string, total map[string]uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for reason, n := range total {
		d.addLocked(relay, reason, n-d.links[relay][reason])
	}
	if d.links == nil {
		d.links = map[string]map[string]uint64{}
	}
	d.links[relay] = maps.Clone(total)
}

// take gives the counts and begins anew.
func (d *dropCounts) take() map[string]map[string]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	counts := d.counts
	d.counts = nil
	return counts
}

// watchDrops records every so often what was dropped, and once more at the stop.
func (a *Agent) watchDrops(ctx context.Context) {
	tick := time.NewTicker(dropsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.recordDrops()
		}
	}
}

func (a *Agent) recordDrops() {
	for _, l := range a.links {
		total := map[string]uint64{}
		for reason, n := range l.Status().Counters.Drops {
			total[string(reason)] = n
		}
		a.dropped.link(l.URL(), total)
	}
	if counts := a.dropped.take(); counts != nil {
		a.event(eventDropped, ledger.Entry{}, map[string]any{"dropped": counts})
	}
}
