package agent_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/node/nodetest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// A key that its account no longer has is named in status and metrics, and proves nothing any more:
// the account goes on with the next key.
func TestKeyChangedOnChain(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		w.chain.Change("alice", func(a *nodetest.Account) { a.Memo = keyOf("bob", hive.Memo).Public() })
		checks, err := w.agent.CheckKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wrong := 0
		for _, c := range checks {
			if !c.OK {
				wrong++
				if c.Role != "memo" || c.Account != "alice" {
					t.Errorf("%+v", c)
				}
			}
		}
		if wrong != 1 {
			t.Fatalf("%d keys are wrong", wrong)
		}
		i := slices.IndexFunc(w.agent.Status().Accounts, func(a agent.AccountStatus) bool { return a.Name == "alice" })
		if words := w.agent.Status().Accounts[i].Wrong; len(words) != 1 || !strings.HasPrefix(words[0], "memo: ") {
			t.Errorf("status says %q", words)
		}
		ack, ok := script.ask(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce()))).(protocol.Ack)
		if !ok {
			t.Fatal("the account is not served any more")
		}
		header, err := hive.ParseMemo(ack.PoK)
		if err != nil || header.From != keyOf("alice", hive.Posting).Public() {
			t.Errorf("the proof is by %s, %v", header.From, err)
		}
	})
}

// An account that lost all its keys is not registered; it is again once a key fits.
func TestAccountLostAllKeys(t *testing.T) {
	within(t, worldOptions{accounts: []hive.AccountName{"alice", "carol"}}, func(t *testing.T, w *world) {
		carol, _ := w.chain.Account("carol")
		w.chain.Change("carol", func(a *nodetest.Account) {
			a.Memo, a.Posting, a.Active = keyOf("bob", hive.Memo).Public(), single("bob", hive.Posting),
				single("bob", hive.Active)
		})
		if _, err := w.agent.CheckKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := w.agent.Status().Links[0].Registered; n != 1 {
			t.Errorf("%d accounts registered", n)
		}
		w.chain.Change("carol", func(a *nodetest.Account) { *a = carol })
		if _, err := w.agent.CheckKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.eventually("registration", func() bool { return w.agent.Status().Links[0].Registered == 2 })
	})
}

// What another account gave ours is compared too, where a rule counts on it by name.
func TestGivenAuthority(t *testing.T) {
	const behalf = `version: 1
allow: [{name: for bob, request: sign, apps: any, on_behalf_of: [bob], operations: [vote]}]
`
	withScript(t, behalf, func(t *testing.T, w *world, script *scriptedClient) {
		problems := func() []string {
			checks, err := w.agent.CheckKeys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, c := range checks {
				if !c.OK {
					all = append(all, c.Problem)
				}
			}
			return all
		}
		if all := problems(); len(all) != 1 || !strings.Contains(all[0], "bob") {
			t.Errorf("before bob gave anything: %q", all)
		}
		w.chain.Change("bob", func(a *nodetest.Account) {
			a.Posting.AccountAuths = []hive.AccountWeight{{Account: "alice", Weight: 1}}
		})
		if all := problems(); len(all) != 0 {
			t.Errorf("after: %q", all)
		}
		payload := strings.Replace(votePayload("p", nowNonce()), `"voter":"alice"`, `"voter":"bob"`, 1)
		if got := answerKind(script.ask(request("sign_req", uuid(1), authKey, payload))); got != "ack" ||
			len(w.chain.Transactions()) != 1 {
			t.Errorf("a vote in the name of bob: %s", got)
		}
	})
}

// A key that stops fitting is recorded once, and once more when it fits again.
func TestKeyMismatchIsRecorded(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		check := func(memo hive.PublicKey, want int) {
			t.Helper()
			w.chain.Change("alice", func(a *nodetest.Account) { a.Memo = memo })
			for range 2 {
				if _, err := w.agent.CheckKeys(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := w.events("keys compared with the chain"); len(got) != want {
				t.Fatalf("%d records, want %d: %+v", len(got), want, got)
			}
		}
		check(keyOf("alice", hive.Memo).Public(), 0)
		check(keyOf("bob", hive.Memo).Public(), 1)
		check(keyOf("alice", hive.Memo).Public(), 2)
		if got := w.events("keys compared with the chain"); !strings.Contains(string(got[0].Content),
			`"role":"memo"`) || strings.Contains(string(got[1].Content), `"role"`) {
			t.Errorf("recorded: %s, then %s", got[0].Content, got[1].Content)
		}
	})
}

// accountOf is what a node answers that gives an account the keys of another.
func accountOf(name, keysOf hive.AccountName) nodetest.Fault {
	authority := func(role hive.Role) string {
		return `{"weight_threshold":1,"account_auths":[],"key_auths":[["` + keyOf(keysOf, role).Public().String() +
			`",1]]}`
	}
	return nodetest.Fault{Lose: true, Body: []byte(`{"jsonrpc":"2.0","result":[{"name":"` + string(name) +
		`","owner":` + authority(hive.Owner) + `,"active":` + authority(hive.Active) + `,"posting":` +
		authority(hive.Posting) + `,"memo_key":"` + keyOf(keysOf, hive.Memo).Public().String() + `"}],"id":$id}`)}
}

// One node of several gives other keys: nobody is unregistered by it, the others are believed, and
// the lie is remembered.
func TestKeysByOneNode(t *testing.T) {
	const method = "condenser_api.get_accounts"
	for _, c := range []struct {
		name  string
		nodes int
		away  bool // the others
		wrong int  // keys that status names
		blame uint64
	}{
		{"the others know better", 3, false, 0, 1},
		{"the others are away", 3, true, 3, 0},
		{"one against one", 2, false, 3, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, worldOptions{nodes: c.nodes}, func(t *testing.T, w *world) {
				w.node.FailAlways(method, accountOf("alice", "bob"))
				for _, other := range w.others {
					if c.away {
						other.FailAlways(method, nodetest.Refused)
					}
				}
				checks, err := w.agent.CheckKeys(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, check := range checks {
					if check.OK != (c.wrong == 0) || check.Unconfirmed != (c.wrong > 0) {
						t.Errorf("%+v", check)
					}
				}
				time.Sleep(time.Second)
				s := w.agent.Status()
				if s.Links[0].Registered != 1 || s.Nodes[0].Untrue < c.blame || len(s.Accounts[0].Wrong) != c.wrong {
					t.Errorf("%d registered, node %+v, wrong %q", s.Links[0].Registered, s.Nodes[0],
						s.Accounts[0].Wrong)
				}
			})
		})
	}
}

// Two hosts that say the same are believed, and one that says otherwise later puts nothing back.
func TestKeysByTwoNodes(t *testing.T) {
	const method = "condenser_api.get_accounts"
	within(t, worldOptions{nodes: 3}, func(t *testing.T, w *world) {
		check := func(unconfirmed bool, registered int) {
			t.Helper()
			checks, err := w.agent.CheckKeys(t.Context())
			if err != nil || checks[0].OK || checks[0].Unconfirmed != unconfirmed {
				t.Fatalf("%+v, %v", checks, err)
			}
			time.Sleep(time.Second)
			if n := w.agent.Status().Links[0].Registered; n != registered {
				t.Errorf("%d registered, want %d", n, registered)
			}
		}
		w.node.FailAlways(method, accountOf("alice", "bob"))
		w.others[0].FailAlways(method, accountOf("alice", "bob"))
		check(false, 0)
		w.others[0].FailAlways(method, nodetest.Refused)
		w.others[1].FailAlways(method, nodetest.Refused)
		check(true, 0)
	})
}

// A key, or an account, that weighs less than the authority asks for fits, and the check says how
// much it lacks. One that has no weight does not.
func TestKeysThatShare(t *testing.T) {
	const rules = `version: 1
allow: [{name: for bob, request: sign, apps: any, on_behalf_of: [bob], operations: [vote]}]
`
	within(t, worldOptions{policy: rules}, func(t *testing.T, w *world) {
		shared := func(threshold uint32, weight uint16) {
			w.chain.Change("alice", func(a *nodetest.Account) {
				a.Active.WeightThreshold, a.Active.KeyAuths[0].Weight = threshold, weight
			})
			w.chain.Change("bob", func(a *nodetest.Account) {
				a.Posting.WeightThreshold = threshold
				a.Posting.AccountAuths = []hive.AccountWeight{{Account: "alice", Weight: weight}}
			})
		}
		for _, c := range []struct {
			threshold uint32
			weight    uint16
			problem   bool
		}{{1, 1, false}, {3, 2, false}, {2, 2, false}, {1, 0, true}} {
			shared(c.threshold, c.weight)
			checks, err := w.agent.CheckKeys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, check := range checks {
				share := [2]uint32{check.Weight, check.Threshold}
				want := [2]uint32{}
				touched := check.OnBehalfOf != "" || check.Role == "active"
				if touched && !c.problem && uint32(c.weight) < c.threshold {
					want = [2]uint32{uint32(c.weight), c.threshold}
				}
				if check.OK != !(touched && c.problem) || share != want {
					t.Errorf("%d of %d: %+v", c.weight, c.threshold, check)
				}
			}
		}
	})
}
