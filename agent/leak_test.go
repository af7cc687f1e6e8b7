package agent_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/client"
	"pksa/agent/control"
	"pksa/agent/relay/relaytest"
	"pksa/protocol/hive"
)

// hunted is a world of which everything is kept.
type hunted struct {
	*world
	leaks   *leaks
	allowed map[string][]string // output → secrets that it shows on purpose
}

// call asks the control socket's method. The answer is kept under the method's name, or under that
// of a showing where a secret is meant to be shown once.
func (h *hunted) call(output, method string, params any) json.RawMessage {
	h.t.Helper()
	text, err := control.Encode(params)
	if err != nil {
		h.t.Fatal(err)
	}
	result, err := h.agent.Methods()[method](h.t.Context(), text)
	if err != nil {
		h.leaks.show("errors", err)
		return nil
	}
	answer, err := control.Encode(result)
	if err != nil {
		h.t.Fatal(err)
	}
	h.leaks.keep(output, answer)
	h.leaks.show("values", params, result)
	return answer
}

// once calls a method whose answer shows a secret, and hides that from then on.
func (h *hunted) once(method string, params any, member string) string {
	h.t.Helper()
	name := "secret shown by " + method
	output := "the showing of " + method
	var answer map[string]any
	if err := json.Unmarshal(h.call(output, method, params), &answer); err != nil {
		h.t.Fatal(err)
	}
	secret, _ := answer[member].(string)
	h.leaks.hide(name, []byte(secret))
	h.allowed[output] = append(h.allowed[output], name)
	return secret
}

func (h *hunted) failed(what string, err error) {
	h.t.Helper()
	if err == nil {
		h.t.Errorf("%s went well", what)
		return
	}
	for ; err != nil; err = errors.Unwrap(err) {
		h.leaks.show("errors", err)
	}
}

func (h *hunted) went(what string, err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatalf("%s: %v", what, err)
	}
}

// hunt runs a scenario and reports what leaked.
func hunt(t *testing.T, o worldOptions, scenario func(*hunted)) {
	l := newLeaks()
	o.log = slog.New(slog.NewMultiHandler(handlers(slog.LevelDebug, writer{l, "the log"})...))
	allowed := map[string][]string{}
	within(t, o, func(t *testing.T, w *world) {
		h := &hunted{world: w, leaks: l, allowed: allowed}
		h.hideKeys()
		t.Cleanup(func() { // after the agent has stopped, before the folder goes
			h.files()
			l.show("values", w.agent, w.ledger, w.keys, w.config)
		})
		scenario(h)
		h.files()
		h.reports()
	})
	for _, leak := range l.found(allowed) {
		t.Error(leak)
	}
	if t.Failed() {
		return
	}
	l.mustHave(t, "the log (text)", "level=DEBUG", "serving")
	l.mustHave(t, "the log (JSON)", `"level":"DEBUG"`)
	l.mustHave(t, "metrics", "pksa_")
	l.mustHave(t, "audit", `"type":"request"`)
	l.mustHave(t, "file ledger.db", "\xed\xda\x0c\xed") // the magic number of bbolt
	l.mustHave(t, "file keystore.age", "age-encryption.org")
}

// hideKeys seeds what the home folder holds: everything in the keystore, as its owner reads it, and
// what opens it.
func (h *hunted) hideKeys() {
	h.leaks.hide("slot secret", []byte(secret))
	identity, err := os.ReadFile(filepath.Join(h.home, "identity.txt"))
	h.went("identity", err)
	i := bytes.Index(identity, []byte("AGE-SECRET-KEY-1"))
	h.leaks.hide("identity", bytes.Fields(identity[i:])[0])
	h.allowed["file identity.txt"] = []string{"identity"}

	for _, role := range []hive.Role{hive.Memo, hive.Posting, hive.Active} {
		scalar := sha256.Sum256([]byte("alice" + role.String() + "password"))
		if hive.PrivateKeyFromSeed("alice"+role.String()+"password").Public() != keyOf("alice", role).Public() {
			h.t.Fatal("the scalar is another key's")
		}
		h.leaks.hide(role.String()+" key", scalar[:])
		h.leaks.hide(role.String()+" WIF", []byte(keyOf("alice", role).WIF()))
	}
	h.leaks.hide("ledger key", h.ledgerKey(identity))
}

// ledgerKey opens the keystore as the age tool does.
func (h *hunted) ledgerKey(identity []byte) []byte {
	ids, err := age.ParseIdentities(bytes.NewReader(identity))
	h.went("identity", err)
	sealed, err := os.ReadFile(filepath.Join(h.home, "keystore.age"))
	h.went("keystore", err)
	clear, err := age.Decrypt(bytes.NewReader(sealed), ids...)
	if err != nil {
		h.t.Fatal(err)
	}
	var content struct{ Ledger struct{ Key []byte } }
	text, err := io.ReadAll(clear)
	h.went("keystore", errors.Join(err, json.Unmarshal(text, &content)))
	return content.Ledger.Key
}

// files keeps every file of the home folder.
func (h *hunted) files() {
	err := filepath.WalkDir(h.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type()&fs.ModeSocket != 0 {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(h.home, path)
		h.leaks.keep("file "+name, text)
		return err
	})
	h.went("files", err)
}

// reports keeps what machines and people can ask for.
func (h *hunted) reports() {
	recorder := httptest.NewRecorder()
	h.agent.Metrics().Handler().ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	h.leaks.keep("metrics", recorder.Body.Bytes())
	for output, method := range map[string]string{
		"status": agent.MethodStatus, "apps": agent.MethodAppList, "sessions": agent.MethodSessionList,
		"pending": agent.MethodPending, "logins": agent.MethodLogins,
	} {
		h.call(output, method, struct{}{})
	}
	h.call("audit", agent.MethodAuditPage, audit.Query{})
}

// The whole scenario as an application and an operator see it.
func TestNoSecretLeaks(t *testing.T) {
	hunt(t, worldOptions{}, func(h *hunted) {
		c := h.dial()
		s := h.login(c)
		h.hideSession("service", s.AuthKey())
		h.application(c, s)
		h.operator()
		h.pairing(h.dial())
		h.call("relay key check", agent.MethodKeysCheck, struct{}{})
		h.keystore()
		h.reload()
		h.leaks.show("values", s, client.Auth{Secret: secret, Session: s}, keyOf("alice", hive.Posting))
	})
}

// hideSession seeds the key and the token of a session.
func (h *hunted) hideSession(name, authKey string) {
	h.leaks.hide("auth_key of the "+name+" session", []byte(authKey))
	for _, s := range h.ledger.Sessions() {
		if string(s.AuthKey) == authKey {
			h.leaks.hide("token of the "+name+" session", []byte(string(s.Token)))
			h.leaks.show("values", s, *s)
			return
		}
	}
	h.t.Errorf("there is no %s session", name)
}

// application asks for everything once, and once in vain.
func (h *hunted) application(c *client.Client, s *client.Session) {
	ctx := h.t.Context()
	_, err := c.Sign(ctx, s, vote("one"))
	h.went("vote", err)
	_, err = c.Sign(ctx, s, transfer("carol", "1.000 HIVE"))
	h.failed("forbidden transfer", err)
	_, err = c.Challenge(ctx, s, client.Challenge{Role: hive.Posting, Text: "hello"})
	h.went("challenge", err)

	const clear = "what only alice may read"
	h.leaks.hide("text of the memo", []byte(clear))
	memo, err := keyOf("bob", hive.Memo).EncodeMemo(keyOf("alice", hive.Memo).Public(), "#"+clear, 1)
	h.went("memo", err)
	proof, err := c.Challenge(ctx, s, client.Challenge{Role: hive.Memo, Text: memo, Decrypt: true})
	if err != nil || proof.Text != clear {
		h.t.Errorf("memo: %+v, %v", proof, err)
	}
	_, err = c.Challenge(ctx, s, client.Challenge{Role: hive.Posting, Text: memo, Decrypt: true})
	h.failed("memo with the wrong key", err)
	foreign := client.NewSession("alice", "the key of a session that nobody knows")
	h.leaks.hide("foreign auth_key", []byte(foreign.AuthKey()))
	_, err = c.Sign(ctx, foreign, vote("foreign"))
	h.failed("foreign session", err)
	const wrong = "another secret than that of the slot"
	h.leaks.hide("wrong slot secret", []byte(wrong))
	_, err = c.Authenticate(ctx, client.Auth{Account: "alice", Secret: wrong, Session: foreign})
	h.failed("login with a wrong secret", err)
	_, err = client.LoadSession([]byte(`{"auth_key":"` + foreign.AuthKey() + `","x":1}`))
	h.failed("wrong session file", err)
	h.relay.Cut()
	_, err = c.Sign(ctx, s, vote("after a cut"))
	h.went("vote after a cut", err)
}

// operator manages slots and sessions, with secrets given and made.
func (h *hunted) operator() {
	const given, taken = "a secret that was given to a slot", "an auth_key that was given to a session"
	h.leaks.hide("given slot secret", []byte(given))
	h.leaks.hide("given auth_key", []byte(taken))
	h.allowed["the slot with a given secret"] = []string{"given slot secret"}
	h.call("the slot with a given secret", agent.MethodAppAdd, agent.AppParams{Name: "given",
		Secret: control.Secret(given)})
	h.call("second slot", agent.MethodAppAdd, agent.AppParams{Name: "given", Secret: control.Secret(given)})
	h.call("short", agent.MethodAppAdd, agent.AppParams{Name: "short", Secret: control.Secret("shortie!")})
	h.leaks.hide("short slot secret", []byte("shortie!"))
	h.once(agent.MethodAppAdd, agent.AppParams{Name: "made"}, "secret")
	h.once(agent.MethodAppRotate, agent.AppParams{Name: "made"}, "secret")

	h.call("session", agent.MethodSessionAdd, agent.SessionRequest{App: "given", Account: "alice",
		AuthKey: control.Secret(taken)})
	h.hideSession("given", taken)
	h.call("session", agent.MethodSessionAdd, agent.SessionRequest{App: "made", Account: "alice",
		AuthKey: control.Secret(taken)})
	h.call("session", agent.MethodSessionAdd, agent.SessionRequest{App: "made", Account: "nobody",
		AuthKey: control.Secret(taken)})
	h.hideSession("made", h.once(agent.MethodSessionAdd, agent.SessionRequest{App: "made", Account: "alice"},
		"auth_key"))
	h.allowed["the showing of "+agent.MethodSessionAdd] = []string{"secret shown by " + agent.MethodSessionAdd,
		"auth_key of the made session"}
	h.call("revoked", agent.MethodRevoke, agent.SessionParams{ID: h.ledger.Sessions()[0].ID})
	h.call("removed", agent.MethodAppRemove, agent.AppParams{Name: "given"})
	h.call("decided", agent.MethodDecide, agent.DecideParams{Number: 12345})
}

// pairing takes a link, and links that are none.
func (h *hunted) pairing(c *client.Client) {
	p, err := c.Pair(h.t.Context(), client.Auth{Account: "alice"})
	h.went("link", err)
	h.leaks.hide("link", []byte(p.Link()))
	time.Sleep(time.Second) // of the bubble: the request is there
	h.call("pairing", agent.MethodPair, agent.PairParams{App: "app", Link: control.Secret(p.Link())})
	grant, err := p.Wait(h.t.Context())
	h.went("pairing", err)
	h.hideSession("paired", grant.Session.AuthKey())

	const key = "the key in a link that fits nowhere"
	h.leaks.hide("key of a wrong link", []byte(key))
	for _, link := range []string{
		key, "has://auth_req/" + key, `{"account":"alice","uuid":"` + key + `","key":"` + key + `","host":"x"}`,
		`{"account":"alice","uuid":"` + uuid(7) + `","key":"` + key + `","host":"wss://elsewhere.example"}`,
		`{"account":"alice","uuid":"` + uuid(8) + `","key":"` + key + `","host":"` + h.relay.URL + `"}`, // nobody asks
	} {
		h.call("pairing", agent.MethodPair, agent.PairParams{App: "app", Link: control.Secret(link), Wait: time.Second})
	}
	h.leaks.show("values", p)
}

// keystore rereads the keys, with the right secret and with wrong ones.
func (h *hunted) keystore() {
	const passphrase = "a passphrase that opens nothing here"
	h.leaks.hide("passphrase", []byte(passphrase))
	identity, err := os.ReadFile(filepath.Join(h.home, "identity.txt"))
	h.went("identity", err)
	for _, unlock := range []string{passphrase, "AGE-SECRET-KEY-1" + passphrase, string(identity)} {
		h.call("keys reload", agent.MethodKeysReload, agent.ReloadParams{Secret: control.Secret(unlock)})
	}
	wif := keyOf("alice", hive.Posting).WIF()
	h.failed("import of a damaged key", h.keys.Import("alice", hive.Active, []byte(wif[1:])))
	_, err = hive.ParseWIF(wif + "1")
	h.failed("damaged WIF", err)
}

// reload reads the policy again, good and bad.
func (h *hunted) reload() {
	h.call("policy reload", agent.MethodPolicyReload, struct{}{})
	h.write("policy.yaml", "version: 1\nallow: 5\n")
	h.call("policy reload", agent.MethodPolicyReload, struct{}{})
}

// Requests that are no requests, with secrets in every place where one can be put by mistake.
func TestNoSecretLeaksFromMalformedRequests(t *testing.T) {
	script := &scriptedClient{}
	hunt(t, worldOptions{fault: script.fault}, func(h *hunted) {
		h.session(authKey)
		h.hideSession("test", authKey)
		wif := keyOf("alice", hive.Posting).WIF()
		const token = "a token as the old protocol had them"
		h.leaks.hide("token of the application", []byte(token))
		n := 0
		for cmd, payloads := range map[string][]string{
			"auth_req": {
				`{"app":{"name":"x"},"token":"` + token + `","` + wif + `":1}`, `{"token":"` + token + `"`,
				`{"app":{"name":"` + wif + `"},"token":{"` + token + `":1}}`, `"` + wif + `"`,
				`{"app":{"name":"x"},"challenge":{"key_type":"` + wif + `","challenge":"x"}}`,
			},
			"sign_req": {
				`{"key_type":"` + wif + `","ops":[],"broadcast":true}`, `{"key_type":"posting","ops":"` + wif +
					`","broadcast":true}`,
				`{"key_type":"posting","ops":[["` + wif + `",{}]],"broadcast":true,"nonce":1}`,
				`{"key_type":"posting","ops":[["vote",{"voter":"` + wif +
					`","author":"bob","permlink":"x","weight":1}]],"broadcast":true}`,
				`{"key_type":"posting","ops":[["vote",{"` + wif + `":1}]],"broadcast":true}`,
				`{"key_type":"active","ops":[["transfer",{"from":"alice","to":"bob","amount":"` + wif +
					`","memo":""}]],"broadcast":true}`,
				`{"key_type":"posting","ops":[],"broadcast":"` + wif + `","nonce":"` + wif + `"}`, `{"` + wif + `":1}`,
			},
			"challenge_req": {
				`{"key_type":"` + wif + `","challenge":"x","decrypt":false}`, `{"key_type":"memo","challenge":"` + wif +
					`","decrypt":true,"nonce":1}`,
				`{"key_type":"memo","challenge":"#` + wif + `","decrypt":true,"nonce":2}`, `{"key_type":"memo","` +
					wif + `":1}`, wif,
			},
		} {
			for _, payload := range payloads {
				n++
				if script.ask(request(cmd, uuid(n), authKey, payload)) == nil {
					h.release()
				}
				script.say([]byte(`{"cmd":"` + wif + `"}`))
				script.say([]byte(`{"cmd":"` + cmd + `","account":"` + wif + `","data":"` + relaytest.Seal(authKey,
					payload) + `","uuid":"` + wif + `","expire":1}`))
			}
		}
	})
}

// The hunt must find what leaks, whatever form it has.
func TestLeaksAreFound(t *testing.T) {
	needle := []byte("not for your eyes: \x00\xff")
	scalar := sha256.Sum256(needle)
	for name, leak := range map[string]func(l *leaks, log *slog.Logger){
		"log":            func(_ *leaks, log *slog.Logger) { log.Info("x", "secret", string(needle)) },
		"bytes in a log": func(_ *leaks, log *slog.Logger) { log.Info("x", "secret", needle) },
		"field in a log": func(_ *leaks, log *slog.Logger) { log.Info("x", "v", struct{ S []byte }{needle}) },
		"key in a log":   func(_ *leaks, log *slog.Logger) { log.Info("x", "v", scalar) },
		"key in hex":     func(_ *leaks, log *slog.Logger) { log.Info(hex.EncodeToString(scalar[:])) },
		"error":          func(l *leaks, _ *slog.Logger) { l.show("errors", fmt.Errorf("x %s", needle)) },
		"error in an error": func(l *leaks, _ *slog.Logger) {
			l.show("errors",
				fmt.Errorf("x %w", errors.New(string(needle))))
		},
		"file":   func(l *leaks, _ *slog.Logger) { l.keep("file", append([]byte("before"), needle...)) },
		"base64": func(l *leaks, _ *slog.Logger) { l.keep("file", []byte(base64.StdEncoding.EncodeToString(needle))) },
		"base64 of more": func(l *leaks, _ *slog.Logger) {
			l.keep("file", []byte(base64.StdEncoding.EncodeToString(append([]byte("1234"), needle...))))
		},
		"base64 of much more": func(l *leaks, _ *slog.Logger) {
			l.keep("file", []byte(base64.URLEncoding.EncodeToString(append([]byte("12345"), append(needle, '6')...))))
		},
		"unexported field": func(l *leaks, _ *slog.Logger) { l.show("values", struct{ s string }{string(needle)}) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLeaks()
			l.hide("text", needle)
			l.hide("key", scalar[:])
			for _, h := range handlers(slog.LevelDebug, writer{l, "log"}) {
				leak(l, slog.New(h))
			}
			if len(l.found(nil)) == 0 {
				t.Errorf("not found in %q", l.outputs)
			}
		})
	}
	l := newLeaks()
	l.hide("text", needle)
	l.keep("a showing", needle)
	if found := l.found(map[string][]string{"a showing": {"text"}}); len(found) != 0 {
		t.Errorf("shown on purpose, and found: %v", found)
	}
}
