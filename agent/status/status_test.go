package status_test

import (
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pksa/agent/status"
)

var update = flag.Bool("update", false, "write the golden file anew")

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func TestEndpoints(t *testing.T) {
	var reasons []string
	m := status.New(status.Options{
		Ready: func() []string { return reasons },
		Gauges: func() status.Gauges {
			return status.Gauges{PolicyHash: "abc", Sessions: 3, Pending: 7,
				Limits:    []status.LimitGauge{{Limit: "tips", Unit: "HBD", Window: "24h", Used: 1.5, Most: 10}},
				WrongKeys: []status.KeyLabel{{Account: "alice", Role: "posting"}}, Links: []status.LinkGauges{{
					Relay: "wss://relay.example", Connected: true, Registered: 2, Reconnects: 4,
					Drops: map[string]uint64{"not JSON": 5},
				}}}
		},
	})
	m.Request("sign", "refused", "uncovered", time.Millisecond)
	m.Dropped("nobody's")
	m.Reload(false)
	m.Alarm("decoded differs")
	if code, body := get(t, m.Handler(), "/livez"); code != 200 || body != "alive\n" {
		t.Errorf("livez: %d %q", code, body)
	}
	if code, _ := get(t, m.Handler(), "/readyz"); code != 200 {
		t.Errorf("readyz: %d", code)
	}
	_, metrics := get(t, m.Handler(), "/metrics")
	for _, want := range []string{
		`pksa_requests_total{code="uncovered",kind="sign",result="refused"} 1`,
		`pksa_requests_dropped_total{reason="nobody's"} 1`,
		`pksa_policy_reloads_total{result="failed"} 1`,
		`pksa_policy_info{sha256="abc"} 1`,
		`pksa_sessions 3`,
		`pksa_limit_used{limit="tips",unit="HBD",window="24h"} 1.5`,
		`pksa_limit_most{limit="tips",unit="HBD",window="24h"} 10`,
		`pksa_pending 7`,
		`pksa_key_wrong{account="alice",role="posting"} 1`,
		`pksa_ready 1`,
		`pksa_link_connected{relay="wss://relay.example"} 1`,
		`pksa_link_reconnects_total{relay="wss://relay.example"} 4`,
		`pksa_link_frames_dropped_total{reason="not JSON",relay="wss://relay.example"} 5`,
		`pksa_alarms_total{alarm="decoded differs"} 1`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
	reasons = []string{"no relay is connected"}
	if code, body := get(t, m.Handler(), "/readyz"); code != 503 || !strings.Contains(body, "no relay is connected") {
		t.Errorf("readyz when not ready: %d %q", code, body)
	}
	if _, metrics := get(t, m.Handler(), "/metrics"); !strings.Contains(metrics, "pksa_ready 0\n") {
		t.Error("metrics say ready when it is not")
	}
}

// Every metric stands in the golden file, with its help text, labels and type: dashboards and
// alerts of other people are built on them.
func TestAllMetrics(t *testing.T) {
	m := status.New(status.Options{
		Ready: func() []string { return []string{"no relay is connected"} },
		Gauges: func() status.Gauges {
			return status.Gauges{PolicyHash: "abc", Sessions: 3, Fullest: 0.25, Pending: 7, Backlog: true,
				AuditBytes: 12345,
				Limits:     []status.LimitGauge{{Limit: "tips", Unit: "HBD", Window: "24h", Used: 1.5, Most: 10}},
				WrongKeys:  []status.KeyLabel{{Account: "alice", Role: "posting"}, {Account: "bob", Role: "memo"}},
				FitKeys:    []status.KeyLabel{{Account: "bob", Role: "active"}}, Twin: true,
				Links: []status.LinkGauges{
					{Relay: "wss://one.example", Connected: true, Registered: 2, Refused: 1, Reconnects: 4,
						CanaryFails: true,
						KeyChanges:  5,
						Frames:      6, Drops: map[string]uint64{"not JSON": 7, "too large": 8}},
					{Relay: "wss://two.example"},
				}}
		},
	})
	m.Request("sign", "allowed", "", 3*time.Millisecond)
	m.Request("auth", "refused", "uncovered", 30*time.Second)
	m.Dropped("nobody's")
	m.Reload(true)
	m.Reload(false)
	m.Alarm("decoded differs")
	_, got := get(t, m.Handler(), "/metrics")
	golden := filepath.Join("testdata", "metrics.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("metrics changed:\n%s", got)
	}
}

// Two agents in one process count by themselves.
func TestOwnRegistry(t *testing.T) {
	options := status.Options{Ready: func() []string { return nil },
		Gauges: func() status.Gauges { return status.Gauges{} }}
	one, other := status.New(options), status.New(options)
	one.Reload(true)
	if _, metrics := get(t, other.Handler(), "/metrics"); !strings.Contains(metrics,
		`pksa_policy_reloads_total{result="ok"} 0`+"\n") {
		t.Error("counted by both")
	}
}

// Only GET is answered, and only on the three paths.
func TestOtherRequests(t *testing.T) {
	h := status.New(status.Options{Ready: func() []string { return nil },
		Gauges: func() status.Gauges { return status.Gauges{} }}).Handler()
	for request, want := range map[string]int{"POST /metrics": 405, "PUT /readyz": 405, "GET /": 404,
		"GET /debug/pprof/": 404,
		"HEAD /livez":       200} {
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", request, w.Code, want)
		}
	}
}

// What an alert may look at exists before it happens for the first time.
func TestZeroFromTheStart(t *testing.T) {
	m := status.New(status.Options{Ready: func() []string { return nil },
		Gauges: func() status.Gauges {
			return status.Gauges{FitKeys: []status.KeyLabel{{Account: "alice", Role: "posting"}}}
		},
		Requests: []status.RequestLabels{{Kind: "sign", Result: "refused", Code: "busy"}},
		Drops:    []string{"nobody's"}, Alarms: []string{"clock stepped"}})
	_, metrics := get(t, m.Handler(), "/metrics")
	for _, want := range []string{
		`pksa_requests_total{code="busy",kind="sign",result="refused"} 0`,
		`pksa_requests_dropped_total{reason="nobody's"} 0`,
		`pksa_alarms_total{alarm="clock stepped"} 0`,
		`pksa_policy_reloads_total{result="ok"} 0`,
		`pksa_policy_reloads_total{result="failed"} 0`,
		`pksa_key_wrong{account="alice",role="posting"} 0`,
		`pksa_twin 0`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
}

// A scrape under way is answered when the agent stops.
func TestServeEndsScrapes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		io.WriteString(w, "scraped")
	})
	go func() { done <- status.Serve(ctx, l, h) }()
	resp, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); string(b) != "scraped" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A listener that ends by itself is an error.
func TestServeFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := status.Serve(t.Context(), l, http.NotFoundHandler()); err == nil || !strings.HasPrefix(err.Error(),
		"status server: ") {
		t.Errorf("got %v", err)
	}
}

func TestServeStops(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") })
	go func() { done <- status.Serve(ctx, l, h) }()
	resp, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
