package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pksa/agent/control"
	"pksa/agent/passkey"
)

// fake is a wallet that answers at the narrow socket. It checks passkeys as the real one does.
type fake struct {
	mu         sync.Mutex
	site       passkey.Site
	silent     bool
	removed    bool   // the approver
	code       string // of the one enrolment
	inviting   string // who is enrolled with the code
	approvers  map[string]*passkey.Credential
	challenges map[string]bool
	waiting    []map[string]any
	sessions   []map[string]any
	status     map[string]any
	records    []map[string]any
	calls      []string
	decided    map[uint64]string
	policy     map[string]any
	draft      map[string]any
	why        map[string]any
	apps       []string
	change     map[string]any
}

// b64link is the link that the fake wallet knows, as a page sends it.
var b64link = base64.StdEncoding.EncodeToString([]byte("has://auth_req/abc"))

func newFake() *fake {
	return &fake{challenges: map[string]bool{}, decided: map[uint64]string{}, status: map[string]any{},
		inviting: "anna", approvers: map[string]*passkey.Credential{}}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (f *fake) challenge() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	f.challenges[b64(b)] = true
	return b64(b)
}

func no(text string) error { return &control.Error{Text: text} }

// call is the wallet of a console.
func (f *fake) call(_ context.Context, method string, params, result any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.silent {
		return control.ErrNoAnswer
	}
	text, err := control.Encode(params)
	if err != nil {
		return err
	}
	var p struct {
		Number, ID                                      uint64
		Yes                                             bool
		Code, Challenge, Credential, Signature, Seen    string
		ClientData, AuthenticatorData, Attestation, Raw string
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	for name, into := range map[string]any{"number": &p.Number, "id": &p.ID, "yes": &p.Yes, "code": &p.Code,
		"challenge": &p.Challenge, "credential": &p.Credential, "signature": &p.Signature, "seen": &p.Seen,
		"client_data": &p.ClientData, "authenticator_data": &p.AuthenticatorData, "attestation": &p.Attestation} {
		if value, ok := m[name]; ok {
			if err := json.Unmarshal(value, into); err != nil {
				return err
			}
		}
	}
	f.calls = append(f.calls, method+" "+string(text))
	raw := func(s string) []byte {
		b, _ := base64.RawURLEncoding.DecodeString(s)
		return b
	}
	want := passkey.Expected{Site: f.site, Challenge: raw(p.Challenge)}
	asked := func(but ...string) map[string]any {
		allow := []string{}
		for name, key := range f.approvers {
			if !slices.Contains(but, name) {
				allow = append(allow, b64(key.ID))
			}
		}
		return map[string]any{"challenge": f.challenge(), "rp_id": f.site.RPID, "allow": allow}
	}
	by := "" // whose answer it is
	verify := func() error {
		for name, key := range f.approvers {
			if string(key.ID) == string(raw(p.Credential)) {
				by = name
			}
		}
		if !f.challenges[p.Challenge] || by == "" {
			return no("this question is answered already")
		}
		delete(f.challenges, p.Challenge)
		next, err := passkey.Verify(want, *f.approvers[by], passkey.Assertion{CredentialID: raw(p.Credential),
			ClientData: raw(p.ClientData), AuthenticatorData: raw(p.AuthenticatorData), Signature: raw(p.Signature)})
		if err != nil {
			return no(err.Error())
		}
		f.approvers[by] = &next
		return nil
	}
	at := func() int {
		return slices.IndexFunc(f.waiting, func(w map[string]any) bool { return w["number"] == p.Number })
	}
	var out any = struct{}{}
	switch method {
	case "console.about":
		out = map[string]any{"wallet": "wallet-1", "origin": f.site.Origin, "rp_id": f.site.RPID,
			"approvers": len(f.approvers)}
	case "enrol.begin":
		if p.Code != f.code || f.code == "" {
			return no("there is no such one-time code")
		}
		out = map[string]any{"challenge": f.challenge(), "rp_id": f.site.RPID, "user_id": b64([]byte(f.inviting)),
			"user_name": f.inviting, "algorithms": []int{-7, -8, -257}, "exclude": []string{}}
	case "enrol.finish":
		if p.Code != f.code || !f.challenges[p.Challenge] {
			return no("there is no such one-time code")
		}
		made, err := passkey.Register(want, passkey.Registration{ClientData: raw(p.ClientData),
			Attestation: raw(p.Attestation)})
		if err != nil {
			return no(err.Error())
		}
		f.approvers[f.inviting], f.code = &made, ""
		out = map[string]any{"name": f.inviting, "fingerprint": made.Fingerprint()}
	case "login.begin", "resume.begin":
		out = asked()
	case "resume.finish":
		if err := verify(); err != nil {
			return err
		}
		out = map[string]any{"answered": true}
	case "login.finish":
		if err := verify(); err != nil {
			return err
		}
		out = map[string]any{"name": by, "enrolment": 3}
	case "login.check":
		out = map[string]any{"approver": !f.removed && strings.Contains(string(text), `"enrolment":3`)}
	case "decision.begin":
		if i := at(); i < 0 || f.waiting[i]["digest"] != p.Seen {
			return no("another request has this number")
		}
		said, _ := f.waiting[at()]["said_yes"].([]string)
		out = asked(said...)
	case "decision.finish":
		if err := verify(); err != nil {
			return err
		}
		i := at()
		said := []string{by}
		if i >= 0 {
			before, _ := f.waiting[i]["said_yes"].([]string)
			said = append(said, before...)
		}
		need, _ := f.waiting[max(i, 0)]["consents"].([]map[string]any)
		if len(need) > 0 && len(said) < need[0]["approvals"].(int) {
			f.waiting[i]["said_yes"] = said
			out = map[string]any{"answered": true, "lacks": "a yes of 2 of anna, bob"}
			break
		}
		f.decided[p.Number], out = "yes", map[string]any{"answered": true}
		if i >= 0 {
			f.waiting = slices.Delete(f.waiting, i, i+1)
		}
	case "decision.deny":
		i := at()
		if i < 0 {
			return no("no request waits with this number")
		}
		f.decided[p.Number], f.waiting = "no", slices.Delete(f.waiting, i, i+1)
	case "pending":
		out = append([]map[string]any{}, f.waiting...)
	case "pending.whole":
		i := at()
		if i < 0 {
			return no("no request waits with this number")
		}
		out = f.waiting[i]
	case "status":
		out = f.status
	case "policy.proposal":
		out = f.change
	case "policy.begin":
		out = asked()
	case "policy.finish":
		if err := verify(); err != nil {
			return err
		}
		out = map[string]any{"sha256": f.change["to"]}
	case "app.names":
		out = f.apps
	case "pair.begin":
		if !strings.Contains(string(text), b64link) {
			return no("pairing link: not one")
		}
		out = map[string]any{"account": "alice", "relay": "wss://relay.example", "app": "shop", "calls_itself": hostile,
			"permits": []string{"sign vote (rule \"votes\")"}, "sign": asked()}
	case "pair.finish":
		if err := verify(); err != nil {
			return err
		}
		out = map[string]any{"id": 9, "account": "alice", "app": "shop"}
	case "session.list":
		out = f.sessions
	case "audit.page":
		out = map[string]any{"records": f.records, "next": 0, "end": true}
	case "policy.view":
		out = f.policy
	case "policy.suggest":
		out = f.draft
	case "policy.explain":
		out = f.why
	case "pause", "session.revoke":
	default:
		return no("the running agent does not know " + method)
	}
	if result == nil {
		return nil
	}
	answer, err := control.Encode(out)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, result)
}

func (f *fake) called(method string) (params []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if name, rest, _ := strings.Cut(c, " "); name == method {
			params = append(params, rest)
		}
	}
	return params
}

// world is a console with its wallet.
type world struct {
	*testing.T
	fake    *fake
	console *console
	server  *httptest.Server
	origin  string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, fake: newFake()}
	w.console = newConsole(w.fake.call, slog.New(slog.DiscardHandler))
	w.server = httptest.NewServer(w.console.handler())
	t.Cleanup(w.server.Close)
	u, err := url.Parse(w.server.URL)
	w.must(err)
	w.origin = "http://localhost:" + u.Port()
	w.fake.site = passkey.Site{Origin: w.origin, RPID: "localhost"}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// wait has a request wait for a person.
func (w *world) wait(number uint64, effect string, more map[string]any) {
	one := map[string]any{"number": number, "since": time.Now(), "until": time.Now().Add(10 * time.Minute),
		"kind": "sign", "account": "alice", "app": "shop", "key_type": "active", "effects": []string{effect},
		"operations": []string{`["transfer",{"from":"alice","to":"bob","amount":"12.500 HIVE","memo":"order 7"}]`},
		"reason":     `rule "value" asks`, "letters": "KQTM", "digest": b64([]byte(strings.Repeat("d", 32)))}
	for name, value := range more {
		one[name] = value
	}
	w.fake.mu.Lock()
	defer w.fake.mu.Unlock()
	w.fake.waiting = append(w.fake.waiting, one)
}

// in returns the cookie of somebody who is logged in.
func (w *world) in() *http.Cookie {
	recorder := httptest.NewRecorder()
	w.console.logins.begin(recorder, loggedIn{"anna", 3})
	return recorder.Result().Cookies()[0]
}

// ask asks as a page of this console does; change spoils that.
func (w *world) ask(method, path, body string, change func(*http.Request)) (int, http.Header, string) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, w.server.URL+path, strings.NewReader(body))
	w.must(err)
	r.Host = strings.TrimPrefix(w.origin, "http://")
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Origin", w.origin)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if strings.HasPrefix(body, "{") {
			r.Header.Set("Content-Type", "application/json")
		}
	}
	if change != nil {
		change(r)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	w.must(err)
	defer answer.Body.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, answer.Body); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		w.Fatal(err)
	}
	return answer.StatusCode, answer.Header, b.String()
}

func (w *world) silence(yes bool) {
	w.fake.mu.Lock()
	defer w.fake.mu.Unlock()
	w.fake.silent = yes
}
