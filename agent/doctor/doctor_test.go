package doctor_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"pksa/agent"
	"pksa/agent/approve"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/doctor"
	"pksa/agent/guard"
	"pksa/agent/harden"
	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/agent/node/nodetest"
	"pksa/agent/notify"
	"pksa/agent/outage"
	"pksa/agent/passkey"
	"pksa/agent/policy"
	"pksa/agent/probe"
	"pksa/agent/relay/relaytest"
	"pksa/agent/status"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// A healthy home gives no finding, and the doctor leaves nothing behind in it.
func TestHealthyHome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		before := filesOf(t, w.cfg.Home)
		begun := time.Now()
		r := w.examine()
		if len(r.Findings) > 0 || r.Errors+r.Warnings+r.Notes > 0 || r.Agent {
			t.Errorf("%+v", r)
		}
		if len(r.Relays) != 1 || r.Relays[0].Protocol != 1 || r.Relays[0].Registered == 0 ||
			r.Relays[0].Largest != 480<<10 || r.Relays[0].Version == "" {
			t.Errorf("seen of relays: %+v", r.Relays)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("gone after %s", took)
		}
		if after := filesOf(t, w.cfg.Home); !slices.Equal(before, after) {
			t.Errorf("files before %v, after %v", before, after)
		}
		var made []string
		for _, c := range r.Checks {
			if c.State == doctor.Done {
				made = append(made, c.Name)
			}
		}
		skipped := slices.DeleteFunc(doctor.Checks(), func(name string) bool { return slices.Contains(made, name) })
		if !slices.Equal(skipped, []string{"agent", "hardening"}) {
			t.Errorf("skipped: %v", skipped)
		}
		w.inLedger(func(*ledger.Ledger) error { return nil }) // it can be opened again
	})
}

func filesOf(t *testing.T, folder string) (names []string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// fault is one thing that is broken, and the finding that names it.
type fault struct {
	name   string
	damage func(*world)
	check  string
	level  doctor.Level
	says   string // a part of what is wrong
}

func faultsOfHome() []fault {
	return []fault{
		{"a home that others can write", func(w *world) { w.must(os.Chmod(w.cfg.Home, 0o777)) }, "home", doctor.Error,
			"others can write in it"},
		{"a policy that others can write", func(w *world) { w.must(os.Chmod(w.cfg.Policy, 0o666)) }, "home",
			doctor.Error,
			"policy.yaml"},
		{"settings that others can write", func(w *world) {
			w.must(os.Chmod(filepath.Join(w.cfg.Home, "config.yaml"), 0o666))
		}, "home", doctor.Error, "config.yaml"},
		{"settings that are not there", func(w *world) {
			w.must(os.Remove(filepath.Join(w.cfg.Home, "config.yaml")))
		}, "home", doctor.Note, "config.yaml is not there"},
		{"a setting that should be mended", func(w *world) {
			w.cfg.Warnings = config.Problems{{Where: "config.yaml:1:1", Text: "old word"}}
		}, "home", doctor.Warning, "old word"},
	}
}

// answers is the server of a notifier: it answers with a status, or with an error.
type answers struct{ err error }

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody}, a.err
}

func faultsOfNotifiers() []fault {
	notified := func(w *world, source string, err error) {
		w.cfg.Notify = []config.Notifier{{Kind: config.NotifyWebhook, URL: "https://hooks.example/a-path",
			Source: source}}
		w.options = func(o *doctor.Options) { o.Notify = answers{err} }
	}
	return []fault{
		{"a notifier without its secret", func(w *world) { notified(w, "file:/nowhere/at/all", nil) }, "notifiers",
			doctor.Error, "/nowhere/at/all"},
		{"a notifier that nobody answers", func(w *world) {
			notified(w, "env:ANY", context.DeadlineExceeded)
		}, "notifiers", doctor.Error, "too slow, or silent"},
		{"a notifier that takes nothing", func(w *world) {
			agentThat(agent.Status{Notifiers: []notify.Status{{Kind: "webhook", Server: "https://hooks.example",
				Problem: "status 403"}}})(w)
			without := w.options
			notified(w, "env:ANY", nil)
			with := w.options
			w.options = func(o *doctor.Options) { without(o); with(o) }
		}, "notifiers", doctor.Error, "status 403"},
	}
}

func faultsOfStores() []fault {
	return []fault{
		{"no identity", func(w *world) { w.must(os.Remove(w.identity())) }, "unlock", doctor.Error, "identity.txt"},
		{"an identity that others can read", func(w *world) { w.must(os.Chmod(w.identity(), 0o644)) }, "unlock",
			doctor.Error,
			"identity.txt"},
		{"a damaged keystore", func(w *world) { w.must(os.Truncate(w.cfg.Keystore, 100)) }, "keystore", doctor.Error,
			"keystore.age"},
		{"no keys", func(w *world) {
			keys, err := w.openKeys(w.t.Context())
			w.must(err)
			defer keys.Close()
			w.must(keys.RemoveAccount("alice"))
		}, "keystore", doctor.Error, "no keys are held"},
		{"no ledger", func(w *world) { w.must(os.Remove(w.cfg.Ledger)) }, "ledger", doctor.Error, "ledger"},
		{"a ledger that was put back", func(w *world) {
			old, err := os.ReadFile(w.cfg.Ledger)
			w.must(err)
			w.inLedger(func(l *ledger.Ledger) error {
				_, err := l.AddSlot(w.t.Context(), "late", "another secret of a slot", nil)
				return err
			})
			w.write(w.cfg.Ledger, string(old))
		}, "ledger", doctor.Error, "ledger"},
		{"a damaged ledger", func(w *world) { w.write(w.cfg.Ledger, strings.Repeat("no ledger ", 5000)) }, "ledger",
			doctor.Error,
			"ledger"},
		{"a copy that has yielded", func(w *world) {
			w.inLedger(func(l *ledger.Ledger) error {
				return l.Yield(w.t.Context(), ledger.Yield{At: time.Now(), Relay: "wss://relay.example/"},
					ledger.Entry{Type: ledger.RecordEvent, Outcome: "yielded", Content: []byte("{}")})
			})
		}, "ledger", doctor.Error, "another copy"},
		{"a slow disk", func(w *world) {
			w.options = func(o *doctor.Options) {
				o.Sync = func(string) (time.Duration, error) { return time.Second, nil }
			}
		}, "disk", doctor.Warning, "1000 ms"},
		{"a disk that takes nothing", func(w *world) {
			w.options = func(o *doctor.Options) {
				o.Sync = func(string) (time.Duration, error) { return 0, syscall.ENOSPC }
			}
		}, "disk", doctor.Error, "no space left"},
		{"a policy with errors", func(w *world) { w.write(w.cfg.Policy, "version: 1\nalow: []\n") }, "policy",
			doctor.Error,
			"policy.yaml:2:1"},
		{"no policy", func(w *world) { w.must(os.Remove(w.cfg.Policy)) }, "policy", doctor.Error, "policy.yaml"},
		{"a rule for an app that there is not", func(w *world) {
			w.write(w.cfg.Policy, "version: 1\nallow:\n  - {name: login, request: auth, apps: [mybto], session: 24h}\n")
		}, "policy", doctor.Warning, "mybto"},
		{"a rule for an account that is not held", func(w *world) {
			w.write(w.cfg.Policy, "version: 1\nallow:\n  - {name: login, request: auth, apps: [bot], accounts: "+
				"[bobby], "+
				"session: 24h}\n")
		}, "policy", doctor.Warning, "bobby"},
	}
}

// listening opens no address: it takes one, and refuses all others.
func listening(takes string, err error) func(*world) {
	return func(w *world) {
		w.cfg.StatusListen = "127.0.0.1:9478"
		w.options = func(o *doctor.Options) {
			o.Listen = func(_, address string) (net.Listener, error) {
				if address == takes {
					return &oneConnection{}, nil
				}
				return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
			}
		}
	}
}

func faultsOfPlace() []fault {
	return []fault{
		{"a port that another program has", listening("", os.NewSyscallError("bind", syscall.EADDRINUSE)), "listen",
			doctor.Error, "nobody can listen at 127.0.0.1:9478: bind: address already in use"},
		{"an address of another machine", func(w *world) {
			listening("127.0.0.1:9478", syscall.EADDRNOTAVAIL)(w)
			w.cfg.RelayListen = "203.0.113.1:9480"
		}, "listen", doctor.Error, "203.0.113.1:9480"},
		{"a file in the place of the control socket", func(w *world) { w.write(w.cfg.Control, "") }, "listen",
			doctor.Error, "no socket"},
		{"a console of a user that there is not", func(w *world) {
			w.cfg.ConsoleSocket, w.cfg.ConsoleUser = filepath.Join(w.cfg.Home, "c.sock"), "no-such-user"
		}, "console", doctor.Error, `no user "no-such-user"`},
		{"a console in a folder that others can write", func(w *world) {
			w.must(os.Mkdir(filepath.Join(w.cfg.Home, "open"), 0o700))
			w.must(os.Chmod(filepath.Join(w.cfg.Home, "open"), 0o777))
			w.cfg.ConsoleSocket, w.cfg.ConsoleUser = filepath.Join(w.cfg.Home, "open/c.sock"), "4242"
		}, "console", doctor.Error, "others can write in it"},
		{"a file in the place of the console's socket", func(w *world) {
			w.cfg.ConsoleSocket = filepath.Join(w.cfg.Home, "c.sock")
			w.write(w.cfg.ConsoleSocket, "")
		}, "console", doctor.Error, "no socket"},
		{"a console's socket that its user cannot reach", func(w *world) {
			w.cfg.ConsoleSocket, w.cfg.ConsoleUser = filepath.Join(w.cfg.Home, "c.sock"), "4242"
		}, "console", doctor.Warning, "cannot enter"},
		{"a wallet that was started without its console", func(w *world) {
			agentThat(agent.Status{})(w)
			w.cfg.ConsoleSocket = filepath.Join(w.cfg.Home, "c.sock")
		}, "console", doctor.Warning, "has no socket for a console"},
		{"a read-only volume", func(w *world) { w.place.ReadOnly = true }, "place", doctor.Error, "read-only"},
		{"a network file system", func(w *world) { w.place.FileSystem = "nfs" }, "place", doctor.Warning, "nfs"},
		{"a container without a volume", func(w *world) {
			w.place = doctor.Place{Container: true, FileSystem: "overlay"}
		}, "place", doctor.Warning, "no volume"},
		{"a shell as process 1", func(w *world) {
			w.place = doctor.Place{Container: true, FirstName: "sh"}
		}, "place", doctor.Warning, "shell"},
		{"little memory that may be locked in a container", func(w *world) {
			w.place = doctor.Place{Container: true}
			w.options = func(o *doctor.Options) {
				o.Foresee = func() []harden.Measure {
					return []harden.Measure{{Name: "memory-lock", Detail: "8192 KiB"}}
				}
			}
		}, "hardening", doctor.Warning, "memory-lock is not done"},
		{"no hardening", func(w *world) { w.cfg.Hardening.Off = true }, "hardening", doctor.Note, "hardening is off"},
		{"a kernel that keeps no time", func(w *world) {
			w.options = func(o *doctor.Options) { o.Kernel = func() error { return errors.New("unsynchronised") } }
		}, "clock", doctor.Note, "unsynchronised"},
		{"a time service that has set nothing for a day", func(w *world) {
			w.options = func(o *doctor.Options) {
				o.Kernel = func() error { return errors.New("unsynchronised") }
				o.Files = fstest.MapFS{"run/systemd/timesync/synchronized": {ModTime: time.Now().Add(-24 * time.Hour)},
					"run/chrony/chronyd.pid": {}}
			}
		}, "clock", doctor.Note, "unsynchronised (adjtimex); systemd-timesyncd last set it 24h0m0s ago; chronyd runs"},
		{"a clock that nothing confirms", func(w *world) {
			w.nodesDown()
			w.options = func(o *doctor.Options) { o.Kernel = func() error { return errors.New("unsynchronised") } }
		}, "clock", doctor.Warning, "unsynchronised"},
		{"a clock behind the chain", func(w *world) { w.ahead(90 * time.Second) }, "clock", doctor.Warning,
			"behind the chain"},
		{"a clock far ahead of the chain", func(w *world) { w.ahead(-time.Hour) }, "clock", doctor.Error,
			"ahead of the chain"},
	}
}

func (w *world) ahead(d time.Duration) {
	for _, n := range w.nodes {
		n.SetAhead(d)
	}
}

func (w *world) nodesDown() {
	w.options = nil
	for _, n := range w.nodes {
		down(n)
	}
}

func down(n *nodetest.Node) {
	for _, method := range []string{"condenser_api.get_dynamic_global_properties", "condenser_api.get_accounts",
		"condenser_api.get_block_header", "database_api.get_version", "database_api.find_accounts",
		"condenser_api.get_version", "condenser_api.get_config", "condenser_api.get_transaction"} {
		n.FailAlways(method, nodetest.Fault{Status: 503, Lose: true})
	}
}

func faultsOfChain() []fault {
	return []fault{
		{"a node that is down", func(w *world) { down(w.nodes[1]) }, "nodes", doctor.Warning, "does not answer"},
		{"all nodes down", func(w *world) { w.nodesDown() }, "nodes", doctor.Error, "does not answer"},
		{"a node without the interface of accounts", func(w *world) { w.nodes[1].Without("condenser_api") }, "nodes",
			doctor.Warning, "the node has not what the wallet asks it for first: Assert Exception"},
		{"a machine without a resolver", func(w *world) {
			w.nodesDown()
			w.options = func(o *doctor.Options) {
				o.Resolve = func(context.Context, string) error { return errors.New("no such host") }
			}
		}, "nodes", doctor.Error, "the names of 2 nodes lead nowhere"},
		{"nodes that all have changed their chain", func(w *world) {
			for _, n := range w.nodes {
				n.SetChainID([32]byte{1})
			}
		}, "nodes", doctor.Error, "another chain than that of the setting network (mainnet)"},
		{"a node of another chain", func(w *world) { w.nodes[1].SetChainID([32]byte{1}) }, "nodes", doctor.Warning,
			"another chain"},
		{"a node that lags", func(w *world) { w.nodes[1].SetBehind(20) }, "nodes", doctor.Warning, "behind the others"},
		{"a node without transactions", func(w *world) {
			w.nodes[1].FailAlways("condenser_api.get_transaction", nodetest.Fault{Status: 500, Lose: true})
		}, "nodes", doctor.Warning, "get_transaction"},
		{"a node that takes no transactions", func(w *world) {
			w.nodes[1].FailAlways("condenser_api.broadcast_transaction", nodetest.Refusal("assert_exception", 10,
				"Could not find method broadcast_transaction"))
		}, "nodes", doctor.Warning, "takes no transactions"},
		{"nodes of which none takes transactions", func(w *world) {
			for _, n := range w.nodes {
				n.FailAlways("condenser_api.broadcast_transaction", nodetest.Status(http.StatusNotFound, false))
			}
		}, "nodes", doctor.Error, "takes no transactions"},
		{"a node that is silent when it gets a transaction", func(w *world) {
			w.nodes[1].FailAlways("condenser_api.broadcast_transaction", nodetest.HangBefore)
		}, "nodes", doctor.Warning, "broadcast_transaction"},
		{"a node without accounts", func(w *world) {
			w.nodes[1].FailAlways("condenser_api.get_accounts", nodetest.Fault{Status: 500, Lose: true})
		}, "nodes", doctor.Warning, "get_accounts"},
		{"a slow node", func(w *world) {
			w.nodes[1].FailAlways("condenser_api.get_transaction", nodetest.Slow(4*time.Second))
			w.nodes[1].FailAlways("condenser_api.get_accounts", nodetest.Slow(4*time.Second))
		}, "nodes", doctor.Warning, "to answer"},
		{"a key that was changed on the chain", func(w *world) {
			w.chain.Change("alice", func(a *nodetest.Account) {
				a.Posting = nodetest.Single(nodetest.Key("bob", hive.Posting).Public())
			})
		}, "keys", doctor.Error, "posting key of alice"},
	}
}

func faultsOfRelay() []fault {
	toWallet := func(cmds ...string) relaytest.Fault {
		return relaytest.Script(relaytest.Rule{When: relaytest.On(relaytest.ToClient, cmds...),
			Do: func(*relaytest.Wire, relaytest.Frame) {}})
	}
	return []fault{
		{"a relay whose name leads nowhere", func(w *world) {
			w.options = func(o *doctor.Options) {
				o.Resolve = func(context.Context, string) error { return errors.New("no such host") }
			}
		}, "relays", doctor.Error, "leads nowhere: no such host"},
		{"a relay that is down", func(w *world) { w.options = func(o *doctor.Options) { o.Dial = refused } }, "relays",
			doctor.Error, "cannot be reached"},
		{"a relay without TLS", func(w *world) {
			w.cfg.Relays = []config.Relay{{URL: "wss://relay.example"}}
			w.options = func(o *doctor.Options) { o.TLS = &tls.Config{} }
		}, "relays", doctor.Error, "no secure connection"},
		{"a relay that does not greet", func(w *world) { w.fault = toWallet("connected") }, "relays", doctor.Error,
			"does not speak HiveAuth"},
		{"a relay without a key", func(w *world) { w.fault = toWallet("key_ack") }, "relays", doctor.Error,
			"no key_ack"},
		{"a relay with another key than the pinned one", func(w *world) {
			w.options = func(o *doctor.Options) {
				o.Config.Relays[0].Key = nodetest.Key("bob", hive.Memo).Public()
			}
		}, "relays", doctor.Error, "key"},
		{"a relay that does not know the key", func(w *world) { w.known = false }, "relays", doctor.Error,
			"alice is not registered"},
		{"a relay that answers no registration", func(w *world) { w.fault = toWallet("register_ack") }, "relays",
			doctor.Error,
			""},
		{"a relay that delivers nothing", func(w *world) { w.fault = toWallet("challenge_req") }, "canary",
			doctor.Error,
			"did not come back"},
		{"a relay that passes no large frame on", func(w *world) {
			w.fault = func(wire *relaytest.Wire, f relaytest.Frame) {
				if f.To != relaytest.ToClient || len(f.Body) < 32<<10 {
					wire.Pass(f)
				}
			}
		}, "canary", doctor.Warning, "no request of 64 KiB"},
		{"a relay that passes no frame of 300 KiB on", func(w *world) {
			w.fault = func(wire *relaytest.Wire, f relaytest.Frame) {
				if f.To != relaytest.ToClient || len(f.Body) < 300<<10 {
					wire.Pass(f)
				}
			}
		}, "canary", doctor.Note, "no request of 480 KiB on; one of 256 KiB comes back"},
		{"a relay that hangs up at frames of 100 KiB", func(w *world) {
			w.fault = func(wire *relaytest.Wire, f relaytest.Frame) {
				if f.To == relaytest.ToRelay && len(f.Body) > 100<<10 {
					wire.Cut()
					return
				}
				wire.Pass(f)
			}
		}, "canary", doctor.Warning, "no request of 128 KiB on; one of 64 KiB comes back"},
		{"a web server in place of a relay", func(w *world) {
			w.options = func(o *doctor.Options) { o.Dial = webServer(http.StatusOK) }
		}, "relays", doctor.Error, "something else than a relay: the answer to the upgrade has HTTP status 200"},
		{"a proxy that does not reach the relay", func(w *world) {
			w.options = func(o *doctor.Options) { o.Dial = webServer(http.StatusBadGateway) }
		}, "relays", doctor.Error, "what stands before it does not reach it"},
		{"an own relay that is not used", func(w *world) { w.cfg.RelayListen = "127.0.0.1:9480" }, "relays",
			doctor.Warning,
			"own relay"},
	}
}

// agentThat returns an agent that says one status, and works else.
func agentThat(s agent.Status, canaries ...probe.Canary) func(*world) {
	return func(w *world) {
		w.agent = func(_ context.Context, method string, _, result any) error {
			switch to := result.(type) {
			case *agent.Status:
				*to = s
			case *[]probe.Canary:
				*to = canaries
			case *[]agent.KeyCheck:
				*to = []agent.KeyCheck{{Account: "alice", Role: "posting", OK: true}}
			default:
				return fmt.Errorf("%s wants %T", method, result)
			}
			return nil
		}
		w.options = func(o *doctor.Options) {
			o.OpenKeys = func(context.Context) (*keystore.Store, error) { return nil, errors.New("an agent runs") }
		}
	}
}

// hindered returns the status of an agent with one reason for not being ready.
func hindered(cause status.Cause, text string) agent.Status {
	return agent.Status{NotReady: []string{text}, Hindrances: []status.Hindrance{{Cause: cause, Text: text}}}
}

func faultsOfAgent() []fault {
	relay := "wss://relay.example/"
	return []fault{
		{"a wallet that is not ready", agentThat(agent.Status{NotReady: []string{"stopping"}}), "agent", doctor.Error,
			"stopping"},
		{"a wallet that is paused", agentThat(hindered(status.CausePaused, "paused by its operator")), "agent",
			doctor.Error, "paused by its operator"},
		{"a wallet that is locked", agentThat(hindered(status.CauseLocked, "locked by its operator")), "agent",
			doctor.Error, "locked by its operator"},
		{"a wallet that holds no keys", agentThat(hindered(status.CauseKeys, "no keys are held")), "agent",
			doctor.Error, "no keys are held"},
		{"a wallet that would not start again", agentThat(agent.Status{WillNotStart: []string{"the policy"}}), "agent",
			doctor.Error, "the policy"},
		{"a second copy", agentThat(agent.Status{Twin: &agent.TwinStatus{Relay: relay, Advice: "remove it"}}), "agent",
			doctor.Error, "another copy"},
		{"a trail that cannot leave the ledger", agentThat(agent.Status{Backlog: "read-only"}), "agent", doctor.Warning,
			"read-only"},
		{"apps with one secret", agentThat(agent.Status{Disabled: []agent.DisabledApp{{Name: "b", SameSecretAs: "a"}}}),
			"agent",
			doctor.Warning, "same secret"},
		{"an account full of sessions",
			agentThat(agent.Status{Accounts: []agent.AccountStatus{{Name: "alice", Sessions: 9,
				SessionsMost: 10, NearlyFull: true}}}), "agent", doctor.Warning, "9 sessions of 10"},
		{"a session in quarantine", agentThat(agent.Status{Quarantine: []agent.Quarantine{{Session: 2, Relay: relay,
			Reason: "too many replays"}}}), "agent", doctor.Warning, "too many replays"},
		{"a limit without room", agentThat(agent.Status{Policy: agent.PolicyStatus{Room: []policy.Room{{
			Limit: policy.RuleRef{Name: "tips"}, Unit: "HBD", Used: "2", Most: "2.000"}}}}), "policy", doctor.Warning,
			"limit tips has no room"},
		{"a policy that was not reloaded", agentThat(agent.Status{Policy: agent.PolicyStatus{Failed: "2:1: alow"}}),
			"policy",
			doctor.Error, "alow"},
		{"a measure that was not taken",
			agentThat(agent.Status{Hardening: []harden.Measure{{Name: "landlock", Detail: "why"}}}),
			"hardening", doctor.Warning, "landlock"},
		{"a link that is down", agentThat(agent.Status{Links: []agent.LinkStatus{{Relay: relay,
			LastError: "dialling: refused", LastReason: outage.Connect}}}), "relays", doctor.Error,
			"cannot be reached"},
		{"a relay whose name leads nowhere", agentThat(agent.Status{Links: []agent.LinkStatus{{Relay: relay,
			LastError: "dialling: lookup relay.example: no such host", LastReason: outage.Name}}}), "relays",
			doctor.Error, "leads nowhere"},
		{"an account that a relay refuses",
			agentThat(agent.Status{Links: []agent.LinkStatus{{Relay: relay, Connected: true,
				Refused: []link.Refusal{{Account: "alice", Reason: "invalid proof"}}}}}), "relays", doctor.Error,
			"alice"},
		{"a link that delivers nothing", agentThat(agent.Status{}, probe.Canary{Relay: relay, Result: probe.Fails,
			Failed: 2}),
			"canary", doctor.Error, "2 requests"},
		{"an account that somebody else changed", agentThat(agent.Status{Guard: []guard.Standing{{Account: "alice",
			Stopped: true, Changes: []guard.Change{{What: guard.Owner, Was: "one key", Now: "another key"}}}}}),
			"agent", doctor.Error, "was one key, is another key"},
		{"an account that somebody else changed in many ways", agentThat(agent.Status{Guard: []guard.Standing{{
			Account: "alice", Changes: []guard.Change{
				{What: guard.Owner, Was: strings.Repeat("a key, ", 40), Now: "one"},
				{What: guard.Active, Was: "one key", Now: "another"}}}}}),
			"agent", doctor.Warning, "not by this wallet: " + string(guard.Owner) + "; " + string(guard.Active)},
		{"an account of which one node says another thing",
			agentThat(agent.Status{GuardWaits: &guard.Doubts{Accounts: 2}}), "agent", doctor.Warning, "of 2 accounts"},
		{"an agent that stands still", func(w *world) {
			w.agent = func(ctx context.Context, _ string, _, _ any) error {
				<-ctx.Done()
				return fmt.Errorf("%w for 10s", control.ErrNoAnswer)
			}
			w.options = func(o *doctor.Options) {
				o.OpenKeys = func(context.Context) (*keystore.Store, error) { return nil, errors.New("it is in use") }
			}
		}, "agent", doctor.Error, "has not answered for 10s"},
		{"people with passkeys where nobody is asked", func(w *world) {
			w.cfg.Approve = passkey.Site{Origin: "https://wallet.example", RPID: "wallet.example"}
		}, "policy", doctor.Warning, "nobody is asked"},
		{"only passkeys, and nobody has one", enrolled(config.AskPasskey), "policy", doctor.Warning,
			"only passkeys say yes here, and nobody has one"},
		{"only passkeys, and all are for another host", enrolled(config.AskPasskey,
			approve.ApproverInfo{Name: "anna", RPID: "old.example", Elsewhere: true}), "policy", doctor.Warning,
			"only passkeys say yes here"},
		{"a passkey for another host", enrolled(config.AskPending, approve.ApproverInfo{Name: "anna"},
			approve.ApproverInfo{Name: "bob", RPID: "old.example", Elsewhere: true}), "policy", doctor.Warning,
			"approver bob is for old.example"},
		{"a keystore that was moved away from a running agent", func(w *world) {
			agentThat(agent.Status{WillNotStart: []string{"the keystore cannot be read: stat " + w.cfg.Keystore +
				": no such file or directory"}})(w)
			w.must(os.Remove(w.cfg.Keystore))
			inner := w.options
			w.options = func(o *doctor.Options) { inner(o); o.Missing = errors.New("the keystore is lost") }
		}, "home", doctor.Error, "the keystore is lost"},
		{"settings that have errors since a start", func(w *world) {
			agentThat(agent.Status{Twin: &agent.TwinStatus{Relay: relay, Advice: "remove it"}})(w)
			inner := w.options
			w.options = func(o *doctor.Options) { inner(o); o.Unusable = errors.New("config.yaml:1:1: nods") }
		}, "home", doctor.Error, "nods"},
		{"nodes that only the wallet cannot reach", agentThat(agent.Status{NoNode: "no Hive API node answers"}),
			"nodes",
			doctor.Error, "no Hive API node"},
	}
}

// enrolled returns an agent with these approvers.
func enrolled(ask string, all ...approve.ApproverInfo) func(*world) {
	return func(w *world) {
		w.cfg.Ask = ask
		w.cfg.Approve = passkey.Site{Origin: "https://wallet.example", RPID: "wallet.example"}
		agentThat(agent.Status{})(w)
		inner := w.agent
		w.agent = func(ctx context.Context, method string, params, result any) error {
			if to, ok := result.(*[]approve.ApproverInfo); ok {
				*to = all
				return nil
			}
			return inner(ctx, method, params, result)
		}
	}
}

// TestFaults: each fault is named, with its level, where it is and what it means.
func TestFaults(t *testing.T) {
	t.Parallel()
	all := slices.Concat(faultsOfHome(), faultsOfStores(), faultsOfDatabase(), faultsOfPlace(), faultsOfChain(),
		faultsOfRelay(), faultsOfAgent(), faultsOfNotifiers())
	for _, tt := range all {
		t.Run(tt.name, func(t *testing.T) {
			r := examined(t, tt.damage)
			named := slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool {
				return f.Check == tt.check && f.Level == tt.level && strings.Contains(f.What, tt.says) && f.What != ""
			})
			if !named {
				t.Errorf("no %s of %s says %q: %+v", tt.level, tt.check, tt.says, r.Findings)
			}
			if len(r.Findings) > 8 {
				t.Errorf("one fault has %d findings: %+v", len(r.Findings), r.Findings)
			}
			for _, f := range r.Findings {
				if f.Next == "" || strings.Contains(f.What, f.Next) {
					t.Errorf("what to do is missing, or said twice: %+v", f)
				}
			}
		})
	}
}

// A running agent that is well gives no finding, and its keystore and ledger are left alone.
func TestHealthyAgent(t *testing.T) {
	t.Parallel()
	r := examined(t, agentThat(agent.Status{Hardening: []harden.Measure{{Name: "landlock", Done: true}},
		Links: []agent.LinkStatus{{Relay: "wss://relay.example/", Connected: true, Registered: 1}}},
		probe.Canary{Relay: "wss://relay.example/", Result: probe.Works}))
	if len(r.Findings) > 0 || !r.Agent {
		t.Errorf("%+v", r)
	}
	if want := []doctor.Relay{{Relay: "wss://relay.example/", Registered: 1}}; !slices.Equal(r.Relays, want) {
		t.Errorf("seen of relays: %+v", r.Relays)
	}
}

// What protects a wallet less is the same finding with an agent and without, and is told once.
func TestHardeningWeighsTheSame(t *testing.T) {
	t.Parallel()
	locked := []harden.Measure{{Name: "memory-lock", Detail: "RLIMIT_MEMLOCK is 8192 KiB"}}
	inContainer := func(w *world) {
		w.place.Container = true
		with := w.options
		w.options = func(o *doctor.Options) {
			if with != nil {
				with(o)
			}
			o.Foresee = func() []harden.Measure { return locked }
		}
	}
	for _, tt := range []struct {
		name     string
		measures []harden.Measure // of the agent
		setting  func(*world)
	}{
		{"memory", locked, func(*world) {}},
		{"off", nil, func(w *world) { w.cfg.Hardening.Off = true }},
	} {
		ofHardening := func(r doctor.Report) []doctor.Finding {
			return slices.DeleteFunc(r.Findings, func(f doctor.Finding) bool { return f.Check != "hardening" })
		}
		without := ofHardening(examined(t, func(w *world) { tt.setting(w); inContainer(w) }))
		with := ofHardening(examined(t, func(w *world) {
			agentThat(agent.Status{Hardening: tt.measures})(w)
			inContainer(w)
		}))
		if len(with) != 1 || !slices.Equal(with, without) {
			t.Errorf("%s: with an agent %+v, without %+v", tt.name, with, without)
		}
	}
	// Elsewhere a unit may give the wallet other limits than this process has.
	elsewhere := examined(t, func(w *world) { inContainer(w); w.place.Container = false })
	if len(elsewhere.Findings) > 0 {
		t.Errorf("%+v", elsewhere.Findings)
	}
}

// However often the doctor comes, it takes no room at a relay from the next one, and finds nothing
// that is not there.
func TestDoctorAgainAndAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		server := w.relay()
		defer server.Close()
		for range 8 {
			if r := w.examineAt(server); len(r.Findings) > 0 {
				t.Fatalf("%+v", r.Findings)
			}
		}
	})
}

// Findings stand in the order of their harm, and an error's own advice is what to do.
func TestReport(t *testing.T) {
	t.Parallel()
	var r doctor.Report
	r.Add(doctor.Finding{Level: doctor.Note, What: "n"}, doctor.Finding{Level: doctor.Warning, What: "w"})
	r.Add(doctor.Of("home", advised{errors.New("e")}, "meaning"))
	if r.Errors != 1 || r.Warnings != 1 || r.Notes != 1 || r.Findings[0].Next != "do this" ||
		r.Findings[2].What != "n" {
		t.Errorf("%+v", r)
	}
	text, err := json.Marshal(r)
	if err != nil || !bytes.HasPrefix(text, []byte(`{"version":1,`)) {
		t.Errorf("%s, %v", text, err)
	}
}

type advised struct{ error }

func (advised) Advice() string { return "do this" }

// One fault is one finding, whichever checks meet it, with an agent and without.
func TestOneFaultOneFinding(t *testing.T) {
	t.Parallel()
	wellNow := agent.Status{Hardening: []harden.Measure{{Name: "landlock", Done: true}},
		Links: []agent.LinkStatus{{Relay: "wss://relay.example/", Connected: true, Registered: 1}}}
	beside := func(change func(*world, *agent.Status)) func(*world) {
		return func(w *world) {
			s := wellNow
			change(w, &s)
			agentThat(s)(w)
		}
	}
	differ := []config.Change{{Path: "relays"}, {Path: "name", Restart: true}}
	for _, tt := range []struct {
		name   string
		damage func(*world)
		check  string
		says   string
		skips  []string
	}{
		{"a policy that others can write", func(w *world) { w.must(os.Chmod(w.cfg.Policy, 0o666)) }, "home",
			"0666", nil},
		{"the same beside an agent", beside(func(w *world, s *agent.Status) {
			w.must(os.Chmod(w.cfg.Policy, 0o666))
			_, _, err := agent.LoadPolicy(w.cfg, nil, nil)
			s.WillNotStart = []string{"the policy cannot be used: " + err.Error()}
		}), "home", "0666", nil},
		{"an unlock command that is not there", func(w *world) { w.cfg.Unlock = "command:/nowhere/at/all" }, "unlock",
			"/nowhere/at/all", []string{"keystore", "ledger"}},
		{"a credential outside of the unit", func(w *world) { w.cfg.Unlock = "credential:unlock" }, "unlock",
			"CREDENTIALS_DIRECTORY", []string{"keystore", "ledger"}},
		{"an identity that is gone", func(w *world) { w.must(os.Remove(w.identity())) }, "unlock", "identity.txt",
			[]string{"keystore", "ledger"}},
		{"a policy that is gone", func(w *world) { w.must(os.Remove(w.cfg.Policy)) }, "policy", "policy.yaml", nil},
		{"a ledger that others can read in a home that they can enter", func(w *world) {
			w.must(os.Chmod(w.cfg.Home, 0o755))
			w.must(os.Chmod(w.cfg.Ledger, 0o644))
		}, "home", "can read it", nil},
		{"a trail that others can read in a home that they can enter", func(w *world) {
			w.must(os.Chmod(w.cfg.Home, 0o755))
			w.must(os.Mkdir(filepath.Join(w.cfg.Home, "audit"), 0o755))
		}, "home", "can read it", nil},
		{"a ledger behind a link in a folder of others", func(w *world) {
			open := filepath.Join(w.t.TempDir(), "open")
			w.must(os.Mkdir(open, 0o700))
			w.must(os.Rename(w.cfg.Ledger, filepath.Join(open, "ledger.db")))
			w.must(os.Symlink(filepath.Join(open, "ledger.db"), w.cfg.Ledger))
			w.must(os.Chmod(open, 0o777))
		}, "home", "others can write in it", nil},
		{"a full disk", func(w *world) {
			w.options = func(o *doctor.Options) {
				o.Sync = func(string) (time.Duration, error) { return 0, syscall.ENOSPC }
			}
		}, "disk", "no space", nil},
		{"a read-only volume", func(w *world) {
			w.place.ReadOnly = true
			w.options = func(o *doctor.Options) {
				o.Sync = func(string) (time.Duration, error) { return 0, syscall.EROFS }
				o.OpenLedger = func(*keystore.Store) (*ledger.Ledger, error) {
					return nil, &os.PathError{Op: "open", Path: "ledger.db", Err: syscall.EROFS}
				}
			}
		}, "place", "mounted read-only", nil},
		{"no node that answers anybody", beside(func(w *world, s *agent.Status) {
			for _, n := range w.nodes {
				down(n)
			}
			w.cfg.Nodes = w.cfg.Nodes[:1]
			s.NoNode = "no Hive API node answers"
			s.NotReady = []string{s.NoNode}
		}), "nodes", "does not answer", nil},
		{"no node that answers, without an agent", func(w *world) {
			w.nodesDown()
			w.cfg.Nodes = w.cfg.Nodes[:1]
		}, "nodes", "does not answer", []string{"keys"}},
		{"a node that answers the doctor alone", noKeysOf(beside(func(_ *world, s *agent.Status) {
			s.NoNode = "no Hive API node answers"
			s.NotReady = []string{s.NoNode}
		})), "nodes", "no Hive API node answers", []string{"keys"}},
		{"no relay", beside(func(_ *world, s *agent.Status) {
			*s = hindered(status.CauseRelay, "no account is registered at any relay")
			s.Hardening = wellNow.Hardening
			s.Links = []agent.LinkStatus{{Relay: "wss://relay.example/", LastError: "dialling: refused",
				LastReason: outage.Connect}}
		}), "relays", "cannot be reached", nil},
		{"a relay that delivers nothing", func(w *world) {
			s := hindered(status.CauseRelay, "no relay delivers")
			s.Hardening, s.Links = wellNow.Hardening, wellNow.Links
			agentThat(s, probe.Canary{Relay: "wss://relay.example/", Result: probe.Fails, Failed: 2})(w)
		}, "canary", "2 requests", nil},
		{"a disk of which only the agent says that it is full", beside(func(_ *world, s *agent.Status) {
			*s = hindered(status.CauseDisk, "the ledger takes nothing: no room")
			s.Hardening = wellNow.Hardening
		}), "agent", "no room", nil},
		{"a full disk beside an agent", func(w *world) {
			beside(func(_ *world, s *agent.Status) {
				*s = hindered(status.CauseDisk, "the ledger takes nothing: no room")
				s.Hardening = wellNow.Hardening
			})(w)
			w.options = func(o *doctor.Options) {
				o.Sync = func(string) (time.Duration, error) { return 0, syscall.ENOSPC }
			}
		}, "disk", "no space", nil},
		{"accounts that the guard has stopped", beside(func(_ *world, s *agent.Status) {
			*s = hindered(status.CauseKeys, agent.EachStopped)
			s.Hardening = wellNow.Hardening
			s.Guard = []guard.Standing{{Account: "alice", Stopped: true,
				Changes: []guard.Change{{What: guard.Owner, Was: "one key", Now: "another key"}}}}
		}), "agent", "was one key", nil},
		{"a clock that is wrong, and that nothing keeps right", func(w *world) {
			w.ahead(90 * time.Second)
			w.options = func(o *doctor.Options) { o.Kernel = func() error { return errors.New("unsynchronised") } }
		}, "clock", "behind the chain", nil},
		{"no relay, and no reason for that", beside(func(_ *world, s *agent.Status) {
			*s = hindered(status.CauseRelay, "no account is registered at any relay")
			s.Hardening = wellNow.Hardening
		}), "agent", "no account is registered", nil},
		{"no key that fits, of which the check of keys knows nothing", beside(func(_ *world, s *agent.Status) {
			*s = hindered(status.CauseKeys, agent.NoKeyFits)
			s.Hardening = wellNow.Hardening
		}), "agent", agent.NoKeyFits, nil},
		{"a key that fits no more beside an agent", keysOf([]agent.KeyCheck{{Account: "alice", Role: "posting",
			Problem: agent.NoSuchAccount}, {Account: "alice", Role: "signing", OK: true}},
			beside(func(_ *world, s *agent.Status) {
				s.NotReady = []string{"no account is registered at any relay", agent.NoKeyFits}
				s.Hindrances = []status.Hindrance{{Cause: status.CauseRelay, Text: s.NotReady[0]},
					{Cause: status.CauseKeys, Text: s.NotReady[1]}}
				s.Links = []agent.LinkStatus{{Relay: "wss://relay.example/", Connected: true,
					Refused: []link.Refusal{{Account: "alice", Reason: "invalid proof"}}}}
			})), "keys", agent.NoSuchAccount, nil},
		{"a home of another user", func(w *world) { w.giveAway() }, "keystore", "belongs to user 4242",
			[]string{"ledger"}},
		{"a home of another user, whose agent runs", beside(func(w *world, s *agent.Status) {
			w.giveAway()
			s.Policy.Failed = "the only finding"
		}), "policy", "the only finding", nil},
		{"a home of another user, and an agent that would not start again", beside(func(w *world, s *agent.Status) {
			w.giveAway()
			s.WillNotStart = []string{"what opens the keystore cannot be read: folder x", "the keystore cannot be " +
				"read: folder x"}
		}), "agent", "folder x", nil},
		{"a wallet that is locked", func(w *world) {
			agentThat(hindered(status.CauseLocked, "locked by its operator"))(w)
			inner := w.agent
			w.agent = func(ctx context.Context, method string, params, result any) error {
				if s, ok := result.(*agent.Status); ok {
					err := inner(ctx, method, params, s)
					s.Hardening = wellNow.Hardening
					return err
				}
				return errors.New("the wallet is locked, and holds no keys")
			}
		}, "agent", "locked by its operator", []string{"canary", "keys"}},
		{"a ledger that somebody else has", func(w *world) {
			w.options = func(o *doctor.Options) {
				o.OpenLedger = func(*keystore.Store) (*ledger.Ledger, error) { return nil, ledger.ErrLocked }
			}
		}, "ledger", "in use", nil},
		{"settings that are gone", beside(func(w *world, s *agent.Status) {
			s.Settings = &agent.SettingsStatus{Gone: true, Differ: differ, Failed: "they are gone"}
			s.NoNode = "no Hive API node answers" // by its own settings; those of the default are not asked
			s.NotReady = nil
			w.cfg.Nodes = []string{"https://other.test"}
		}), "home", "config.yaml is gone, and the running wallet has settings from it: relays, name",
			[]string{"nodes", "clock"}},
		{"settings that were changed", beside(func(_ *world, s *agent.Status) {
			s.Settings = &agent.SettingsStatus{Differ: differ}
		}), "home", "otherwise than they are in force: relays, name", nil},
		{"a reload that failed", beside(func(_ *world, s *agent.Status) {
			s.Settings = &agent.SettingsStatus{Differ: differ, Failed: "the address is taken"}
		}), "home", "the address is taken", nil},
		{"settings that have errors since a reload failed", func(w *world) {
			beside(func(_ *world, s *agent.Status) {
				s.Settings = &agent.SettingsStatus{Failed: "config.yaml:1:1: nods"}
			})(w)
			inner := w.options
			w.options = func(o *doctor.Options) { inner(o); o.Unusable = errors.New("config.yaml:1:1: nods") }
		}, "home", "nods", []string{"nodes"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.HasPrefix(tt.name, "a home of another user") && os.Geteuid() != 0 {
				t.Skip("only root gives files away")
			}
			r := examined(t, tt.damage)
			if len(r.Findings) != 1 || r.Findings[0].Check != tt.check ||
				!strings.Contains(r.Findings[0].What, tt.says) || strings.Contains(r.Findings[0].What, "one.test") {
				t.Errorf("%+v", r.Findings)
			}
			for _, c := range r.Checks {
				if slices.Contains(tt.skips, c.Name) && c.State == doctor.Done {
					t.Errorf("%s is checked", c.Name)
				}
			}
		})
	}
}

// What explains nothing hides nothing: a relay's refusal stays while a key of the account fits, and
// so does the keys' error while a node answers.
func TestNoConsequence(t *testing.T) {
	t.Parallel()
	refusing := agentThat(agent.Status{Hardening: []harden.Measure{{Done: true}}, Links: []agent.LinkStatus{{
		Relay: "wss://relay.example/", Connected: true, Refused: []link.Refusal{{Account: "alice",
			Reason: "invalid proof"}}}}})
	silent := agentThat(agent.Status{Hardening: []harden.Measure{{Done: true}}, Links: []agent.LinkStatus{{
		Relay: "wss://relay.example/", Connected: true, Refused: []link.Refusal{{Account: "alice",
			Reason: link.ReasonSilence}}}}})
	wrong := agent.KeyCheck{Account: "alice", Role: "posting", Problem: "wrong"}
	doubted := agent.KeyCheck{Account: "alice", Role: "active", Problem: "doubtful", Unconfirmed: true}
	for _, tt := range []struct {
		name   string
		damage func(*world)
		checks []string
	}{
		{"another key fits", keysOf([]agent.KeyCheck{wrong, {Account: "alice", Role: "memo", OK: true}}, refusing),
			[]string{"keys", "relays"}},
		{"a key may fit", keysOf([]agent.KeyCheck{doubted}, refusing), []string{"keys", "relays"}},
		{"another account's key", keysOf([]agent.KeyCheck{{Account: "bob", Role: "posting", Problem: "wrong"}},
			refusing), []string{"keys", "relays"}},
		{"a relay that is silent", keysOf([]agent.KeyCheck{wrong}, silent), []string{"keys", "relays"}},
		{"a node that answers", noKeysOf(agentThat(agent.Status{Hardening: []harden.Measure{{Done: true}}})),
			[]string{"keys"}},
	} {
		r := examined(t, tt.damage)
		var checks []string
		for _, f := range r.Findings {
			checks = append(checks, f.Check)
			if f.Check == "relays" && strings.Contains(f.What, link.ReasonSilence) &&
				!strings.HasPrefix(f.Next, "ask whoever runs the relay") {
				t.Errorf("%s: %+v", tt.name, f)
			}
		}
		if !slices.Equal(checks, tt.checks) {
			t.Errorf("%s: %+v", tt.name, r.Findings)
		}
	}
}

// keysOf has the agent of a world answer with what it says of its keys.
func keysOf(checks []agent.KeyCheck, with func(*world)) func(*world) {
	return withKeys(with, func(to *[]agent.KeyCheck) error { *to = checks; return nil })
}

// noKeysOf has the agent of a world compare no keys.
func noKeysOf(with func(*world)) func(*world) {
	return withKeys(with, func(*[]agent.KeyCheck) error { return errors.New("no Hive API node answers") })
}

func withKeys(with func(*world), answer func(*[]agent.KeyCheck) error) func(*world) {
	return func(w *world) {
		with(w)
		inner := w.agent
		w.agent = func(ctx context.Context, method string, params, result any) error {
			if to, ok := result.(*[]agent.KeyCheck); ok {
				return answer(to)
			}
			return inner(ctx, method, params, result)
		}
	}
}

// giveAway gives the home folder, and what is in it, to another user. Only root can.
func (w *world) giveAway() {
	w.t.Helper()
	for _, name := range append(filesOf(w.t, w.cfg.Home), ".") {
		w.must(os.Chown(filepath.Join(w.cfg.Home, name), 4242, 4242))
	}
}

// Accounts that the chain does not have are told as such, and are not registered at relays: they
// would hold up those that are good, and each would be told twice.
func TestUnknownAccountsHoldUpNobody(t *testing.T) {
	t.Parallel()
	const unknown = 22 // more than are named
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		keys, err := w.openKeys(t.Context())
		w.must(err)
		for i := range unknown {
			name := hive.AccountName(fmt.Sprint("acct", i))
			w.must(keys.Import(name, hive.Posting, []byte(nodetest.Key(name, hive.Posting).WIF())))
		}
		keys.Close()
		begun := time.Now()
		r := w.examine()
		for _, f := range r.Findings {
			if f.Check != "keys" && f.Check != "policy" { // its rule names no accounts
				t.Errorf("%+v", f)
			}
		}
		if len(r.Relays) != 1 || r.Relays[0].Registered != 1 || len(r.Findings) < 10 ||
			time.Since(begun) > 10*time.Second {
			t.Errorf("after %s %d findings, relays %+v", time.Since(begun), len(r.Findings), r.Relays)
		}
	})
}

// What others can see and do no harm with is no finding: the names in a home folder, files behind
// a folder that they cannot enter, links within folders of the wallet's user.
func TestHarmlessModes(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world){
		"home 0755": func(w *world) { w.must(os.Chmod(w.cfg.Home, 0o755)) },
		"ledger 0644 in a closed home": func(w *world) {
			w.must(os.Chmod(w.cfg.Ledger, 0o644))
			w.must(os.Mkdir(filepath.Join(w.cfg.Home, "audit"), 0o755))
		},
		"policy 0644 in an open home": func(w *world) {
			w.must(os.Chmod(w.cfg.Home, 0o755))
			w.must(os.Chmod(w.cfg.Policy, 0o644))
		},
		"a ledger and a policy behind links": func(w *world) {
			other := w.t.TempDir()
			w.must(os.Chmod(other, 0o700))
			for _, path := range []string{w.cfg.Ledger, w.cfg.Policy} {
				w.must(os.Rename(path, filepath.Join(other, filepath.Base(path))))
				w.must(os.Symlink(filepath.Join(other, filepath.Base(path)), path))
			}
		},
	} {
		if r := examined(t, change); len(r.Findings) > 0 {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
}

// While the settings are gone, that no node answers the wallet is told by what it says itself.
func TestNoNodeWithoutSettings(t *testing.T) {
	t.Parallel()
	r := examined(t, agentThat(agent.Status{NoNode: "no node", NotReady: []string{"no node"},
		Hardening: []harden.Measure{{Done: true}}, Settings: &agent.SettingsStatus{Gone: true}}))
	if len(r.Findings) != 2 || r.Findings[1].What != "no node" {
		t.Errorf("%+v", r.Findings)
	}
}

// Notifiers that are silent are waited for together.
func TestSilentNotifiers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, host := range []string{"one", "two", "three", "four"} {
			w.cfg.Notify = append(w.cfg.Notify, config.Notifier{Kind: config.NotifyWebhook,
				URL: "https://" + host + ".example/path"})
		}
		w.options = func(o *doctor.Options) { o.Notify = silence{} }
		r := w.examine()
		if len(r.Findings) != 4 || r.Findings[3].Where != "webhook https://four.example" {
			t.Errorf("%+v", r.Findings)
		}
		for _, c := range r.Checks {
			if c.Name == "notifiers" && c.MS > 16_000 {
				t.Errorf("waited for %d ms", c.MS)
			}
		}
	})
}

// silence is a server that never answers.
type silence struct{}

func (silence) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// A relay whose certificate is taken now, and that the running wallet does not trust, needs a
// restart; one that nobody trusts needs another relay.
func TestAuthoritiesOfTheStart(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"relay.example"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	known := x509.NewCertPool()
	known.AddCert(authority)
	served := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	for next, authorities := range map[string]*x509.CertPool{"start the wallet again": known,
		"check the name in the setting relays": x509.NewCertPool()} {
		r := examined(t, func(w *world) {
			agentThat(agent.Status{Hardening: []harden.Measure{{Done: true}}, Links: []agent.LinkStatus{{
				Relay: "wss://relay.example/", LastError: "TLS: unknown authority", LastReason: outage.TLS}}})(w)
			inner := w.options
			w.options = func(o *doctor.Options) {
				inner(o)
				o.TLS = &tls.Config{RootCAs: authorities}
				o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
					client, server := net.Pipe()
					go func() {
						defer server.Close()
						_ = tls.Server(server, served).HandshakeContext(ctx)
					}()
					return client, nil
				}
			}
		})
		if len(r.Findings) != 1 || !strings.HasPrefix(r.Findings[0].Next, next) {
			t.Errorf("want %q: %+v", next, r.Findings)
		}
	}
}
