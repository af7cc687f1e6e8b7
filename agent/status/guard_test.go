package status_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pksa/agent/status"
)

// A page whose own name leads to this machine (DNS rebinding) could read metrics with the names of
// accounts. It is refused by the name in its request. Beyond loopback the names are not known,
// unless the settings say them.
func TestGuard(t *testing.T) {
	const loopback, private = "127.0.0.1", "10.0.0.5"
	for _, tt := range []struct {
		listen, host, origin string
		hosts                []string
		want                 int
	}{
		{loopback, "evil.example:9481", "", nil, 403},
		{loopback, "evil.example:9481", "http://evil.example:9481", nil, 403},
		{loopback, "localhost:9481", "http://evil.example", nil, 403},
		{loopback, "localhost:9481", "", nil, 200},
		{loopback, "LOCALHOST:1234", "", nil, 200},
		{loopback, "127.0.0.1:9481", "", nil, 200},
		{loopback, "[::1]:9481", "", nil, 200},
		{loopback, "10.0.0.5:9481", "", nil, 200},
		{loopback, "localhost:9481", "http://localhost:9481", nil, 200},
		{loopback, "metrics.example", "", []string{"metrics.example"}, 200},
		{loopback, "other.example", "", []string{"metrics.example"}, 403},
		{private, "pksa.default.svc:9481", "", nil, 200},
		{private, "pksa.default.svc:9481", "http://evil.example", nil, 403},
		{private, "evil.example", "", []string{"*.svc"}, 403},
	} {
		var log bytes.Buffer
		m := status.New(status.Options{Ready: func() []status.Hindrance { return nil },
			Gauges: func() status.Gauges { return status.Gauges{} }})
		h := m.Guard(m.Handler(), status.Guard{Listener: &net.TCPAddr{IP: net.ParseIP(tt.listen)}, Hosts: tt.hosts,
			Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for range 2 {
			req := httptest.NewRequest(http.MethodGet, "http://"+tt.host+"/metrics", nil)
			if tt.origin != "" {
				req.Header.Set("Origin", tt.origin)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if w.Code != tt.want {
				t.Errorf("%+v: %d", tt, w.Code)
			}
		}
		logged, counted := strings.Count(log.String(), "status.hosts"), `pksa_pages_refused_total{listener="status"} 0`
		if tt.want == 403 {
			counted = `pksa_pages_refused_total{listener="status"} 2`
		}
		if _, text := get(t, m.Handler(), "/metrics"); logged != tt.want/403 || !strings.Contains(text, counted) {
			t.Errorf("%+v: %d lines in the log, and no %s", tt, logged, counted)
		}
	}
}
