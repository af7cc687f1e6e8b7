package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// browser is a headless Chromium with one page and a virtual authenticator, driven by the protocol
// of its developer tools: https://chromedevtools.github.io/devtools-protocol/
type browser struct {
	*world
	conn    *websocket.Conn
	session string
	id      int

	authenticator string // of the person
}

// pictures is where the browser run leaves a picture of each page, if this names a folder.
const pictures = "PKSA_CONSOLE_PICTURES"

func newBrowser(w *world) *browser {
	w.Helper()
	if testing.Short() {
		w.Skip("a browser takes long")
	}
	program, err := exec.LookPath("chromium")
	if err != nil {
		w.Skip("no Chromium: Debian's package chromium has it")
	}
	args := []string{"--headless=new", "--remote-debugging-port=0", "--user-data-dir=" + w.TempDir(), "--disable-gpu",
		"--no-first-run", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-extensions",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars"}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox") // it refuses root one
	}
	cmd := exec.Command(program, append(args, "about:blank")...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := cmd.StderrPipe()
	w.must(err)
	w.must(cmd.Start())
	w.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with all that it started
		_ = cmd.Wait()
	})
	address := ""
	for lines := bufio.NewScanner(stderr); address == "" && lines.Scan(); {
		_, address, _ = strings.Cut(lines.Text(), "DevTools listening on ")
	}
	if address == "" {
		w.Fatal("Chromium does not listen")
	}
	go func() { _, _ = bufio.NewReader(stderr).WriteTo(discard{}) }()
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, address, nil)
	w.must(err)
	conn.SetReadLimit(64 << 20)
	w.Cleanup(func() { _ = conn.CloseNow() })
	b := &browser{world: w, conn: conn}
	target := b.do("Target.createTarget", map[string]any{"url": "about:blank"})["targetId"]
	b.session = b.do("Target.attachToTarget", map[string]any{"targetId": target, "flatten": true})["sessionId"].(string)
	b.do("Page.enable", nil)
	b.do("WebAuthn.enable", nil)
	b.device()
	return b
}

// device gives the person at the browser another device, with no passkeys on it.
func (b *browser) device() {
	b.Helper()
	if b.authenticator != "" {
		b.do("WebAuthn.removeVirtualAuthenticator", map[string]any{"authenticatorId": b.authenticator})
	}
	made := b.do("WebAuthn.addVirtualAuthenticator", map[string]any{"options": map[string]any{"protocol": "ctap2",
		"transport": "internal", "hasResidentKey": true, "hasUserVerification": true, "isUserVerified": true,
		"automaticPresenceSimulation": true}})
	b.authenticator = made["authenticatorId"].(string)
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// do has the browser do something, and returns its answer.
func (b *browser) do(method string, params map[string]any) map[string]any {
	b.Helper()
	result, refused := b.try(method, params)
	if refused != "" {
		b.Fatalf("%s: %s", method, refused)
	}
	return result
}

// try returns what the browser refuses, too: a page that goes away ends its scripts.
func (b *browser) try(method string, params map[string]any) (result map[string]any, refused string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	b.id++
	message := map[string]any{"id": b.id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	b.must(err)
	b.must(b.conn.Write(ctx, websocket.MessageText, text))
	for {
		_, text, err := b.conn.Read(ctx)
		if err != nil {
			b.Fatalf("%s: %v", method, err)
		}
		var got struct {
			ID     int
			Result map[string]any
			Error  *struct{ Message string }
		}
		b.must(json.Unmarshal(text, &got))
		switch {
		case got.ID != b.id: // an event
		case got.Error != nil:
			return nil, got.Error.Message
		default:
			return got.Result, ""
		}
	}
}

// run runs a script in the page and returns its value.
func (b *browser) run(script string) any {
	b.Helper()
	got := b.do("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true})
	if wrong, ok := got["exceptionDetails"]; ok {
		b.Fatalf("%s: %v", script, wrong)
	}
	return got["result"].(map[string]any)["value"]
}

// until waits in the browser until a script is true.
func (b *browser) until(script string) {
	b.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		got, _ := b.try("Runtime.evaluate", map[string]any{"returnByValue": true, "awaitPromise": true,
			"expression": "new Promise(done => { let n = 0; const look = () => { let yes = false; try { yes = !!(" +
				script + ") } catch {} if (yes || ++n > 40) done(yes); else setTimeout(look, 50); }; look(); })"})
		if result, ok := got["result"].(map[string]any); ok && result["value"] == true {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("never: %s\nthe page says: %v", script, b.run("document.body ? document.body.innerText : ''"))
		}
	}
}

func (b *browser) open(path string) {
	b.Helper()
	b.do("Page.navigate", map[string]any{"url": b.origin + path})
	b.until("document.readyState == 'complete' && location.href.startsWith('" + b.origin + "')")
}

func (b *browser) click(selector string) {
	b.Helper()
	quoted, _ := json.Marshal(selector)
	b.until("document.querySelector(" + string(quoted) + ")")
	b.run("document.querySelector(" + string(quoted) + ").click()")
}

// says waits until the page shows a text.
func (b *browser) says(text string) {
	b.Helper()
	quoted, _ := json.Marshal(text)
	b.until("document.body.innerText.includes(" + string(quoted) + ")")
}

// screen is what the page is shown on.
func (b *browser) screen(width, height int, dark bool) {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1,
		"mobile": width < 600})
	b.do("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme",
		"value": scheme}}})
}

// picture leaves a picture of the page, in light, dark and on a phone, and looks whether the page
// is as wide as the phone.
func (b *browser) picture(name string) {
	b.Helper()
	folder := os.Getenv(pictures)
	for kind, s := range map[string]struct {
		width, height int
		dark          bool
	}{"light": {900, 900, false}, "dark": {900, 900, true}, "phone": {390, 844, false},
		"phone-dark": {390, 844, true}} {
		if folder == "" && kind != "phone" {
			continue
		}
		b.screen(s.width, s.height, s.dark)
		if kind == "phone" {
			if wide := b.run("document.documentElement.scrollWidth"); wide.(float64) > float64(s.width) {
				b.Errorf("%s is %v pixels wide, and a phone %d", name, wide, s.width)
			}
		}
		if folder == "" {
			continue
		}
		data := b.do("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true})["data"]
		png, err := base64.StdEncoding.DecodeString(data.(string))
		b.must(err)
		b.must(os.WriteFile(filepath.Join(folder, name+"-"+kind+".png"), png, 0o600))
	}
	b.screen(900, 900, false)
}

// A person enrols, logs in, says yes and no, and sees what becomes of it, in a browser.
func TestInABrowser(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(w)
	w.fake.mu.Lock()
	w.fake.code = "a-code-of-a-test-01234"
	w.fake.mu.Unlock()

	b.open("/enrol#a-wrong-code")
	b.click("[data-enrol]")
	b.says("Not done: there is no such one-time code")
	b.open("/login")
	b.says("Nobody is enrolled yet")
	b.open("/enrol#a-code-of-a-test-01234")
	b.click("[data-enrol]")
	b.says("You are enrolled as anna")
	if at := b.run("location.href"); strings.Contains(at.(string), "code") {
		t.Errorf("the code stands in %s", at)
	}
	b.picture("enrol")

	b.open("/request/7")
	b.says("Log in with your passkey")
	b.picture("login")
	b.open("/#7") // as a message names it
	b.click("[data-login]")
	b.says("Nothing waits for you.")
	if at := b.run("location.href"); at != b.origin+"/#7" {
		t.Errorf("the login leads to %s", at)
	}
	b.picture("empty")

	// What comes is shown without a reload, in this order, and a hostile text stays one.
	w.fake.status = map[string]any{"policy": map[string]any{"file": "/var/lib/pksa/policy.yaml",
		"room": []any{map[string]any{"Limit": map[string]any{"name": "daily"}, "Used": "18", "Most": "50",
			"Unit": "HIVE", "Window": int64(24 * time.Hour)}}}}
	w.wait(7, `pays 12.500 HIVE from alice to bob, with the memo "order 7"`, map[string]any{"text": hostile})
	b.says("12.500 HIVE")
	if order := b.run(`["12.500 HIVE", "Why you are asked", "own words"].map(t => document.body.innerText.indexOf(t))
		.every((n, i, all) => n >= 0 && (!i || n > all[i-1]))`); order != true {
		t.Error("the card says things in another order")
	}
	if n := b.run("document.images.length + document.scripts.length - 1"); n.(float64) != 0 {
		t.Errorf("%v elements of a hostile text", n)
	}
	b.picture("waiting")
	b.open("/request/7")
	b.says("What would be signed")
	b.picture("request")
	b.open("/")
	b.click("[data-approve='7']")
	b.says("The wallet has your yes.")
	if w.fake.called("decision.finish") == nil || w.decided(7) != "yes" {
		t.Errorf("%v", w.fake.decided)
	}
	b.picture("approved")

	w.wait(8, "votes 100% for @bob/post as alice", nil)
	b.click("[data-card='8'] .deny")
	b.says("Request 8 is denied.")
	if w.decided(8) != "no" {
		t.Errorf("%v", w.fake.decided)
	}

	// Before the eyes of a person: it ends, another one has its number, the wallet is lost.
	w.wait(9, "votes 100% for @bob/post as alice", map[string]any{"until": time.Now().Add(3 * time.Second)})
	b.says("time is over")
	b.until("document.querySelector(\"[data-approve='9']\").disabled")
	w.fake.mu.Lock()
	w.fake.waiting = nil
	w.fake.mu.Unlock()
	b.says("Nothing waits for you.")
	w.wait(10, "votes 100% for @bob/post as alice", nil)
	b.until("document.querySelector(\"[data-approve='10']\")")
	w.fake.mu.Lock()
	w.fake.waiting[0]["digest"] = b64([]byte(strings.Repeat("e", 32)))
	w.fake.mu.Unlock()
	b.click("[data-approve='10']")
	b.says("Not done: another request has this number")
	if w.decided(10) != "" {
		t.Errorf("%v", w.fake.decided)
	}
	b.picture("refused")
	w.silence(true)
	b.until("!document.getElementById('lost').hidden")
	b.picture("lost")
	w.silence(false)
	b.until("document.getElementById('lost').hidden")

	w.fake.mu.Lock()
	w.fake.status = map[string]any{"not_ready": []string{"no node answers"}, "policy": map[string]any{
		"file": "/var/lib/pksa/policy.yaml", "since": time.Now(), "warnings": []string{"policy.yaml:3:5: warning"}},
		"links":    []any{map[string]any{"relay": "wss://hive-auth.arcange.eu/", "connected": true, "registered": 2}},
		"nodes":    []any{map[string]any{"url": "https://api.hive.blog", "usable": false}},
		"accounts": []any{map[string]any{"name": "alice", "roles": []string{"posting", "active"}, "sessions": 2}}}
	for i := range 3 {
		w.fake.sessions = append(w.fake.sessions, map[string]any{"id": i + 1, "account": "alice", "app": "shop",
			"origin": "service", "calls_itself": "The shop", "created": time.Now(),
			"expires": time.Now().Add(24 * time.Hour)})
		w.fake.records = append(w.fake.records, map[string]any{"number": 100 + i, "time": time.Now(), "type": "request",
			"kind": "sign", "account": "alice", "app": "shop", "verdict": "admitted", "result": "admitted",
			"transaction": strings.Repeat("9f", 20),
			"content":     map[string]any{"effects": []string{"pays 12.500 HIVE from alice to bob"}}})
	}
	w.fake.policy = map[string]any{"file": "/var/lib/pksa/policy.yaml", "text": "version: 1\nallow:\n" +
		"  - {name: votes, request: sign, accounts: [alice], apps: [shop], operations: [vote]}\nask:\n" +
		"  - {name: value, request: sign, accounts: [alice], apps: [shop], key: active, operations: [transfer]}\n"}
	w.fake.status["policy"].(map[string]any)["warnings"] = []string{"/var/lib/pksa/policy.yaml:5:5: warning: rule " +
		`"value" asks about transfers to whoever the app names`}
	w.fake.draft = map[string]any{"requests": 3, "ruled": 1, "yaml": "version: 1\nallow:\n  - name: shop-alice\n"}
	w.fake.why = map[string]any{"text": "Denied: no rule allows it.\n\nvote\n  no rule matches\n", "then": "denied"}
	w.fake.mu.Unlock()
	for path, text := range map[string]string{"/status": "no node answers", "/sessions": "The shop",
		"/audit": "admitted", "/audit/100": "12.500 HIVE", "/policy?draft=1": "whoever",
		"/policy/why/100": "no rule"} {
		b.open(path)
		b.says(text)
		b.picture(strings.Trim(strings.NewReplacer("/", "-", "?draft=1", "").Replace(path), "-"))
	}
	b.open("/sessions")
	b.click(".list .deny")
	b.says("Session 1 is revoked.")
	if calls := w.fake.called("session.revoke"); len(calls) != 1 || calls[0] != `{"id":1}` {
		t.Errorf("%q", calls)
	}
	b.click(".list form[action='/pause'] button")
	b.says(`"shop" is stopped`)
	if calls := w.fake.called("pause"); len(calls) != 1 || calls[0] != `{"app":"shop"}` {
		t.Errorf("%q", calls)
	}
	w.fake.mu.Lock()
	w.fake.status["apps_paused"] = []any{map[string]any{"app": "shop", "since": time.Now()}}
	w.fake.status["hindrances"] = []any{map[string]any{"cause": "paused"}}
	w.fake.mu.Unlock()
	b.open("/status")
	b.says("All signing is stopped.")
	w.fake.mu.Lock()
	w.fake.apps = []string{"bot", "shop"}
	w.fake.mu.Unlock()
	b.open("/status") // an app without a session is stopped here; one that is stopped is not offered
	if apps := b.run("[...document.querySelectorAll('#app option')].map(o => o.text).join()"); apps != "bot" {
		t.Errorf("apps to stop: %v", apps)
	}
	b.picture("stopped")
	for i, app := range []string{"", "shop"} {
		b.click("[data-resume='" + app + "']")
		b.says("goes on.")
		b.until("document.querySelector(\"[data-resume='" + app + "']\").hidden")
		calls := w.fake.called("resume.finish")
		if len(calls) != i+1 || !strings.Contains(calls[i], `"app":"`+app+`"`) {
			t.Errorf("%q", calls)
		}
	}
	w.fake.mu.Lock()
	w.fake.apps = []string{"bot", "shop"}
	w.fake.mu.Unlock()
	b.open("/pair")
	b.run(`document.getElementById("app").value = "shop"; document.getElementById("length").value = "720"`)
	b.run(`document.getElementById("link").value = "something else"`)
	b.click("[data-look]")
	b.says("Not done: pairing link: not one")
	b.run(`document.getElementById("link").value = " has://auth_req/abc\n"`)
	b.click("[data-look]")
	b.says("What the policy lets this app do")
	if n := b.run("document.images.length + document.scripts.length - 1"); n.(float64) != 0 {
		t.Errorf("%v elements of a hostile name", n)
	}
	b.picture("pair")
	b.click("[data-pair]")
	b.says("Paired: session 9 of shop for alice.")
	if calls := w.fake.called("pair.finish"); len(calls) != 1 || !strings.Contains(calls[0], b64link) ||
		!strings.Contains(calls[0], `"length":2592000000000000`) || !strings.Contains(calls[0], `"app":"shop"`) {
		t.Errorf("%q", calls)
	}
	if left := b.run(`document.getElementById("link").value`); left != "" {
		t.Errorf("the link stays: %v", left)
	}
	w.fake.mu.Lock()
	w.fake.change = map[string]any{"required": true, "waits": true, "from": strings.Repeat("a", 64),
		"to": strings.Repeat("b", 64), "diff": "New: allow \"pay\" (policy.yaml:4)\n\nAllowed now, denied before:\n" +
			"  shop for alice: pays 1.000 HIVE from alice to mallory\n    before: denied, no rule allows it\n"}
	w.fake.mu.Unlock()
	b.open("/policy/change")
	b.says("Allowed now, denied before")
	b.picture("change")
	b.click("[data-policy]")
	b.says("The policy is in force.")
	if calls := w.fake.called("policy.finish"); len(calls) != 1 || !strings.Contains(calls[0], `"from":"aaa`) {
		t.Errorf("%q", calls)
	}
	b.click("header button")
	b.says("Log in with your passkey")
	b.open("/audit")
	b.says("Log in with your passkey")
}

// Two people, each with a device of their own, say yes to one request.
func TestTwoPeopleInABrowser(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(w)
	enter := func(name string) {
		t.Helper()
		w.fake.mu.Lock()
		w.fake.inviting, w.fake.code = name, "a-code-of-"+name
		w.fake.mu.Unlock()
		b.open("/enrol#a-code-of-" + name)
		b.click("[data-enrol]")
		b.says("You are enrolled as " + name)
		b.open("/login")
		b.click("[data-login]")
		b.until("document.querySelector('.who').textContent == '" + name + "'")
	}
	enter("anna")
	w.wait(7, "pays 500.000 HBD from alice to bob", map[string]any{"said_yes": []string{}, "kind": "sign",
		"consents": []map[string]any{{"approvers": []string{"anna", "bob"}, "approvals": 2}}})
	b.says("500.000 HBD")
	b.says("nobody so far")
	b.picture("two-people")
	b.click("[data-approve='7']")
	b.says("Nothing is done yet: it takes a yes of 2 of anna, bob.")
	if w.decided(7) != "" {
		t.Error("one yes is enough")
	}
	b.picture("one-yes")
	b.click("header button")
	b.says("Log in with your passkey")
	b.device()
	enter("bob")
	b.until("document.querySelector('.card .said').textContent == 'anna'")
	b.picture("other-yes")
	b.click("[data-approve='7']")
	b.says("The wallet has your yes. It judges the request once more")
	if w.decided(7) != "yes" {
		t.Error("two are not")
	}
}

func (w *world) decided(number uint64) string {
	w.fake.mu.Lock()
	defer w.fake.mu.Unlock()
	return w.fake.decided[number]
}
