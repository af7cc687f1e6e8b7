package notify_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/notify"
)

// heard is one message that a server got.
type heard struct {
	at      time.Time
	url     string
	header  http.Header
	body    []byte
	text    string // for people
	kind    string // of a webhook
	headers string
}

// server plays the servers of notifiers. It is a transport, so that time can be a bubble's.
type server struct {
	mu     sync.Mutex
	got    []heard
	answer func(n int, r *http.Request) (*http.Response, error) // nil: takes everything
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	h := heard{at: time.Now(), url: r.URL.String(), header: r.Header.Clone(), body: body, headers: fmt.Sprint(r.Header)}
	var form struct{ Message, Text, Kind string }
	if json.Unmarshal(body, &form) == nil {
		h.text, h.kind = form.Message+form.Text, form.Kind
	}
	s.mu.Lock()
	n := len(s.got)
	s.got = append(s.got, h)
	s.mu.Unlock()
	if s.answer != nil {
		return s.answer(n, r)
	}
	return status(http.StatusOK), nil
}

func (s *server) all() []heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

func status(code int) *http.Response {
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}
}

// webhookSecret is of no server.
const webhookSecret = "a secret of the tests of notifications"

// written writes a secret to a file of its own, and returns its source.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file:" + path
}

func hook(t *testing.T, full bool) notify.Target {
	return notify.Target{Kind: notify.KindWebhook, URL: "https://hooks.example/a-path-nobody-knows", Full: full,
		Source: written(t, webhookSecret)}
}

// run makes a desk that runs until the test ends.
func run(t *testing.T, s *server, targets ...notify.Target) (*notify.Desk, *bytes.Buffer) {
	t.Helper()
	var lines bytes.Buffer
	d := notify.New(notify.Options{Wallet: "mine", Targets: targets, Transport: s,
		Logger: slog.New(slog.NewTextHandler(&lines, nil))})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); d.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return d, &lines
}

func request(n uint64) notify.Event {
	return notify.Event{Kind: notify.Waiting, Account: "alice", What: "An application asks for a transaction.",
		Do: fmt.Sprintf("On the wallet's machine: `pksa approve %d` or `pksa deny %d`.", n, n), Number: n,
		Letters: "BCDF", Until: time.Now().Add(50 * time.Second),
		Details: []string{"Send 12.000 HBD to bob.", "The application says: \"rent\u202e for May\""}}
}

// What is sent of a request, by either way: what kind, which account, its number and letters, what
// to type; with content: full, what it would do.
func TestMessages(t *testing.T) {
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprint("full ", full), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{}
				ntfy := notify.Target{Kind: notify.KindNtfy, URL: "https://ntfy.example", Topic: "topic-of-a-test",
					Source: written(t, "tk_of_a_test\n"), Full: full}
				d, _ := run(t, s, ntfy, hook(t, full))
				d.Tell(request(17))
				synctest.Wait()
				if len(s.all()) != 2 {
					t.Fatalf("%d messages", len(s.all()))
				}
				for _, m := range s.all() {
					for _, want := range []string{"alice", "Request 17, letters BCDF", "`pksa approve 17`", "mine: "} {
						if !strings.Contains(string(m.body), want) {
							t.Errorf("%q is missing: %s", want, m.body)
						}
					}
					for _, detail := range []string{"12.000 HBD", "bob", "rent"} {
						if strings.Contains(string(m.body), detail) != full {
							t.Errorf("full is %v, %q: %s", full, detail, m.body)
						}
					}
					if strings.Contains(string(m.body), "\u202e") || strings.Contains(string(m.body), `\u202e`) {
						t.Errorf("a hidden mark is sent: %q", m.body)
					}
					if strings.Contains(m.url, "topic-of-a-test") {
						t.Errorf("the topic stands in the address: %s", m.url)
					}
				}
			})
		})
	}
}

// The form that ntfy reads, by a real exchange on this machine.
func TestNtfy(t *testing.T) {
	var got heard
	ntfy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got.header = r.Header
		got.url = r.URL.Path
		got.body, _ = io.ReadAll(r.Body)
	}))
	defer ntfy.Close()
	d := notify.New(notify.Options{Wallet: "mine", Targets: []notify.Target{{Kind: notify.KindNtfy, URL: ntfy.URL,
		Topic: "topic-of-a-test", Source: written(t, "tk_of_a_test\n")}}})
	if r := d.Test(t.Context()); len(r) != 1 || !r[0].OK {
		t.Fatalf("%+v", r)
	}
	var form struct {
		Topic, Title, Message string
		Priority              int
		Tags                  []string
	}
	decoder := json.NewDecoder(bytes.NewReader(got.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&form); err != nil {
		t.Fatalf("%v: %s", err, got.body)
	}
	if form.Topic != "topic-of-a-test" || !strings.HasPrefix(form.Title, "mine: ") || form.Message == "" ||
		form.Priority != 3 || len(form.Tags) != 1 {
		t.Errorf("%+v", form)
	}
	if got.header.Get("Authorization") != "Bearer tk_of_a_test" || got.url != "/" {
		t.Errorf("%s, %v", got.url, got.header)
	}
}

// A receiver checks signature and time with nothing but the secret, and an altered body is found.
func TestWebhookSignature(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	for name, secret := range map[string]string{
		"as it is": string(key),
		"whsec_":   "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n",
	} {
		t.Run(name, func(t *testing.T) {
			var got heard
			receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got.header = r.Header
				got.body, _ = io.ReadAll(r.Body)
			}))
			defer receiver.Close()
			d := notify.New(notify.Options{Wallet: "mine", Targets: []notify.Target{{Kind: notify.KindWebhook,
				URL: receiver.URL + "/hook", Source: written(t, secret)}}})
			if r := d.Test(t.Context()); len(r) != 1 || !r[0].OK {
				t.Fatalf("%+v", r)
			}
			id, at := got.header.Get("Webhook-Id"), got.header.Get("Webhook-Timestamp")
			seconds, err := strconv.ParseInt(at, 10, 64)
			if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute {
				t.Errorf("timestamp %q", at)
			}
			signed := got.header.Get("Webhook-Signature")
			if signed != "v1,"+notify.Signature(key, id, at, got.body) {
				t.Errorf("signature %q of %s", signed, got.body)
			}
			if signed == "v1,"+notify.Signature(key, id, at, append(got.body, ' ')) {
				t.Error("an altered body has the same signature")
			}
			var h notify.Hook
			if err := json.Unmarshal(got.body, &h); err != nil || h.Version != 1 || h.ID != id ||
				h.Kind != notify.TestMessage || h.Wallet != "mine" {
				t.Errorf("%v: %+v", err, h)
			}
		})
	}
}

// The example that the tests of the libraries of Standard Webhooks have
// (github.com/standard-webhooks/standard-webhooks).
func TestSignatureKnownAnswer(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := notify.Signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// What may help is tried again with growing pauses; the message keeps its id, so that a receiver
// knows it again.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(n int, _ *http.Request) (*http.Response, error) {
			switch n {
			case 0:
				return nil, errors.New("a proxy with its password")
			case 1:
				return status(http.StatusServiceUnavailable), nil
			}
			return status(http.StatusNoContent), nil
		}}
		d, lines := run(t, s, hook(t, false))
		d.Tell(notify.Event{Kind: notify.NotReady, What: "For 5 minutes."})
		time.Sleep(time.Minute)
		got := s.all()
		if len(got) != 3 || d.Status()[0].Sent != 1 || d.Status()[0].Problem != "" {
			t.Fatalf("%d attempts, %+v", len(got), d.Status())
		}
		if a, b := got[1].at.Sub(got[0].at), got[2].at.Sub(got[1].at); a < 500*time.Millisecond || b < a {
			t.Errorf("pauses %v, %v", a, b)
		}
		if got[0].header.Get("Webhook-Id") != got[2].header.Get("Webhook-Id") {
			t.Error("another id")
		}
		if got[0].header.Get("Webhook-Timestamp") == got[2].header.Get("Webhook-Timestamp") {
			t.Error("an old timestamp")
		}
		for _, secret := range []string{"a proxy with its password", "a-path-nobody-knows", webhookSecret} {
			if strings.Contains(lines.String(), secret) {
				t.Errorf("the log has %q: %s", secret, lines)
			}
		}
		said := lines.String()
		if strings.Count(said, "\n") != 2 || !strings.Contains(said, "notifier works again") {
			t.Errorf("%s", lines)
		}
	})
}

// A server that asks for a rest gets it, up to a minute.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(n int, _ *http.Request) (*http.Response, error) {
			r := status(http.StatusOK)
			if n == 0 {
				r = status(http.StatusTooManyRequests)
				r.Header.Set("Retry-After", "40")
			}
			return r, nil
		}}
		d, _ := run(t, s, hook(t, false))
		d.Tell(notify.Event{Kind: notify.Ready})
		time.Sleep(2 * time.Minute)
		got := s.all()
		if len(got) != 2 || got[1].at.Sub(got[0].at) < 40*time.Second || d.Status()[0].Sent != 1 {
			t.Errorf("%d attempts, %+v", len(got), d.Status())
		}
	})
}

// What another attempt would not mend is not tried again, says what to do, and is told with the
// next message that is taken.
func TestRefused(t *testing.T) {
	for code, next := range map[int]string{
		http.StatusForbidden:        "compare the secret",
		http.StatusFound:            "redirect",
		http.StatusNotFound:         "the receiver",
		http.StatusMovedPermanently: "if you trust that",
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: func(n int, _ *http.Request) (*http.Response, error) {
					r := status(http.StatusOK)
					if n == 0 {
						r = status(code)
						r.Header.Set("Location", "https://elsewhere.example/")
					}
					return r, nil
				}}
				d, _ := run(t, s, hook(t, false))
				d.Tell(notify.Event{Kind: notify.NotReady, What: "For 5 minutes."})
				time.Sleep(5 * time.Minute)
				stands := d.Status()[0]
				if len(s.all()) != 1 || stands.Failed != 1 || !strings.Contains(stands.Problem+stands.Next, next) {
					t.Fatalf("%d attempts, %+v", len(s.all()), stands)
				}
				d.Tell(notify.Event{Kind: notify.Ready})
				synctest.Wait()
				got := s.all()
				if len(got) != 2 || !strings.Contains(got[1].text, "1 of before: dropped, or not sent") {
					t.Errorf("%d: %s", len(got), got[len(got)-1].text)
				}
			})
		})
	}
}

// A server that takes the connection and says nothing delays its own messages alone: whoever tells
// does not wait, and the other notifier has sent.
func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(_ int, r *http.Request) (*http.Response, error) {
			if r.URL.Host == "ntfy.example" {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return status(http.StatusOK), nil
		}}
		d, _ := run(t, s, notify.Target{Kind: notify.KindNtfy, URL: "https://ntfy.example", Topic: "topic"},
			hook(t, false))
		begun := time.Now()
		for n := range uint64(5) {
			d.Tell(request(n + 1))
		}
		synctest.Wait()
		if !time.Now().Equal(begun) || d.Status()[1].Sent != 5 || d.Status()[0].Waiting != 4 {
			t.Errorf("%v, %+v", time.Since(begun), d.Status())
		}
		// Nobody can answer the requests any more: they are not rung for.
		time.Sleep(10 * time.Minute)
		stands := d.Status()[0]
		if stands.Sent != 0 || stands.Failed == 0 || stands.Waiting != 0 ||
			stands.Problem != "the server is too slow, or silent" {
			t.Errorf("%+v", stands)
		}
	})
}

// After a flood one message tells of all: how many of each kind, the most urgent first, and how
// many found no place.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d, _ := run(t, s, hook(t, false))
		for n := range uint64(100) {
			d.Tell(notify.Event{Kind: notify.Quarantined, Account: "alice", What: fmt.Sprintf("Number %d.", n)})
			synctest.Wait()
		}
		d.Tell(notify.Event{Kind: notify.Changed, Account: "bob", What: "Its owner authority."})
		synctest.Wait()
		if n := len(s.all()); n != 10 {
			t.Fatalf("%d messages at once", n)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		got := s.all()
		if len(got) != 11 || got[10].kind != string(notify.DigestMessage) {
			t.Fatalf("%d messages, the last is %s", len(got), got[len(got)-1].body)
		}
		for _, want := range []string{"1 × An account was changed", "63 × Requests are not heard", "bob  Its owner",
			"27 of before: dropped"} {
			if !strings.Contains(got[10].text, want) {
				t.Errorf("%q is missing: %s", want, got[10].text)
			}
		}
		if c := d.Counts()[notify.KindWebhook]; c.Sent != 11 || c.Dropped != 27 {
			t.Errorf("%+v", c)
		}
		// With the flood gone, messages come one by one again.
		time.Sleep(10 * time.Minute)
		d.Tell(notify.Event{Kind: notify.Ready})
		d.Tell(notify.Event{Kind: notify.NotReady})
		synctest.Wait()
		if got := s.all(); len(got) != 13 || got[12].kind == string(notify.DigestMessage) {
			t.Errorf("%d messages", len(got))
		}
	})
}

// The last that finds a place, and the first that does not, by number and by bytes; a more urgent
// one takes the place of another.
func TestQueueIsBounded(t *testing.T) {
	long := strings.Repeat("x", 900)
	large := notify.Event{Kind: notify.Limit, What: long, Details: slices.Repeat([]string{long[:400]}, 12)}
	small := notify.Event{Kind: notify.Limit}
	for _, tt := range []struct {
		name  string
		event notify.Event
		most  int
	}{
		{"number", small, notify.MostEvents},
		{"bytes", large, notify.MostBytes / (200 + 900 + 12*416)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := notify.New(notify.Options{Targets: []notify.Target{hook(t, true)}}) // nobody empties the queue
			for range tt.most {
				d.Tell(tt.event)
			}
			if s := d.Status()[0]; s.Waiting != tt.most || s.Dropped != 0 {
				t.Fatalf("at the bound: %+v", s)
			}
			d.Tell(tt.event)
			if s := d.Status()[0]; s.Waiting != tt.most || s.Dropped != 1 {
				t.Fatalf("beyond it: %+v", s)
			}
			urgent := tt.event
			urgent.Kind = notify.Changed
			d.Tell(urgent)
			if s := d.Status()[0]; s.Waiting != tt.most || s.Dropped != 2 {
				t.Errorf("a more urgent one: %+v", s)
			}
		})
	}
}

// An event of any size takes no more than it may.
func TestEventsAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d, _ := run(t, s, hook(t, true))
		long := strings.Repeat("€", 50_000)
		e := request(1)
		e.What, e.Details = long, slices.Repeat([]string{long}, 1000)
		d.Tell(e)
		synctest.Wait()
		got := s.all()
		if len(got) != 1 || len(got[0].text) > 3600 || len(got[0].body) > 12_000 {
			t.Fatalf("%d messages, %d bytes", len(got), len(got[0].body))
		}
		if !strings.Contains(got[0].text, "or `pksa deny 1`.\n") {
			t.Errorf("what to do was cut away: %s", got[0].text)
		}
	})
}

// A notifier whose settings stay keeps its queue over a change; one that goes is stopped, and its
// numbers stay.
func TestReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		stays, goes := hook(t, false), notify.Target{Kind: notify.KindNtfy, URL: "https://one.example", Topic: "a"}
		d, _ := run(t, s, stays, goes)
		d.Tell(notify.Event{Kind: notify.Ready})
		synctest.Wait()
		d.Replace([]notify.Target{{Kind: notify.KindNtfy, URL: "https://two.example", Topic: "b"}, stays})
		d.Tell(notify.Event{Kind: notify.NotReady})
		synctest.Wait()
		hosts := map[string]int{}
		for _, m := range s.all() {
			hosts[strings.Split(m.url, "/")[2]]++
		}
		if hosts["one.example"] != 1 || hosts["two.example"] != 1 || hosts["hooks.example"] != 2 {
			t.Errorf("%v", hosts)
		}
		if c := d.Counts()[notify.KindNtfy]; c.Sent != 2 || d.Status()[1].Sent != 2 {
			t.Errorf("%+v, %+v", c, d.Status())
		}
		d.Replace(nil)
		if d.Any() || len(d.Test(t.Context())) != 0 {
			t.Error("notifiers are left")
		}
	})
}

// Each trouble is said in words that hold no secret, and with what to do.
func TestTestSaysWhatToDo(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	self := httptest.NewUnstartedServer(http.NotFoundHandler())
	self.Config.ErrorLog = log.New(io.Discard, "", 0)
	self.StartTLS()
	defer self.Close()
	t.Setenv("PKSA_TEST_TOKEN_ONCE", "a token, with blanks")
	for _, tt := range []struct {
		name          string
		target        notify.Target
		problem, next string
	}{
		{"nobody there", notify.Target{Kind: notify.KindNtfy, URL: closed.URL, Topic: "t"},
			"nobody takes the connection", "see whether the server runs"},
		{"certificate", notify.Target{Kind: notify.KindNtfy, URL: self.URL, Topic: "t"}, "the certificate does not fit",
			"of an authority that this machine knows"},
		{"no secret", notify.Target{Kind: notify.KindWebhook, URL: closed.URL, Source: "file:/nowhere/at/all"},
			"/nowhere/at/all", "put the secret there"},
		{"short secret", notify.Target{Kind: notify.KindWebhook, URL: closed.URL,
			Source: written(t, "fifteen letters")}, "fewer than 16 bytes", "openssl rand"},
		{"no token", notify.Target{Kind: notify.KindNtfy, URL: closed.URL, Topic: "t",
			Source: "env:PKSA_TEST_TOKEN_ONCE"}, "letters that no token has", "in one line"},
		{"not encrypted", notify.Target{Kind: notify.KindNtfy, URL: "http://ntfy.example", Topic: "t"},
			"not encrypted", "https://"},
		{"no base64", notify.Target{Kind: notify.KindWebhook, URL: closed.URL, Source: written(t, "whsec_??????????")},
			"no base64", "copy it again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := notify.New(notify.Options{Targets: []notify.Target{tt.target}})
			for range 2 { // a variable is read once, and kept
				r := d.Test(t.Context())[0]
				if r.OK || !strings.Contains(r.Problem, tt.problem) || !strings.Contains(r.Next, tt.next) {
					t.Errorf("%+v", r)
				}
				if strings.Contains(fmt.Sprint(r), "blanks") || strings.Contains(fmt.Sprint(r), "fifteen") {
					t.Errorf("a secret is shown: %+v", r)
				}
			}
		})
	}
}

// A server that answers anything is there.
func TestReach(t *testing.T) {
	there := httptest.NewServer(http.NotFoundHandler())
	defer there.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	if _, err := notify.Reach(t.Context(), notify.Target{URL: there.URL + "/secret-path"}, nil); err != nil {
		t.Error(err)
	}
	next, err := notify.Reach(t.Context(), notify.Target{URL: gone.URL + "/secret-path"}, nil)
	if err == nil || next == "" || strings.Contains(err.Error(), "secret-path") {
		t.Errorf("%v; %s", err, next)
	}
}

// The nil desk takes everything and does nothing.
func TestNoDesk(t *testing.T) {
	var d *notify.Desk
	d.Tell(notify.Event{Kind: notify.Ready})
	if d.Any() || d.Status() != nil || len(d.Counts()) != 2 {
		t.Error("a desk from nowhere")
	}
}

// Without TLS a message goes to this machine alone, whatever a name leads to.
func TestLoopbackByAddress(t *testing.T) {
	for _, address := range []string{"http://192.0.2.1:9", "http://localhost.example:9"} {
		d := notify.New(notify.Options{Targets: []notify.Target{{Kind: notify.KindNtfy, URL: address, Topic: "t"}}})
		if r := d.Test(t.Context())[0]; r.OK || r.Problem != "the address is not encrypted" {
			t.Errorf("%s: %+v", address, r)
		}
	}
	err := notify.DialPlain(t.Context(), "192.0.2.1:9")
	if err == nil || !strings.Contains(err.Error(), "only on loopback") {
		t.Errorf("dialled: %v", err)
	}
}

// A request that ended while its message had to wait is told as ended, and does not ask for an
// answer.
func TestLateRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d, _ := run(t, s, hook(t, false))
		for range 10 {
			d.Tell(notify.Event{Kind: notify.Quarantined})
			synctest.Wait()
		}
		e := request(7)
		e.Until = time.Now().Add(20 * time.Second)
		d.Tell(e)
		time.Sleep(time.Minute)
		got := s.all()
		last := got[len(got)-1].text
		if len(got) != 11 || !strings.Contains(last, "Request 7, letters BCDF ended") ||
			strings.Contains(last, "approve") {
			t.Errorf("%d: %s", len(got), last)
		}
	})
}

// What comes while no message may be sent is told in one, also if nothing was dropped.
func TestDigestOfWhatCameMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d, _ := run(t, s, hook(t, false))
		for range 15 {
			d.Tell(notify.Event{Kind: notify.Quarantined})
			synctest.Wait()
		}
		time.Sleep(time.Hour)
		got := s.all()
		if len(got) != 11 || !strings.Contains(got[10].text, "5 × ") || strings.Contains(got[10].text, "of before") {
			t.Errorf("%d: %s", len(got), got[len(got)-1].text)
		}
	})
}

// A message that nobody can answer any more is not tried again.
func TestNoAttemptAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(int, *http.Request) (*http.Response, error) {
			return status(http.StatusServiceUnavailable), nil
		}}
		d, _ := run(t, s, hook(t, false))
		e := request(7)
		e.Until = time.Now().Add(5 * time.Second)
		d.Tell(e)
		time.Sleep(time.Hour)
		if got := s.all(); len(got) < 2 || got[len(got)-1].at.After(e.Until) {
			t.Errorf("%d attempts, the last at %s", len(got), got[len(got)-1].at)
		}
	})
}

// What is less urgent never takes the place of what is more urgent.
func TestUrgentEventsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d := notify.New(notify.Options{Targets: []notify.Target{hook(t, false)}, Transport: s})
		for range notify.MostEvents {
			d.Tell(notify.Event{Kind: notify.Changed})
		}
		d.Tell(notify.Event{Kind: notify.Limit})
		ctx, stop := context.WithCancel(t.Context())
		go d.Run(ctx)
		synctest.Wait()
		stop()
		synctest.Wait()
		if got := s.all(); len(got) != 1 || !strings.Contains(got[0].text, "64 × An account") ||
			strings.Contains(got[0].text, "limit") {
			t.Errorf("%d: %s", len(got), got[0].text)
		}
	})
}

// A notifier that was taken out tries nothing any more.
func TestReplacedNotifierStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(int, *http.Request) (*http.Response, error) {
			return status(http.StatusServiceUnavailable), nil
		}}
		d, _ := run(t, s, hook(t, false))
		d.Tell(notify.Event{Kind: notify.Ready})
		synctest.Wait()
		d.Replace(nil)
		time.Sleep(time.Hour)
		if n := len(s.all()); n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

// Who has to be told whole is told alone, without a cut, also where a notifier is behind; and only
// a message that a server took with all of it is heard of.
func TestToldWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d, _ := run(t, s, hook(t, true), hook(t, false))
		var took []string
		whole := func(n uint64, details ...string) notify.Event {
			e := request(n)
			e.Until, e.Details = time.Now().Add(50*time.Second), details
			e.Whole = func(kind, server string, _ time.Time) {
				took = append(took, fmt.Sprintf("%d %s %s", n, kind, server))
			}
			return e
		}
		long := strings.Repeat("a", 2000) + "\u202e"
		for n, details := range [][]string{{"one"}, slices.Repeat([]string{"x"}, 20), {long}, {long, long},
			{strings.Repeat("a", 3400)}} {
			e := whole(uint64(n), details...)
			if fits := e.Fits(); fits != (n < 3) {
				t.Errorf("%d fits: %t", n, fits)
			}
			d.Tell(e)
			synctest.Wait()
		}
		const server = "webhook https://hooks.example"
		if got := fmt.Sprint(took); got != fmt.Sprintf("[0 %[1]s 1 %[1]s 2 %[1]s]", server) {
			t.Errorf("heard of %s", got)
		}
		all := func(h heard) bool { return strings.HasSuffix(h.text, long[:2000]+"\ufffd") }
		if !slices.ContainsFunc(s.all(), all) {
			t.Error("not all of it is sent")
		}
		// Behind, what has to be told whole and all else take turns.
		took = nil
		for range 12 {
			d.Tell(notify.Event{Kind: notify.Limit})
			synctest.Wait()
		}
		for n := range uint64(3) {
			e := whole(6+n, "one")
			e.Until = e.Until.Add(time.Duration(n) * 30 * time.Second)
			d.Tell(e)
		}
		time.Sleep(time.Hour)
		synctest.Wait() // what the worker wrote is seen after it
		if got := fmt.Sprint(took); got != fmt.Sprintf("[6 %[1]s 8 %[1]s]", server) {
			t.Errorf("behind: heard of %s", got)
		}
		if got := s.all(); !strings.Contains(got[len(got)-1].text, "Request 7, letters BCDF ended") {
			t.Errorf("the last: %s", got[len(got)-1].text)
		}
	})
}

// A server that refuses took nothing.
func TestRefusedIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(int, *http.Request) (*http.Response, error) {
			return status(http.StatusNotFound), nil
		}}
		d, _ := run(t, s, hook(t, true))
		e := request(7)
		e.Whole = func(string, string, time.Time) { t.Error("heard of what was refused") }
		d.Tell(e)
		synctest.Wait()
		if len(s.all()) != 1 {
			t.Error("nothing was sent")
		}
	})
}
