package status

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"time"

	"pksa/agent/outage"
)

// Gauges are the values of one moment.
type Gauges struct {
	PolicyHash string
	// PolicyTestsFail says that the tests of the policy in force fail.
	PolicyTestsFail bool
	Accounts        int
	Apps            int
	Disabled        int // apps
	Sessions        int
	Fullest         float64 // sessions of the account with most of them, as a part of what an account may have
	NearlyFull      int     // accounts
	Pending         int     // requests that wait for a person
	Quarantine      int     // sessions and apps that are silent on a relay
	Links           []LinkGauges
	Nodes           []NodeGauges
	Chain           *ChainGauges // nil before a node told the chain's time
	Backlog         bool         // full segments of the audit trail could not be moved out of the ledger
	AuditBytes      int64        // of the full segments of the audit trail
	Limits          []LimitGauge
	WrongKeys       []KeyLabel // held keys that the chain does not know in their roles
	FitKeys         []KeyLabel // the other held keys
	Twin            bool       // another copy of this wallet was met in the last day

	// Notifications are what became of messages to people, by kind of notifier.
	Notifications []NotificationGauges
	OwnPaces      []PaceGauges // of the wallet's own relay; nil without one

	Process Process

	AccountChanges  map[string]uint64 // by others, since the start, by what was changed
	ChangedAccounts int               // that somebody else changed, and nobody accepted
	StoppedAccounts int               // of these, those of which nothing is signed
	// DoubtfulAccounts are those of which a change waits for a second node that says the same.
	DoubtfulAccounts int
}

// Process are facts of the process and its program.
type Process struct {
	Version, Go string
	Started     time.Time
	Goroutines  int
	Memory      uint64 // bytes that Go holds and has not returned

	// What the kernel tells, on Linux; zero where it does not.
	Resident  uint64 // bytes of memory, with the files that are mapped
	OpenFiles int    // descriptors, sockets among them
	MaxFiles  uint64
}

var started = time.Now()

// ThisProcess returns the facts of now. version is that of the release, if it was told; else it is
// what the build knows.
func ThisProcess(version string) Process {
	p := Process{Version: version, Go: runtime.Version(), Started: started, Goroutines: runtime.NumGoroutine()}
	if info, ok := debug.ReadBuildInfo(); ok && version == "" {
		p.Version = info.Main.Version
	}
	p.Version = cmp.Or(p.Version, "unknown")
	held := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(held)
	p.Memory = held[0].Value.Uint64() - held[1].Value.Uint64()
	p.asKernel()
	return p
}

// LimitGauge is how much of a limit is used. If the limit is split into counters, it is the fullest
// of them: applications choose what it is split by, and each label would be one more metric.
type LimitGauge struct {
	Limit, Unit, Window string
	Used, Most          float64
}

// KeyLabel names a held key.
type KeyLabel struct{ Account, Role string }

// LinkGauges are the gauges of the link to one relay.
type LinkGauges struct {
	Relay      string
	Connected  bool
	Registered int // accounts acknowledged by the relay
	Refused    int // accounts that the relay does not take
	Reconnects uint64
	KeyChanges uint64
	Frames     uint64
	Drops      map[string]uint64 // frames not served, by reason
	// Losses are connections that ended or were not made, by reason.
	Losses map[outage.Reason]uint64
	// CanaryFails is set if the last requests that the wallet sent itself through the relay failed.
	CanaryFails bool
	CanaryTrip  float64 // seconds that the last one took to come back; zero if it did not
}

// NotificationGauges are the messages of all notifiers of a kind, and the events that were dropped.
type NotificationGauges struct {
	Notifier              string
	Sent, Failed, Dropped uint64
}

// NodeGauges are the gauges of one node.
type NodeGauges struct {
	Node          string
	Usable        bool
	Head          uint32
	Failures      int // in a row
	Calls, Untrue uint64
	Errors        map[outage.Reason]uint64 // calls that failed, by reason
}

// ChainGauges are what is known of the chain's time.
type ChainGauges struct {
	Ahead time.Duration // our clock is ahead of the chain's
	Age   time.Duration // of the head in use
}

// PaceGauges is how often frames at the wallet's own relay were read later because of one pace, and
// by how many seconds, all waits added up.
type PaceGauges struct {
	Pace    string
	Times   uint64
	Seconds float64
}

// page returns all metrics, counted and asked for, as they are now.
func (m *Metrics) page() page {
	to := page{}
	to.counts(metricRequests, &m.requests)
	to.durations(metricSeconds, &m.duration)
	to.counts(metricDropped, &m.drops)
	to.counts(metricReloads, &m.reloads)
	to.counts(metricSettings, &m.settings)
	to.counts(metricAlarms, &m.alarms)
	to.counts(metricPages, &m.pages)
	now := m.options.Gauges()
	to.ready(m.options.Ready())
	to.set(metricPolicy, 1, now.PolicyHash)
	to.set(metricPolicyTests, one(now.PolicyTestsFail))
	to.set(metricTwin, one(now.Twin))
	to.set(metricBuild, 1, now.Process.Version, now.Process.Go)
	to.set(metricStart, float64(now.Process.Started.UnixMilli())/1000)
	to.set(metricGoroutines, float64(now.Process.Goroutines))
	to.set(metricMemory, float64(now.Process.Memory))
	to.kernel(now.Process)
	for what, n := range now.AccountChanges {
		to.set(metricAccountChanges, float64(n), what)
	}
	to.set(metricAccountsChanged, float64(now.ChangedAccounts))
	to.set(metricAccountsStopped, float64(now.StoppedAccounts))
	to.set(metricAccountsDoubtful, float64(now.DoubtfulAccounts))
	for _, n := range now.Notifications {
		to.set(metricNotifications, float64(n.Sent), n.Notifier, "sent")
		to.set(metricNotifications, float64(n.Failed), n.Notifier, "failed")
		to.set(metricNotifications, float64(n.Dropped), n.Notifier, "dropped")
	}
	for _, p := range now.OwnPaces {
		to.set(metricOwnLate, float64(p.Times), p.Pace)
		to.set(metricOwnLateSeconds, p.Seconds, p.Pace)
	}
	to.set(metricBacklog, one(now.Backlog))
	to.set(metricAuditBytes, float64(now.AuditBytes))
	to.set(metricPending, float64(now.Pending))
	to.set(metricQuarantine, float64(now.Quarantine))
	to.set(metricAccounts, float64(now.Accounts))
	to.set(metricApps, float64(now.Apps))
	to.set(metricDisabled, float64(now.Disabled))
	to.set(metricSessions, float64(now.Sessions))
	to.set(metricFullest, now.Fullest)
	to.set(metricNearlyFull, float64(now.NearlyFull))
	to.keys(now.WrongKeys, now.FitKeys)
	for _, l := range now.Limits {
		to.set(metricLimitUsed, l.Used, l.Limit, l.Unit, l.Window)
		to.set(metricLimitMost, l.Most, l.Limit, l.Unit, l.Window)
	}
	for _, link := range now.Links {
		to.link(link)
	}
	if now.Chain != nil {
		to.set(metricClock, now.Chain.Ahead.Seconds())
		to.set(metricHeadAge, now.Chain.Age.Seconds())
	}
	for _, n := range now.Nodes {
		to.set(metricNode, one(n.Usable), n.Node)
		to.set(metricNodeHead, float64(n.Head), n.Node)
		to.set(metricNodeFailures, float64(n.Failures), n.Node)
		to.set(metricNodeCalls, float64(n.Calls), n.Node)
		for _, reason := range outage.Reasons() {
			to.set(metricNodeErrors, float64(n.Errors[reason]), n.Node, string(reason))
		}
		to.set(metricNodeUntrue, float64(n.Untrue), n.Node)
	}
	return to
}

// kernel sets what the kernel tells of the process, as far as it does.
func (p page) kernel(of Process) {
	for m, value := range map[*Metric]float64{metricResident: float64(of.Resident),
		metricOpenFiles: float64(of.OpenFiles), metricMaxFiles: float64(of.MaxFiles)} {
		if value > 0 {
			p.set(m, value)
		}
	}
}

func (p page) ready(hindrances []Hindrance) {
	p.set(metricReady, one(len(hindrances) == 0))
	for _, cause := range Causes() {
		is := slices.ContainsFunc(hindrances, func(h Hindrance) bool { return h.Cause == cause })
		p.set(metricNotReady, one(is), string(cause))
	}
}

// keys sets the keys by account as far as there is room: thousands of accounts have thousands of
// keys, and each label is one more metric.
func (p page) keys(wrong, fit []KeyLabel) {
	p.set(metricKeys, float64(len(wrong)+len(fit)))
	p.set(metricKeysWrong, float64(len(wrong)))
	for _, key := range wrong[:min(len(wrong), MostKeys)] {
		p.set(metricWrongKey, 1, key.Account, key.Role)
	}
	for _, key := range fit[:min(len(fit), MostKeys-min(len(wrong), MostKeys))] {
		p.set(metricWrongKey, 0, key.Account, key.Role)
	}
}

func (p page) link(link LinkGauges) {
	p.set(metricConnected, one(link.Connected), link.Relay)
	p.set(metricCanary, one(link.CanaryFails), link.Relay)
	p.set(metricCanaryTrip, link.CanaryTrip, link.Relay)
	p.set(metricRegistered, float64(link.Registered), link.Relay)
	p.set(metricRefused, float64(link.Refused), link.Relay)
	p.set(metricReconnects, float64(link.Reconnects), link.Relay)
	p.set(metricKeyChanges, float64(link.KeyChanges), link.Relay)
	p.set(metricFrames, float64(link.Frames), link.Relay)
	for _, reason := range outage.Reasons() {
		p.set(metricLosses, float64(link.Losses[reason]), link.Relay, string(reason))
	}
	for reason, n := range link.Drops {
		p.set(metricDrops, float64(n), link.Relay, reason)
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
