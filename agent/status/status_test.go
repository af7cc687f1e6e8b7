package status_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pksa/agent/status"
)

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func TestEndpoints(t *testing.T) {
	var reasons []string
	m := status.New(status.State{
		Ready: func() []string { return reasons },
		Gauges: func() status.Gauges {
			return status.Gauges{PolicyHash: "abc", Sessions: 3, Pending: 7,
				Limits:    []status.LimitGauge{{Limit: "tips", Unit: "HBD", Window: "24h0m0s", Used: 1.5, Most: 10}},
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
		`pksa_limit_used{limit="tips",unit="HBD",window="24h0m0s"} 1.5`,
		`pksa_limit_most{limit="tips",unit="HBD",window="24h0m0s"} 10`,
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
