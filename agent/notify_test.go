package agent_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pksa/agent/config"
	"pksa/agent/node/nodetest"
	"pksa/agent/notify"
	"pksa/protocol/hive"
)

// phone is the receiver of two notifiers: one that gets all, and one that gets what the settings
// send unless they say more.
type phone struct {
	mu   sync.Mutex
	full []notify.Hook
	// short is the text of what ntfy gets, by kind of the message before it.
	short []string
	hangs bool
}

func (p *phone) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	hangs := p.hangs
	if r.URL.Host == "ntfy.example" {
		p.short = append(p.short, string(body))
	} else {
		var h notify.Hook
		err = json.Unmarshal(body, &h)
		p.full = append(p.full, h)
	}
	p.mu.Unlock()
	if hangs {
		<-r.Context().Done()
		err = r.Context().Err()
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, err
}

// hang has servers not answer, or answer again.
func (p *phone) hang(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hangs = on
}

// of returns the messages of a kind.
func (p *phone) of(kind notify.Kind) (all []notify.Hook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.full {
		if h.Kind == kind {
			all = append(all, h)
		}
	}
	return all
}

// shorts returns all that was sent with content: short.
func (p *phone) shorts() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.short, "\n")
}

// notified gives a world two notifiers.
func (p *phone) notified(w *world) {
	w.notify = p
	w.write("hook", "a secret of the tests of notifications\n")
	w.config.Notify = []config.Notifier{
		{Kind: config.NotifyWebhook, URL: "https://hooks.example/x", Source: "file:" + w.home + "/hook", Full: true},
		{Kind: config.NotifyNtfy, URL: "https://ntfy.example", Topic: "of-a-test"},
	}
}

// withPhone runs a test with an agent that tells people.
func withPhone(t *testing.T, o worldOptions, f func(*testing.T, *world, *scriptedClient, *phone)) {
	t.Helper()
	script, p := &scriptedClient{}, &phone{}
	o.fault = script.fault
	prepare := o.prepare
	o.prepare = func(w *world) {
		w.session(authKey)
		p.notified(w)
		if prepare != nil {
			prepare(w)
		}
	}
	within(t, o, func(t *testing.T, w *world) { f(t, w, script, p) })
}

// A request that waits rings with its number and its letters, which `pksa pending` shows, too. What
// it would do is sent where the settings say so, and nowhere else.
func TestTellsOfRequestsThatWait(t *testing.T) {
	const policy = `version: 1
ask: [{name: pay, request: sign, apps: any, key: active, operations: [transfer]}]
`
	withPhone(t, worldOptions{policy: policy, configure: func(c *config.Config) { c.Ask = "pending" }},
		func(t *testing.T, w *world, script *scriptedClient, p *phone) {
			done := make(chan string, 1)
			go func() {
				done <- answerKind(script.askFor(request("sign_req", uuid(1), authKey, fmt.Sprintf(
					`{"key_type":"active","ops":[["transfer",{"from":"alice","to":"bob","amount":"1.234 HBD",`+
						`"memo":"for the rent"}]],"broadcast":true,"nonce":%d}`, nowNonce())), 2*time.Minute))
			}()
			w.eventually("a message", func() bool { return len(p.of(notify.Waiting)) == 1 })
			waits, got := w.pending()[0], p.of(notify.Waiting)[0]
			if got.Number != waits.Number || got.Letters != waits.Letters || len(got.Letters) != 4 ||
				got.Account != "alice" || !got.Until.Equal(waits.Until) {
				t.Errorf("%+v of %+v", got, waits)
			}
			if !strings.Contains(strings.Join(got.Details, "\n"), "1.234 HBD") {
				t.Errorf("%q", got.Details)
			}
			short := p.shorts()
			for _, hidden := range []string{"1.234", "HBD", "bob", "rent", "pay", "By app"} {
				if strings.Contains(short, hidden) {
					t.Errorf("%q is sent: %s", hidden, short)
				}
			}
			if !strings.Contains(short, "letters "+waits.Letters) || !strings.Contains(short, "pksa deny") {
				t.Errorf("%s", short)
			}
			if err := w.decide(waits.Number, true); err != nil || <-done != "ack" {
				t.Errorf("the yes: %v", err)
			}
			packed, err := hive.Mainnet.Serialize(w.chain.Transactions()[0].Transaction.Transaction)
			if err != nil || notify.Letters(hive.Mainnet.SigningDigest(packed)) != waits.Letters {
				t.Errorf("the letters are not those of what was signed: %v", err)
			}
		})
}

// What a rule with tell allows is signed at once, and told with its number. What it does is sent
// where the settings say so, and nowhere else. What another rule allows is not told.
func TestTellsOfWhatIsAllowed(t *testing.T) {
	const policy = `version: 1
allow:
  - {name: pay, request: sign, apps: any, key: active, operations: [transfer: {amount: {min: 1.000 HBD}}], tell: true}
  - {name: small, request: sign, apps: any, key: active, operations: [transfer: {amount: {max: 0.999 HBD}}]}
`
	withPhone(t, worldOptions{policy: policy}, func(t *testing.T, w *world, script *scriptedClient, p *phone) {
		for i, amount := range []string{"0.999 HBD", "1.234 HBD"} {
			ask := fmt.Sprintf(`{"key_type":"active","ops":[["transfer",{"from":"alice","to":"bob","amount":%q,`+
				`"memo":"for the rent"}]],"broadcast":true,"nonce":%d}`, amount, nowNonce()+int64(i))
			answer := answerKind(script.askFor(request("sign_req", uuid(i+1), authKey, ask), 2*time.Minute))
			if answer != "ack" {
				t.Fatalf("%s: %s", amount, answer)
			}
		}
		w.eventually("a message", func() bool { return len(p.of(notify.Allowed)) == 1 })
		got := p.of(notify.Allowed)[0]
		details := strings.Join(got.Details, "\n")
		if got.Account != "alice" || !strings.Contains(details, "1.234 HBD from alice to bob") ||
			!strings.Contains(details, "Allowed by: pay") {
			t.Errorf("%+v", got)
		}
		short := p.shorts()
		for _, hidden := range []string{"1.234", "HBD", "bob", "rent", "By app", "pay"} {
			if strings.Contains(short, hidden) {
				t.Errorf("%q is sent: %s", hidden, short)
			}
		}
		if !strings.Contains(short, "pksa why ") {
			t.Errorf("%s", short)
		}
	})
}

// A notifier that hangs keeps no request waiting.
func TestHangingNotifierDelaysNothing(t *testing.T) {
	withPhone(t, worldOptions{policy: askVotes, configure: func(c *config.Config) { c.Ask = "pending" }},
		func(t *testing.T, w *world, script *scriptedClient, p *phone) {
			p.hangs = true
			answer, asked := script.start(w, 1)
			begun := time.Now()
			if err := w.decide(asked.Number, true); err != nil {
				t.Fatal(err)
			}
			if got := answerKind(<-answer); got != "ack" || time.Since(begun) > 5*time.Second {
				t.Errorf("%s after %s", got, time.Since(begun))
			}
			if s := w.agent.Status().Notifiers; len(s) != 2 || s[0].Sent != 0 {
				t.Errorf("%+v", s)
			}
		})
}

// A wallet that signs nothing for 5 minutes says so once, and once that it signs again.
func TestTellsWhenNotReady(t *testing.T) {
	withPhone(t, worldOptions{}, func(t *testing.T, w *world, _ *scriptedClient, p *phone) {
		if _, err := w.agent.Methods()["pause"](t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Minute)
		if n := len(p.of(notify.NotReady)); n != 0 {
			t.Fatalf("%d after 4 minutes", n)
		}
		time.Sleep(10 * time.Minute)
		said := p.of(notify.NotReady)
		if len(said) != 1 || !strings.Contains(said[0].Text, "because of: paused.") || len(p.of(notify.Ready)) != 0 {
			t.Fatalf("%+v", said)
		}
		if _, err := w.agent.Methods()["resume"](t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if again := p.of(notify.Ready); len(again) != 1 || !strings.Contains(again[0].Text, "for 14m.") {
			t.Errorf("%+v", again)
		}
		// What lasts no 5 minutes is told by nobody.
		for _, method := range []string{"pause", "resume"} {
			if _, err := w.agent.Methods()[method](t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if len(p.of(notify.NotReady)) != 1 || len(p.of(notify.Ready)) != 1 {
			t.Errorf("a short pause was told: %+v", p.full)
		}
	})
}

// A limit is told of once at 80 %, and again when it was below that in between.
func TestTellsOfLimits(t *testing.T) {
	const policy = `version: 1
allow: [{name: votes, request: sign, apps: any, operations: [vote]}]
limits: [{name: few, apps: any, operations: [vote], count: 5 per 1h}]
`
	withPhone(t, worldOptions{policy: policy}, func(t *testing.T, w *world, script *scriptedClient, p *phone) {
		n := 0
		vote := func(times int) {
			t.Helper()
			for range times {
				n++
				if got := answerKind(script.ask(request("sign_req", uuid(n), authKey,
					votePayload("p", nowNonce()+int64(n))))); got != "ack" {
					t.Fatalf("vote %d: %s", n, got)
				}
			}
			time.Sleep(time.Minute)
		}
		vote(3)
		if said := p.of(notify.Limit); len(said) != 0 {
			t.Fatalf("at 60 %%: %+v", said)
		}
		vote(1)
		vote(1)
		said := p.of(notify.Limit)
		if len(said) != 1 || said[0].Details[0] != "Limit few: 4 of 5 count used in 1h." {
			t.Fatalf("at 80 %%: %+v", said)
		}
		time.Sleep(61 * time.Minute)
		vote(4)
		if said := p.of(notify.Limit); len(said) != 2 {
			t.Errorf("again at 80 %%: %d", len(said))
		}
		if strings.Contains(p.shorts(), "few") {
			t.Errorf("a limit is named: %s", p.shorts())
		}
	})
}

// What the guard, the key check, damaged requests and failed reloads bring up is told once each,
// with what to do.
func TestTellsOfTroubles(t *testing.T) {
	o := worldOptions{nodes: 3, configure: func(c *config.Config) {
		c.Guard, c.KeyCheckEvery = config.GuardStop, time.Minute
	}}
	withPhone(t, o, func(t *testing.T, w *world, script *scriptedClient, p *phone) {
		for i := range 5 {
			script.ask(cutOff(request("sign_req", uuid(i), authKey, votePayload("p", nowNonce()))))
		}
		time.Sleep(90 * time.Second)
		w.chain.Change("alice", func(a *nodetest.Account) {
			a.Proxy = "mallory"
			a.Memo = keyOf("bob", hive.Memo).Public()
		})
		w.write("policy.yaml", "version: 1\nnonsense: [secret-word]\n")
		if w.agent.ReloadPolicy(t.Context()) == nil {
			t.Fatal("nonsense is a policy")
		}
		time.Sleep(20 * time.Minute)
		for _, want := range []struct {
			kind               notify.Kind
			number             int
			text, detail, does string
		}{
			{notify.Quarantined, 1, "does not listen", "`pksa session release ", "pksa session release"},
			{notify.Changed, 2, "Nothing of the account is signed", "mallory", "pksa guard accept alice"},
			{notify.KeyInvalid, 1, "Key: memo of alice.", "memo of alice: ", "pksa keys check"},
			{notify.NotReloaded, 1, "the old policy stays in force", "nonsense", "pksa policy check"},
		} {
			got := p.of(want.kind)
			if len(got) != want.number {
				t.Errorf("%s: %d messages: %+v", want.kind, len(got), got)
				continue
			}
			details := ""
			for _, h := range got {
				details += strings.Join(h.Details, "\n")
			}
			if !strings.Contains(got[0].Text, want.text) || !strings.Contains(got[0].Text, want.does) ||
				!strings.Contains(details, want.detail) {
				t.Errorf("%s: %+v", want.kind, got)
			}
		}
		for _, hidden := range []string{"mallory", "nonsense", "secret-word", w.relay.URL} {
			if strings.Contains(p.shorts(), hidden) {
				t.Errorf("%q is sent: %s", hidden, p.shorts())
			}
		}
	})
}

// What one node of several says of a key is told nobody, unless another one says the same.
func TestTellsNothingByOneNode(t *testing.T) {
	withPhone(t, worldOptions{nodes: 2}, func(t *testing.T, w *world, _ *scriptedClient, p *phone) {
		const method = "condenser_api.get_accounts"
		w.node.FailAlways(method, accountOf("alice", "bob"))
		for _, want := range []int{0, 1} {
			if _, err := w.agent.CheckKeys(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if got := p.of(notify.KeyInvalid); len(got) != want {
				t.Errorf("%d messages, want %d: %+v", len(got), want, got)
			}
			w.others[0].FailAlways(method, accountOf("alice", "bob"))
		}
	})
}

// SIGHUP takes other notifiers over, and settings that it cannot use are told by those in force.
func TestReloadOfNotifiers(t *testing.T) {
	withPhone(t, worldOptions{}, func(t *testing.T, w *world, _ *scriptedClient, p *phone) {
		w.end()
		write := w.rewriting()
		w.start()
		write(func(c *config.Config) { c.Notify = c.Notify[1:] })
		if taken, restart := w.reload(); taken != "notify" || restart != "" {
			t.Fatalf("%q, %q", taken, restart)
		}
		if s := w.agent.Status().Notifiers; len(s) != 1 || s[0].Kind != "ntfy" {
			t.Errorf("%+v", s)
		}
		w.write("policy.yaml", "version: 1\nnonsense: 1\n")
		if _, err := w.agent.Reload(t.Context()); err == nil {
			t.Fatal("nonsense is a policy")
		}
		w.write("policy.yaml", allowAll)
		time.Sleep(time.Second)
		if got := p.shorts(); strings.Count(got, "A reload failed") != 1 ||
			!strings.Contains(got, "pksa policy check") {
			t.Errorf("%s", got)
		}
		write(func(c *config.Config) { c.Nodes = []string{"ftp://no.node"} })
		if _, err := w.agent.Reload(t.Context()); err == nil {
			t.Fatal("a node by ftp")
		}
		time.Sleep(time.Second)
		if got := p.shorts(); strings.Count(got, "A reload failed") != 2 ||
			!strings.Contains(got, "pksa config check") || strings.Contains(got, "no.node") {
			t.Errorf("%s", got)
		}
	})
}

// Neither topic, path nor secret of a notifier stands in log, status or metrics.
func TestNotifierSecretsAreNotShown(t *testing.T) {
	var lines lockedBuffer
	log := slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	withPhone(t, worldOptions{log: log, prepare: func(w *world) {
		w.config.Notify[0].URL = "https://hooks.example/path-of-a-test"
		w.config.Notify = append(w.config.Notify, config.Notifier{Kind: config.NotifyNtfy, URL: "https://ntfy.example",
			Topic: "other-topic", Source: "file:" + w.home + "/missing"})
	}}, func(t *testing.T, w *world, _ *scriptedClient, p *phone) {
		tested, err := w.agent.Methods()["notify.test"](t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		results := tested.([]notify.Tested)
		if ok := func(r notify.Tested) bool { return r.OK }; len(results) != 3 || !ok(results[0]) || ok(results[2]) ||
			slices.ContainsFunc(results[:2], func(r notify.Tested) bool { return !r.OK }) {
			t.Errorf("%+v", results)
		}
		all, err := json.Marshal([]any{results, w.agent.Status(), w.agent.Settings().Show()})
		if err != nil {
			t.Fatal(err)
		}
		for _, hidden := range []string{"of-a-test", "other-topic", "a secret of the tests"} {
			if strings.Contains(string(all)+lines.String(), hidden) {
				t.Errorf("%q is shown: %s\n%s", hidden, all, lines.String())
			}
		}
		if !strings.Contains(lines.String(), "notifier fails") {
			t.Errorf("the log says nothing: %s", lines.String())
		}
	})
}
