// Package status shows a running agent to machines: /livez, /readyz and /metrics over HTTP.
//
// The text form of Prometheus is written here and not by Prometheus's own module: for counters,
// sums and lines of text that one brings seven other modules and 2 MB of code into the process that
// holds keys.
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
// /livez answers 200 as long as process and ledger go on, else 503: only a restart helps then.
// /readyz answers 200 when transactions are signed, else 503 with one reason on each line, after
// its cause. Both answer in plain text.
package status

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Options are the functions by which [Metrics] asks the agent for its present state. Ready and
// Gauges are required. All may be called concurrently.
type Options struct {
	// Ready returns the reasons why no transaction is signed now. None means ready.
	Ready func() []Hindrance
	// Live returns nil while process and ledger go on; nil is a process that has nothing else to go
	// on.
	Live func(context.Context) error
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
	requests counts
	duration durations
	drops    counts
	reloads  counts // of the policy
	settings counts // reloads of them
	alarms   counts
	pages    counts
	minute   minute
	options  Options
}

// New makes the counters. Several agents in one process, as in tests, have each their own.
func New(o Options) *Metrics {
	m := &Metrics{options: o}
	m.pages.add(0, "relay")
	m.pages.add(0, "status")
	for _, result := range []string{"ok", "failed"} {
		m.reloads.add(0, result)
		m.settings.add(0, result)
	}
	for _, r := range o.Requests {
		m.requests.add(0, r.Kind, r.Result, r.Code)
	}
	for _, reason := range o.Drops {
		m.drops.add(0, reason)
	}
	for _, name := range o.Alarms {
		m.alarms.add(0, name)
	}
	return m
}

// Request counts one request that was answered, or left in silence on purpose.
func (m *Metrics) Request(kind, result, code string, took time.Duration) {
	m.requests.add(1, kind, result, code)
	m.minute.count(result, time.Now())
	m.duration.add(took.Seconds(), kind)
}

// Dropped counts a request that belongs to nobody, or that no rule of the protocol lets us answer.
func (m *Metrics) Dropped(reason string) {
	m.drops.add(1, reason)
	m.minute.count("dropped", time.Now())
}

// Reload counts one attempt to load a policy.
func (m *Metrics) Reload(ok bool) { m.reloads.add(1, reloaded(ok)) }

// SettingsReload counts one attempt to take over settings and policy.
func (m *Metrics) SettingsReload(ok bool) { m.settings.add(1, reloaded(ok)) }

func reloaded(ok bool) string {
	if ok {
		return "ok"
	}
	return "failed"
}

// Alarm counts an event that should never happen.
func (m *Metrics) Alarm(name string) { m.alarms.add(1, name) }

// PageRefused counts a request of a web page that was refused at a listener.
func (m *Metrics) PageRefused(listener string) { m.pages.add(1, listener) }

// Handler returns the handler of /livez, /readyz and /metrics.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) {
		if m.options.Live != nil {
			if err := m.options.Live(r.Context()); err != nil {
				http.Error(w, "not alive\n"+err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if hindrances := m.options.Ready(); len(hindrances) > 0 {
			text := "not ready"
			for _, h := range hindrances {
				text += "\n" + string(h.Cause) + ": " + h.Text
			}
			http.Error(w, text, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(m.page().text()) // who has gone needs no answer
	})
	return mux
}

// Serve answers on the listener until ctx ends, and closes it.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	// Whoever reaches the port may connect: none of them holds a connection for long, nor many.
	open := connections{all: map[net.Conn]struct{}{}}
	server := &http.Server{
		ConnState:         open.note,
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
