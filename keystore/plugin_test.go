package keystore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"pksa/keystore"
	"pksa/keystore/plugintest"
	"pksa/protocol/hive"
)

// withPlugin puts the stub in the only folder of the PATH.
func withPlugin(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a link without the ending .exe is no program there")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := privateDir(t)
	if err := os.Symlink(self, filepath.Join(dir, plugintest.Program)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

// pluginKeystore makes a keystore that an identity of the stub opens.
func pluginKeystore(t *testing.T, behaviour string, recovery ...string) (path string, s *keystore.Store) {
	t.Helper()
	path = filepath.Join(privateDir(t), "keystore.age")
	s, err := keystore.Create(path, unlockWith(t, plugintest.Identity(behaviour)).WithPlugins(keystore.PluginUI{
		Ask: func(string, bool) ([]byte, error) { return []byte("1234"), nil }}), recovery...)
	if err != nil {
		t.Fatal(err)
	}
	return path, s
}

// A plugin opens a keystore, and locks it again at each change. Nobody has to touch a key twice for
// one state of the file.
func TestPluginOpens(t *testing.T) {
	withPlugin(t)
	path, made := pluginKeystore(t, "touch one")
	made.Close()
	said := 0
	ui := keystore.PluginUI{Say: func(text string) {
		if said++; text != "age-plugin-stub: touch the key now" && !strings.Contains(text, "waiting") {
			t.Errorf("it says %q", text)
		}
	}}
	s := mustOpen(t, path, unlockWith(t, plugintest.Identity("touch one")).WithPlugins(ui))
	if said != 1 {
		t.Errorf("opened by %d touches", said)
	}
	mustImport(t, s, "alice", hive.Posting, "alice")
	mustImport(t, s, "bob", hive.Posting, "bob")
	if said != 3 {
		t.Errorf("two changes took %d touches; each needs one, which proves that the new file opens", said-1)
	}
	if got := keystore.Version(s); got != 4 {
		t.Errorf("version %d: a program that knows no plugins would call the file damaged", got)
	}
	if got := s.Recipients(); !slices.Equal(got, []string{plugintest.Recipient("touch one")}) || !s.Owns(got[0]) {
		t.Errorf("recipients %v", got)
	}
	if got := describe(mustOpen(t, path, unlockWith(t,
		plugintest.Identity("touch one")))); got != "alice[posting] bob[posting]" {
		t.Errorf("holds %s", got)
	}
	_, err := keystore.Open(path, unlockWith(t, plugintest.Identity("touch another")))
	if !errors.Is(err, keystore.ErrWrongIdentity) {
		t.Errorf("another key: %v", err)
	}
}

// A recipient of a plugin is one of several: who has no plugin changes the keystore all the same if
// the plugin can encrypt, which needs no hardware.
func TestPluginRecipient(t *testing.T) {
	withPlugin(t)
	path, s := pluginKeystore(t, "plain one")
	mine, recipient, err := keystore.CreateIdentity(filepath.Join(privateDir(t), "identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		if added, err := s.AddRecipient(recipient); added != want || err != nil {
			t.Fatalf("time %d: %v %v", i, added, err)
		}
	}
	native := mustOpen(t, path, mine)
	mustImport(t, native, "alice", hive.Memo, "alice")
	if err := native.RemoveRecipient(plugintest.Recipient("plain one")); err != nil {
		t.Fatal(err)
	}
	if got := keystore.Version(native); got != 1 {
		t.Errorf("version %d without a plugin", got)
	}
	if _, err := keystore.Open(path, unlockWith(t, plugintest.Identity("plain one"))); !errors.Is(err,
		keystore.ErrWrongIdentity) {
		t.Errorf("a removed recipient: %v", err)
	}
	if _, err := native.AddRecipient(plugintest.Recipient("fail two")); err != nil {
		t.Fatal(err)
	}
	if err := native.RemoveRecipient(recipient); !errors.Is(err, keystore.ErrOwnRecipient) {
		t.Errorf("its own: %v", err)
	}
	t.Setenv("PATH", privateDir(t))
	missing, ok := errors.AsType[*keystore.PluginError](native.Import("bob", hive.Memo, []byte(key("bob").WIF())))
	if !ok || !missing.Missing || missing.Name != "stub" {
		t.Errorf("without the program: %v", missing)
	}
	if got := describe(mustOpen(t, path, mine)); got != "alice[memo]" {
		t.Errorf("holds %s", got)
	}
}

// A recipient of age itself that looks like one of a plugin (age1pq1…) is none.
func TestNativeIsNoPlugin(t *testing.T) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	s, err := keystore.Create(filepath.Join(privateDir(t), "keystore.age"), unlockWith(t, id.String()))
	if err != nil {
		t.Fatal(err)
	}
	if got := keystore.Version(s); got != 1 {
		t.Errorf("version %d of a file to %.10s…", got, s.Recipients()[0])
	}
}

// What a plugin says, asks and refuses reaches a person in one line, and nobody where there is no
// terminal.
func TestPluginAsks(t *testing.T) {
	withPlugin(t)
	for name, c := range map[string]struct {
		behaviour string
		answer    string // empty: there is nobody
		want      string // of the error; empty: it opens
	}{
		"right PIN":    {"pin one", "1234", ""},
		"wrong PIN":    {"pin one", "4321", "age-plugin-stub: wrong PIN"},
		"nobody":       {"pin one", "", `age-plugin-stub: it asked "PIN of the key", and there is no terminal`},
		"yes":          {"confirm one", "use", ""},
		"no":           {"confirm one", "leave", "age-plugin-stub: not confirmed"},
		"nobody there": {"confirm one", "", "there is no terminal to ask at"},
		"failure":      {"fail one", "", "age-plugin-stub: the key is"},
	} {
		t.Run(name, func(t *testing.T) {
			helper, recipient, err := keystore.CreateIdentity(filepath.Join(privateDir(t), "identity.txt"))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(privateDir(t), "keystore.age")
			if _, err := keystore.Create(path, helper, plugintest.Recipient(c.behaviour)); err != nil {
				t.Fatal(err)
			}
			ui := keystore.PluginUI{}
			if c.answer != "" {
				ui.Ask = func(label string, hidden bool) ([]byte, error) {
					if !strings.HasPrefix(label, "age-plugin-stub: ") || hidden != strings.HasPrefix(c.behaviour,
						"pin") {
						t.Errorf("asked %q, hidden %v", label, hidden)
					}
					return []byte(c.answer), nil
				}
			}
			_, err = keystore.Open(path, unlockWith(t, plugintest.Identity(c.behaviour)).WithPlugins(ui))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), recipient)) {
				t.Errorf("the error is %q", err)
			}
		})
	}
}

// A plugin that never answers is given up.
func TestPluginTakesTooLong(t *testing.T) {
	withPlugin(t)
	helper, _, err := keystore.CreateIdentity(filepath.Join(privateDir(t), "identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(privateDir(t), "keystore.age")
	if _, err := keystore.Create(path, helper, plugintest.Recipient("never one")); err != nil {
		t.Fatal(err)
	}
	defer keystore.PluginWait(time.Millisecond)()
	_, err = keystore.Open(path, unlockWith(t, plugintest.Identity("never one")))
	if err == nil || !strings.Contains(err.Error(),
		"no answer within 1ms; a hardware key may have waited for a touch") {
		t.Errorf("got %v", err)
	}
}

// No other program than one that only root or this user can have put there is started.
func TestPluginLookup(t *testing.T) {
	withPlugin(t)
	path, _ := pluginKeystore(t, "plain one")
	good := os.Getenv("PATH")
	shared := privateDir(t)
	if err := os.Chmod(shared, 0o777); err != nil {
		t.Fatal(err)
	}
	open := func() error {
		_, err := keystore.Open(path, unlockWith(t, plugintest.Identity("plain one")))
		return err
	}
	for name, c := range map[string]struct{ list, want string }{
		"good":                  {good, ""},
		"behind one's own":      {privateDir(t) + ":" + good, ""},
		"behind one missing":    {filepath.Join(privateDir(t), "no", "such") + ":" + good, ""},
		"behind a shared one":   {shared + ":" + good, "PATH leads first to where others can make programs"},
		"behind what may come":  {filepath.Join(shared, "bin") + ":" + good, "PATH leads first to where others"},
		"before a shared one":   {good + ":" + shared, ""},
		"nowhere":               {privateDir(t), "age-plugin-stub is not in the PATH"},
		"in the working folder": {"", "age-plugin-stub is not in the PATH"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", c.list)
			err := open()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	t.Run("in a shared one", func(t *testing.T) {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(self, filepath.Join(shared, plugintest.Program)); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", shared)
		if err := open(); err == nil || !strings.Contains(err.Error(), "age-plugin-stub: ") {
			t.Errorf("got %v", err)
		}
	})
	// The library would write the file key to standard error.
	t.Setenv("AGEDEBUG", "plugin")
	if err := open(); err != nil || os.Getenv("AGEDEBUG") != "" {
		t.Errorf("got %v, AGEDEBUG is %q", err, os.Getenv("AGEDEBUG"))
	}
}

// Without the comment that names the recipient, an identity opens and locks nothing. One that names
// another is found out before the file is written.
func TestPluginRecipientNamed(t *testing.T) {
	withPlugin(t)
	path := filepath.Join(privateDir(t), "keystore.age")
	_, err := keystore.Create(path, unlockWith(t, plugintest.Bare("plain one")))
	if !errors.Is(err, keystore.ErrBadLock) || !strings.Contains(err.Error(),
		"put a line `# Recipient: age1stub1…` above it") {
		t.Errorf("got %v", err)
	}
	two := plugintest.Identity("plain one") + plugintest.Bare("plain two") + "\n"
	if _, err := keystore.Create(path, unlockWith(t, two)); !errors.Is(err, keystore.ErrBadLock) {
		t.Errorf("a second identity without a comment: %v", err)
	}
	failed, ok := errors.AsType[*keystore.PluginError](func() error {
		_, err := keystore.Create(path, unlockWith(t, plugintest.Identity("pin one")))
		return err
	}())
	if !ok || failed.Missing {
		t.Errorf("a plugin that cannot open what it locked: %v", failed)
	}
	other := "# public key: " + plugintest.Recipient("plain two") + "\n" + plugintest.Bare("plain one")
	if _, err := keystore.Create(path, unlockWith(t, other)); !errors.Is(err, keystore.ErrLockMismatch) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("a file was made that nothing opens")
	}
	made, s := pluginKeystore(t, "plain one")
	s.Close()
	mustOpen(t, made, unlockWith(t, plugintest.Bare("plain one")))
}

// To wipe what plugins reach a person by is to wipe what it was made of, a passphrase or a file
// key.
func TestWithPluginsShares(t *testing.T) {
	for _, text := range []string{passphrase, "PKSA-FILE-KEY-" + strings.Repeat("ab", 16)} {
		unlock := unlockWith(t, text)
		copied := unlock.WithPlugins(keystore.PluginUI{})
		if keystore.Holds(unlock) != keystore.Holds(copied) || strings.Trim(keystore.Holds(unlock), "\x00") == "" {
			t.Errorf("%d bytes are held by one", len(keystore.Holds(unlock)))
		}
		copied.Wipe()
		if strings.Trim(keystore.Holds(unlock), "\x00") != "" {
			t.Error("the original still has it")
		}
	}
}

// What is handed over opens this state of the file and no other one, without the plugin, and locks
// nothing.
func TestPluginHandover(t *testing.T) {
	withPlugin(t)
	path, s := pluginKeystore(t, "plain one")
	secret := keystore.NewSecret([]byte(plugintest.Identity("plain one")))
	mustImport(t, s, "alice", hive.Posting, "alice")
	key := s.Handover(secret)
	t.Setenv("PATH", "")
	if fmt.Sprint(key) != "[redacted]" {
		t.Errorf("it prints as %v", key)
	}
	unlock, err := keystore.NewUnlock(key)
	if err != nil {
		t.Fatal(err)
	}
	if unlock.NeedsPlugin() || !unlockWith(t, plugintest.Identity("plain one")).NeedsPlugin() {
		t.Error("it is wrong about the plugin")
	}
	handed := mustOpen(t, path, unlock)
	if got := describe(handed); got != "alice[posting]" {
		t.Errorf("holds %s", got)
	}
	if err := handed.ChangeLock(unlock); !errors.Is(err, keystore.ErrBadLock) {
		t.Errorf("a lock by it: %v", err)
	}
	withPlugin(t)
	mustImport(t, s, "bob", hive.Posting, "bob")
	if _, err := keystore.Open(path, unlock); !errors.Is(err, keystore.ErrWrongIdentity) {
		t.Errorf("the next state: %v", err)
	}
	native := mustOpen(t, golden(t, "golden-passphrase.age"), unlockWith(t, passphrase))
	if got := native.Handover(keystore.NewSecret([]byte(passphrase))); string(got.Bytes()) != passphrase {
		t.Error("without a plugin it is not the secret")
	}
}
