package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent/difftext"
	"pksa/agent/policy"
	"pksa/agent/service"
)

func (c *command) policyDiff() *cobra.Command {
	var most int
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Show what another policy would allow and what no longer",
		Long: `Compares two policies: what differs in the files, what a limit goes on counting
and what it forgets, and which requests get another answer. Each request that is
shown was judged by both policies. "pksa policy replay NEW" judges those that
came in fact. It needs no keys and no running agent.

Requests are made of what both files say: values at each bound, just below and
just above, each name and one that is in no list, hours inside and outside, each
by itself, in pairs, then by chance, and of limits one request after another
until the room is used up. The same files have the same result. This is a
search: that it finds nothing is no proof. It says what it knows by made-up
values only.

It ends with what is proven: of which operations, sessions and challenges
nothing more passes, whatever is asked for, or nothing less, and of which
nothing is certain.

The exit status is 0 if no difference was found, 1 if there is one or a limit
forgets what it counted, and 2 if one of the files cannot be used.`,
		Args: two("the policies OLD and NEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := policy.DiffOptions{Now: time.Now(), Most: most}
			if cfg := c.settingsIfAny(); cfg != nil {
				if n, err := service.Network(cfg); err == nil {
					o.Network = n
				}
			}
			shown := c.progress("comparing", "request")
			o.Progress = func(done, all int) { shown.at(uint64(done), uint64(all)) }
			var drafts [2]policy.Draft
			for i, path := range args {
				src, err := c.policyFile(path)
				if err != nil {
					return c.unusable(err)
				}
				drafts[i] = policy.Draft{File: path, Src: src}
			}
			d, problems, err := policy.Compare(cmd.Context(), drafts[0], drafts[1], o)
			shown.clear()
			if err != nil {
				return err
			}
			if d == nil {
				return c.unusable(hint(fmt.Errorf("the policy cannot be used:\n%s", problems), advicePolicyErrors))
			}
			if err := c.say(d, func(w io.Writer) { difftext.Write(w, d, o.Now) }); err != nil {
				return err
			}
			if d.Different() {
				return errSilent
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&most, "requests", 0, "try so many requests (default: 4,000, and 2,000 more for each rule that "+
		"changed, up to 60,000)")
	return cmd
}

// unusable reports a file that cannot be compared. It has an exit status of its own, as with diff.
func (c *command) unusable(err error) error {
	c.report(err, "")
	return errStatus(exitUsage)
}
