package agent_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/protocol/hive"
)

// rewriting makes the settings of a world those that change makes of the ones at its start, and
// returns what writes others.
func (w *world) rewriting() (write func(change func(*config.Config))) {
	now := *w.config
	w.written = func() (*config.Config, error) { return &now, nil }
	return func(change func(*config.Config)) {
		next := *w.config
		change(&next)
		now = next
	}
}

// reload reloads and returns the names of what was taken over, and of what waits for a restart.
func (w *world) reload() (taken, restart string) {
	w.t.Helper()
	done, err := w.agent.Reload(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	names := func(changes []config.Change) string {
		var all []string
		for _, c := range changes {
			all = append(all, c.Path)
		}
		return strings.Join(all, " ")
	}
	return names(done.Taken), names(done.Restart)
}

func (w *world) relays() string {
	var all []string
	for _, l := range w.agent.Status().Links {
		all = append(all, strings.TrimSuffix(l.Relay, "/"))
	}
	return strings.Join(all, " ")
}

// Relays, nodes and rates change while the wallet runs; what only a restart takes over is named.
func TestReloadSettings(t *testing.T) {
	withForeign(t, []hive.AccountName{"alice"}, func(t *testing.T, x *abroad) {
		home := x.config.Relays[0]
		other := x.chain.NewNode("other.test")
		x.others = append(x.others, other)
		x.end()
		write := x.rewriting()
		x.start()
		if taken, restart := x.reload(); taken+restart != "" {
			t.Errorf("nothing has changed: %q, %q", taken, restart)
		}

		write(func(c *config.Config) {
			c.Relays = []config.Relay{home, {URL: foreignURL}}
			c.Nodes = []string{other.URL()}
			c.AccountRequestsPerSecond, c.Operations, c.Name = 1, 3, "another"
		})
		if s := x.agent.Status().Settings; s == nil || len(s.Differ) != 5 {
			t.Fatalf("before the reload: %+v", s)
		}
		taken, restart := x.reload()
		if taken != "relays nodes limits.operations limits.account_requests_per_second" || restart != "name" {
			t.Errorf("%q, %q", taken, restart)
		}
		x.eventually("the account at the new relay", func() bool {
			l := x.added()
			return l != nil && l.Registered == 1 && l.Added == nil
		})
		s := x.agent.Status()
		if len(s.Nodes) != 1 || strings.TrimSuffix(s.Nodes[0].URL, "/") != strings.TrimSuffix(other.URL(), "/") ||
			len(s.Settings.Differ) != 1 {
			t.Errorf("%+v, %+v", s.Nodes, s.Settings)
		}
		x.eventually("the new node", func() bool { return len(x.agent.Ready()) == 0 })
		c := x.dialAt(x.foreign)
		session := x.login(c)
		var asking sync.WaitGroup
		var refused atomic.Int32
		for i := range 5 {
			asking.Go(func() {
				_, err := c.Challenge(t.Context(), session, client.Challenge{Role: hive.Posting, Text: fmt.Sprint(i)})
				if err != nil {
					refused.Add(1)
				}
			})
		}
		if asking.Wait(); refused.Load() == 0 {
			t.Error("the new rate does not count")
		}

		write(func(c *config.Config) { c.Relays = []config.Relay{{URL: foreignURL}} })
		x.reload()
		if got := x.relays(); got != foreignURL {
			t.Errorf("relays %s", got)
		}
		time.Sleep(time.Second)
		if n := x.relay.Relay().Status().Wallets; n != 0 {
			t.Errorf("%d wallets are left at the relay that was taken out", n)
		}
		// Back again, at once: the same server, which names the same key.
		write(func(c *config.Config) { c.Relays = []config.Relay{home} })
		x.reload()
		x.eventually("the relay of before", func() bool { return x.agent.Status().Links[0].Registered == 1 })
		if got := x.relays(); got != strings.TrimSuffix(home.URL, "/") {
			t.Errorf("relays %s", got)
		}
		if records := x.events("settings reload"); len(records) != 3 {
			t.Errorf("in the trail: %+v", records)
		}
	})
}

// A relay that was added by pairing is one of the settings when they name it, and goes with them.
func TestReloadNamesAddedRelay(t *testing.T) {
	withForeign(t, []hive.AccountName{"alice"}, func(t *testing.T, x *abroad) {
		home := x.config.Relays[0]
		x.end()
		write := x.rewriting()
		x.start()
		x.pair("alice")
		write(func(c *config.Config) { c.Relays = []config.Relay{home, {URL: foreignURL}} })
		x.reload()
		x.eventually("one link to it, of the settings", func() bool {
			l := x.added()
			return l != nil && l.Added == nil && l.Registered == 1 && len(x.agent.Status().Links) == 2
		})
		write(func(*config.Config) {})
		x.reload()
		time.Sleep(time.Minute)
		if l := x.added(); l != nil {
			t.Errorf("taken out, and still there: %+v", l)
		}
	})
}

// If anything is wrong, all stays as it was, and status and trail say why.
func TestReloadOfWrongSettings(t *testing.T) {
	withForeign(t, []hive.AccountName{"alice"}, func(t *testing.T, x *abroad) {
		home := x.config.Relays[0]
		x.end()
		x.config.Found = true
		write := x.rewriting()
		sound := x.written
		var fail error
		x.written = func() (*config.Config, error) {
			if fail != nil {
				return nil, fail
			}
			return sound()
		}
		refuse := false
		var taken, dropped int
		x.made = func() {
			x.agent.AddPart(func(_, _ *config.Config) (func(), func(), error) {
				return func() { taken++ }, func() { dropped++ }, nil
			})
			x.agent.AddPart(func(_, _ *config.Config) (func(), func(), error) {
				if refuse {
					return nil, nil, errors.New("status.listen: the address is taken")
				}
				return func() {}, func() {}, nil
			})
		}
		pinned := keyOf("relay", hive.Memo).Public()
		x.start()
		before := x.agent.Status()
		for _, tt := range []struct {
			name, want string
			change     func(*config.Config)
			err        error
			refuse     bool
		}{
			{name: "settings with errors", want: "config.yaml:3:5: nonsense",
				err: config.Problems{{Where: "config.yaml:3:5", Text: "nonsense"}}},
			{name: "a policy with errors", want: "wrong.yaml", change: func(c *config.Config) {
				c.Policy = x.home + "/wrong.yaml"
			}},
			{name: "a relay twice", want: "configured twice", change: func(c *config.Config) {
				c.Relays = []config.Relay{home, {URL: foreignURL, Key: pinned}, {URL: "wss://FOREIGN.test/"}}
			}},
			{name: "a node twice", want: "listed twice", change: func(c *config.Config) {
				c.Nodes = []string{"https://twice.test", "https://twice.test/"}
			}},
			{name: "a file that is gone", want: "config.yaml is gone",
				change: func(c *config.Config) { c.Found = false }},
			{name: "another part", want: "the address is taken", refuse: true},
		} {
			x.write("wrong.yaml", "version: 1\nnonsense: 1\n")
			write(func(c *config.Config) {
				c.Relays, c.Name = []config.Relay{home, {URL: foreignURL, Key: pinned}}, "another"
				c.StopTimeout = time.Minute
				if tt.change != nil {
					tt.change(c)
				}
			})
			refuse, fail = tt.refuse, tt.err
			_, err := x.agent.Reload(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", tt.name, err)
			}
			s := x.agent.Status()
			if len(s.Links) != 1 || s.Policy.SHA256 != before.Policy.SHA256 || s.Policy.File != before.Policy.File ||
				s.Settings.Gone != (tt.name == "a file that is gone") || len(s.Nodes) != 1 ||
				!strings.Contains(s.Settings.Failed, tt.want) || taken > 0 ||
				x.agent.Settings().StopTimeout != x.config.StopTimeout {
				t.Errorf("%s: %+v", tt.name, s.Settings)
			}
		}
		if dropped != 1 {
			t.Errorf("what was made ready is undone %d times, not once", dropped)
		}
		if records := x.events("settings reload failed"); len(records) != 6 {
			t.Errorf("in the trail: %+v", records)
		}
		if n := x.metric(`pksa_settings_reloads_total{result="failed"}`); n != "6" {
			t.Errorf("%s failed reloads are counted", n)
		}
		// The key that a refused reload pinned is free again, and mending mends all.
		refuse, fail = false, nil
		write(func(c *config.Config) { c.Relays = []config.Relay{home, {URL: foreignURL}} })
		if taken, _ := x.reload(); taken != "relays" {
			t.Error(taken)
		}
		x.eventually("the new relay", func() bool { l := x.added(); return l != nil && l.Registered == 1 })
		if s := x.agent.Status().Settings; s.Failed != "" || len(s.Differ) > 0 {
			t.Errorf("%+v", s)
		}
		if n := x.metric(`pksa_settings_reloads_total{result="ok"}`); n != "1" {
			t.Errorf("%s good reload is counted", n)
		}
	})
}

// A pinned key is pinned from a reload on.
func TestReloadPinsAKey(t *testing.T) {
	withForeign(t, []hive.AccountName{"alice"}, func(t *testing.T, x *abroad) {
		home := x.config.Relays[0]
		x.end()
		write := x.rewriting()
		x.start()
		key := func(k hive.PublicKey) {
			write(func(c *config.Config) {
				c.Relays = []config.Relay{{URL: home.URL, Plaintext: home.Plaintext,
					Key: k}}
			})
			if taken, _ := x.reload(); taken != "relays" {
				t.Error(taken)
			}
		}
		key(keyOf("relay", hive.Memo).Public())
		x.eventually("the refusal", func() bool { return x.agent.Status().Links[0].KeyRefused != "" })
		key(x.relay.Relay().Status().Key)
		x.eventually("the right key", func() bool {
			l := x.agent.Status().Links[0]
			return l.Registered == 1 && l.Pinned
		})
		write(func(*config.Config) {})
		x.reload()
		x.eventually("any key", func() bool { l := x.agent.Status().Links[0]; return l.Registered == 1 && !l.Pinned })
	})
}

// The methods answer what the commands show.
func TestSettingsView(t *testing.T) {
	within(t, worldOptions{prepare: func(w *world) {
		write := w.rewriting()
		write(func(c *config.Config) { c.StopTimeout = time.Minute })
	}}, func(t *testing.T, w *world) {
		got, err := w.call(agent.MethodSettings, struct{}{})
		view := got.(agent.SettingsView)
		if err != nil || len(view.Differ) != 1 || view.Differ[0].Restart ||
			!slices.ContainsFunc(view.InForce, func(s config.Shown) bool {
				return s.Path == "stop_timeout" && s.Value == fmt.Sprint(w.config.StopTimeout)
			}) {
			t.Errorf("%+v, %v", view, err)
		}
		if got, err := w.call(agent.MethodReload, struct{}{}); err != nil || len(got.(agent.Reloaded).Taken) != 1 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
