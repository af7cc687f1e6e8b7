// Package status shows a running agent to machines: /livez, /readyz and /metrics over HTTP.
//
// Start at [New]; the agent counts what happens with the methods of [Metrics] and gives it the
// functions that tell the present state; [Metrics.Handler] serves both. Metric labels hold relay
// addresses, request kinds and fixed reason codes; never text from requests, never secrets.
//
// /livez answers 200 as long as the process can answer at all. /readyz answers 200 when requests
// can be served and 503 with one reason a line when not. Both answer in plain text.
package status

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// State is what only the agent can tell when it is asked.
type State struct {
	// Ready gives the reasons why requests cannot be served now; none means ready.
	Ready func() []string
	// Gauges gives the present values of the gauges. It may be called concurrently.
	Gauges func() Gauges
}

// Gauges are the values of one moment.
type Gauges struct {
	PolicyHash string
	Sessions   int
	Pending    int // requests that wait for a person
	Links      []LinkGauges
	Backlog    bool // full segments of the audit trail could not be moved out of the ledger
	Limits     []LimitGauge
	WrongKeys  []KeyLabel // held keys that the chain does not know in their roles
}

// LimitGauge is how much of a limit is used: of the fullest of its counters, if it is split,
// because applications choose what it is split by.
type LimitGauge struct {
	Limit, Unit, Window string
	Used, Most          float64
}

// KeyLabel names a held key.
type KeyLabel struct{ Account, Role string }

// LinkGauges are those of one relay link.
type LinkGauges struct {
	Relay      string
	Connected  bool
	Registered int // accounts acknowledged by the relay
	Refused    int // accounts that the relay does not take
	Reconnects uint64
	KeyChanges uint64
	Frames     uint64
	Drops      map[string]uint64 // frames not served, by reason
}

// Metrics counts. All methods may be called concurrently.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	drops    *prometheus.CounterVec
	reloads  *prometheus.CounterVec
	alarms   *prometheus.CounterVec
	state    State
}

// New makes the counters. Its registry is its own, so that several agents in one process, as in
// tests, do not meet.
func New(state State) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pksa_requests_total",
			Help: "Requests that were opened, by kind (auth, sign, challenge, decrypt), result and reason code.",
		}, []string{"kind", "result", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "pksa_request_seconds",
			Help:    "Time from the arrival of a request to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10),
		}, []string{"kind"}),
		drops: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pksa_requests_dropped_total",
			Help: "Requests that got no answer, by reason.",
		}, []string{"reason"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pksa_policy_reloads_total",
			Help: "Policy reloads by result (ok, failed). After a failed one the old policy stays in force.",
		}, []string{"result"}),
		alarms: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pksa_alarms_total",
			Help: "Events that should never happen and that a person should look at, by name.",
		}, []string{"alarm"}),
		state: state,
	}
	m.registry.MustRegister(m.requests, m.duration, m.drops, m.reloads, m.alarms, gauges{state})
	return m
}

// Request counts one request that was answered or deliberately left in silence.
func (m *Metrics) Request(kind, result, code string, took time.Duration) {
	m.requests.WithLabelValues(kind, result, code).Inc()
	m.duration.WithLabelValues(kind).Observe(took.Seconds())
}

// Dropped counts a request that was nobody's or that no rule of the protocol lets us answer.
func (m *Metrics) Dropped(reason string) { m.drops.WithLabelValues(reason).Inc() }

// Reload counts one attempt to load a policy.
func (m *Metrics) Reload(ok bool) {
	result := "failed"
	if ok {
		result = "ok"
	}
	m.reloads.WithLabelValues(result).Inc()
}

// Alarm counts an event of the kind that should never happen.
func (m *Metrics) Alarm(name string) { m.alarms.WithLabelValues(name).Inc() }

// Handler serves /livez, /readyz and /metrics.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if reasons := m.state.Ready(); len(reasons) > 0 {
			http.Error(w, "not ready\n"+strings.Join(reasons, "\n"), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}

// Serve answers on the listener until ctx ends, and closes it.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      30 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(deadline) != nil {
			server.Close()
		}
	})
	err := server.Serve(listener)
	if stop() {
		return fmt.Errorf("status server: %w", err)
	}
	<-stopped
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("status server: %w", err)
	}
	return nil
}

// gauges turns the agent's present state into metrics at each scrape.
type gauges struct{ state State }

var (
	descPolicy = prometheus.NewDesc("pksa_policy_info", "The policy in force, by the SHA-256 of its file.",
		[]string{"sha256"}, nil)
	descSessions = prometheus.NewDesc("pksa_sessions", "Live sessions.", nil, nil)
	descPending  = prometheus.NewDesc("pksa_pending", "Requests that wait for a person.", nil, nil)
	descWrongKey = prometheus.NewDesc("pksa_key_wrong",
		"1 for a held key that does not fit its account on the chain.", []string{"account", "role"}, nil)
	descBacklog = prometheus.NewDesc("pksa_audit_backlog",
		"1 while full segments of the audit trail cannot be moved out of the ledger.", nil, nil)
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
	descFrames = prometheus.NewDesc("pksa_link_frames_total", "Frames received.", []string{"relay"}, nil)
	descDrops  = prometheus.NewDesc("pksa_link_frames_dropped_total", "Frames not served, by reason.",
		[]string{"relay", "reason"}, nil)
)

// Describe implements [prometheus.Collector].
func (gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descPolicy, descSessions, descPending, descWrongKey, descBacklog,
		descLimitUsed, descLimitMost, descReady, descConnected, descRegistered, descRefused, descReconnects,
		descKeyChanges, descFrames, descDrops} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	now := g.state.Gauges()
	gauge(descPolicy, 1, now.PolicyHash)
	gauge(descSessions, float64(now.Sessions))
	gauge(descPending, float64(now.Pending))
	for _, key := range now.WrongKeys {
		gauge(descWrongKey, 1, key.Account, key.Role)
	}
	gauge(descBacklog, one(now.Backlog))
	for _, l := range now.Limits {
		gauge(descLimitUsed, l.Used, l.Limit, l.Unit, l.Window)
		gauge(descLimitMost, l.Most, l.Limit, l.Unit, l.Window)
	}
	gauge(descReady, one(len(g.state.Ready()) == 0))
	for _, link := range now.Links {
		gauge(descConnected, one(link.Connected), link.Relay)
		gauge(descRegistered, float64(link.Registered), link.Relay)
		gauge(descRefused, float64(link.Refused), link.Relay)
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
