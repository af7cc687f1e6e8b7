package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pksa/agent/backup"
	"pksa/agent/config"
	"pksa/agent/harden"
	"pksa/cmd/pksa/internal/repeats"
	"pksa/cmd/pksa/internal/systemd"
	"pksa/keystore/access"
	"pksa/protocol/plain"
)

// homeFolder returns the home folder: --home, PKSA_HOME, else pksa in the XDG data folder.
func (c *command) homeFolder() (string, error) {
	for _, candidate := range []string{c.home, os.Getenv("PKSA_HOME")} {
		if candidate != "" {
			return filepath.Abs(candidate)
		}
	}
	if data := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "pksa"), nil
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", hint(errors.New("no home folder is known"), adviceNoHome)
	}
	return filepath.Join(user, ".local", "share", "pksa"), nil
}

// settings reads config.yaml of the home folder. PKSA_… variables override what it says. Warnings
// are printed once; a program that reads JSON looks for nothing but an error on standard error.
func (c *command) settings() (*config.Config, error) {
	home, err := c.homeFolder()
	if err != nil {
		return nil, err
	}
	cfg, err := c.settingsWith(home, nil)
	if err != nil {
		return nil, err
	}
	if !c.asJSON && !c.warned {
		for _, w := range cfg.Warnings {
			c.tell(systemd.Warning, "pksa: warning: %s: %s\n", w.Where, w.Text)
		}
	}
	c.warned = true
	return cfg, nil
}

// loggedSettings does what settings and settingsWith do for a command that logs: warnings go to the
// log.
func (c *command) loggedSettings(flags map[string]string) (*config.Config, *slog.Logger, error) {
	home, err := c.homeFolder()
	if err != nil {
		return nil, nil, err
	}
	cfg, err := c.settingsWith(home, flags)
	if err != nil {
		return nil, nil, err
	}
	log := c.logger(cfg)
	for _, w := range cfg.Warnings {
		log.Warn("a setting should be mended", "where", w.Where, "what", w.Text)
	}
	return cfg, log, nil
}

// longestSocket is how long the path of a unix socket may be on all systems that this runs on.
const longestSocket = 103

// settingsWith reads the settings with some more variables, for flags that stand for settings. An
// empty value changes nothing.
func (c *command) settingsWith(home string, flags map[string]string) (*config.Config, error) {
	// Before anything in it is looked at: what the platform did to the volume since the last start
	// is no reason to refuse it.
	access.PutBack(home)
	// A restore that was killed while it moved its files has made the wallet, all the same.
	if err := backup.Finish(home); err != nil {
		return nil, err
	}
	cfg, err := config.Load(home, settingsFile(home), c.environ(flags))
	if err != nil {
		return nil, c.wrongUser(home, err)
	}
	if err := checkSocketPath(cfg); err != nil {
		return nil, err
	}
	// Most commands that read settings read a secret next, so every one of them shields itself
	// first. Only `pksa run` insists on its success: a person's shell may not have the rights that
	// the service has.
	_, _ = harden.Shield(cfg.Hardening)
	return cfg, nil
}

func settingsFile(home string) string { return filepath.Join(home, "config.yaml") }

// readSettings reads the settings of a wallet that runs with the checks of its start, and changes
// nothing.
func (c *command) readSettings(home string) (*config.Config, error) {
	cfg, err := config.Load(home, settingsFile(home), c.environ(nil))
	if err != nil {
		return nil, err
	}
	return cfg, checkSocketPath(cfg)
}

// prepareLevel lets the log say more or less when the settings say so.
func (c *command) prepareLevel(_, next *config.Config) (take, drop func(), err error) {
	return func() { c.level.Set(next.LogLevel) }, func() {}, nil
}

// environ returns the variables of this process with some more, for flags that stand for settings.
// Variables that the command line names as sources of secrets are none of them.
func (c *command) environ(flags map[string]string) []string {
	environ := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(c.sources, name) && !config.IsVariable(name)
	})
	for variable, value := range flags {
		if value != "" {
			environ = append(environ, variable+"="+value)
		}
	}
	return environ
}

// checkSocketPath refuses a path that no system takes for a socket.
func checkSocketPath(cfg *config.Config) error {
	switch {
	case len(cfg.Control) > longestSocket:
		return hint(fmt.Errorf("the path of the control socket has %d bytes, and the system takes %d at most: %s",
			len(cfg.Control), longestSocket, cfg.Control), adviceLongSocket)
	case len(cfg.ConsoleSocket) > longestSocket:
		return fmt.Errorf("setting console.socket: the path has %d bytes, and the system takes %d at most: %s",
			len(cfg.ConsoleSocket), longestSocket, cfg.ConsoleSocket)
	}
	return nil
}

// longestAttr is how many bytes a text in a line of the log may have. Lines that say more of what
// others sent than that would fill the disk.
const longestAttr = 2 << 10

// shortAttr cuts a text that is too long for a line of the log. Only the stack of a panic is
// printed whole: it is our own text.
func shortAttr(_ []string, a slog.Attr) slog.Attr {
	text := ""
	switch v := a.Value.Any().(type) {
	case string:
		text = v
	case error:
		text = v.Error()
	}
	if len(text) <= longestAttr || a.Key == "stack" {
		return a
	}
	return slog.String(a.Key, plain.Cut(text, longestAttr))
}

// logger returns a logger that writes to standard error as the settings say. Failures that repeat
// are counted; who ends has to flush c.repeats.
func (c *command) logger(cfg *config.Config) *slog.Logger {
	c.level.Set(cfg.LogLevel)
	handler := func(w io.Writer) slog.Handler {
		options := &slog.HandlerOptions{Level: &c.level, ReplaceAttr: shortAttr}
		if cfg.LogFormat == "json" {
			return slog.NewJSONHandler(w, options)
		}
		return slog.NewTextHandler(w, options)
	}
	lines := handler(c.err)
	if c.journal {
		lines = systemd.Handler(c.err, handler)
	}
	c.repeats = repeats.New(lines)
	return slog.New(c.repeats)
}
