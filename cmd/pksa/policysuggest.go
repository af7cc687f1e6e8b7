package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent/audit"
	"pksa/agent/policy"
	"pksa/agent/service"
	"pksa/protocol/hive"
)

// suggestWay is how a draft is made and where it goes.
type suggestWay struct {
	app, since, into string
	room             percent
}

func (c *command) policySuggest() *cobra.Command {
	how := suggestWay{room: policy.Headroom}
	cmd := &cobra.Command{
		Use:   "suggest",
		Short: "Suggest the narrowest rules for what was denied so far",
		Long: `Prints a policy that allows what no rule allowed so far, and what rules with
"mode: observe" would have decided differently: each operation with the values
that were seen, JSON with the forms that it had, and limits of what went out in
24 hours. Bounds of amounts, numbers and limits lie 10% beyond what was seen;
--headroom says otherwise, and comments have what was seen. What the policy
allows by now is left out; where one of its rules would do with a change, a
comment says which, and what it lacks.

It is a draft to pick rules from, not a policy to use as it is: lines that
` + "`pksa policy check`" + ` complains of say so, and no policy takes them until they are
narrowed. A comment above each rule says how much it allows that was never seen.
At the end stands what ` + "`check --strict`" + ` and ` + "`replay`" + ` say of the policy with
these rules. --into FILE writes that policy into a new file: all that stands in
yours, with its comments, and the rules behind. What is in force stays.

The draft is made of the newest 10,000 requests that fit into 32 MiB of memory,
and says how many there were before. The trail comes from the running agent. If
none is running it comes from the ledger, and the keystore has to be unlocked.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.suggest(cmd.Context(), how) },
	}
	cmd.Flags().StringVar(&how.app, "app", "", "only requests of the app of this `name`")
	cmd.Flags().StringVar(&how.since, "since", "", "only the requests of the last `duration`: 12h, 30d")
	cmd.Flags().Var(&how.room, "headroom", "by how many `percent` bounds lie beyond what was seen")
	cmd.Flags().StringVar(&how.into, "into", "", "write the policy with these rules into a new `file`")
	return cmd
}

// suggested is what `policy suggest --json` prints.
type suggested struct {
	audit.Suggested
	// Judged is what the tools say of the policy with these rules; absent if there are none.
	Judged *judgedDraft `json:"judged,omitempty"`
}

// judgedDraft is what the tools say of the policy with the rules of a draft.
type judgedDraft struct {
	File string `json:"file,omitempty"` // that it was written into
	// Complaints are what `policy check --strict` fails for, of all of the policy.
	Complaints []problemInfo `json:"complaints"`
	// Replay is what it would have answered; without the changes one by one.
	Requests int          `json:"requests"` // that were judged again
	Same     int          `json:"same"`
	Turns    []audit.Turn `json:"turns"`
}

func (c *command) suggest(ctx context.Context, how suggestWay) (err error) {
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	n, err := service.Network(cfg)
	if err != nil {
		return err
	}
	inForce, _, unread := c.policyToJudgeBy(ctx, "") // a draft is of use without it, too
	if unread != nil && how.into != "" {
		return unread
	}
	from := time.Time{}
	if how.since != "" {
		length, err := days(how.since)
		if err != nil {
			return err
		}
		from = time.Now().Add(-length)
	}
	trail := c.openTrail(false)
	defer func() { err = errors.Join(err, trail.close()) }()
	q := audit.Query{Filter: audit.Filter{App: how.app, Since: from}}
	drafted, err := audit.Suggest(trail.source(ctx), q, inForce, n, int(how.room))
	if err != nil {
		return err
	}
	out := suggested{Suggested: drafted}
	if out.Rules > 0 {
		if out.Judged, err = c.judgeDraft(ctx, &drafted, inForce, how.into, n, trail.source(ctx)); err != nil {
			return err
		}
	}
	return c.printSuggested(out, how, inForce, unread)
}

// judgeDraft judges the policy with the rules of a draft, after it is written into a file, if one
// is named.
func (c *command) judgeDraft(ctx context.Context, draft *audit.Suggested, inForce *policy.Policy, into string,
	n *hive.Network, trail audit.Source) (*judgedDraft, error) {
	text := []byte(draft.YAML)
	if inForce != nil {
		src, err := os.ReadFile(inForce.File())
		if err != nil {
			return nil, fmt.Errorf("the policy: %w", err)
		}
		switch whole, err := draft.AddTo(inForce.File(), src); {
		case err == nil:
			text = whole
		case into != "":
			return nil, err
		}
	}
	if into != "" {
		if err := writeDraft(into, text); err != nil {
			return nil, err
		}
	}
	judged := &judgedDraft{File: into, Complaints: []problemInfo{}, Turns: []audit.Turn{}}
	options, _ := c.checkOptions(ctx)
	options.TrapsWarn = true
	var p *policy.Policy
	problems, err := await(ctx, func() (problems policy.Problems) {
		p, problems = policy.Compile(into, text, options)
		return problems
	})
	if err != nil {
		return nil, err
	}
	for _, problem := range append(problems.Errors(), problems.Warnings()...) {
		judged.Complaints = append(judged.Complaints,
			problemInfo{problem.Line, problem.Column, problem.Text, problem.Warning})
	}
	if p == nil {
		return judged, nil
	}
	again, err := audit.Replay(trail, p, n)
	if err != nil {
		return nil, err
	}
	judged.Requests, judged.Same, judged.Turns = again.Requests, again.Same, again.Turns
	return judged, nil
}

// writeDraft writes a file that is not there yet, for its owner alone.
func writeDraft(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; name a new file, since nothing is written over", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

func (c *command) printSuggested(out suggested, how suggestWay, inForce *policy.Policy, unread error) error {
	return c.print(out, func(w io.Writer) {
		if unread != nil {
			fmt.Fprintln(w, "# The policy cannot be used, so what it allows by now is not left out.")
		}
		switch {
		case out.Requests == 0 && out.Suggested.Allowed > 0:
			fmt.Fprintln(w, "# Nothing to suggest.")
		case out.Requests == 0 && how.app != "":
			fmt.Fprintf(w, "# Nothing to suggest: no request of an app %q was denied for want of a rule.\n", how.app)
		case out.Requests == 0:
			fmt.Fprintln(w, "# Nothing to suggest: no request was denied for want of a rule.")
		}
		if out.Judged == nil || out.Judged.File == "" {
			fmt.Fprint(w, out.YAML)
		} else {
			fmt.Fprintf(w, "# %s is %s with %s and %s more. Nothing of it is in force.\n", out.Judged.File,
				inForce.File(), count(out.Rules, "rule"), count(out.Limits, "limit"))
			if at := strings.Index(out.YAML, "# Not suggested:\n"); at >= 0 {
				fmt.Fprint(w, out.YAML[at:])
			}
		}
		if out.Judged != nil {
			out.writeJudged(w)
		}
		if out.Older > 0 {
			fmt.Fprintf(w, "# %s left out: too many of the same apps came after. --app and --since pick others.\n",
				wasOrWere(out.Older, "request"))
		}
		if out.Summed > 0 {
			fmt.Fprintln(w, "# "+summedLine(out.Summed))
		}
		if out.Cut > 0 {
			fmt.Fprintln(w, "# "+cutLine(out.Cut))
		}
		if out.Allowed > 0 {
			fmt.Fprintf(w, "# %s left out: the policy allows that by now, or asks a person.\n",
				wasOrWere(out.Allowed, "request"))
		}
		if out.Ruled > 0 {
			fmt.Fprintf(w, "# %s denied by deny rules, by limits or whatever the policy says: no rule helps.\n# "+
				"`pksa policy explain NUMBER` says why.\n", wasOrWere(out.Ruled, "request"))
		}
	})
}

// writeJudged writes how much a draft allows that was never seen, and what the tools say of the
// policy with its rules.
func (s *suggested) writeJudged(w io.Writer) {
	fmt.Fprintf(w, "# Combinations of values that the rules name: %d, of which %d never seen. Fields left free: %d.\n",
		s.Named, s.Named-s.Seen, s.Free)
	j := s.Judged
	if len(j.Complaints) == 0 {
		fmt.Fprintln(w, "# The policy with these rules passes check --strict.")
	} else {
		fmt.Fprintf(w, "# The policy with these rules does not pass check --strict: %s.\n",
			count(len(j.Complaints), "complaint"))
	}
	fmt.Fprintf(w, "# %s judged by it: %d the same", count(j.Requests, "request"), j.Same)
	if turns := audit.TurnsText(j.Turns); turns != "" {
		fmt.Fprint(w, ", ", turns)
	}
	fmt.Fprintln(w, ".")
	for _, turn := range j.Turns {
		if turn.Was == policy.Allow && turn.Now == policy.Deny {
			fmt.Fprintln(w, "# What was allowed and is denied now meets a new limit: limits count what all rules "+
				"allow.")
		}
	}
}
