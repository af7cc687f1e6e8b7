package agent

import (
	"maps"
	"slices"
	"sync"
	"time"

	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/agent/status"
	"pksa/agent/trace"
	"pksa/protocol"
	"pksa/protocol/hive"
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
	dropProbe      = "probe of another wallet"
	dropEnded      = "session ended"
	dropUntried    = "too many strangers" // most of its account's keys were not tried
	dropLedger     = "ledger"             // it does not take the request
	dropUnrecorded = "not admitted"       // what was to be recorded could not be
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
	own    map[trace.Kind]uint64        // what the own relay had counted then
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

// endLink forgets the totals of a link that is gone. Another one to its relay begins at zero.
func (d *drops) endLink(relay string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.links, relay)
}

// reset returns the counts and begins again; nil if nothing was dropped.
func (d *drops) reset() map[string]map[string]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	counts := d.counts
	d.counts = nil
	return counts
}

// reasons are those of which a metric exists before the first one happens.
var reasons = []string{dropExpired, dropFarExpire, dropForeign, dropData, dropConflict, dropNobody, dropQuarantine,
	dropReplay, dropBusy, dropStopping, dropProbe, dropEnded, dropUntried, dropLedger,
	dropUnrecorded}

// expected are the labels of requests whose metric exists before the first one happens.
var expected = []status.RequestLabels{
	{Kind: "auth", Result: "refused", Code: string(audit.CodeBusy)},
	{Kind: "sign", Result: "refused", Code: string(audit.CodeBusy)},
	{Kind: "challenge", Result: "refused", Code: string(audit.CodeBusy)},
	{Kind: "auth", Result: "refused", Code: string(audit.CodePaused)},
	{Kind: "sign", Result: "refused", Code: string(audit.CodePaused)},
	{Kind: "challenge", Result: "refused", Code: string(audit.CodePaused)},
	{Kind: "auth", Result: "refused", Code: string(audit.CodeSession)},
	{Kind: "sign", Result: "refused", Code: string(audit.CodeEnded)},
	{Kind: "challenge", Result: "refused", Code: string(audit.CodeEnded)},
	{Kind: "sign", Result: "refused", Code: string(audit.CodeGuard)},
}

// drop counts a request that gets no answer. It is not recorded one by one: a flood of requests
// that are nobody's must not fill the disk.
func (a *Agent) drop(d delivered, reason string) {
	a.metrics.Dropped(reason)
	a.dropped.add(d.relay, reason, 1)
	switch {
	case reason == dropBusy:
		a.noticed(trace.TooMany, d)
	case reason == dropUntried:
		a.noticed(trace.Untried, d)
	// Those with an auth_key were shown when they came.
	case reason == dropNobody && (d.msg.Kind != protocol.Auth || d.msg.AuthKey == "" ||
		d.brought != nil):
		a.noticed(trace.Unopened, d)
	}
	a.log.Debug("request dropped", append(d.attrs(), "reason", reason)...)
}

// noticed shows in status and log what went wrong with a request.
func (a *Agent) noticed(kind trace.Kind, d delivered) { a.notice(kind, d.msg.Account, d.relay) }

func (a *Agent) notice(kind trace.Kind, account hive.AccountName, relay string) {
	if line, ok := a.trace.Count(kind, account, relay, time.Now()); ok {
		a.logTrace(line)
	}
}

// noticeAt shows in status and log what went wrong with a request whose app is known.
func (a *Agent) noticeAt(kind trace.Kind, r *run) {
	where := trace.Where{Account: r.msg.Account, App: r.app, Relay: r.relay}
	if line, ok := a.trace.CountAt(kind, where, time.Now()); ok {
		a.logTrace(line)
	}
}

// logTrace logs what went wrong since the last line about it: at most one a minute for each kind.
func (a *Agent) logTrace(line trace.Line) {
	a.log.Warn(line.String(), "hint", line.Kind.Advice(), "account", line.Account, "relay", line.Relay)
}

// linkDropped shows what a link has dropped because there was too much.
func (a *Agent) linkDropped(relay string, account hive.AccountName, why link.Drop) {
	switch why {
	case link.DropAccountRate:
		a.notice(trace.TooFast, account, relay)
	case link.DropQueueFull, link.DropAccountQueue:
		a.notice(trace.TooMany, account, relay)
	}
}

// noticeOwnRelay shows in status and log what the relay of this process has dropped or refused
// since it was asked last.
func (a *Agent) noticeOwnRelay() {
	if a.ownRelay == nil {
		return
	}
	own := a.ownRelay()
	for kind, n := range a.dropped.newOfOwn(map[trace.Kind]uint64{
		trace.OwnDisplaced: own.Displaced, trace.OwnTooMany: own.TooMany,
		trace.OwnSilent: own.SilentClosed, trace.OwnFull: own.TurnedAway,
	}) {
		if line, ok := a.trace.Add(kind, n, trace.Where{Relay: own.Listen}, time.Now()); ok {
			a.logTrace(line)
		}
	}
}

// newOfOwn returns what the own relay has counted since the last time.
func (d *drops) newOfOwn(totals map[trace.Kind]uint64) map[trace.Kind]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.own == nil {
		d.own = map[trace.Kind]uint64{}
	}
	fresh := map[trace.Kind]uint64{}
	for kind, n := range totals {
		// A caller that was overtaken has fewer.
		if n > d.own[kind] {
			fresh[kind] = n - d.own[kind]
			d.own[kind] = n
		}
	}
	return fresh
}

// recordDrops records what was dropped since the last time.
func (a *Agent) recordDrops() {
	links, gone := a.links.counted()
	for _, l := range append(gone, links...) {
		totals := map[string]uint64{}
		for reason, n := range l.Status().Counters.Drops {
			totals[string(reason)] = n
		}
		a.dropped.addTotals(l.URL(), totals)
		if slices.Contains(gone, l) {
			a.dropped.endLink(l.URL())
		}
	}
	if counts := a.dropped.reset(); counts != nil {
		a.noteEvent(eventDropped, ledger.Entry{}, map[string]any{"dropped": counts})
	}
	if counts := a.twins.sums(); counts != nil {
		a.noteEvent(eventProbes, ledger.Entry{}, map[string]any{"probes": counts})
	}
}
