package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/passkey"
)

// The program with the keys links no pages, and this one nothing that comes near a key.
func TestWhatIsLinked(t *testing.T) {
	for program, never := range map[string][]string{
		"pksa/cmd/pksa": {"html/template", "pksa/cmd/pksa-console"},
		"pksa/cmd/pksa-console": {"pksa/keystore", "pksa/agent", "pksa/agent/ledger", "pksa/protocol/hive",
			"go.etcd.io/bbolt", "filippo.io/age"},
	} {
		list, err := exec.CommandContext(t.Context(), "go", "list", "-deps", program).Output()
		if err != nil {
			t.Skip("go list cannot be run: ", err)
		}
		for _, name := range strings.Fields(string(list)) {
			if slices.Contains(never, name) {
				t.Errorf("%s links %s", program, name)
			}
		}
	}
}

var pages = []string{"/", "/cards", "/request/7", "/status", "/sessions", "/audit", "/audit/7", "/policy",
	"/policy?draft=1", "/policy/why/7"}

// Nobody sees or does anything without a login.
func TestNothingWithoutLogin(t *testing.T) {
	w := newWorld(t)
	w.wait(7, "pays 12.500 HIVE from alice to bob", nil)
	for _, path := range append(pages, "/live") {
		status, header, text := w.ask("GET", path, "", nil)
		if own := path == "/cards" || path == "/live"; own && status != 401 || !own && (status != 303 ||
			!strings.HasPrefix(header.Get("Location"), "/login?to=")) || strings.Contains(text, "alice") {
			t.Errorf("%s: %d %s %s", path, status, header.Get("Location"), text)
		}
	}
	for path, body := range map[string]string{"/deny": "number=7", "/revoke": "id=7", "/pause": "app=shop",
		"/resume/begin": "{}", "/resume/finish": "{}",
		"/decision/begin": `{"number":7}`, "/decision/finish": `{"number":7}`} {
		if status, _, _ := w.ask("POST", path, body, nil); status != 401 {
			t.Errorf("%s: %d", path, status)
		}
	}
	for _, path := range []string{"decision.deny", "session.revoke", "pause", "resume.begin",
		"resume.finish", "decision.begin", "pending"} {
		if calls := w.fake.called(path); len(calls) > 0 {
			t.Errorf("%s was called: %s", path, calls)
		}
	}
}

// What another page sends is refused, whoever is logged in.
func TestOtherSites(t *testing.T) {
	w := newWorld(t)
	w.wait(7, "pays 12.500 HIVE from alice to bob", nil)
	in := w.in()
	for name, change := range map[string]func(*http.Request){
		"another origin":    func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"no origin":         func(r *http.Request) { r.Header.Del("Origin") },
		"an opaque origin":  func(r *http.Request) { r.Header.Set("Origin", "null") },
		"another port":      func(r *http.Request) { r.Header.Set("Origin", "http://localhost:1") },
		"a cross-site post": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a sister's post":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"another host":      func(r *http.Request) { r.Host = "evil.example" },
	} {
		status, _, _ := w.ask("POST", "/deny", "number=7", func(r *http.Request) { r.AddCookie(in); change(r) })
		if status != 403 && status != 421 {
			t.Errorf("%s: %d", name, status)
		}
	}
	// DNS rebinding, to read.
	status, _, text := w.ask("GET", "/", "", func(r *http.Request) { r.AddCookie(in); r.Host = "evil.example" })
	if status != 421 || strings.Contains(text, "alice") {
		t.Errorf("%d %s", status, text)
	}
	if calls := w.fake.called("decision.deny"); len(calls) > 0 {
		t.Errorf("denied: %s", calls)
	}
	if status, _, _ := w.ask("POST", "/deny", "number=7", func(r *http.Request) { r.AddCookie(in) }); status != 303 {
		t.Errorf("our own: %d", status)
	}
	if w.fake.decided[7] != "no" {
		t.Errorf("%v", w.fake.decided)
	}
	// A link in a message is followed with the cookie at the second try.
	status, _, text = w.ask("GET", "/request/7", "", func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	})
	if status != 200 || !strings.Contains(text, `http-equiv="refresh"`) {
		t.Errorf("%d %s", status, text)
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	in := w.in()
	for _, path := range append(pages, "/login", "/enrol", "/static/console.js", "/nowhere") {
		_, h, _ := w.ask("GET", path, "", func(r *http.Request) { r.AddCookie(in) })
		if h.Get("Content-Security-Policy") != policy || h.Get("X-Frame-Options") != "DENY" ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, h)
		}
		if h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept: %s", path, h.Get("Cache-Control"))
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") ||
		!strings.HasPrefix(policy, "default-src 'none';") {
		t.Error(policy)
	}
	if !in.Secure || !in.HttpOnly || in.SameSite != http.SameSiteStrictMode || in.Path != "/" || in.Domain != "" ||
		!strings.HasPrefix(in.Name, "__Host-") || len(in.Value) != 43 {
		t.Errorf("%+v", in)
	}
}

// hostile would be markup, or leave the place where it stands, if it were not escaped.
const hostile = `</pre></title></textarea>'"><script src=//evil.example></script><img src=x onerror=alert(1)>` +
	`<a href="javascript:alert(2)">&lt;b&gt;{{.Who}}` + "\u202e\u2066\u200b\x00\x1b[31m" + "`${1}`"

// No text of others becomes markup, on no page and in no place, and none turns the direction of a
// line.
func TestHostileTexts(t *testing.T) {
	w := newWorld(t)
	w.wait(7, "pays 1.000 HIVE from alice to bob, with the memo "+`"`+hostile+`"`, map[string]any{"account": hostile,
		"app": hostile, "key_type": hostile, "keys": []string{hostile}, "operations": []string{hostile},
		"text": hostile, "reason": hostile, "letters": hostile, "digest": hostile, "kind": hostile})
	w.fake.sessions = []map[string]any{{"id": 1, "account": hostile, "app": hostile, "origin": hostile,
		"relay": hostile, "calls_itself": hostile}}
	w.fake.records = []map[string]any{{"number": 7, "type": hostile, "outcome": hostile, "kind": hostile,
		"account": hostile, "app": hostile, "transaction": hostile, "verdict": hostile,
		"content": map[string]any{"text": hostile}}}
	room := map[string]any{"Limit": map[string]any{"name": hostile}, "Split": hostile, "Unit": hostile,
		"Used": hostile, "Most": hostile}
	w.fake.status = map[string]any{"not_ready": []string{hostile}, "still_served": hostile,
		"policy": map[string]any{"file": hostile, "reload_failed": hostile, "warnings": []string{hostile},
			"room": []any{room}},
		"links":       []any{map[string]any{"relay": hostile}},
		"nodes":       []any{map[string]any{"url": hostile}},
		"accounts":    []any{map[string]any{"name": hostile, "roles": []string{hostile}, "wrong": []string{hostile}}},
		"apps_paused": []any{map[string]any{"app": hostile}},
		"guard":       []any{map[string]any{"account": hostile}}}
	w.fake.policy = map[string]any{"file": hostile, "sha256": hostile, "text": hostile + "\n" + hostile, "cut": true}
	w.fake.status["policy"].(map[string]any)["warnings"] = []string{hostile, "p.yaml:2:1: warning: " + hostile}
	w.fake.draft = map[string]any{"requests": 1, "yaml": hostile, "ruled": 2}
	w.fake.why = map[string]any{"text": hostile, "then": hostile}
	in := w.in()
	query := "?q=" + strings.ReplaceAll("</script><img src=x>", " ", "+")
	for _, path := range append(pages, "/sessions"+query, "/audit?text=%3Cscript%3E%22%3E",
		"/login?to=/%22%3E%3Cscript%3E") {
		_, _, text := w.ask("GET", path, "", func(r *http.Request) { r.AddCookie(in) })
		lower := strings.ToLower(text)
		whole := strings.Contains(lower, "<!doctype")
		if n := strings.Count(lower, "<script"); whole && n != 1 || !whole && n != 0 {
			t.Errorf("%s has %d scripts", path, n)
		}
		for _, never := range []string{"<img", "<a href=\"javascript", "\u202e", "\u2066", "\u200b", "\x00", "\x1b",
			" style="} {
			if strings.Contains(lower, never) {
				t.Errorf("%s has %q", path, never)
			}
		}
		if strings.Count(lower, "</title>") != strings.Count(lower, "<title>") ||
			strings.Count(lower, "</pre>") != strings.Count(lower, "<pre>") {
			t.Errorf("%s: a text ends its place", path)
		}
	}
}

// A warning stands at its line, if the file is what it was about.
func TestWarningsStandAtTheirLines(t *testing.T) {
	w := newWorld(t)
	in := w.in()
	w.fake.status = map[string]any{"policy": map[string]any{"warnings": []string{"/home/a b/p.yaml:2:7: warning: broad",
		"p.yaml:9:1: warning: beyond", "p.yaml:0:1: warning: before", "the whole"}}}
	for other, want := range map[bool]int{false: 1, true: 0} {
		w.fake.policy = map[string]any{"text": "version: 1\nallow: []\n", "other": other}
		_, _, text := w.ask("GET", "/policy", "", func(r *http.Request) { r.AddCookie(in) })
		if n := strings.Count(text, `<li><code>allow: []</code><p class="warn">warning: broad</p></li>`); n != want {
			t.Errorf("another file: %t: %s", other, text)
		}
		for _, all := range []string{"broad", "beyond", "before", "the whole"} {
			if !strings.Contains(text, all) {
				t.Errorf("another file: %t: %q is lost", other, all)
			}
		}
	}
	if n := len(w.fake.called("policy.suggest")); n != 0 {
		t.Errorf("%d drafts that nobody asked for", n)
	}
}

// While a wallet is silent, who waits for it can leave, and it is asked once for all.
func TestWaitingForASilentWallet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		c := newConsole(func(_ context.Context, _ string, _, result any) error {
			calls++
			time.Sleep(20 * time.Second)
			result.(*about).Wallet = "wallet-1"
			return nil
		}, slog.New(slog.DiscardHandler))
		begun := time.Now()
		answered := make(chan string)
		go func() {
			a, _ := c.about(t.Context())
			answered <- a.Wallet
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.about(ctx); err == nil || time.Since(begun) != time.Second {
			t.Errorf("who left heard %v after %s", err, time.Since(begun))
		}
		if got := <-answered; got != "wallet-1" || time.Since(begun) != 20*time.Second || calls != 1 {
			t.Errorf("%q after %s, %d calls", got, time.Since(begun), calls)
		}
		time.Sleep(6 * time.Second) // what is known is old
		go func() {
			a, _ := c.about(t.Context())
			answered <- a.Wallet
		}()
		time.Sleep(time.Second)
		c.forget() // nobody waits for that
		<-answered
		if calls != 3 {
			t.Errorf("%d calls: what was asked before it was forgotten is taken for new", calls)
		}
	})
}

// connFrom is a connection from an address.
type connFrom struct {
	net.Conn
	from string
}

func (c connFrom) RemoteAddr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", c.from)
	return a
}

// What comes beyond the bounds of connections is closed, and a place that was left is free again.
func TestConnectionsAreBounded(t *testing.T) {
	for from, want := range map[string]int{"192.0.2.7:99": mostOfOne, "127.0.0.1:99": mostConns,
		"[::1]:99": mostConns} {
		arrive := onePipe{make(chan net.Conn, mostConns+2)}
		b := &bounded{Listener: arrive, from: map[string]int{}}
		for range want + 1 {
			here, there := net.Pipe()
			defer here.Close()
			arrive.conns <- connFrom{there, from}
		}
		var open []net.Conn
		for range want {
			conn, err := b.Accept()
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
		}
		close(arrive.conns)
		if _, err := b.Accept(); err == nil {
			t.Errorf("%s: more than %d", from, want)
		}
		for range 2 { // the second time is nothing
			_ = open[0].Close()
		}
		if b.all != want-1 {
			t.Errorf("%s: %d places are taken", from, b.all)
		}
	}
}

// In a text of an application nothing is loud.
func TestEffectParts(t *testing.T) {
	for sentence, want := range map[string]string{
		`pays 12.500 HIVE from alice to bob`:                                  "12.500 HIVE|alice|bob",
		`pays 1.000 HBD from a-b.c to bob, with the memo "9.000 HIVE to eve"`: "1.000 HBD|a-b.c|bob",
		`votes 100% for @bob/post as alice`:                                   "@bob|alice",
		``:                                                                    "",
	} {
		var got []string
		all := ""
		for _, p := range effectParts(sentence) {
			all += p.Text
			if p.Loud {
				got = append(got, p.Text)
			}
		}
		if all != sentence || strings.Join(got, "|") != want {
			t.Errorf("%s: %q of %q", sentence, got, all)
		}
	}
}

// A card says whether a yes counts already, where people have to be told first.
func TestToldFirst(t *testing.T) {
	w := newWorld(t)
	w.wait(7, "pays 1.000 HIVE from alice to bob", map[string]any{
		"consents": []map[string]any{{"approvals": 0, "tell_first": true}, {"approvals": 2}}})
	card := func() string {
		_, _, text := w.ask("GET", "/", "", func(r *http.Request) { r.AddCookie(w.in()) })
		return text
	}
	if text := card(); !strings.Contains(text, "No yes counts yet") || strings.Count(text, "Takes a yes of") != 1 {
		t.Errorf("%s", text)
	}
	w.fake.mu.Lock()
	w.fake.waiting[0]["told_by"] = []map[string]any{{"notifier": "ntfy", "server": "https://ntfy.example",
		"at": time.Now()}}
	w.fake.mu.Unlock()
	if text := card(); strings.Contains(text, "No yes counts yet") ||
		!strings.Contains(text, "Compare with the message of ntfy (https://ntfy.example, ") {
		t.Errorf("%s", text)
	}
}

// A policy that waits is shown with what changes, and a button only where it could come into force.
func TestChangedPolicy(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change map[string]any
		says   string
		button bool
	}{
		"not required": {map[string]any{}, "decides what is signed", false},
		"none waits":   {map[string]any{"required": true}, "No changed policy waits", false},
		"unreadable":   {map[string]any{"required": true, "problem": "no such file"}, "no such file", false},
		"errors": {map[string]any{"required": true, "waits": true, "problem": "3:1: <b>"},
			"3:1: &lt;b&gt;", false},
		"tests fail": {map[string]any{"required": true, "waits": true, "tests": "one case"}, "one case", false},
		"good": {map[string]any{"required": true, "waits": true, "from": "aa", "to": "bb", "diff": "New: <b>"},
			"New: &lt;b&gt;", true},
	} {
		w.fake.mu.Lock()
		w.fake.change = c.change
		w.fake.mu.Unlock()
		_, _, text := w.ask("GET", "/policy/change", "", func(r *http.Request) { r.AddCookie(w.in()) })
		if !strings.Contains(text, c.says) || strings.Contains(text, `data-policy="`) != c.button {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// A wallet that refuses, or says nothing, never looks like one that did it.
func TestNothingLooksLikeSuccess(t *testing.T) {
	w := newWorld(t)
	in := w.in()
	post := func(path, body string) (int, string) {
		status, _, text := w.ask("POST", path, body, func(r *http.Request) { r.AddCookie(in) })
		return status, text
	}
	if status, text := post("/deny", "number=9"); status != 409 || !strings.Contains(text, "no request waits") {
		t.Errorf("%d %s", status, text)
	}
	if status, _ := post("/decision/finish", `{"number":9,"challenge":"x"}`); status != 409 {
		t.Errorf("%d", status)
	}
	for _, body := range []string{"", "number=", "number=-1", "number=x", "number=18446744073709551616"} {
		if status, _ := post("/deny", body); status != 400 {
			t.Errorf("%q: %d", body, status)
		}
	}
	w.fake.mu.Lock()
	w.fake.silent = true
	w.fake.mu.Unlock()
	if status, text := post("/pause", ""); status != 502 || !strings.Contains(text, "does not answer") {
		t.Errorf("%d %s", status, text)
	}
}

// Numbers reach the wallet as they were sent, beyond what floating point holds.
func TestNumbersAreExact(t *testing.T) {
	w := newWorld(t)
	in := w.in()
	w.ask("POST", "/decision/begin", `{"number":9007199254740993,"yes":true,"seen":"AA"}`,
		func(r *http.Request) { r.AddCookie(in) })
	if calls := w.fake.called("decision.begin"); len(calls) != 1 || !strings.Contains(calls[0], "9007199254740993") {
		t.Errorf("%q", calls)
	}
}

// Who is removed is out with the next question, in all their browsers. A silent wallet shows
// nothing.
func TestRemovedApproverIsLoggedOut(t *testing.T) {
	w := newWorld(t)
	w.wait(7, "pays 12.500 HIVE from alice to bob", nil)
	phone, desk := w.in(), w.in()
	get := func(path string, in *http.Cookie) (int, string) {
		status, h, text := w.ask("GET", path, "", func(r *http.Request) { r.AddCookie(in) })
		if strings.Contains(text, "12.500 HIVE") != (status == 200) {
			t.Errorf("%s: %d %s", path, status, text)
		}
		return status, h.Get("Location")
	}
	if status, _ := get("/", phone); status != 200 {
		t.Fatal(status)
	}
	w.fake.mu.Lock()
	w.fake.removed = true
	w.fake.mu.Unlock()
	if status, to := get("/", phone); status != 303 || !strings.HasPrefix(to, "/login") {
		t.Errorf("%d %s", status, to)
	}
	w.fake.mu.Lock()
	w.fake.removed = false
	w.fake.mu.Unlock()
	if status, _ := get("/cards", desk); status != 401 {
		t.Errorf("another browser of theirs: %d", status)
	}
	again := w.in()
	if status, _ := get("/cards", again); status != 200 {
		t.Errorf("enrolled again: %d", status)
	}
	w.silence(true)
	for _, path := range []string{"/", "/cards"} {
		if status, _ := get(path, again); status == 200 {
			t.Errorf("%s of a silent wallet: %d", path, status)
		}
	}
}

// What is posted has an end.
func TestBodiesAreBounded(t *testing.T) {
	w := newWorld(t)
	in := w.in()
	for size, want := range map[int]int{64<<10 - 1: 409, 64 << 10: 409, 64<<10 + 1: 400} {
		body := `{"number":9,"x":"` + strings.Repeat("x", size-19) + `"}`
		if len(body) != size {
			t.Fatal(len(body))
		}
		status, _, _ := w.ask("POST", "/decision/begin", body, func(r *http.Request) { r.AddCookie(in) })
		if status != want {
			t.Errorf("%d bytes: %d", size, status)
		}
	}
}

func TestLoginLeadsNowhereElse(t *testing.T) {
	w := newWorld(t)
	w.fake.approvers["anna"] = new(passkey.Credential)
	for to, want := range map[string]string{"/request/7": "/request/7", "https://evil.example": "/",
		"//evil.example": "/", `/\evil.example`: "/", "javascript:alert(1)": "/", "": "/"} {
		_, _, text := w.ask("GET", "/login?to="+to, "", nil)
		if !strings.Contains(text, `data-login="`+want+`"`) {
			t.Errorf("%q: %s", to, text)
		}
	}
}

// Logins end: when nobody looked for an hour, after half a day, at a logout, and beyond 64 the
// oldest.
func TestLoginsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l logins
		enter := func() *http.Request {
			recorder := httptest.NewRecorder()
			l.begin(recorder, loggedIn{"anna", 3})
			r := httptest.NewRequest("GET", "/", nil)
			r.AddCookie(recorder.Result().Cookies()[0])
			return r
		}
		first := enter()
		for range 11 {
			time.Sleep(59 * time.Minute)
			if l.of(first, true).Name != "anna" {
				t.Fatal("ended early")
			}
		}
		idle := enter()
		time.Sleep(time.Hour)
		if l.of(idle, false).Name != "" || l.of(first, true).Name != "" {
			t.Error("an idle login goes on")
		}
		eldest := enter()
		for range 63 {
			time.Sleep(time.Second)
			enter()
		}
		if l.of(eldest, false).Name == "" {
			t.Error("64 have no room")
		}
		time.Sleep(time.Second)
		last := enter()
		if l.of(eldest, false).Name != "" || l.of(last, false).Name == "" || len(l.all) != 64 {
			t.Error("65 have room")
		}
	})
}

// Open pages hear what changes, once, and the wallet is asked only while one is open.
func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		l := live{wallet: f.call}
		one, _ := l.join()
		if got := <-one; got != "waiting" {
			t.Error(got)
		}
		two, _ := l.join()
		if got := <-two; got != "waiting" {
			t.Error(got)
		}
		f.mu.Lock()
		f.waiting = append(f.waiting, map[string]any{"number": 7})
		f.mu.Unlock()
		begun := time.Now()
		for _, heard := range []chan string{one, two} {
			if got := <-heard; got != "waiting 7" || time.Since(begun) > time.Second {
				t.Error(got, time.Since(begun))
			}
		}
		f.mu.Lock()
		f.silent = true
		f.mu.Unlock()
		if got := <-one; got != "lost" {
			t.Error(got)
		}
		l.leave(one)
		l.leave(two)
		synctest.Wait()
		f.mu.Lock()
		f.silent = false
		f.mu.Unlock()
		asked := len(f.called("pending"))
		time.Sleep(time.Minute)
		if n := len(f.called("pending")); n != asked {
			t.Errorf("asked %d times for nobody", n-asked)
		}
		for range mostLive {
			if _, ok := l.join(); !ok {
				t.Fatal("no room")
			}
		}
		if _, ok := l.join(); ok {
			t.Error("room without end")
		}
		for heard := range l.pages {
			l.leave(heard)
		}
	})
}

// onePipe is a listener with one connection.
type onePipe struct{ conns chan net.Conn }

func (o onePipe) Accept() (net.Conn, error) {
	if conn, ok := <-o.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (o onePipe) Close() error   { return nil }
func (o onePipe) Addr() net.Addr { return &net.TCPAddr{} }

// A page that is open hears for as long as its person is logged in, and not longer. The times that
// are for requests do not end it.
func TestStreamLastsAsLongAsTheLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.site = passkey.Site{Origin: "http://localhost:9490", RPID: "localhost"}
		c := newConsole(f.call, slog.New(slog.DiscardHandler))
		w := &world{T: t, fake: f, console: c}
		server := newServer(c.handler(), slog.New(slog.DiscardHandler))
		listener := onePipe{make(chan net.Conn)}
		ended := make(chan error)
		go func() { ended <- server.Serve(listener) }()
		here, there := net.Pipe()
		listener.conns <- there
		in := w.in()
		if _, err := fmt.Fprintf(here, "GET /live HTTP/1.1\r\nHost: localhost:9490\r\nCookie: %s=%s\r\n\r\n", in.Name,
			in.Value); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		lines, beats := bufio.NewScanner(here), 0
		for lines.Scan() {
			switch line := lines.Text(); {
			case line == ": beat":
				if beats++; beats > 1000 {
					here.Close()
				}
			case line == "0": // the last chunk
				here.Close()
			}
		}
		// The wallet was asked at each of them.
		if n := len(f.called("login.check")); n < beats {
			t.Errorf("asked %d times whether they may approve", n)
		}
		if lived := time.Since(begun).Round(time.Minute); lived != loginIdle || beats != 239 {
			t.Errorf("it lived for %s, with %d beats", lived, beats)
		}
		close(listener.conns)
		server.Close()
		<-ended
	})
}

// A page can say that the wallet is silent, and look like one of ours.
func TestSilentWallet(t *testing.T) {
	w := newWorld(t)
	w.silence(true)
	if status, _, text := w.ask("GET", "/", "", nil); status != 502 || !strings.Contains(text, "does not answer") {
		t.Errorf("%d %s", status, text)
	}
	if status, _, _ := w.ask("GET", "/static/console.css", "", nil); status != 200 {
		t.Errorf("%d", status)
	}
}

func TestCommandLine(t *testing.T) {
	for _, tt := range []struct {
		o    options
		rest []string
		want string
	}{
		{options{listen: "127.0.0.1:9490"}, nil, ""},
		{options{listen: "localhost:9490"}, nil, ""},
		{options{listen: ":9490"}, nil, "other machines"},
		{options{listen: "192.0.2.1:9490"}, nil, "other machines"},
		{options{listen: ":9490", certificate: "c", keyFile: "k"}, nil, ""},
		{options{listen: ":9490", certificate: "c"}, nil, "go together"},
		{options{listen: "9490"}, nil, "HOST:PORT"},
		{options{listen: "127.0.0.1:9490"}, []string{"x"}, "too much"},
	} {
		err := tt.o.check(tt.rest)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
}
