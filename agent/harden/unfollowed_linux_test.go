package harden

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pksa/agent/config"
)

// What is warned of depends on where files are and who runs the wallet. This one is run as root by
// the tests that decide, and as an ordinary user by developers: both are told of a folder for
// everything.
func TestUnfollowed(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(root, name) }
	t.Setenv("HOME", at("user"))
	for _, folder := range []string{"user/wallet", "user/policies", "srv/releases/1", "srv/volume/..day", "home"} {
		if err := os.MkdirAll(at(folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"user/wallet/policy.yaml", "user/policies/policy.yaml", "user/policy.yaml",
		"srv/releases/1/policy.yaml", "srv/volume/..day/policy.yaml"} {
		if err := os.WriteFile(at(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"srv/current": "releases/1", "user/current": "policies",
		"srv/volume/..data": "..day", "srv/volume/policy.yaml": "..data/policy.yaml",
		"linked": "user/wallet"} {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	ofRoot := os.Geteuid() == 0
	for _, c := range []struct {
		name, home, policy string
		want               string // path that is warned of; empty: none
	}{
		{"in the home folder", "user/wallet", "user/wallet/policy.yaml", ""},
		{"in the home folder, behind a link", "linked", "linked/policy.yaml", ""},
		{"in a folder of its own", "user/wallet", "user/policies/policy.yaml", ""},
		{"in the user's own folder", "user/wallet", "user/policy.yaml", "user/policy.yaml"},
		{"behind a link to releases", "home", "srv/current/policy.yaml",
			map[bool]string{true: "srv/current"}[ofRoot]},
		{"behind a link in the user's own folder", "home", "user/current/policy.yaml", "user/current"},
		{"as Kubernetes mounts it", "home", "srv/volume/policy.yaml", ""},
		{"not there", "home", "srv/nothing/policy.yaml", ""},
	} {
		cfg := config.Default(at(c.home))
		cfg.Policy = at(c.policy)
		losses := slices.DeleteFunc(unfollowed(cfg), func(l Loss) bool { return l.Path == nameServers })
		switch {
		case c.want == "" && len(losses) > 0:
			t.Errorf("%s: warned of %v", c.name, losses)
		case c.want != "" && (len(losses) != 1 || losses[0].Path != at(c.want) ||
			!strings.Contains(losses[0].Why, "until a restart")):
			t.Errorf("%s: warned of %v, want %s", c.name, losses, c.want)
		}
	}
}

// Links of the system are no way that somebody moves.
func TestLinksOfTheSystem(t *testing.T) {
	if _, err := os.Readlink("/var/run"); err != nil {
		t.Skip("/var/run is no link")
	}
	if links := linksOn("/var/run/pksa/policy.yaml"); len(links) > 0 {
		t.Errorf("%v", links)
	}
}

// What is open besides the wallet's own files depends on where these are, and on who runs it.
func TestOpened(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(root, name) }
	t.Setenv("HOME", at("user"))
	for _, folder := range []string{"user/wallet", "etc/private", "keys"} {
		if err := os.MkdirAll(at(folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ofRoot := os.Geteuid() == 0
	for name, c := range map[string]struct {
		change      func(*config.Config)
		root, other string // the folder that is warned of; empty: none
	}{
		"all in the home folder": {func(*config.Config) {}, "", ""},
		"the home folder of the user": {func(c *config.Config) {
			*c = *config.Default(at("user"))
		}, at("user"), at("user")},
		"the keystore in the user's": {func(c *config.Config) {
			c.Keystore = at("user/k.age")
		}, at("user"), at("user")},
		"the keystore in the system's": {func(c *config.Config) { c.Keystore = "/etc/k.age" }, "/etc", "/etc"},
		"the ledger elsewhere":         {func(c *config.Config) { c.Ledger = at("keys/l.db") }, at("keys"), ""},
		"a key beside others'": {func(c *config.Config) {
			c.RelayKey = at("etc/private/key.pem")
		}, at("etc/private"), ""},
		"a secret beside others'": {func(c *config.Config) {
			c.Unlock = "file:" + at("etc/private/unlock")
		}, at("etc/private"), ""},
		"a secret of the system's folder": {func(c *config.Config) { c.Unlock = "file:/etc/unlock" }, "", ""},
	} {
		cfg := config.Default(at("user/wallet"))
		c.change(cfg)
		want := c.other
		if ofRoot {
			want = c.root
		}
		if got := strings.Join(opened(cfg), " "); got != want {
			t.Errorf("%s: warned of %q, want %q", name, got, want)
		}
	}
}
