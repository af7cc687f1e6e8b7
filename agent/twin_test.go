package agent_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/node/nodetest"
	"pksa/agent/probe"
	"pksa/agent/relay/relaytest"
	"pksa/agent/service"
	"pksa/keystore"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// copyHome copies the home folder of a world whose agent runs, and returns a world of its own on
// the copy: at the same relay, on the same chain. Its agent does not run yet.
func copyHome(w *world) *world {
	w.t.Helper()
	twin := *w
	twin.home = w.t.TempDir()
	if err := w.ledger.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	err := filepath.WalkDir(w.home, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(w.home, path)
		if err != nil {
			return err
		}
		target := filepath.Join(twin.home, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o600)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	settings := *w.config
	twin.config = &settings
	paths := config.Default(twin.home)
	settings.Home, settings.Ledger, settings.Policy = paths.Home, paths.Ledger, paths.Policy
	settings.Keystore, settings.Control = paths.Keystore, paths.Control
	twin.openKeys()
	twin.openLedger()
	return &twin
}

// openKeys opens the keystore of the home folder.
func (w *world) openKeys() {
	w.t.Helper()
	source, err := keystore.ParseSource("identity:" + filepath.Join(w.home, "identity.txt"))
	if err != nil {
		w.t.Fatal(err)
	}
	unlock, err := source.Unlock(w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.keys, err = keystore.Open(w.config.Keystore, unlock); err != nil {
		w.t.Fatal(err)
	}
}

// pay has the application pay bob once, and returns how many payments of it are on the chain.
func (w *world) pay(c *client.Client, s *client.Session) int {
	w.t.Helper()
	before := len(w.chain.Transactions())
	_, err := c.Sign(w.t.Context(), s, client.SignRequest{Role: hive.Active, Operations: []client.Operation{{
		Name: "transfer", Fields: map[string]any{"from": "alice", "to": "bob", "amount": "0.001 HBD",
			"memo": "once"}}}})
	if err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(10 * time.Second) // the other copy may be slower
	return len(w.chain.Transactions()) - before
}

// launch runs the agent and does not wait for anything.
func (w *world) launch() {
	w.t.Helper()
	w.make()
	ctx, cancel := context.WithCancel(w.t.Context())
	w.stop, w.stopped = cancel, make(chan error, 1)
	go func() { w.stopped <- w.service.Run(ctx) }()
}

// leave closes what the world of a copy has opened, after its agent has ended.
func (w *world) leave() {
	w.t.Helper()
	if err := w.ledger.Close(); err != nil {
		w.t.Errorf("closing the ledger of the copy: %v", err)
	}
	w.keys.Close()
}

// mustYield waits until the agent of a copy has ended, because it has yielded.
func (w *world) mustYield() {
	w.t.Helper()
	var yielded *agent.YieldError
	if err := <-w.stopped; !errors.As(err, &yielded) {
		w.t.Fatalf("the copy ended with %v", err)
	}
	if _, noted := w.ledger.Yielded(); !noted {
		w.t.Error("the yield is not written down")
	}
	if len(w.events("yielded to another copy")) != 1 {
		w.t.Error("the trail of the copy does not tell of the yield")
	}
}

// TestCopyBesideTheOriginal: a copy of the home that is started beside the running original, at the
// same relay, pays nothing and ends. Both alarm. The copy stays so after a restart, until the
// operator says that it goes on.
func TestCopyBesideTheOriginal(t *testing.T) {
	within(t, worldOptions{probes: true}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		if paid := w.pay(c, s); paid != 1 {
			t.Fatalf("the original alone paid %d times", paid)
		}
		twin := copyHome(w)
		defer twin.leave()
		twin.launch()
		if paid := w.pay(c, s); paid != 1 {
			t.Errorf("one request was paid %d times", paid)
		}
		twin.mustYield()
		if alarms := twin.events("alarm"); len(alarms) != 1 {
			t.Errorf("%d alarms of the copy", len(alarms))
		}
		if alarms := w.events("alarm"); len(alarms) != 1 {
			t.Errorf("%d alarms of the original", len(alarms))
		}
		if met := w.agent.Status().Twin; met == nil || met.Yielded || met.Advice == "" {
			t.Errorf("status of the original: %+v", met)
		}
		if reasons := w.agent.Ready(); len(reasons) > 0 {
			t.Errorf("the original does not serve: %q", reasons)
		}
		_, err := service.Open(t.Context(), service.Options{Config: twin.config, Logger: twin.log, Keys: twin.keys,
			Ledger: twin.ledger, Embedded: true, Dial: w.relay.DialContext, Transport: nodetest.Transport(w.node)})
		var yielded *agent.YieldError
		if !errors.As(err, &yielded) {
			t.Fatalf("the next start of the copy: %v", err)
		}

		// The wallet moves: the original stops, and the copy goes on at the operator's word.
		w.end()
		if err := twin.ledger.Moved(t.Context(), ledger.Entry{Type: ledger.RecordAdmin, Outcome: "moved"}); err != nil {
			t.Fatal(err)
		}
		twin.start()
		if paid := twin.pay(c, s); paid != 1 {
			t.Errorf("after the move one request was paid %d times", paid)
		}
		twin.end()
		w.start() // for the end of the test
	})
}

// TestProbesOfOthers: the probe of another wallet on the same account is known by its mark. It is
// no wrong secret, gets no answer, and does not count against any session. What a relay says of
// other wallets' answers is an alarm.
func TestProbesOfOthers(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		block, err := aes.NewCipher(make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		q := request("challenge_req", uuid(1), "whatever", "{}")
		q["data"] = probe.Seal(foreign, "alice", probe.Message{Nonce: probe.NewID()})
		if m := script.ask(q); m != nil {
			t.Errorf("answered with %v", m)
		}
		time.Sleep(time.Hour)
		dropped := w.events("requests dropped")
		if len(dropped) != 1 || !strings.Contains(string(dropped[0].Content), `"probe of another wallet":1`) ||
			strings.Contains(string(dropped[0].Content), "nobody's") {
			t.Errorf("dropped: %v", dropped)
		}
		script.sayAll(map[string]any{"cmd": "error", "error": protocol.TextAnsweredElsewhere})
		w.eventually("an alarm", func() bool { return len(w.events("alarm")) == 1 })
	})
}

// TestProbesAreCounted: the audit trail has the sums of an hour, and no record of each probe.
func TestProbesAreCounted(t *testing.T) {
	within(t, worldOptions{probes: true}, func(t *testing.T, w *world) {
		time.Sleep(time.Hour + time.Minute)
		sums := w.events("probes for another copy")
		if len(sums) != 1 || !strings.Contains(string(sums[0].Content), `"alone":1`) {
			t.Errorf("%v", sums)
		}
		if s := w.agent.Status(); s.Links[0].Probe != "alone" || s.Links[0].ProbeHint != "" || s.Twin != nil {
			t.Errorf("%+v", s)
		}
	})
}

// TestRelayThatDropsProbes: it can stop nobody, and status says what cannot be known there.
func TestRelayThatDropsProbes(t *testing.T) {
	drop := func(w *relaytest.Wire, f relaytest.Frame) {
		if f.Cmd != "challenge_req" || f.To != relaytest.ToClient {
			w.Pass(f)
		}
	}
	within(t, worldOptions{probes: true, fault: drop}, func(t *testing.T, w *world) {
		s := w.login(w.dial())
		if paid := w.pay(w.dial(), s); paid != 1 {
			t.Errorf("paid %d times", paid)
		}
		if l := w.agent.Status().Links[0]; l.Probe != "lost" || l.ProbeHint == "" {
			t.Errorf("%+v", l)
		}
	})
}

// Many requests that wait for the first probe do not keep it waiting.
func TestProbePassesRequestsThatWait(t *testing.T) {
	var registered atomic.Int64 // ms
	fault := func(w *relaytest.Wire, f relaytest.Frame) {
		w.Pass(f)
		if f.To != relaytest.ToClient || f.Cmd != "register_ack" {
			return
		}
		registered.Store(time.Now().UnixMilli())
		for n := range 140 { // more than are worked on at once
			q := with(request("sign_req", uuid(n), "the key of nobody", "{}"), "expire", nowNonce()+60_000)
			body, err := json.Marshal(q)
			if err != nil {
				panic(err)
			}
			w.Pass(relaytest.Frame{To: relaytest.ToClient, Body: body})
		}
	}
	within(t, worldOptions{probes: true, fault: fault}, func(t *testing.T, w *world) {
		time.Sleep(10 * time.Second)
		l := w.agent.Status().Links[0]
		// Requests are served after two seconds, also where the probe is not back by then.
		took := l.ProbeAt.Sub(time.UnixMilli(registered.Load()))
		if l.Probe != string(probe.Alone) || took >= 2*time.Second {
			t.Errorf("the probe found %q after %v", l.Probe, took)
		}
	})
}

// TestCanary: a relay whose socket is open and that delivers nothing is found out on demand and at
// the interval, and so is its recovery.
func TestCanary(t *testing.T) {
	var quiet atomic.Bool
	var lines lockedBuffer
	log := slog.New(slog.NewTextHandler(&lines, nil))
	within(t, worldOptions{probes: true, log: log, fault: func(w *relaytest.Wire, f relaytest.Frame) {
		if !quiet.Load() || f.To == relaytest.ToRelay || !strings.HasSuffix(f.Cmd, "_req") {
			w.Pass(f)
		}
	}}, func(t *testing.T, w *world) {
		ask := func() probe.Canary {
			t.Helper()
			found, err := w.agent.Canary(t.Context())
			if err != nil || len(found) != 1 || found[0].Relay != w.agent.Status().Links[0].Relay {
				t.Fatalf("%+v, %v", found, err)
			}
			return found[0]
		}
		begun := time.Now()
		if c := ask(); c.Result != probe.Works || c.At.Before(begun) {
			t.Errorf("%+v", c)
		}
		quiet.Store(true)
		time.Sleep(6 * time.Minute) // one interval, and a second probe
		if l := w.agent.Status().Links[0]; l.Canary != probe.Fails || !l.Connected || l.Registered != 1 {
			t.Errorf("at the interval: %+v", l)
		}
		notReady := strings.Join(w.agent.Ready(), "; ")
		if !strings.Contains(notReady, "no relay delivers") {
			t.Errorf("not ready: %q", notReady)
		}
		if c := ask(); c.Result != probe.Fails || c.Hint == "" {
			t.Errorf("%+v", c)
		}
		if n := strings.Count(lines.String(), `msg="not ready"`); n != 1 ||
			!strings.Contains(lines.String(), "causes=relay") {
			t.Errorf("%d lines that it is not ready:\n%s", n, lines.String())
		}
		quiet.Store(false)
		time.Sleep(2 * time.Minute)
		if l := w.agent.Status().Links[0]; l.Canary != probe.Works {
			t.Errorf("after the recovery: %+v", l)
		}
		if notReady := w.agent.Ready(); len(notReady) > 0 {
			t.Errorf("after the recovery: %q", notReady)
		}
		if n := strings.Count(lines.String(), `msg="ready again"`); n != 1 {
			t.Errorf("%d lines that it is ready again", n)
		}
		w.relay.Close()
		w.eventually("the end of the connection", func() bool { return !w.agent.Status().Links[0].Connected })
		if c := ask(); c.Result != probe.Unsent {
			t.Errorf("without a connection: %+v", c)
		}
	})
}

// A relay that does not pass on our own answer to a probe, without a word, may refuse our proof of
// key: the keys are compared with the chain at once.
func TestUnacceptedProbeComparesTheKeys(t *testing.T) {
	var quiet atomic.Bool
	within(t, worldOptions{probes: true, fault: func(w *relaytest.Wire, f relaytest.Frame) {
		if f.To == relaytest.ToRelay && f.Cmd == "challenge_ack" && quiet.Load() {
			return
		}
		w.Pass(f)
	}}, func(t *testing.T, w *world) {
		w.eventually("first comparison of the keys",
			func() bool { return w.node.Calls("condenser_api.get_accounts") > 0 })
		w.chain.Change("alice", func(a *nodetest.Account) { a.Memo = keyOf("bob", hive.Memo).Public() })
		quiet.Store(true)
		w.eventuallyWithin(20*time.Minute, "a wrong key in status", func() bool {
			return len(w.agent.Status().Accounts[0].Wrong) == 1
		})
		if got := w.agent.Status().Links[0].Probe; got != string(probe.Unaccepted) {
			t.Errorf("the probe found %q", got)
		}
	})
}

// TestAskedBeforeItServes: a request that waits at the relay is served after the first probe, not
// before, and not lost.
func TestAskedBeforeItServes(t *testing.T) {
	within(t, worldOptions{probes: true}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		w.end()
		paid := make(chan int)
		go func() { paid <- w.pay(c, s) }()
		time.Sleep(time.Second)
		w.start()
		if n := <-paid; n != 1 {
			t.Errorf("paid %d times", n)
		}
	})
}
