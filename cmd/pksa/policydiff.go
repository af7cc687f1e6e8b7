package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent/effect"
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
search: that it finds nothing is no proof, unless both files say the same. It
ends with what was tried, and what it knows by made-up values only.

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
			if err := c.say(d, func(w io.Writer) { printDiff(w, d, o.Now) }); err != nil {
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

// turns are the kinds of differences in words.
var turns = map[string]string{
	"deny → allow": "Allowed now, denied before", "ask → allow": "Allowed now, asked about before",
	"deny → ask": "Asked about now, denied before", "allow → deny": "Denied now, allowed before",
	"ask → deny": "Denied now, asked about before", "allow → ask": "Asked about now, allowed before",
	"denied in silence":     "Denied in silence now, with an answer before",
	"denied with an answer": "Denied with an answer now, in silence before",
	"another session":       "A session of another length", "another renewal": "Another time to renew a session",
	"another timeout": "Another time to answer for a person", "a person is told": "A person is told now, nobody before",
	"another consent": "Another yes counts",
	"nobody is told":  "Nobody is told now, a person before", "observed": "Another answer by what is observed",
}

func printDiff(w io.Writer, d *policy.Diff, now time.Time) {
	for _, change := range d.Changes {
		printFileChange(w, d, change)
	}
	if len(d.Changes) > 0 {
		fmt.Fprintln(w)
	}
	if d.Same {
		fmt.Fprintf(w, "%s and %s have the same rules and limits: every answer is the same. This is certain.\n", d.Old,
			d.New)
		return
	}
	last := ""
	for _, one := range d.Answers {
		if one.Kind != last {
			fmt.Fprintf(w, "%s:\n", turns[one.Kind])
		}
		last = one.Kind
		printAnswered(w, d, one, now)
	}
	if len(d.Answers) > 0 {
		fmt.Fprintln(w)
		fmt.Fprintf(w, "%s in answers", count(len(d.Answers), "difference"))
		if d.Alike > 0 {
			fmt.Fprintf(w, ", and %s like them", count(d.Alike, "request"))
		}
		fmt.Fprintf(w, ", among %s that both policies judged. There may be others: this is a search.\n",
			count(d.Tried, "request"))
	} else {
		fmt.Fprintf(w, "No difference in answers was found in %s. This is a search, no proof.\n",
			count(d.Tried, "request"))
	}
	fmt.Fprintln(w, "Not searched to the end, but tried with some values:")
	for _, text := range d.Unsearched {
		fmt.Fprintf(w, "  - %s\n", text)
	}
}

func printFileChange(w io.Writer, d *policy.Diff, change policy.FileChange) {
	old, now := filepath.Base(d.Old), filepath.Base(d.New)
	if old == now {
		old, now = d.Old, d.New
	}
	var places []string
	if change.Old > 0 {
		places = append(places, fmt.Sprintf("%s:%d", old, change.Old))
	}
	if change.New > 0 {
		places = append(places, fmt.Sprintf("%s:%d", now, change.New))
	}
	fmt.Fprintf(w, "%s: %s", strings.ToUpper(change.How[:1])+change.How[1:], change.What)
	if change.What != change.Name {
		fmt.Fprintf(w, " %q", change.Name)
	}
	if change.Was != "" {
		fmt.Fprintf(w, ", before %q", change.Was)
	}
	if len(places) > 0 {
		fmt.Fprintf(w, " (%s)", strings.Join(places, ", "))
	}
	fmt.Fprintln(w)
	for _, text := range change.Details {
		fmt.Fprintf(w, "    %s\n", text)
	}
	for _, text := range change.Counters {
		fmt.Fprintf(w, "  - %s\n", text)
	}
}

func printAnswered(w io.Writer, d *policy.Diff, one *policy.Difference, now time.Time) {
	fmt.Fprintf(w, "  %s", requestText(one.Request))
	if at := now.UTC().Truncate(time.Minute); one.Times == 0 && !one.Time.Equal(at) {
		fmt.Fprintf(w, ", at %s", when(one.Time))
	}
	fmt.Fprintln(w)
	if one.Times > 0 {
		text := fmt.Sprintf("after %d such", one.Times)
		if before := requestText(one.Before); before != requestText(one.Request) {
			text = fmt.Sprintf("after %d of %s", one.Times, before)
		}
		if one.After > 0 {
			text += ", " + spanOfDays(one.After) + " before"
		}
		if one.Before.Approved {
			text += ", with a person's yes"
		}
		fmt.Fprintf(w, "    %s\n", text)
	}
	fmt.Fprintf(w, "    before: %s\n    now: %s\n", answerWords(d.Old, &one.Was), answerWords(d.New, &one.Is))
}

// requestText returns what a request asks for, in a sentence that begins with who asks.
func requestText(q *policy.Request) string {
	var does []string
	switch {
	case q.Kind == policy.Sign:
		for _, op := range q.Ops {
			does = append(does, effect.Of(op))
		}
		if n := len(does); n > 3 {
			does = append(does[:3:3], fmt.Sprintf("and %d operations more", n-3))
		}
		if !q.Broadcast {
			does = append(does, "to be sent by the app")
		}
	case q.Kind == policy.Challenge:
		does = append(does, effect.Signing(q.Account, q.Role, q.Text))
	case q.Kind == policy.Decrypt:
		does = append(does, "decrypts a memo")
	default:
		does = append(does, "logs in")
		if q.ManualSession {
			does[0] += ", by your own link"
		}
		if ch := q.AuthChallenge; ch != nil {
			does = append(does, effect.Signing(q.Account, ch.Role, ch.Text))
		}
	}
	return fmt.Sprintf("%s for %s: %s", q.App, q.Account, strings.Join(does, "; "))
}

// answerWords returns an answer in words, with who gave it.
func answerWords(file string, a *policy.Answer) string {
	text := "allowed"
	switch a.Verdict {
	case policy.Ask:
		text = "a person is asked, " + strings.TrimPrefix(a.Reason, "ask: ")
	case policy.Deny:
		reason := a.Reason
		if a.Code == policy.CodeDenied || a.Code == policy.CodeLimit {
			reason = strings.TrimPrefix(reason, string(a.Code)+": ")
		}
		text = "denied, " + reason
	default:
		for i, rule := range a.Rules {
			text += []string{" by ", ", "}[min(i, 1)]
			text += fmt.Sprintf("%q (%s:%d)", rule.Name, filepath.Base(file), rule.Line)
		}
	}
	if a.Silent {
		text += "; in silence"
	}
	for _, one := range []struct {
		what string
		span time.Duration
	}{{"session", a.Session}, {"can be renewed for", a.Renew}, {"time to answer", a.Timeout}} {
		if one.span > 0 {
			text += "; " + one.what + " " + spanOfDays(one.span)
		}
	}
	for _, c := range a.Consents {
		text += "; needs " + c.String()
	}
	if a.Tell {
		text += "; a person is told"
	}
	if a.Observed != nil {
		text += "; if the observed were in force: " + answerWords(file, a.Observed)
	}
	return text
}

// spanOfDays returns a length of time, in days where they are whole.
func spanOfDays(d time.Duration) string {
	if day := 24 * time.Hour; d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return span(d)
}
