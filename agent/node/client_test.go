package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/agent/outage"
	"pksa/protocol/hive"
	"pksa/protocol/host"
)

func TestNewRefuses(t *testing.T) {
	many := make([]string, 65)
	for i := range many {
		many[i] = fmt.Sprintf("https://n%d.example", i)
	}
	for _, tt := range []struct {
		name string
		urls []string
		want string // "" if it is taken
	}{
		{"none", nil, "wanted 1 to 64"},
		{"too many", many, "wanted 1 to 64"},
		{"https", []string{"https://api.hive.blog", "https://API.deathwing.me:8443/rpc"}, ""},
		{"loopback", []string{"http://127.0.0.1:8090", "http://[::1]:8090", "http://localhost"}, ""},
		{"plain", []string{"http://api.hive.blog"}, "without TLS only on loopback"},
		{"plain that looks like loopback", []string{"http://127.0.0.1.example"}, "without TLS only on loopback"},
		{"no scheme", []string{"api.hive.blog"}, "wanted https"},
		{"websocket", []string{"wss://api.hive.blog"}, "wanted https"},
		{"password", []string{"https://u:secret@api.hive.blog"}, "user and password"},
		{"query", []string{"https://api.hive.blog/?k=1"}, "query and fragment"},
		{"no host", []string{"https:///x"}, "no host"},
		{"twice", []string{"https://api.hive.blog", "https://API.hive.blog/"}, "twice"},
		{"nonsense", []string{"https://u:secret@%zz"}, "not a URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := node.New(node.Options{URLs: tt.urls, Network: hive.Mainnet})
			if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) ||
				strings.Contains(err.Error(), "secret")) {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := node.New(node.Options{URLs: []string{"https://api.hive.blog"}}); err == nil {
		t.Error("a client without a network")
	}
}

// TestOtherChain: a node of another chain is asked for its chain and for nothing else.
func TestOtherChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.nodes[0].SetChainID(hive.Testnet.ChainID)
		stop := w.run()
		time.Sleep(time.Hour)
		for _, m := range []string{propertiesMethod, broadcastMethod, findMethod, "condenser_api.get_accounts"} {
			if n := w.nodes[0].Calls(m); n != 0 {
				t.Errorf("%d calls of %s", n, m)
			}
		}
		tx := w.sign(hive.Posting, voteJSON)
		o := w.broadcast(tx)
		if o.State != node.Accepted || o.Node != "b.example" {
			t.Errorf("outcome %+v", o)
		}
		s := w.c.Status()
		if s[0].Chain != "other" || s[0].Usable || !strings.Contains(s[0].LastError, "serves the chain 9afbce") ||
			s[0].LastReason != outage.Chain || s[0].Reasons[outage.Chain] != s[0].Errors || s[0].Errors == 0 ||
			s[1].Chain != "ours" || !s[1].Usable {
			t.Errorf("status %+v", s)
		}
		if strings.Count(w.log.String(), "another chain") != 1 {
			t.Errorf("log:\n%s", w.log)
		}
		// Once it serves our chain it is used again.
		w.nodes[0].SetChainID(hive.Mainnet.ChainID)
		time.Sleep(15 * time.Minute)
		if s := w.c.Status(); !s[0].Usable || s[0].LastError != "" {
			t.Errorf("status %+v", s[0])
		}
		stop()
		// All of another chain: refused, as nothing was sent.
		w.nodes[0].SetChainID(hive.Testnet.ChainID)
		w.nodes[1].SetChainID(hive.Testnet.ChainID)
		time.Sleep(time.Hour)
		o = w.broadcast(w.sign(hive.Posting, voteJSON))
		if o.State != node.Refused || o.Code != "no-node" {
			t.Errorf("outcome %+v", o)
		}
	})
}

// TestRest: a node that fails is left alone, longer each time, and at least as long as it asks for.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		defer w.run()()
		time.Sleep(time.Minute)
		before := w.nodes[0].Calls(propertiesMethod)
		limited := nodetest.Status(http.StatusTooManyRequests, false)
		limited.Header = http.Header{"Retry-After": {"120"}}
		w.nodes[0].FailAlways("", limited)
		time.Sleep(100 * time.Second)
		if n := w.nodes[0].Calls(propertiesMethod) - before; n != 1 {
			t.Errorf("%d calls while it wanted rest", n)
		}
		if s := w.c.Status()[0]; s.Usable || s.RestUntil.IsZero() || s.LastError != "HTTP status 429" ||
			s.LastReason != outage.Busy ||
			s.Failures != 1 {
			t.Errorf("status %+v", s)
		}
		w.nodes[0].FailAlways("", nodetest.Fault{})
		time.Sleep(time.Minute)
		if s := w.c.Status()[0]; !s.Usable || s.Failures != 0 || s.LastError != "" || s.LastReason != "" {
			t.Errorf("status %+v", s)
		}
		w.nodes[0].FailAlways("", nodetest.ResetBefore)
		calls := func() int { return w.nodes[0].Calls(propertiesMethod) + w.nodes[0].Calls("database_api.get_version") }
		before = calls()
		time.Sleep(time.Hour)
		if n := calls() - before; n > 45 || n < 20 {
			t.Errorf("%d calls in an hour to a node that is down", n)
		}
		if n := strings.Count(w.log.String(), "node fails"); n != 2 {
			t.Errorf("%d reports of two failures:\n%s", n, w.log)
		}
		s, sum := w.c.Status()[0], uint64(0)
		for reason, n := range s.Reasons {
			sum += n
			if !strings.Contains(w.log.String(), "reason="+string(reason)+" ") {
				t.Errorf("the log does not know %q:\n%s", reason, w.log)
			}
		}
		if sum != s.Errors || s.Reasons[outage.Closed] < 10 || s.Reasons[outage.Busy] != 1 {
			t.Errorf("%d errors for the reasons %v", s.Errors, s.Reasons)
		}
		if _, err := w.c.Head(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestBusyNode: a node that is too busy rests like one that is down; one that refuses a transaction
// does not.
func TestBusyNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.nodes[0].Fail(broadcastMethod, nodetest.Locked)
		w.nodes[1].Fail(broadcastMethod, nodetest.FrontEnd(false))
		if o := w.broadcast(w.sign(hive.Posting, voteJSON)); o.State != node.Accepted || o.Node != "c.example" {
			t.Errorf("outcome %+v", o)
		}
		// The word of the one that refuses is not enough: one of the others is asked although it
		// rests.
		w.nodes[2].Fail(broadcastMethod, nodetest.Refusal("assert_exception", 10, "no"))
		o := w.broadcast(w.sign(hive.Posting, voteJSON))
		if o.State != node.Accepted || o.Node == "c.example" {
			t.Errorf("outcome %+v", o)
		}
		for i, s := range w.c.Status() {
			if s.RestUntil.IsZero() != (i == 2 || strings.Contains(s.URL, o.Node)) {
				t.Errorf("status %+v", s)
			}
		}
	})
}

func TestStatusIsJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		if _, err := w.c.Head(context.Background()); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(w.c.Status())
		if err != nil || !strings.Contains(string(text), `"chain":"unchecked"`) || !strings.Contains(string(text),
			`"version":"1.28.7"`) {
			t.Errorf("%s, %v", text, err)
		}
	})
}

// TestFollow: a transaction that one node took and lost gets onto the chain by another.
func TestFollow(t *testing.T) {
	for _, tt := range []struct {
		name  string
		apply func(w *world)
		want  int
		log   string
	}{
		{"a node that lies", func(w *world) { w.nodes[0].FailAlways(broadcastMethod, nodetest.FalseAccept) }, 1, ""},
		{"a node that is cut off", func(w *world) { w.nodes[0].SetLonely(true) }, 1, ""},
		{"all lie", func(w *world) {
			for _, n := range w.nodes {
				n.FailAlways(broadcastMethod, nodetest.FalseAccept)
			}
		}, 0, "never reached the chain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3)
				tt.apply(w)
				defer w.run()()
				synctest.Wait()
				tx := w.sign(hive.Posting, voteJSON)
				if o := w.broadcast(tx); o.State != node.Accepted || o.Node != "a.example" {
					t.Errorf("outcome %+v", o)
				}
				if n := w.onChain(tx); n != tt.want || w.chain.Count(tx.ID) != tt.want {
					t.Errorf("%d on the chain", n)
				}
				time.Sleep(10 * time.Minute)
				if !strings.Contains(w.log.String(), tt.log) || tt.log == "" && strings.Contains(w.log.String(),
					"ERROR") {
					t.Errorf("log:\n%s", w.log)
				}
			})
		})
	}
}

// TestResolve looks up and never sends.
func TestResolve(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name   string
		sent   bool
		before func(w *world)
		wait   time.Duration // after the sending
		limit  time.Duration
		state  node.State
	}{
		{"in a block", true, nil, 10 * time.Second, time.Minute, node.Accepted},
		{"queued", true, nil, 0, time.Minute, node.Accepted},
		{"never sent", false, nil, 0, time.Hour, node.Expired},
		{"never sent, long ago", false, nil, 60 * day, time.Hour, node.Expired},
		{"never sent, too early to know", false, nil, 0, 30 * time.Second, node.InDoubt},
		{"in a block, no status plugin", true, func(w *world) { w.nodes[0].Without("transaction_status_api") },
			10 * time.Second, time.Minute, node.Accepted},
		{"never sent, no status plugin anywhere", false, func(w *world) {
			w.nodes[0].Without("transaction_status_api")
			w.nodes[1].Without("transaction_status_api")
		}, 0, time.Hour, node.Expired},
		{"only one answers", false, func(w *world) { w.nodes[0].FailAlways("", nodetest.Refused) }, 0,
			160 * time.Second, node.InDoubt},
		{"only one answers, for long", false, func(w *world) { w.nodes[0].FailAlways("", nodetest.Refused) }, 0,
			time.Hour, node.Expired},
		{"only one answers, and cannot say", false, func(w *world) {
			w.nodes[0].FailAlways("", nodetest.Refused)
			w.nodes[1].Without("transaction_status_api")
		}, 0, time.Hour, node.InDoubt},
		{"none answers", true, func(w *world) {
			w.nodes[0].FailAlways("", nodetest.Refused)
			w.nodes[1].FailAlways("", nodetest.HangBefore)
		}, 0, time.Hour, node.InDoubt},
		{"one behind does not know yet", true, func(w *world) { w.nodes[0].SetBehind(20) }, 0, time.Hour,
			node.Accepted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2)
				tx := w.sign(hive.Posting, voteJSON)
				if tt.sent {
					if o := w.broadcast(tx); o.State != node.Accepted {
						t.Fatalf("outcome %+v", o)
					}
				}
				sent := len(w.nodes[0].Broadcasts())
				time.Sleep(tt.wait)
				if tt.before != nil {
					tt.before(w)
				}
				ctx, cancel := context.WithTimeout(context.Background(), tt.limit)
				defer cancel()
				o := w.c.Resolve(ctx, tx.ID, tx.Expiration)
				if o.State != tt.state || o.Reason == "" {
					t.Errorf("outcome %+v", o)
				}
				if o.State == node.Accepted && tt.wait > 0 && o.Block == 0 {
					t.Errorf("outcome %+v without a block", o)
				}
				if len(w.nodes[0].Broadcasts())+len(w.nodes[1].Broadcasts()) != sent {
					t.Error("something was sent")
				}
			})
		})
	}
}

func TestTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		tx := w.sign(hive.Posting, voteJSON)
		if raw, err := w.c.TransactionJSON(context.Background(), tx.ID); raw != nil || err != nil {
			t.Errorf("found %s, %v", raw, err)
		}
		w.broadcast(tx)
		time.Sleep(5 * time.Second)
		raw, err := w.c.TransactionJSON(context.Background(), tx.ID)
		if err != nil || !strings.Contains(string(raw), `"vote"`) || !strings.Contains(string(raw), tx.ID.String()) {
			t.Errorf("%s, %v", raw, err)
		}
		w.nodes[0].FailAlways("", nodetest.Refused)
		w.nodes[1].FailAlways("", nodetest.Garbage("{}", true))
		if _, err := w.c.TransactionJSON(context.Background(), tx.ID); !errors.Is(err, node.ErrNoNode) {
			t.Errorf("error %v", err)
		}
	})
}

func TestAuthorities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		other, none := hive.PrivateKeyFromSeed("other").Public(), hive.PrivateKeyFromSeed("no weight").Public()
		posting, active := nodetest.Key("alice", hive.Posting).Public(), nodetest.Key("alice", hive.Active).Public()
		w.chain.Change("alice", func(a *nodetest.Account) {
			a.Posting = hive.Authority{
				WeightThreshold: 2, AccountAuths: []hive.AccountWeight{{Account: "bob", Weight: 2}},
				KeyAuths: []hive.KeyWeight{{Key: posting, Weight: 2}, {Key: other, Weight: 1}, {Key: none, Weight: 0}},
			}
			a.Memo = active
		})
		accounts, err := w.c.Authorities(context.Background(), "alice", "bob", "nobody")
		if err != nil || len(accounts) != 2 {
			t.Fatalf("%v, %v", accounts, err)
		}
		a := accounts["alice"]
		if len(a.Posting.AccountAuths) != 1 || a.Posting.AccountAuths[0].Account != "bob" ||
			a.Posting.WeightThreshold != 2 {
			t.Errorf("posting authority %+v", a.Posting)
		}
		for _, tt := range []struct {
			key  hive.PublicKey
			want []hive.Role
		}{
			{posting, []hive.Role{hive.Posting}},
			{other, []hive.Role{hive.Posting}}, // it needs the other one beside it
			{none, nil},
			{active, []hive.Role{hive.Memo, hive.Active}},
			{nodetest.Key("alice", hive.Owner).Public(), []hive.Role{hive.Owner}},
			{hive.PublicKey{}, nil},
		} {
			if got := a.Roles(tt.key); !slices.Equal(got, tt.want) {
				t.Errorf("roles of %v: %v, wanted %v", tt.key, got, tt.want)
			}
		}
		for _, tt := range []struct {
			key  hive.PublicKey
			role hive.Role
			want node.Share
		}{
			{other, hive.Posting, node.Share{Weight: 1, Threshold: 2}}, {posting, hive.Posting, node.Share{}},
			{other, hive.Active, node.Share{}}, {none, hive.Posting, node.Share{}}, {active, hive.Memo, node.Share{}},
		} {
			if got := a.Share(tt.key, tt.role); got != tt.want {
				t.Errorf("share of %v as %s: %+v, wanted %+v", tt.key, tt.role, got, tt.want)
			}
		}
		a.Active.AccountAuths = []hive.AccountWeight{{Account: "carol", Weight: 1}, {Account: "dave", Weight: 0}}
		a.Active.WeightThreshold = 3
		for _, tt := range []struct {
			name  hive.AccountName
			role  hive.Role
			want  node.Share
			given bool
		}{
			{"bob", hive.Posting, node.Share{}, true}, {"bob", hive.Active, node.Share{}, false},
			{"carol", hive.Active, node.Share{Weight: 1, Threshold: 3}, true},
			{"dave", hive.Active, node.Share{}, false},
		} {
			if got, given := a.ShareOfAccount(tt.name, tt.role); got != tt.want || given != tt.given {
				t.Errorf("share of %s as %s: %+v %t", tt.name, tt.role, got, given)
			}
		}
		keys := a.Keys()
		if len(keys) != 4 || !slices.Contains(keys, posting) || !slices.Contains(keys, other) ||
			!slices.Contains(keys, active) {
			t.Errorf("keys %v", keys)
		}
	})
}

// TestAuthoritiesAskAgain: a node that hides an account, or invents one, is not believed when
// another one answers.
func TestAuthoritiesAskAgain(t *testing.T) {
	const method = "condenser_api.get_accounts"
	var bob string
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		transport := nodetest.Transport(w.nodes...)
		body := `{"jsonrpc":"2.0","method":"` + method + `","params":[["bob"]],"id":1}`
		response, err := transport.RoundTrip(httptest.NewRequest(http.MethodPost, w.nodes[0].URL(),
			strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Result json.RawMessage }
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		bob = string(answer.Result)
	})
	result := func(text string) nodetest.Fault {
		return nodetest.Fault{Lose: true, Body: []byte(`{"jsonrpc":"2.0","result":` + text + `,"id":$id}`)}
	}
	for _, tt := range []struct {
		name  string
		fault nodetest.Fault
	}{
		{"hides", result(`[]`)},
		{"another account", result(bob)},
		{"the account twice", result(strings.Repeat(strings.ReplaceAll(strings.Trim(bob, "[]"), `"bob"`, `"alice"`)+",",
			1) + "[]")},
		{"key with a wrong checksum", result(strings.ReplaceAll(bob, "STM", "STM1"))},
		{"weight too large", result(strings.ReplaceAll(strings.ReplaceAll(bob, `",1]`, `",65536]`), `"bob"`,
			`"alice"`))},
		{"no threshold", result(strings.ReplaceAll(strings.ReplaceAll(bob, `"weight_threshold":1,`, ``), `"bob"`,
			`"alice"`))},
		{"two owners", result(strings.ReplaceAll(strings.ReplaceAll(bob, `"active"`, `"owner"`), `"bob"`, `"alice"`))},
		{"null", result(`null`)},
		{"too long", result(`"` + strings.Repeat("x", 2<<20) + `"`)},
		{"status", nodetest.Status(http.StatusServiceUnavailable, false)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2)
				w.nodes[0].FailAlways(method, tt.fault)
				accounts, err := w.c.Authorities(context.Background(), "alice")
				if err != nil || len(accounts) != 1 {
					t.Fatalf("%v, %v", accounts, err)
				}
				if roles := accounts["alice"].Roles(nodetest.Key("alice", hive.Active).Public()); !slices.Equal(roles,
					[]hive.Role{hive.Active}) {
					t.Errorf("roles %v", roles)
				}
				w.nodes[1].FailAlways("", nodetest.Refused)
				w.nodes[0].FailAlways("", nodetest.Refused)
				w.nodes[0].FailAlways(method, nodetest.Fault{Refuse: true})
				if _, err := w.c.Authorities(context.Background(), "alice"); !errors.Is(err, node.ErrNoNode) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// TestSockets uses the transport of the package: connections are kept, certificates are checked,
// and names of loopback that lead to another machine do not work without TLS.
func TestSockets(t *testing.T) {
	chain := nodetest.NewChain(nodetest.Options{})
	chain.AddUser("alice")
	ctx, cancel := context.WithCancel(t.Context())
	url, wait, err := chain.NewNode("a").Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer wait()
	defer cancel()
	c, err := node.New(node.Options{URLs: []string{url}, Network: hive.Mainnet})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if found, err := c.Authorities(ctx, "alice"); err != nil || len(found) != 1 {
			t.Errorf("%v, %v", found, err)
		}
	}
	w := &world{t: t, chain: chain}
	if o := c.Broadcast(ctx, w.sign(hive.Posting, strings.Replace(voteJSON, "bob", "alice",
		1))); o.State != node.Accepted {
		t.Errorf("outcome %+v", o)
	}

	if err := node.ForTestDialPlain(ctx, "192.0.2.1:9"); !errors.Is(err, host.ErrNotLoopback) {
		t.Errorf("dialled without TLS: %v", err)
	}

	selfSigned := httptest.NewUnstartedServer(chain.NewNode("b"))
	selfSigned.Config.ErrorLog = log.New(io.Discard, "", 0)
	selfSigned.StartTLS()
	defer selfSigned.Close()
	c, err = node.New(node.Options{URLs: []string{selfSigned.URL}, Network: hive.Mainnet})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Authorities(ctx, "alice"); !errors.Is(err, node.ErrNoNode) || !strings.Contains(err.Error(),
		"certificate") {
		t.Errorf("error %v", err)
	}
}

// TestRedirectsAreNotFollowed checks that too, and that requests name the program.
func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer elsewhere.Close()
	var agent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agent = r.UserAgent()
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	c, err := node.New(node.Options{URLs: []string{server.URL}, Network: hive.Mainnet, UserAgent: "pksa/test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Head(t.Context()); err == nil || asked != 0 || agent != "pksa/test" {
		t.Errorf("error %v, %d followed, agent %q", err, asked, agent)
	}
}

// A node behind whose address another chain is served from now on is not used any more within a
// minute, if it did not answer meanwhile; otherwise within ten.
func TestChainThatChanges(t *testing.T) {
	for _, tt := range []struct {
		away   time.Duration
		within time.Duration
	}{{time.Second, time.Minute}, {0, 11 * time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 2)
			defer w.run()()
			time.Sleep(time.Minute)
			if tt.away > 0 {
				w.nodes[0].FailAlways("", nodetest.Refused)
				time.Sleep(5 * time.Second)
				w.nodes[0].FailAlways("", nodetest.Fault{})
			}
			w.nodes[0].SetChainID(hive.Testnet.ChainID)
			before := w.nodes[1].Calls("database_api.get_version")
			time.Sleep(tt.within)
			synctest.Wait()
			if s := w.c.Status(); s[0].Usable || s[0].Chain != "other" || !s[1].Usable {
				t.Errorf("away for %s: %+v", tt.away, s)
			}
			if n := w.nodes[1].Calls("database_api.get_version") - before; n > 2 {
				t.Errorf("away for %s: the other one was asked %d times", tt.away, n)
			}
		})
	}
}

// TestBroadcastsWaitForNoOther: a thousand that are under way at a node of 100 ms end together.
func TestBroadcastsWaitForNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		const votes = 1000
		list := make([]node.Transaction, votes)
		for i := range list {
			list[i] = w.sign(hive.Posting, strings.Replace(voteJSON, `"p"`, fmt.Sprintf(`"p%d"`, i), 1))
		}
		w.nodes[0].FailAlways("", nodetest.Slow(100*time.Millisecond))
		w.broadcast(list[0]) // the first one finds out which chain the node serves
		begun := time.Now()
		var wg sync.WaitGroup
		for _, tx := range list[1:] {
			wg.Go(func() {
				if o := w.broadcast(tx); o.State != node.Accepted {
					t.Errorf("%+v", o)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begun); took > 150*time.Millisecond {
			t.Errorf("%d broadcasts took %s", votes-1, took)
		}
	})
}
