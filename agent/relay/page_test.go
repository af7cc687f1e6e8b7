package relay_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/relay"
)

// knock asks for a WebSocket as a page in a browser does, and returns the status and the text. A
// recorder cannot be taken over: a page that may connect gets 501.
func knock(r *relay.Relay, host, origin string) (int, string) {
	req := httptest.NewRequest(http.MethodGet, "http://"+host+"/", nil)
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Origin": origin} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w.Code, w.Body.String()
}

func open(t *testing.T, o relay.Options) *relay.Relay {
	t.Helper()
	o.NoProof = true
	r, err := relay.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// A page whose own name leads to this relay (DNS rebinding) has the same origin as the relay, and
// is refused all the same. What names this machine or the relay goes on, and so do programs.
func TestRebinding(t *testing.T) {
	r := open(t, relay.Options{Server: "10.0.0.5", Hosts: []string{"relay.example"},
		Logger: slog.New(slog.DiscardHandler)})
	for _, tt := range []struct {
		host, origin string
		refused      bool
	}{
		{"evil.example:9480", "http://evil.example:9480", true},
		{"evil.example:9480", "http://localhost:9480", true},
		{"127.0.0.1:9480", "http://evil.example:9480", true},
		{"127.0.0.1:9480", "null", true},
		{"127.0.0.1:9480", "http://127.0.0.1:9480", false},
		{"localhost:9480", "http://localhost:9480", false},
		{"[::1]:9480", "http://[::1]:9480", false},
		{"10.0.0.5:9480", "http://10.0.0.5:9480", false},
		{"relay.example:9480", "https://relay.example:9480", false},
		{"evil.example:9480", "", false}, // no page: a browser always sends its origin
	} {
		if code, text := knock(r, tt.host, tt.origin); (code == http.StatusForbidden) != tt.refused {
			t.Errorf("host %s, origin %q: %d %s", tt.host, tt.origin, code, text)
		}
	}
}

// A developer whose page is refused finds out where and why: the page, the log, the counter. The
// setting that is named lets the page in, on every port.
func TestRefusedPageIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const origin = "http://localhost:5173"
		var log bytes.Buffer
		hooked := 0
		o := relay.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), PageRefused: func() { hooked++ }}
		r := open(t, o)
		for range 3 {
			if code, text := knock(r, "127.0.0.1:9480", origin); code != http.StatusForbidden ||
				!strings.Contains(text, "relay.origins") || !strings.Contains(text, origin) {
				t.Errorf("the page hears %d %q", code, text)
			}
		}
		lines := func() int { return strings.Count(log.String(), "a web page may not use this relay") }
		if lines() != 1 || !strings.Contains(log.String(), "relay.origins: [localhost]") ||
			!strings.Contains(log.String(), "PKSA_RELAY_ORIGINS") || !strings.Contains(log.String(), origin) {
			t.Errorf("logged:\n%s", &log)
		}
		time.Sleep(time.Minute)
		knock(r, "127.0.0.1:9480", "http://e\u202e.example")
		if lines() != 2 || !strings.Contains(log.String(), "refused=3") || strings.Contains(log.String(), "\u202e") {
			t.Errorf("after a minute:\n%s", &log)
		}
		if n := r.Status().Counters.PagesRefused; n != 4 || hooked != 4 {
			t.Errorf("counted %d, told %d", n, hooked)
		}
		for page, want := range map[string]string{"http://[::1]:8080": "['::1']", "file://": "['*']",
			"http://wallet.example:8443": "['wallet.example:8443']"} {
			log.Reset()
			time.Sleep(time.Minute)
			if knock(r, "127.0.0.1:9480", page); !strings.Contains(log.String(), "relay.origins: "+want) {
				t.Errorf("%s, logged: %s", page, &log)
			}
		}
		for page, setting := range map[string]string{origin: "localhost", "http://localhost": "localhost",
			"http://127.0.0.1:8080": "127.0.0.1", "http://[::1]:8080": "::1"} {
			if code, text := knock(open(t, relay.Options{Origins: []string{setting}}), "127.0.0.1:9480",
				page); code == http.StatusForbidden {
				t.Errorf("%s with the setting: %d %s", page, code, text)
			}
		}
	})
}
