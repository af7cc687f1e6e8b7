package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/backup"
	"pksa/agent/config"
	"pksa/keystore/access"
	"pksa/protocol/plain"
)

func (c *command) configCommand() *cobra.Command {
	return groupCommand("config", "Check and show the settings",
		`Settings stand in config.yaml of the home folder, and in environment variables
that begin with PKSA_. Both commands only read them, and unlock nothing.`,
		c.configCheck(), c.configShow())
}

func (c *command) configCheck() *cobra.Command {
	strict := false
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Find errors and doubtful values in the settings",
		Long: `Checks FILE as if it were the config.yaml of the home folder, or that file
itself, together with the PKSA_ variables of this shell, and prints all
complaints with line and column. It needs no keys and no running agent. The exit
status is 1 if there are errors, and with --strict also if there are warnings.`,
		Args: atMostOne("FILE"),
		RunE: func(_ *cobra.Command, args []string) error { return c.checkSettings(args, strict) },
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "fail if there are warnings, too")
	return cmd
}

// settingProblem is a complaint about settings in JSON.
type settingProblem struct {
	Where   string `json:"where"` // "config.yaml:3:5", or the name of a variable
	Text    string `json:"text"`
	Warning bool   `json:"warning"`
}

func (c *command) checkSettings(args []string, strict bool) error {
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	file := settingsFile(home)
	var cfg *config.Config
	if len(args) == 1 {
		// Any file may be looked at, whoever can write it: nothing is started with it.
		file = args[0]
		var src []byte
		if src, err = os.ReadFile(file); err != nil {
			return fmt.Errorf("the settings: %w", err)
		}
		cfg, err = config.Parse(home, file, src, c.environ(nil))
	} else {
		access.PutBack(home)
		if err := backup.Finish(home); err != nil {
			return err
		}
		cfg, err = config.Load(home, file, c.environ(nil))
	}
	var failures, warnings config.Problems
	if err != nil && !errors.As(err, &failures) {
		return c.wrongUser(home, err)
	}
	if cfg != nil {
		warnings = cfg.Warnings
		if err := checkSocketPath(cfg); err != nil {
			return err
		}
	}
	return c.showSettingProblems(file, failures, warnings, strict)
}

func (c *command) showSettingProblems(file string, failures, warnings config.Problems, strict bool) error {
	ok := len(failures) == 0 && !(strict && len(warnings) > 0)
	problems := []settingProblem{} // a list in JSON, too
	for _, p := range failures {
		problems = append(problems, settingProblem{p.Where, p.Text, false})
	}
	for _, p := range warnings {
		problems = append(problems, settingProblem{p.Where, p.Text, true})
	}
	err := c.print(map[string]any{"file": file, "ok": ok, "problems": problems}, func(w io.Writer) {
		for _, p := range problems {
			kind := "error"
			if p.Warning {
				kind = "warning"
			}
			fmt.Fprintf(w, "%s: %s: %s\n", p.Where, kind, p.Text)
		}
		if len(failures) > 0 {
			fmt.Fprintf(w, "%s cannot be used: %s.\n", file, count(len(failures), "error"))
			return
		}
		fmt.Fprintf(w, "%s has no errors, %s.\n", file, count(len(warnings), "warning"))
	})
	if err == nil && !ok {
		err = errSilent
	}
	return err
}

func (c *command) configShow() *cobra.Command {
	set := false
	cmd := &cobra.Command{
		Use:   "show [SETTING]...",
		Short: "Show the settings, and where each comes from",
		Long: `Shows the settings as they are read now, each with the place that it comes from:
a line of config.yaml, a variable, or the default. Names such as log.level show
these only, and a name such as relay all that stand below it. If an agent is
running, each value that is another one there is shown with it, and with what
takes the written one over: ` + "`pksa reload`" + `, or a restart.`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.showSettings(cmd.Context(), args, set) },
	}
	cmd.Flags().BoolVar(&set, "set", false, "only those that a file or a variable sets")
	return cmd
}

func (c *command) showSettings(ctx context.Context, names []string, set bool) error {
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	all := cfg.Show()
	for _, name := range names {
		if !slices.ContainsFunc(all, func(s config.Shown) bool { return s.Within(name) }) {
			near := plain.Nearest(name, settingNames())
			return errUsage{fmt.Errorf("there is no setting %.40q%s", name, plain.DidYouMean(near))}
		}
	}
	shown := slices.DeleteFunc(all, func(s config.Shown) bool {
		return set && s.From == config.FromDefault ||
			len(names) > 0 && !slices.ContainsFunc(names, s.Within)
	})
	differ := settingsInForce(ctx, cfg, shown)
	result := map[string]any{"home": cfg.Home, "settings": append([]config.Shown{}, shown...)}
	if differ != nil {
		result["in_force"] = differ
	}
	return c.print(result, func(w io.Writer) {
		wide := 0
		for _, s := range shown {
			wide = max(wide, len(s.Path)+1)
		}
		for _, s := range shown {
			from := s.From
			if s.Empty {
				from += "; " + s.Variable + " is empty, which counts as not set"
			}
			fmt.Fprintf(w, "%-*s %s  (%s)\n", wide, s.Path+":", written(s.Value), from)
			for _, one := range differ {
				if one.Path == s.Path {
					fmt.Fprintf(w, "%-*s %s\n", wide, "", one.text())
				}
			}
		}
	})
}

// inForce is a setting that has another value in the agent that runs than this command reads.
type inForce struct {
	Path  string `json:"path"`
	Value string `json:"value"`
	From  string `json:"from"`
	// Takes says what takes over the value that is written: reload or restart; none if the agent
	// reads the value that it has, as with variables that this shell does not have.
	Takes string `json:"takes,omitempty"`
}

// text returns what is said of it to people.
func (f inForce) text() string {
	said := fmt.Sprintf("in force: %s  (%s)", written(f.Value), f.From)
	switch f.Takes {
	case "reload":
		return said + "; `pksa reload` takes over what is written"
	case "restart":
		return said + "; restart to take over what is written"
	}
	return said + ", as the agent that runs reads it"
}

// settingsInForce returns which of the settings have another value in the agent that runs; nil if
// none runs that says it.
func settingsInForce(ctx context.Context, cfg *config.Config, shown []config.Shown) []inForce {
	var view agent.SettingsView
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if socket(cfg).Call(ctx, agent.MethodSettings, struct{}{}, &view) != nil {
		return nil
	}
	differ := []inForce{} // a list in JSON, too
	for _, s := range shown {
		at := slices.IndexFunc(view.InForce, func(one config.Shown) bool { return one.Path == s.Path })
		if at < 0 {
			continue
		}
		one := inForce{Path: s.Path, Value: view.InForce[at].Value, From: view.InForce[at].From}
		for _, change := range view.Differ {
			if change.Path == s.Path {
				one.Takes = map[bool]string{true: "restart", false: "reload"}[change.Restart]
			}
		}
		if one.Takes != "" || one.Value != s.Value {
			differ = append(differ, one)
		}
	}
	return differ
}

// settingNames returns the names of all settings.
func settingNames() (names []string) {
	for _, s := range config.Default("/").Show() {
		names = append(names, s.Path)
	}
	return names
}
