package agent_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/guard"
	"pksa/agent/node/nodetest"
	"pksa/agent/status"
	"pksa/protocol/hive"
)

// guarded runs a test in a world of three hosts, with a wallet that looks at its accounts, alice
// and carol, every minute.
func guarded(t *testing.T, setting, policy string, f func(*testing.T, *world, *scriptedClient)) {
	t.Helper()
	script := &scriptedClient{}
	within(t, worldOptions{nodes: 3, policy: policy, fault: script.fault, accounts: []hive.AccountName{"alice",
		"carol"},
		prepare: func(w *world) {
			w.session(authKey)
			w.chain.Change("carol", func(a *nodetest.Account) {
				a.Posting.AccountAuths = []hive.AccountWeight{{Account: "alice", Weight: 1}}
			})
		},
		configure: func(c *config.Config) {
			c.Guard, c.KeyCheckEvery = setting, time.Minute
		}}, func(t *testing.T, w *world) { f(t, w, script) })
}

// accountChanges returns what stands in the trail of changes, as "kind now".
func (w *world) accountChanges() (all []string) {
	for _, r := range w.events(guard.RecordChanged) {
		var c guard.Change
		_ = json.Unmarshal(r.Content, &c)
		all = append(all, string(c.What)+" "+c.Now)
	}
	return all
}

// Each change that is not by this wallet is in trail, status and metrics, once; with guard: stop
// the account signs nothing until a person accepts it, also after a restart.
func TestGuardStopsAccount(t *testing.T) {
	guarded(t, config.GuardStop, "", func(t *testing.T, w *world, script *scriptedClient) {
		time.Sleep(90 * time.Second)
		w.chain.Change("alice", func(a *nodetest.Account) { a.Proxy = "mallory" })
		w.eventuallyWithin(3*time.Minute, "the stop", func() bool { return len(w.agent.Status().Guard) == 1 })
		time.Sleep(2 * time.Minute)
		if all := w.accountChanges(); len(all) != 1 || all[0] != "proxy mallory" {
			t.Fatalf("in the trail: %q", all)
		}
		if w.metric(`pksa_account_changes_total{what="proxy"}`) != "1" || w.metric("pksa_accounts_stopped") != "1" {
			t.Error("no metric says it")
		}
		denied := func(n int) {
			t.Helper()
			vote := request("sign_req", uuid(n), authKey, votePayload("p", nowNonce()))
			if got := answerKind(script.ask(vote)); got != "nack" {
				t.Errorf("a vote: %s", got)
			}
		}
		denied(1)
		challenge := request("challenge_req", uuid(11), authKey, fmt.Sprintf(
			`{"key_type":"posting","challenge":"hi","decrypt":false,"nonce":%d}`, nowNonce()))
		if got := answerKind(script.ask(challenge)); got != "nack" || w.lastJudged().Code != audit.CodeGuard {
			t.Errorf("a challenge: %s, %s", got, w.lastJudged().Code)
		}
		if _, err := w.dial().Authenticate(t.Context(), client.Auth{Account: "alice", Secret: secret,
			Session: client.NewSession("alice", "")}); err == nil || w.lastJudged().Code != audit.CodeGuard {
			t.Errorf("a login: %v, %s", err, w.lastJudged().Code)
		}
		w.end()
		w.run()
		w.eventually("registration", func() bool { return len(w.agent.Ready()) == 0 })
		denied(2)
		if n := len(w.chain.Transactions()); n != 0 {
			t.Errorf("%d transactions", n)
		}
		accept := w.agent.Methods()[agent.MethodGuardAccept]
		if _, err := accept(t.Context(), []byte(`{"account":"alice"}`)); err != nil {
			t.Fatal(err)
		}
		if _, err := accept(t.Context(), []byte(`{"account":"alice"}`)); err == nil {
			t.Error("nothing was accepted twice")
		}
		vote := request("sign_req", uuid(3), authKey, votePayload("p", nowNonce()))
		if got := answerKind(script.ask(vote)); got != "ack" {
			t.Errorf("a vote after it was accepted: %s", got)
		}
		if len(w.agent.Status().Guard) != 0 || len(w.events(guard.RecordAccepted)) != 1 {
			t.Errorf("accepted: %+v", w.agent.Status().Guard)
		}
	})
}

// The wallet is not ready while each of its accounts is stopped. One of several has its own line in
// status, and hinders the others from nothing.
func TestGuardOfAllAccounts(t *testing.T) {
	guarded(t, config.GuardStop, "", func(t *testing.T, w *world, _ *scriptedClient) {
		time.Sleep(90 * time.Second)
		stop := func(account hive.AccountName, standings int) {
			t.Helper()
			w.chain.Change(account, func(a *nodetest.Account) { a.Proxy = "mallory" })
			w.eventuallyWithin(3*time.Minute, "the stop", func() bool {
				return len(w.agent.Status().Guard) == standings
			})
		}
		stop("alice", 1)
		if got := w.agent.Ready(); len(got) != 0 {
			t.Errorf("with one of two accounts: %q", got)
		}
		stop("carol", 2)
		got := w.agent.Status()
		if len(got.Hindrances) != 1 || got.Hindrances[0].Cause != status.CauseKeys || got.StillServed != "" ||
			!strings.HasPrefix(got.Hindrances[0].Text, "each held account was changed") {
			t.Errorf("with both: %+v, still served %q", got.Hindrances, got.StillServed)
		}
		if w.metric(`pksa_not_ready{cause="keys"}`) != "1" || w.metric("pksa_ready") != "0" {
			t.Error("no metric says it")
		}
		accept := w.agent.Methods()[agent.MethodGuardAccept]
		if _, err := accept(t.Context(), []byte(`{"account":"carol"}`)); err != nil {
			t.Fatal(err)
		}
		if got := w.agent.Ready(); len(got) != 0 {
			t.Errorf("after one was accepted: %q", got)
		}
	})
}

// A stopped account is stopped also where another one acts in its name; that one goes on.
func TestGuardStopsWhoActsForIt(t *testing.T) {
	const behalf = `version: 1
allow: [{name: for carol, request: sign, apps: any, on_behalf_of: [carol, alice], operations: [vote]}]
`
	guarded(t, config.GuardStop, behalf, func(t *testing.T, w *world, script *scriptedClient) {
		n := 0
		vote := func(voter, want string) {
			t.Helper()
			n++
			payload := strings.Replace(votePayload("p", nowNonce()), `"voter":"alice"`, `"voter":"`+voter+`"`, 1)
			if got := answerKind(script.ask(request("sign_req", uuid(n), authKey, payload))); got != want {
				t.Errorf("a vote of %s: %s, %s", voter, got, w.lastJudged().Code)
			}
		}
		vote("carol", "ack")
		time.Sleep(90 * time.Second)
		w.chain.Change("carol", func(a *nodetest.Account) { a.Recovery = "mallory" })
		w.eventuallyWithin(3*time.Minute, "the stop", func() bool { return len(w.agent.Status().Guard) == 1 })
		vote("carol", "nack")
		if code := w.lastJudged().Code; code != audit.CodeGuard {
			t.Errorf("refused with the code %s", code)
		}
		vote("alice", "ack")
	})
}

// What this wallet signed explains exactly what it does, and nothing else.
func TestGuardKnowsOwnTransactions(t *testing.T) {
	const policy = `version: 1
allow:
  - {name: proxies, request: sign, apps: any, key: active, operations: [account_witness_proxy]}
`
	guarded(t, config.GuardWarn, policy, func(t *testing.T, w *world, script *scriptedClient) {
		time.Sleep(90 * time.Second)
		payload := fmt.Sprintf(`{"key_type":"active","ops":[["account_witness_proxy",{"account":"alice",`+
			`"proxy":"carol"}]],"broadcast":true,"nonce":%d}`, nowNonce())
		if got := answerKind(script.ask(request("sign_req", uuid(1), authKey, payload))); got != "ack" {
			t.Fatalf("the proxy: %s %s", got, payload)
		}
		w.chain.Change("alice", func(a *nodetest.Account) { a.Proxy = "carol" })
		time.Sleep(3 * time.Minute)
		if all := w.accountChanges(); len(all) != 0 {
			t.Errorf("of its own: %q", all)
		}
		w.chain.Change("alice", func(a *nodetest.Account) { a.Proxy = "mallory" })
		time.Sleep(3 * time.Minute)
		if all := w.accountChanges(); len(all) != 1 || all[0] != "proxy mallory" {
			t.Errorf("of another: %q", all)
		}
		if got := w.agent.Status().Guard; len(got) != 1 || got[0].Stopped || got[0].Changes[0].Was != "carol" {
			t.Errorf("status: %+v", got)
		}
	})
}

// One host of three that lies raises no alarm, and hides none.
func TestGuardByOneHost(t *testing.T) {
	guarded(t, config.GuardStop, "", func(t *testing.T, w *world, _ *scriptedClient) {
		time.Sleep(90 * time.Second)
		w.node.FailAlways("condenser_api.get_accounts", accountOf("alice", "bob"))
		time.Sleep(3 * time.Minute)
		if all := w.accountChanges(); len(all) != 0 {
			t.Errorf("a lie of one host: %q", all)
		}
		w.chain.Change("alice", func(a *nodetest.Account) { a.Memo = keyOf("bob", hive.Memo).Public() })
		time.Sleep(3 * time.Minute)
		if all := w.accountChanges(); len(all) != 1 || !strings.HasPrefix(all[0], "memo ") {
			t.Errorf("with a host that lies: %q", all)
		}
	})
}
