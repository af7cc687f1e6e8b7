package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/provision"
	"pksa/agent/yamlnode"
	"pksa/keystore"
	"pksa/keystore/access"
	"pksa/protocol/secret"
)

func (c *command) applyCommand() *cobra.Command {
	var prune, dry bool
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Bring apps and sessions to what a file says",
		Long: `Compares the wallet with a file, prints the difference, and makes all changes in
one commit, or none of them; where more than 2,000 sessions begin or end, in
several: cut off, run it again. It may run any number of times: what is there is
left as it is. A file, of which each section may be missing:

    version: 1
    accounts:
      alice: [posting, active]
    apps:
      mybot: {secret: file:/run/secrets/mybot, answers: nack}
      oldbot: {answers: documented}
    sessions:
      - {app: mybot, account: alice, key: env:AUTH_KEY, for: 30d}

Secrets stand at the sources that it names, never in the file: file:PATH,
env:NAME, fd:N, credential:NAME, command:… or prompt. Keys of accounts are only
expected: "pksa keys import" takes them. An app without a secret must be there,
and {} leaves all of it as it is. A session is known by its auth_key. One that
lives keeps its end; "for" is how long a new one lasts.

Nothing is removed and no secret is replaced without --prune. With it, apps that
the section apps does not name end with their sessions, an app whose secret is
another one gets that of the file, and sessions end that were made by hand and
that the section sessions does not name. A section that is missing is not
touched.`,
		Args: exactlyOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.apply(cmd.Context(), args[0], prune, dry) },
	}
	cmd.Flags().BoolVar(&prune, "prune", false, "remove what the file does not name, and replace other secrets")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print the difference and change nothing")
	return cmd
}

// applied is what `pksa apply` did.
type applied struct {
	File    string             `json:"file"`
	Changes []provision.Change `json:"changes"` // in their order; none if the wallet is as the file says
	// Left is what --prune would change besides.
	Left []provision.Change `json:"left"`
	Done bool               `json:"done"` // false with --dry-run
}

func (c *command) apply(ctx context.Context, file string, prune, dry bool) error {
	src, err := access.Read(file, access.Decision)
	if err != nil {
		return err
	}
	wanted, problems := provision.Parse(file, src, provision.Options{App: agent.CheckAppName, Length: days})
	if bad := problems.Errors(); len(bad) > 0 {
		return fileProblems(bad)
	}
	for _, p := range problems.Warnings() {
		if !c.asJSON {
			fmt.Fprintf(c.err, "pksa: %s\n", p)
		}
	}
	c.sources = append(c.sources, wanted.Variables()...)
	cfg, err := c.wallet()
	if err != nil {
		return err
	}
	if err := c.readWanted(ctx, file, &wanted); err != nil {
		return err
	}
	h, err := c.hand(ctx, cfg)
	if err != nil {
		return err
	}
	err = c.applyBy(ctx, h, applying{file, agent.ApplyParams{Wanted: wanted, Prune: prune}, dry})
	return errors.Join(err, h.close())
}

// applying is a file that is being applied.
type applying struct {
	file   string
	params agent.ApplyParams
	dry    bool
}

func (c *command) applyBy(ctx context.Context, h hand, a applying) error {
	a.params.Try = true // the difference first: whoever reads it may still press Ctrl-C
	found, err := h.apply(ctx, a.params)
	if err != nil {
		return err
	}
	result := applied{a.file, found.Changes, found.Left, !a.dry}
	if err := c.complaints(a, found); err != nil {
		return err
	}
	if !c.asJSON {
		if err := c.print(result, func(w io.Writer) { printDifference(w, a, found) }); err != nil {
			return err
		}
	}
	if !a.dry && len(found.Changes) > 0 {
		a.params.Try = false
		done, err := h.apply(ctx, a.params)
		if err != nil {
			return err
		}
		if err := c.complaints(a, done); err != nil {
			return err
		}
		result.Changes, result.Left = done.Changes, done.Left
		if !slices.EqualFunc(found.Changes, done.Changes, sameChange) && !c.asJSON {
			fmt.Fprintln(c.err, "pksa: the wallet changed meanwhile, and this was done instead:")
			if err := c.print(result, func(w io.Writer) { printDifference(w, a, done) }); err != nil {
				return err
			}
		}
	}
	if c.asJSON {
		return c.print(result, nil)
	}
	return c.print(result, func(w io.Writer) { printApplied(w, a, len(result.Changes)) })
}

// sameChange reports whether two changes are the same but for the instant at which they were found.
func sameChange(a, b provision.Change) bool {
	a.Until = b.Until
	return a == b
}

// complaints returns an error with the place of each complaint, if there are any.
func (c *command) complaints(a applying, found provision.Applied) error {
	if len(found.Complaints) == 0 {
		return nil
	}
	var problems yamlnode.Problems
	for _, one := range found.Complaints {
		at := a.params.Wanted.Place(one)
		problems = append(problems, yamlnode.Problem{File: a.file, Line: at.Line, Column: at.Column, Text: one.Text})
	}
	return fileProblems(problems.Tidied())
}

// fileProblems returns complaints about a file as an error, one a line.
func fileProblems(problems yamlnode.Problems) error {
	return errors.New(strings.TrimRight(problems.String(), "\n"))
}

// readWanted reads the secrets from the sources that the file names. All complaints come in one
// run.
func (c *command) readWanted(ctx context.Context, file string, w *provision.Wanted) error {
	var problems yamlnode.Problems
	read := func(source keystore.Source, at provision.Place, label string) (text secret.Text) {
		found, err := c.secretFrom(ctx, source.String(), label)
		if err != nil {
			problems = append(problems, yamlnode.Problem{File: file, Line: at.Line, Column: at.Column,
				Text: err.Error()})
		}
		return secret.Text(found)
	}
	for i := range w.Apps {
		a := &w.Apps[i]
		a.Secret = read(a.Source, a.AtKey, "secret of app "+a.Name)
	}
	for i := range w.Sessions {
		s := &w.Sessions[i]
		s.Key = read(s.Source, s.AtKey, fmt.Sprintf("auth_key of a session of %s for %s", s.App, s.Account))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(problems) > 0 {
		return fileProblems(problems.Tidied())
	}
	return nil
}

// hand applies to the running agent or, if none runs, to keystore and ledger, which it has opened.
type hand struct {
	socket control.Socket
	alone  *offline
}

// hand opens keystore and ledger if no agent runs. The ledger's lock keeps one from starting.
func (c *command) hand(ctx context.Context, cfg *config.Config) (hand, error) {
	h := hand{socket: socket(cfg)}
	err := h.socket.Call(ctx, agent.MethodLive, struct{}{}, nil)
	if errors.Is(err, control.ErrNoAgent) {
		h.alone, err = c.offline(ctx, cfg)
		return h, err
	}
	return h, nil // what is wrong with the agent, the call tells that matters
}

func (h hand) apply(ctx context.Context, p agent.ApplyParams) (done provision.Applied, err error) {
	if h.alone != nil {
		return h.alone.admin().Apply(ctx, p)
	}
	err = h.socket.Call(ctx, agent.MethodApply, p, &done)
	return done, err
}

func (h hand) close() error {
	if h.alone == nil {
		return nil
	}
	return h.alone.close()
}

func printDifference(w io.Writer, a applying, found provision.Applied) {
	for _, c := range found.Changes {
		fmt.Fprintln(w, changeText(c))
	}
	if len(found.Left) > 0 {
		fmt.Fprintf(w, "Not in %s, and left as it is without --prune:\n", a.file)
		for _, c := range found.Left {
			fmt.Fprintln(w, changeText(c))
		}
	}
}

// changeText returns a line about a change: + is added, - is taken away, ~ is changed.
func changeText(c provision.Change) string {
	switch c.Act {
	case provision.AddApp:
		return "  + app " + c.App
	case provision.AddSession:
		return fmt.Sprintf("  + session of %s for %s, until %s", c.App, c.Account, when(c.Until))
	case provision.RotateApp:
		return fmt.Sprintf("  ~ app %s: another secret", c.App)
	case provision.SetAnswers:
		return fmt.Sprintf("  ~ app %s: answers %s", c.App, c.Answers)
	case provision.RemoveApp:
		if c.Sessions == 0 {
			return "  - app " + c.App
		}
		return fmt.Sprintf("  - app %s, with %s", c.App, count(c.Sessions, "session"))
	case provision.EndSession:
		return fmt.Sprintf("  - session %s of %s for %s", c.Session, c.App, c.Account)
	}
	return fmt.Sprintf("  ? %s %s", c.Act, c.App) // of an agent that is newer
}

func printApplied(w io.Writer, a applying, changes int) {
	switch {
	case changes == 0:
		fmt.Fprintf(w, "Nothing to do: the wallet has what %s names.\n", a.file)
	case a.dry:
		fmt.Fprintf(w, "Nothing was done, because of --dry-run; it would be %s.\n", count(changes, "change"))
	default:
		fmt.Fprintf(w, "Done: %s.\n", count(changes, "change"))
	}
}
