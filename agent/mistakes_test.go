package agent_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/policy"
	"pksa/agent/relay/relaytest"
	"pksa/agent/trace"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// sealedBytes are the bytes of a sealed member.
func sealedBytes(q map[string]any, member string) []byte {
	raw, err := base64.StdEncoding.DecodeString(q[member].(string))
	if err != nil {
		panic(err)
	}
	return raw
}

// withBytes puts bytes in place of a sealed member.
func withBytes(q map[string]any, member string, raw []byte) map[string]any {
	return with(q, member, base64.StdEncoding.EncodeToString(raw))
}

// cutOff takes the last block away. The text before it ends in no padding.
func cutOff(q map[string]any) map[string]any {
	raw := sealedBytes(q, "data")
	return withBytes(q, "data", raw[:len(raw)-16])
}

// mistakes are requests that programs make, each with what log and trail must name.
var mistakes = []struct{ name, cmd, payload, named string }{
	{"a fraction of a weight", "sign_req", signPayload(`["vote",{"voter":"alice","author":"bob","permlink":"p",` +
		`"weight":3333.33}]`), "vote: weight"},
	{"a weight out of range", "sign_req", signPayload(`["vote",{"voter":"alice","author":"bob","permlink":"p",` +
		`"weight":10001}]`), "vote: weight"},
	{"an amount too exact", "sign_req", signPayload(`["transfer",{"from":"alice","to":"bob","amount":"1.0000 HIVE",` +
		`"memo":""}]`), "transfer: amount"},
	{"a member too many in an operation", "sign_req", signPayload(`["vote",{"voter":"alice","author":"bob",` +
		`"permlink":"p","weight":1,"note":"x"}]`), `"note"`},
	{"a member that is missing in an operation", "sign_req", signPayload(`["vote",{"voter":"alice","author":"bob",` +
		`"permlink":"p"}]`), "vote: weight"},
	{"no number, as Python writes it", "sign_req", signPayload(`["vote",{"voter":"alice","author":"bob",` +
		`"permlink":"p","weight":NaN}]`), "sign_req_data"},
	{"half a character", "sign_req", signPayload(`["vote",{"voter":"alice","author":"bob","permlink":"p\ud83d",` +
		`"weight":1}]`), "sign_req_data"},
	{"a member twice", "sign_req", `{"key_type":"posting","key_type":"posting","ops":[["vote",{}]],"broadcast":true}`,
		"sign_req_data"},
	{"a member too many", "sign_req", strings.Replace(votePayload("p", 1), `"nonce"`, `"username"`, 1), `"username"`},
	{"a member that is missing", "sign_req", `{"key_type":"posting","ops":[["vote",{}]]}`, "broadcast"},
	{"a role that is none", "sign_req", strings.Replace(votePayload("p", 1), "posting", "Posting", 1), "key_type"},
	{"no operations", "sign_req", `{"key_type":"posting","ops":[],"broadcast":true}`, "ops"},
	{"a nonce as text", "challenge_req", `{"key_type":"posting","challenge":"hello","nonce":"1"}`, "nonce"},
	{"a challenge that is no text", "challenge_req", `{"key_type":"posting","challenge":{"a":1}}`, "challenge"},
	{"nothing to decrypt", "challenge_req", `{"key_type":"memo","challenge":"hello","decrypt":true}`, "challenge"},
	{"decrypt of what is no memo", "challenge_req", `{"key_type":"memo","challenge":"#hello","decrypt":true}`,
		"challenge"},
	{"an app without a name", "auth_req", `{"app":{"description":"x"}}`, "name"},
	{"a member too many in a login", "auth_req", `{"app":{"name":"x"},"expire":1}`, `"expire"`},
	{"an object as JavaScript prints it", "sign_req", "[object Object]", "sign_req_data"},
	{"a list", "sign_req", "[" + votePayload("p", 1) + "]", "sign_req_data"},
}

func signPayload(ops string) string {
	return `{"key_type":"posting","ops":[` + ops + `],"broadcast":true,"nonce":1700000000000}`
}

// lastHour returns how many requests status counts of a kind.
func (w *world) lastHour(kind trace.Kind) (n uint64) {
	for _, e := range w.agent.Status().LastHour {
		if e.Kind == kind {
			n += e.Count
		}
	}
	return n
}

// TestMistakesAreAnswered: what an application does wrong is answered each time, far more often
// than a relay may alter requests, and the next right request is served. Log and trail name the
// member, never what stood in it, and nothing blames the relay.
func TestMistakesAreAnswered(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		for i, c := range mistakes {
			for again := range 2 {
				q := request(c.cmd, uuid(100*i+again), authKey, c.payload)
				if m := script.ask(q); !saysInvalid(m) {
					t.Errorf("%s: %s %q", c.name, answerKind(m), errorText(m, authKey))
				}
			}
			good := request("sign_req", uuid(100*i+10), authKey, votePayload(fmt.Sprint("p", i), nowNonce()))
			if got := answerKind(script.ask(good)); got != "ack" {
				t.Errorf("the right request after %q: %s", c.name, got)
			}
			all := w.rejections()
			if said := all[len(all)-1].Reason; !strings.Contains(said, c.named) || strings.Contains(said, "3333") {
				t.Errorf("%s: the trail says %q, and should name %s", c.name, said, c.named)
			}
		}
		s := w.agent.Status()
		if len(s.Quarantine) != 0 || len(w.events("session quarantined")) != 0 {
			t.Errorf("in quarantine: %+v", s.Quarantine)
		}
		if a, i := w.lastHour(trace.Altered), w.lastHour(trace.Invalid); a != 0 || i != uint64(2*len(mistakes)) {
			t.Errorf("in the last hour %d are called altered and %d mistakes, of %d mistakes", a, i, 2*len(mistakes))
		}
	})
}

// saysInvalid reports whether an answer is that to an invalid request. The err of a login says the
// same whatever it is about.
func saysInvalid(m protocol.Message) bool {
	e, isErr := m.(protocol.Err)
	if isErr && e.Kind == protocol.Auth {
		return e.Error == protocol.TextAuthFailed
	}
	return errorText(m, authKey) == protocol.TextInvalid
}

// rejections returns the records of requests that never came to a decision.
func (w *world) rejections() (all []audit.Content) {
	w.t.Helper()
	if err := w.ledger.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	page, err := w.trail().Page(w.t.Context(), audit.Query{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range page.Records {
		var content audit.Content
		if err := json.Unmarshal(r.Content, &content); err == nil && content.Code == "invalid" {
			all = append(all, content)
		}
	}
	return all
}

// answerClass is what the relay can tell answers apart by: the message, its members, what stands in
// clear, and how long the rest is.
func answerClass(m protocol.Message) string {
	switch m := m.(type) {
	case protocol.Nack:
		return fmt.Sprintf("nack %q, %d bytes, proof %t", m.Error, len(m.Data), m.PoK != "")
	case protocol.Err:
		text := fmt.Sprintf("%d bytes", len(m.Error))
		if m.Kind == protocol.Auth {
			text = m.Error // in clear
		}
		return fmt.Sprintf("err %s, proof %t", text, m.PoK != "")
	case protocol.Ack:
		return "ack"
	}
	return "nothing"
}

// alterations are what a relay can make of a payload, by the stage at which it fails. The sealed
// ones were made with the key, to fail there for sure: the relay gets them by chance.
var alterations = []struct {
	stage string
	make  func(q map[string]any, payload string) map[string]any
	heard bool // the first block is left, or the text opens
}{
	{"padding", func(q map[string]any, _ string) map[string]any { return cutOff(q) }, true},
	{"padding of zero", func(q map[string]any, _ string) map[string]any {
		raw := sealedBytes(q, "data")
		padding := 16 - len(clearOf(q))%16
		raw[len(raw)-17] ^= byte(padding) // the last byte in clear becomes zero
		return withBytes(q, "data", raw)
	}, true},
	{"UTF-8", func(q map[string]any, payload string) map[string]any {
		return with(q, "data", relaytest.Seal(authKey, payload[:len(payload)-3]+"\xff\xfe"+payload[len(payload)-1:]))
	}, true},
	{"a surrogate in UTF-8", func(q map[string]any, payload string) map[string]any {
		return with(q, "data", relaytest.Seal(authKey, payload[:len(payload)-3]+"\xed\xa0\x80"))
	}, true},
	{"JSON", func(q map[string]any, payload string) map[string]any {
		return with(q, "data", relaytest.Seal(authKey, payload[:len(payload)-1]))
	}, true},
	{"a control character in JSON", func(q map[string]any, payload string) map[string]any {
		return with(q, "data", relaytest.Seal(authKey, payload[:len(payload)-3]+"\x01"+payload[len(payload)-2:]))
	}, true},
	{"shape", func(q map[string]any, payload string) map[string]any {
		return with(q, "data", relaytest.Seal(authKey, strings.Replace(payload, `{"`, `{"x`, 1)))
	}, true},
	{"another kind", func(q map[string]any, _ string) map[string]any {
		return with(q, "data", relaytest.Seal(authKey, `{"of":"nothing that there is"}`))
	}, true},
	{"the first block", func(q map[string]any, _ string) map[string]any {
		raw := sealedBytes(q, "data")
		raw[16] ^= 1
		return withBytes(q, "data", raw)
	}, false},
	{"the salt", func(q map[string]any, _ string) map[string]any {
		raw := sealedBytes(q, "data")
		raw[8] ^= 1
		return withBytes(q, "data", raw)
	}, false},
}

// clearOf opens the data of a request.
func clearOf(q map[string]any) string {
	clear, err := relaytest.Open(authKey, q["data"].(string))
	if err != nil {
		panic(err)
	}
	return clear
}

// TestOneAnswer: whatever is wrong with a payload before the policy is asked, the relay gets one
// and the same answer, and silence where nothing opens. The trail gets the same kind of record, and
// as many of them.
func TestOneAnswer(t *testing.T) {
	for cmd, payload := range map[string]string{
		"sign_req":      votePayload("a-post-with-a-name", 1_700_000_000_000),
		"challenge_req": `{"key_type":"posting","challenge":"a text to sign","nonce":1700000000000}`,
		"auth_req":      `{"app":{"name":"x","description":"an application that logs in"}}`,
	} {
		t.Run(cmd, func(t *testing.T) {
			withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
				classes := map[string][]string{}
				for i, c := range alterations {
					before := len(w.rejections())
					m := script.ask(c.make(request(cmd, uuid(i), authKey, payload), payload))
					class := answerClass(m)
					classes[class] = append(classes[class], c.stage)
					if (m != nil) != c.heard {
						t.Errorf("%s: %s", c.stage, class)
					}
					if after := w.rejections(); c.heard && (len(after) != before+1 ||
						after[before].Result != "failed") {
						t.Errorf("%s: the trail grew by %+v", c.stage, after[before:])
					}
					w.release()
				}
				if len(classes) != 2 {
					t.Errorf("the relay can tell these apart: %v", classes)
				}
			})
		})
	}
}

// TestAlteredLoginsAreCounted: the logins of an app that has no session yet are watched as well.
// The app is silent on that relay, its sessions and other apps go on, and status says why.
func TestAlteredLoginsAreCounted(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{fault: script.fault}, func(t *testing.T, w *world) {
		const other = "22222222-5a35-47cb-a6b4-e8c4d3144cf9"
		w.session(other)
		login := `{"app":{"name":"x","description":"an application"}}`
		for i := range 5 {
			if m := script.ask(cutOff(inService(uuid(i), login))); !saysInvalid(m) {
				t.Fatalf("%d: %s", i, answerClass(m))
			}
		}
		list := w.agent.Status().Quarantine
		if len(list) != 1 || list[0].App != "app" || list[0].Session != 0 || w.lastHour(trace.Altered) != 5 {
			t.Fatalf("in quarantine: %+v; %d altered", list, w.lastHour(trace.Altered))
		}
		if got := w.events("session quarantined"); len(got) != 1 || got[0].App != "app" || got[0].Session != 0 {
			t.Errorf("recorded: %+v", got)
		}
		if got := answerKind(script.ask(inService(uuid(10), login))); got != "nothing" {
			t.Errorf("a login: %s", got)
		}
		vote := request("sign_req", uuid(11), other, votePayload("p", nowNonce()))
		if got := answerKind(script.ask(vote)); got != "ack" {
			t.Errorf("a session of the app: %s", got)
		}
		w.release()
		if got := answerKind(script.ask(inService(uuid(12), login))); got != "ack" {
			t.Errorf("after the release: %s", got)
		}
		if _, err := w.agent.Methods()[agent.MethodRelease](t.Context(), []byte(`{"app":"app"}`)); err == nil {
			t.Error("there was something left to release")
		}
	})
}

// TestFewAlteredEachHour: a relay that stays below the number for ten minutes is silenced by that
// for a day.
func TestFewAlteredEachHour(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		tries := 0
		for ; len(w.agent.Status().Quarantine) == 0 && tries < 100; tries++ {
			time.Sleep(30 * time.Minute)
			script.ask(cutOff(request("sign_req", uuid(tries), authKey, votePayload("p", nowNonce()))))
		}
		if tries != 20 {
			t.Errorf("silent after %d altered requests", tries)
		}
	})
}

// TestOwnRelayIsNeverBlamed: nobody alters anything on the way from the relay in this process, on
// this machine. What arrives altered is answered, and nobody is silent.
func TestOwnRelayIsNeverBlamed(t *testing.T) {
	for listen, silent := range map[string]bool{"127.0.0.1:9480": false, "0.0.0.0:9480": true} {
		t.Run(listen, func(t *testing.T) {
			script := &scriptedClient{}
			within(t, worldOptions{fault: script.fault, configure: func(c *config.Config) {
				c.RelayListen, c.Relays[0].URL = listen, "ws://127.0.0.1:9480"
			}, prepare: func(w *world) {
				w.session(authKey)
				w.made = func() { w.agent.ShowRelay(func() agent.OwnRelay { return agent.OwnRelay{Listen: listen} }) }
			}}, func(t *testing.T, w *world) {
				for i := range 6 {
					m := script.ask(cutOff(request("sign_req", uuid(i), authKey, votePayload("p", nowNonce()))))
					if (m == nil) != (silent && i == 5) {
						t.Errorf("%d: %s", i, answerClass(m))
					}
				}
				if n := len(w.agent.Status().Quarantine); (n == 1) != silent {
					t.Errorf("%d in quarantine", n)
				}
			})
		})
	}
}

// TestInertMembers: members that say nothing are taken, and stand nowhere.
func TestInertMembers(t *testing.T) {
	script := &scriptedClient{}
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	within(t, worldOptions{fault: script.fault, log: log}, func(t *testing.T, w *world) {
		const address = "https://inert.example/9f3b"
		if got := answerKind(script.ask(inService(uuid(1), `{"app":{"name":"x","icon":null,"url":"`+address+
			`"},"token":null,"challenge":null}`))); got != "ack" {
			t.Fatalf("a login with app.url: %s", got)
		}
		for i, payload := range []string{`{"key_type":"posting","challenge":"hello","decrypt":null,"nonce":null,` +
			`"pubkey":null}`, `{"key_type":"posting","challenge":"again"}`} {
			if got := answerKind(script.ask(request("challenge_req", uuid(2+i), authKey, payload))); got != "ack" {
				t.Errorf("%s: %s", payload, got)
			}
		}
		if got := answerKind(script.ask(request("sign_req", uuid(4), authKey, strings.Replace(votePayload("p", 1),
			`"nonce":1`, `"nonce":null`, 1)))); got != "ack" {
			t.Errorf("a vote without nonce: %s", got)
		}
		page, err := w.trail().Page(t.Context(), audit.Query{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if strings.Contains(string(r.Content), "inert") {
				t.Errorf("the trail says %s", r.Content)
			}
		}
	})
	if strings.Contains(said.String(), "inert") || !strings.Contains(said.String(), "request admitted") {
		t.Errorf("the log says %s", said.String())
	}
}

// TestToolsSayWhatTheAgentSays: what is never signed reads the same in `pksa policy explain` as the
// application hears it, although the policy allows it.
func TestToolsSayWhatTheAgentSays(t *testing.T) {
	p, problems := policy.Compile("policy.yaml", []byte(allowAll), policy.Options{})
	if p == nil {
		t.Fatal(problems)
	}
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		for i, c := range []struct{ cmd, member, value, rest string }{
			{"sign_req", "operations", `[["transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE",` +
				`"memo":"a\u0000b"}]]`, `"key_type":"active","broadcast":true`},
			{"sign_req", "operations", `[["transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE","memo":"#x"}]]`,
				`"key_type":"active","broadcast":true`},
			{"challenge_req", "text", `"login\u200b"`, `"key_type":"posting"`},
			{"challenge_req", "text", `"login"`, `"key_type":"posting"`},
		} {
			kind := strings.TrimSuffix(c.cmd, "_req")
			sent := map[string]string{"operations": "ops", "text": "challenge"}[c.member]
			m := script.ask(request(c.cmd, uuid(i), authKey, fmt.Sprintf(`{%q:%s,%s,"nonce":%d}`, sent, c.value, c.rest,
				nowNonce())))
			file := fmt.Sprintf(`{"request":%q,"account":"alice","app":"app",%q:%s,%s}`, kind, c.member, c.value,
				c.rest)
			one, problems := policy.ReadRequest("request.json", []byte(file), hive.Mainnet)
			if one == nil {
				t.Fatal(problems)
			}
			r := p.Report(one.Request, &policy.Book{}, time.Now())
			if heard := errorText(m, authKey); heard == "" && r.Verdict != policy.Allow ||
				heard != "" && !strings.Contains(r.Answer, fmt.Sprintf("hears %q", heard)) {
				t.Errorf("%s: the application hears %q, the report says %q", c.value, heard, r.Answer)
			}
		}
	})
}
