package status

import "github.com/prometheus/client_golang/prometheus"

// Gauges are the values of one moment.
type Gauges struct {
	PolicyHash string
	Sessions   int
	Fullest    float64 // sessions of the account with most of them, as a part of what an account may have
	Pending    int     // requests that wait for a person
	Links      []LinkGauges
	Backlog    bool  // full segments of the audit trail could not be moved out of the ledger
	AuditBytes int64 // of the full segments of the audit trail
	Limits     []LimitGauge
	WrongKeys  []KeyLabel // held keys that the chain does not know in their roles
	FitKeys    []KeyLabel // the other held keys
	Twin       bool       // another copy of this wallet was met in the last day
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
	// CanaryFails is set if the last requests that the wallet sent itself through the relay failed.
	CanaryFails bool
	CanaryTrip  float64 // seconds that the last one took to come back; zero if it did not
}

// gauges makes metrics of the agent's present state at each scrape.
type gauges struct{ options Options }

var (
	descPolicy = prometheus.NewDesc("pksa_policy_info", "The policy in force, by the SHA-256 of its file.",
		[]string{"sha256"}, nil)
	descSessions = prometheus.NewDesc("pksa_sessions", "Live sessions.", nil, nil)
	descFullest  = prometheus.NewDesc("pksa_sessions_fullest_account",
		"Live sessions of the account with most of them, as a part (0 to 1) of limits.sessions_per_account.", nil, nil)
	descPending  = prometheus.NewDesc("pksa_pending", "Requests that wait for a person.", nil, nil)
	descWrongKey = prometheus.NewDesc("pksa_key_wrong",
		"1 for a held key that does not fit its account on the chain, 0 for the other held keys.",
		[]string{"account", "role"}, nil)
	descTwin = prometheus.NewDesc("pksa_twin",
		"1 when another copy of this wallet was met in the last 24 hours.", nil, nil)
	descBacklog = prometheus.NewDesc("pksa_audit_backlog",
		"1 while full segments of the audit trail cannot be moved out of the ledger.", nil, nil)
	descAuditBytes = prometheus.NewDesc("pksa_audit_bytes",
		"Bytes of the full segments of the audit trail; audit.max is their bound.", nil, nil)
	descLimitUsed = prometheus.NewDesc("pksa_limit_used",
		"What the fullest counter of a limit has taken in its window.", []string{"limit", "unit", "window"}, nil)
	descLimitMost = prometheus.NewDesc("pksa_limit_most", "What a counter of the limit may take in its window.",
		[]string{"limit", "unit", "window"}, nil)
	descReady     = prometheus.NewDesc("pksa_ready", "1 when requests can be served.", nil, nil)
	descConnected = prometheus.NewDesc("pksa_link_connected", "1 when the relay has told us its key.",
		[]string{"relay"}, nil)
	descRegistered = prometheus.NewDesc("pksa_link_accounts_registered", "Accounts that the relay acknowledged.",
		[]string{"relay"}, nil)
	descRefused = prometheus.NewDesc("pksa_link_accounts_refused", "Accounts that the relay does not take.",
		[]string{"relay"}, nil)
	descReconnects = prometheus.NewDesc("pksa_link_reconnects_total", "Connections after the first.",
		[]string{"relay"}, nil)
	descKeyChanges = prometheus.NewDesc("pksa_link_key_changes_total",
		"How often the relay came back with another key.", []string{"relay"}, nil)
	descCanary = prometheus.NewDesc("pksa_canary_failed",
		"1 if the relay delivers nothing, or passes no answers on: the last two requests that the wallet sent "+
			"itself failed.",
		[]string{"relay"}, nil)
	descCanaryTrip = prometheus.NewDesc("pksa_canary_seconds",
		"Time in which the last request that the wallet sent itself came back through the relay; 0 if it did not.",
		[]string{"relay"}, nil)
	descFrames = prometheus.NewDesc("pksa_link_frames_total", "Frames received.", []string{"relay"}, nil)
	descDrops  = prometheus.NewDesc("pksa_link_frames_dropped_total", "Frames not served, by reason.",
		[]string{"relay", "reason"}, nil)
)

// Describe sends the description of every gauge, as [prometheus.Collector] demands.
func (gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descPolicy, descSessions, descFullest, descPending, descWrongKey, descTwin,
		descBacklog, descAuditBytes, descLimitUsed, descLimitMost, descReady, descConnected, descRegistered,
		descRefused, descCanary, descCanaryTrip,
		descReconnects,
		descKeyChanges, descFrames, descDrops} {
		ch <- d
	}
}

// Collect asks the agent for its state and sends it, as [prometheus.Collector] demands.
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	now := g.options.Gauges()
	gauge(descPolicy, 1, now.PolicyHash)
	gauge(descSessions, float64(now.Sessions))
	gauge(descFullest, now.Fullest)
	gauge(descPending, float64(now.Pending))
	for _, key := range now.WrongKeys {
		gauge(descWrongKey, 1, key.Account, key.Role)
	}
	for _, key := range now.FitKeys {
		gauge(descWrongKey, 0, key.Account, key.Role)
	}
	gauge(descTwin, one(now.Twin))
	gauge(descBacklog, one(now.Backlog))
	gauge(descAuditBytes, float64(now.AuditBytes))
	for _, l := range now.Limits {
		gauge(descLimitUsed, l.Used, l.Limit, l.Unit, l.Window)
		gauge(descLimitMost, l.Most, l.Limit, l.Unit, l.Window)
	}
	gauge(descReady, one(len(g.options.Ready()) == 0))
	for _, link := range now.Links {
		gauge(descConnected, one(link.Connected), link.Relay)
		gauge(descRegistered, float64(link.Registered), link.Relay)
		gauge(descRefused, float64(link.Refused), link.Relay)
		gauge(descCanary, one(link.CanaryFails), link.Relay)
		gauge(descCanaryTrip, link.CanaryTrip, link.Relay)
		counter(descReconnects, link.Reconnects, link.Relay)
		counter(descKeyChanges, link.KeyChanges, link.Relay)
		counter(descFrames, link.Frames, link.Relay)
		for reason, n := range link.Drops {
			counter(descDrops, n, link.Relay, reason)
		}
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
