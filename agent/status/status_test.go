package status_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/outage"
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
	var reasons []status.Hindrance
	var live error
	m := status.New(status.Options{
		Ready: func() []status.Hindrance { return reasons },
		Live:  func(context.Context) error { return live },
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
	m.SettingsReload(true)
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
		`pksa_settings_reloads_total{result="ok"} 1`,
		`pksa_settings_reloads_total{result="failed"} 0`,
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
	reasons = []status.Hindrance{{Cause: status.CauseRelay, Text: "no relay is connected"}}
	if code, body := get(t, m.Handler(), "/readyz"); code != 503 ||
		!strings.Contains(body, "\nrelay: no relay is connected\n") {
		t.Errorf("readyz when not ready: %d %q", code, body)
	}
	_, metrics = get(t, m.Handler(), "/metrics")
	for _, want := range []string{"pksa_ready 0", `pksa_not_ready{cause="relay"} 1`, `pksa_not_ready{cause="node"} 0`} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("metrics when not ready lack %s", want)
		}
	}
	if code, body := get(t, m.Handler(), "/livez"); code != 200 {
		t.Errorf("livez when not ready: %d %q", code, body)
	}
	live = errors.New("the ledger hangs")
	if code, body := get(t, m.Handler(), "/livez"); code != 503 || !strings.Contains(body, "the ledger hangs") {
		t.Errorf("livez when the ledger hangs: %d %q", code, body)
	}
}

// The process knows itself: since when it runs, and that it takes memory.
func TestThisProcess(t *testing.T) {
	if p := status.ThisProcess("1.2.3"); p.Version != "1.2.3" {
		t.Errorf("the version of a release is %q", p.Version)
	}
	p := status.ThisProcess("")
	if p.Version == "" || !strings.HasPrefix(p.Go, "go") || p.Started.After(time.Now()) || p.Goroutines < 1 ||
		p.Memory < 1<<20 || p.Memory > 1<<40 {
		t.Errorf("%+v", p)
	}
}

// Every metric stands in the golden file, with its help text, labels and type: dashboards and
// alerts of other people are built on them.
func TestAllMetrics(t *testing.T) {
	m := status.New(status.Options{
		Ready: func() []status.Hindrance {
			return []status.Hindrance{{Cause: status.CauseRelay, Text: "no relay is connected"}}
		},
		Gauges: func() status.Gauges {
			return status.Gauges{PolicyHash: "abc", PolicyTestsFail: true, Sessions: 3, Fullest: 0.25,
				Pending: 7, Backlog: true,
				AuditBytes: 12345,
				Limits:     []status.LimitGauge{{Limit: "tips", Unit: "HBD", Window: "24h", Used: 1.5, Most: 10}},
				WrongKeys:  []status.KeyLabel{{Account: "alice", Role: "posting"}, {Account: "bob", Role: "memo"}},
				FitKeys:    []status.KeyLabel{{Account: "bob", Role: "active"}}, Twin: true,
				Accounts: 2, Apps: 4, Disabled: 1, NearlyFull: 1, Quarantine: 2,
				Chain: &status.ChainGauges{Ahead: -1500 * time.Millisecond, Age: 3 * time.Second},
				Nodes: []status.NodeGauges{{Node: "https://node.example/", Usable: true, Head: 100, Calls: 9,
					Errors: map[outage.Reason]uint64{outage.Busy: 2}},
					{Node: "https://other.example/", Failures: 3, Calls: 3, Untrue: 1,
						Errors: map[outage.Reason]uint64{outage.Timeout: 3}}},
				Process: status.Process{Version: "v1.2.3", Go: "go1.26", Started: time.Unix(1700000000, 5e8),
					Goroutines: 12, Memory: 34567890, Resident: 45678901, OpenFiles: 17, MaxFiles: 1024},
				Notifications: []status.NotificationGauges{{Notifier: "ntfy", Sent: 3, Failed: 2, Dropped: 1},
					{Notifier: "webhook"}},
				OwnPaces:       []status.PaceGauges{{Pace: "address", Times: 3, Seconds: 1.5}, {Pace: "strangers"}},
				AccountChanges: map[string]uint64{"proxy": 2}, ChangedAccounts: 2, StoppedAccounts: 1,
				DoubtfulAccounts: 4,
				Links: []status.LinkGauges{
					{Relay: "wss://one.example", Connected: true, Registered: 2, Refused: 1, Reconnects: 4,
						CanaryFails: true,
						KeyChanges:  5,
						Losses:      map[outage.Reason]uint64{outage.TLS: 9},
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
	m.SettingsReload(false)
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
	options := status.Options{Ready: func() []status.Hindrance { return nil },
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
	h := status.New(status.Options{Ready: func() []status.Hindrance { return nil },
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
	m := status.New(status.Options{Ready: func() []status.Hindrance { return nil },
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

// A wallet with thousands of accounts has no metric for each of them: the keys that do not fit come
// first, and all are counted.
func TestManyKeys(t *testing.T) {
	var wrong, fit []status.KeyLabel
	for i := range 15_000 {
		label := status.KeyLabel{Account: fmt.Sprintf("user%05d", i/3), Role: []string{"posting", "active",
			"memo"}[i%3]}
		if i%1000 == 0 {
			wrong = append(wrong, label)
		} else {
			fit = append(fit, label)
		}
	}
	m := status.New(status.Options{Ready: func() []status.Hindrance { return nil },
		Gauges: func() status.Gauges { return status.Gauges{WrongKeys: wrong, FitKeys: fit} }})
	_, metrics := get(t, m.Handler(), "/metrics")
	if n := strings.Count(metrics, "\npksa_key_wrong{"); n != status.MostKeys {
		t.Errorf("%d keys are metrics", n)
	}
	others := strings.Count(metrics, `sha256=""} 1`) + strings.Count(metrics, `version=""} 1`)
	if n := strings.Count(metrics, "} 1\n") - others; n != len(wrong) {
		t.Errorf("%d of %d keys that do not fit", n, len(wrong))
	}
	if !strings.Contains(metrics, "\npksa_keys 15000\n") || !strings.Contains(metrics, "\npksa_keys_wrong 15\n") {
		t.Error("not all are counted")
	}
}

// What is exported is in the catalog, with its labels, and what is in the catalog is exported.
func TestCatalogIsComplete(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "metrics.txt"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(golden)
	for _, m := range status.Catalog() {
		if !strings.Contains(text, fmt.Sprintf("# HELP %s %s\n# TYPE %s %s\n", m.Name, m.Help, m.Name, m.Kind)) {
			t.Errorf("%s is not exported with its help", m.Name)
		}
		if len(m.Labels) > 0 && m.Bound == "" {
			t.Errorf("%s has labels and no bound", m.Name)
		}
		text = strings.ReplaceAll(text, "# TYPE "+m.Name+" ", "")
		series := regexp.MustCompile(`(?m)^` + m.Name + `(?:_bucket|_sum|_count)?(?:\{(.*)\})? `)
		for _, s := range series.FindAllStringSubmatch(text, -1) {
			var labels []string
			for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(s[1], -1) {
				if l[1] != "le" {
					labels = append(labels, l[1])
				}
			}
			want := slices.Sorted(slices.Values(m.Labels))
			if slices.Sort(labels); !slices.Equal(labels, want) {
				t.Errorf("%s has the labels %q, and the catalog %q", m.Name, labels, want)
			}
		}
	}
	if i := strings.Index(text, "# TYPE "); i >= 0 {
		t.Errorf("not in the catalog: %.80s", text[i:])
	}
}

// What became of requests counts for a minute.
func TestLastMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := status.New(status.Options{Ready: func() []status.Hindrance { return nil },
			Gauges: func() status.Gauges { return status.Gauges{} }})
		m.Request("sign", "answered", "", 0)
		time.Sleep(30 * time.Second)
		m.Request("sign", "refused", "limit", 0)
		m.Request("sign", "failed", "unavailable", 0)
		m.Dropped("nobody's")
		if got := m.LastMinute(); got != (status.Minute{Answered: 1, Refused: 1, Failed: 1, Dropped: 1}) {
			t.Errorf("after half a minute: %+v", got)
		}
		time.Sleep(30 * time.Second)
		if got := m.LastMinute(); got != (status.Minute{Refused: 1, Failed: 1, Dropped: 1}) {
			t.Errorf("after a minute: %+v", got)
		}
		time.Sleep(time.Hour)
		if got := m.LastMinute(); got != (status.Minute{}) {
			t.Errorf("after an hour: %+v", got)
		}
	})
}
