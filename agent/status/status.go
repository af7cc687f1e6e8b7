// Package status shows a running agent to machines: /livez, /readyz and /metrics over HTTP.
//
// Start with [New]. The agent counts what happens by the methods of [Metrics]; what is true at the
// moment is asked of the functions in [Options]. [Metrics.Handler] serves both, and [Serve] runs
// the server.
//
// # What it promises
//
// The labels of metrics hold relay addresses, names of limits, accounts and roles, request kinds
// and fixed reason codes. They never hold text from requests, and never a secret.
//
// /livez answers 200 as long as the process can answer at all. /readyz answers 200 when requests
// can be served, else 503 with one reason on each line. Both answer in plain text.
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

// Options are the functions by which [Metrics] asks the agent for its present state. Both are
// required, and both may be called concurrently.
type Options struct {
	// Ready returns the reasons why requests cannot be served now. None means ready.
	Ready func() []string
	// Gauges returns the present values of the gauges.
	Gauges func() Gauges

	// Requests, Drops and Alarms are the labels of what is counted from zero on, before the first
	// one happens: an alert on a series that does not exist yet misses its first step.
	Requests []RequestLabels
	Drops    []string
	Alarms   []string
}

// RequestLabels are the labels of pksa_requests_total.
type RequestLabels struct{ Kind, Result, Code string }

// Metrics are the counters of one agent. All methods may be called concurrently.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	drops    *prometheus.CounterVec
	reloads  *prometheus.CounterVec
	alarms   *prometheus.CounterVec
	pages    *prometheus.CounterVec
	options  Options
}

// New makes the counters. They have a registry of their own, so that several agents in one process,
// as in tests, do not meet.
func New(o Options) *Metrics {
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
		pages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pksa_pages_refused_total",
			Help: "Requests of web pages that were refused by their host or origin, by listener (relay, status).",
		}, []string{"listener"}),
		options: o,
	}
	m.pages.WithLabelValues("relay")
	m.pages.WithLabelValues("status")
	m.reloads.WithLabelValues("ok")
	m.reloads.WithLabelValues("failed")
	for _, r := range o.Requests {
		m.requests.WithLabelValues(r.Kind, r.Result, r.Code)
	}
	for _, reason := range o.Drops {
		m.drops.WithLabelValues(reason)
	}
	for _, name := range o.Alarms {
		m.alarms.WithLabelValues(name)
	}
	m.registry.MustRegister(m.requests, m.duration, m.drops, m.reloads, m.alarms, m.pages, gauges{o})
	return m
}

// Request counts one request that was answered, or left in silence on purpose.
func (m *Metrics) Request(kind, result, code string, took time.Duration) {
	m.requests.WithLabelValues(kind, result, code).Inc()
	m.duration.WithLabelValues(kind).Observe(took.Seconds())
}

// Dropped counts a request that belongs to nobody, or that no rule of the protocol lets us answer.
func (m *Metrics) Dropped(reason string) { m.drops.WithLabelValues(reason).Inc() }

// Reload counts one attempt to load a policy.
func (m *Metrics) Reload(ok bool) {
	result := "failed"
	if ok {
		result = "ok"
	}
	m.reloads.WithLabelValues(result).Inc()
}

// Alarm counts an event that should never happen.
func (m *Metrics) Alarm(name string) { m.alarms.WithLabelValues(name).Inc() }

// PageRefused counts a request of a web page that was refused at a listener.
func (m *Metrics) PageRefused(listener string) { m.pages.WithLabelValues(listener).Inc() }

// Handler returns the handler of /livez, /readyz and /metrics.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if reasons := m.options.Ready(); len(reasons) > 0 {
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
	// Whoever reaches the port may connect: none of them holds a connection for long.
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
		// A scrape under way has two seconds to end. ctx itself has ended already.
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(deadline) != nil {
			server.Close()
		}
	})
	err := server.Serve(listener)
	if stop() { // ctx has not ended: the server stopped by itself
		return fmt.Errorf("status server: %w", err)
	}
	<-stopped
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("status server: %w", err)
	}
	return nil
}
