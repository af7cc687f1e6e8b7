package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"pksa/agent/config"
	"pksa/agent/harden"
)

type streams struct {
	in       io.Reader
	out, err io.Writer
}

// command is what every verb has in common: streams, home, settings.
type command struct {
	streams
	home   string
	asJSON bool
}

// errUsage marks a command line that makes no sense.
type errUsage struct{ error }

func (e errUsage) Unwrap() error { return e.error }

// hinted is an error with something to do about it.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

func hint(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}

// errSilent is a failure that was reported already.
var errSilent = errors.New("reported")

// run is the whole program: it gives the exit status.
func run(ctx context.Context, args []string, s streams) int {
	c := &command{streams: s}
	root := c.root()
	c.asJSON = slices.Contains(args, "--json") // known before a flag that is wrong is met
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	cmd, err := root.ExecuteContextC(ctx)
	var usage errUsage
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent):
		return 1
	case errors.As(err, &usage), strings.HasPrefix(err.Error(), "unknown command"):
		c.report(err, usageHint(cmd, err))
		return 2
	}
	c.report(err, "")
	return 1
}

// usageHint names the command that was meant, or where it is explained.
func usageHint(cmd *cobra.Command, err error) string {
	var word string
	if _, scan := fmt.Sscanf(err.Error(), "unknown command %q", &word); scan == nil {
		cmd.SuggestionsMinimumDistance = 2
		if meant := cmd.SuggestionsFor(word); len(meant) > 0 {
			return fmt.Sprintf("did you mean `%s %s`?", cmd.CommandPath(), meant[0])
		}
	}
	return fmt.Sprintf("`%s --help` says how it is used", cmd.CommandPath())
}

// report prints an error for people, or as JSON.
func (c *command) report(err error, fallback string) {
	hint := fallback
	var h hinted
	if errors.As(err, &h) {
		hint = h.hint
	}
	text := strings.TrimRight(err.Error(), "\n")
	if c.asJSON {
		json.NewEncoder(c.err).Encode(struct {
			Error string `json:"error"`
			Hint  string `json:"hint,omitempty"`
		}{text, hint})
		return
	}
	fmt.Fprintf(c.err, "pksa: error: %s\n", text)
	if hint != "" {
		fmt.Fprintf(c.err, "pksa: hint: %s\n", hint)
	}
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "pksa",
		Short: "A HiveAuth wallet without a screen: it answers requests of applications by policy.",
		Long: `pksa keeps a connection to HiveAuth relays and answers what applications ask of your
Hive accounts, logins, signatures and transactions, by itself and by your policy.

See it work:   pksa demo
Set it up:     pksa init, then do what it says`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&c.home, "home", "",
		"folder of settings, policy, keys and ledger (default $PKSA_HOME, else pksa in the XDG data folder)")
	flags.BoolVar(&c.asJSON, "json", false, "print JSON for machines")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return errUsage{err} })
	root.AddGroup(
		&cobra.Group{ID: "setup", Title: "Set up:"},
		&cobra.Group{ID: "run", Title: "Run:"},
		&cobra.Group{ID: "apps", Title: "Applications:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, cmd := range cmds {
			cmd.GroupID = group
			root.AddCommand(cmd)
		}
	}
	add("setup", c.initCommand(), c.keysCommand(), c.policyCommand(), c.migrateCommand())
	add("run", c.demoCommand(), c.runCommand(), c.statusCommand(), c.relayCommand(), c.auditCommand(),
		c.ledgerCommand())
	add("apps", c.appCommand(), c.sessionCommand(), c.pairCommand(), c.pendingCommand(),
		c.decideCommand("approve", "Say yes to a request that waits for you", true),
		c.decideCommand("deny", "Say no to a request that waits for you", false))
	root.AddCommand(c.versionCommand())
	return root
}

// noSecrets refuses all arguments of a command that somebody may give a secret to.
func noSecrets(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return errUsage{fmt.Errorf("`%s` takes no %s on the command line, where others can read it: it asks for it",
			cmd.CommandPath(), what)}
	}
}

// exactly refuses another number of arguments, in our words.
func exactly(n int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		want := "no arguments"
		if n > 0 {
			want = names
		}
		return errUsage{fmt.Errorf("`%s` wants %s", cmd.CommandPath(), want)}
	}
}

// atMostOne refuses more than one argument, in our words.
func atMostOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= 1 {
			return nil
		}
		return errUsage{fmt.Errorf("`%s` wants one %s at most", cmd.CommandPath(), name)}
	}
}

// homeFolder finds the home folder: --home, PKSA_HOME, else pksa in the XDG data folder.
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
		return "", hint(errors.New("no home folder is known"), "say --home FOLDER or set PKSA_HOME")
	}
	return filepath.Join(user, ".local", "share", "pksa"), nil
}

// settings reads config.yaml of the home folder, and the PKSA_… variables over it.
func (c *command) settings() (*config.Config, error) {
	home, err := c.homeFolder()
	if err != nil {
		return nil, err
	}
	return c.settingsWith(home, "", "")
}

// longestSocket is how long the path of a unix socket may be on all systems that this runs on.
const longestSocket = 103

// settingsWith is settings with one variable more, for a flag that stands for a setting. An empty
// value changes nothing.
func (c *command) settingsWith(home, variable, value string) (*config.Config, error) {
	environ := os.Environ()
	if value != "" {
		environ = append(environ, variable+"="+value)
	}
	cfg, err := config.Load(home, filepath.Join(home, "config.yaml"), environ)
	if err == nil && len(cfg.Control) > longestSocket {
		return nil, hint(fmt.Errorf("the path of the control socket has %d bytes, and the system takes %d at most: %s",
			len(cfg.Control), longestSocket, cfg.Control),
			"set PKSA_CONTROL, or control in config.yaml, to a shorter path, such as one below /run")
	}
	if err == nil {
		// Most of what reads settings goes on to secrets. Only `pksa run` insists on its success:
		// what the service is granted, a person's shell may not be.
		_, _ = harden.Shield(cfg.Hardening)
	}
	return cfg, err
}

// logger writes to standard error as the settings say.
func (c *command) logger(cfg *config.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(c.err, options))
	}
	return slog.New(slog.NewTextHandler(c.err, options))
}

// print gives a result: as JSON, or by the function for people.
func (c *command) print(result any, people func(w io.Writer)) error {
	if c.asJSON {
		enc := json.NewEncoder(c.out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(result)
	}
	w := bufio.NewWriter(c.out)
	people(w)
	return w.Flush()
}

// prompt asks a person for a secret. On a terminal what is typed is not shown.
func (c *command) prompt(label string) ([]byte, error) {
	file, ok := c.in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, hint(errors.New("there is no terminal to ask at"),
			"use another source, such as file:PATH or env:NAME")
	}
	fmt.Fprintf(c.err, "%s: ", label)
	secret, err := term.ReadPassword(int(file.Fd()))
	fmt.Fprintln(c.err)
	return secret, err
}

// when shows an instant to a person.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// days reads a length of time that may be given in days, which time.ParseDuration does not know.
func days(text string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(text, "d"); ok {
		var count int
		if _, err := fmt.Sscanf(n, "%d", &count); err == nil && fmt.Sprint(count) == n && count > 0 && count <= 366 {
			return time.Duration(count) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, errUsage{fmt.Errorf("%q is no length of time; write 12h or 30d", text)}
	}
	return d, nil
}
