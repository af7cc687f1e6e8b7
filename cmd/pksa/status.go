package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/harden"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/agent/service"
	"pksa/agent/trace"
	"pksa/cmd/pksa/internal/systemd"
)

func (c *command) statusCommand() *cobra.Command {
	all, live, watch := false, false, false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the state of the agent; exit status 1 if it is not ready",
		Long: `Shows how the agent stands. It is ready if nothing of its own hinders it from
signing: ledger, disk, clock, keys, nodes of the chain, relays, another copy of
this wallet. The exit status is 1 if it is not ready. What would make a restart
fail, such as a policy file that has errors, is shown, and does not change the
exit status.

With --live it says only whether the process and its ledger go on: exit status 1
if they do not. That is what a health check asks that starts the wallet again,
since a restart mends neither nodes nor relays.

With --watch it shows totals, what is not well, limits and errors, and keeps
them up to date; q or Ctrl-C ends it. In a pipe it prints one state after
another.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case live && (all || watch):
				return errUsage{errors.New("--live says one thing and takes neither --all nor --watch")}
			case live:
				return c.live(cmd.Context())
			case watch:
				return c.watch(cmd.Context(), all)
			}
			var s agent.Status
			if err := c.askStatus(cmd.Context(), &s); err != nil {
				return err
			}
			if err := c.print(s, func(w io.Writer) { printWhole(w, s, all) }); err != nil {
				return err
			}
			if len(s.NotReady) > 0 {
				return errSilent
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false,
		"list every account and what each relay refused, however many there are, and the relays' keys")
	cmd.Flags().BoolVar(&live, "live", false, "say only whether the process and its ledger go on")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false,
		"show it again and again, until q or Ctrl-C is typed; arrows move")
	return cmd
}

// How long an agent may take to answer. It says itself after three seconds that its ledger does not
// go on. The image's health check gives up after five.
const (
	liveAnswer   = 4 * time.Second
	statusAnswer = 15 * time.Second
)

// live asks the agent whether it goes on, and nothing that a restart would not mend.
func (c *command) live(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, liveAnswer)
	defer cancel()
	if err := c.call(ctx, agent.MethodLive, struct{}{}, new(struct{})); err != nil {
		return err
	}
	alive := struct {
		Alive bool `json:"alive"`
	}{true}
	return c.print(alive, func(w io.Writer) { fmt.Fprintln(w, "Alive.") })
}

// askStatus asks the agent how it stands. If none is running, it says why a start would fail.
func (c *command) askStatus(ctx context.Context, s *agent.Status) error {
	ctx, cancel := context.WithTimeout(ctx, statusAnswer)
	defer cancel()
	err := c.call(ctx, agent.MethodStatus, struct{}{}, s)
	if !errors.Is(err, control.ErrNoAgent) {
		return err
	}
	if cfg, wrong := c.settings(); wrong == nil && is(cfg.Keystore) {
		for _, reason := range c.foresee(cfg) {
			c.tell(systemd.Error, "pksa: a start would fail: %s\n", reason)
		}
	}
	return err
}

// goneText returns that the file of the settings is gone, and what the agent has from it.
func goneText(differ []config.Change) string {
	return "config.yaml is gone, and the agent goes on with what it said: " + strings.Join(paths(differ), ", ")
}

// foresee returns why a start would fail, as far as that shows without what opens the keystore.
func (c *command) foresee(cfg *config.Config) []string {
	var reasons []string
	if belongsToUs(cfg) == nil { // root does not know what the unit of another user's wallet gives to it
		reasons = service.Foresee(cfg)
	}
	if _, _, err := agent.LoadPolicy(cfg, nil, nil); err != nil {
		reasons = append(reasons, "the policy cannot be used: "+strings.TrimSpace(err.Error()))
	}
	return reasons
}

// printStatus prints the state, with what is not well of many accounts.
func printStatus(w io.Writer, s agent.Status) { printWhole(w, s, false) }

func printWhole(w io.Writer, s agent.Status, all bool) {
	if len(s.NotReady) == 0 {
		fmt.Fprintln(w, "Ready.")
	} else {
		fmt.Fprintln(w, "Not ready:")
		for _, reason := range s.NotReady {
			fmt.Fprintf(w, "  %s\n", reason)
		}
	}
	switch {
	case s.StillServed != "":
		fmt.Fprintf(w, "Still served: %s.\n", s.StillServed)
	case s.NoNode != "" && len(s.NotReady) == 0: // by an agent that was started before its program was replaced
		fmt.Fprintf(w, "\nNot everything is served:\n  %s\n", s.NoNode)
	}
	for _, reason := range s.WillNotStart {
		fmt.Fprintf(w, "\nA restart will fail:\n  %s\n", strings.ReplaceAll(reason, "\n", "\n  "))
	}
	if s.Settings != nil && s.Settings.Gone {
		fmt.Fprintf(w, "\n%s:\n", goneText(s.Settings.Differ))
		fmt.Fprintln(w, "  put it back: a restart would take the defaults in their place")
	}
	printChangedAccounts(w, s.Guard)
	printDoubts(w, s.GuardWaits)
	if s.Twin != nil {
		fmt.Fprintf(w, "\nAnother copy of this wallet was met through %s, last at %s, with %d records:\n  %s\n",
			s.Twin.Relay, moment(s.Twin.At), s.Twin.Records, s.Twin.Advice)
	}
	printLastHour(w, s.LastHour)
	if s.Backlog != "" {
		fmt.Fprintf(w, "\nThe audit trail stays in the ledger, which grows: %s\n", s.Backlog)
	}
	fmt.Fprintf(w, "\nPolicy   %s, sha256 %s, in force since %s\n", s.Policy.File, short(s.Policy.SHA256),
		moment(s.Policy.Since))
	never := false
	for _, r := range s.Policy.Room {
		fmt.Fprintf(w, "         %s\n", roomLine(r))
		never = never || r.NotOnChain != ""
	}
	if never {
		fmt.Fprintln(w, "         `pksa limit list` shows what never reached the chain, and how to give it back")
	}
	if n := len(s.Policy.Warnings); n > 0 {
		fmt.Fprintf(w, "         %s; `pksa policy check` shows what\n", count(n, "warning"))
	}
	if n := len(s.Policy.Silenced); n > 0 {
		fmt.Fprintf(w, "         %s silenced as meant so; `pksa policy check` shows the reasons\n", count(n, "warning"))
	}
	if s.Policy.Tests != "" {
		fmt.Fprintln(w, "         its tests fail; `pksa policy test` shows how")
	}
	if s.Policy.Failed != "" {
		why := "the file has errors"
		if s.Policy.Refused {
			why = "the tests of the file fail"
		}
		fmt.Fprintf(w, "         the last reload changed nothing, %s:\n         %s\n", why,
			strings.ReplaceAll(strings.TrimSpace(s.Policy.Failed), "\n", "\n         "))
	}
	switch s.Policy.Approval {
	case agent.ApprovalRequired:
		fmt.Fprintln(w, "         another policy takes an approver's yes")
	case agent.ApprovalWanted:
		fmt.Fprintln(w, "         policy_approval has no effect yet; `pksa doctor` says why")
	}
	if s.Policy.Waits != "" {
		fmt.Fprintf(w, "         the file has changed and is not taken:\n         %s\n", s.Policy.Waits)
	}
	printSettings(w, s.Settings)
	fmt.Fprintf(w, "Apps     %d, with %s\n", s.Apps, count(s.Sessions, "session"))
	for _, app := range s.PausedApps {
		fmt.Fprintf(w, "         app %s is paused since %s, until `pksa resume %s`\n", app.App, moment(app.Since),
			app.App)
	}
	for _, app := range s.Disabled {
		fmt.Fprintf(w, "         %s\n", strings.ReplaceAll(sameSecretText(app.Name, app.SameSecretAs), "\n",
			"\n         "))
	}
	if s.AuditBytes > 0 {
		fmt.Fprintf(w, "Audit    %.1f MiB of full segments\n", float64(s.AuditBytes)/(1<<20))
	}
	if s.AuditSpared {
		fmt.Fprintln(w, "         more than audit.max is by default: nothing is removed for its size; set audit.max")
	}
	fmt.Fprintln(w, "\nRelays")
	if len(s.Links) == 0 {
		fmt.Fprintln(w, "  none is connected")
	}
	for _, l := range s.Links {
		printLink(w, l, all)
	}
	printOwnRelay(w, s.OwnRelay)
	printAccounts(w, s.Accounts, all)
	fmt.Fprintln(w, "\nNodes")
	if s.Chain != nil {
		fmt.Fprintf(w, "  %s\n", chainText(*s.Chain))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, n := range s.Nodes {
		from := ""
		if n.Listed {
			from = ", from the node list"
		}
		fmt.Fprintf(t, "  %s\t%s%s\n", n.URL, nodeState(n), from)
	}
	t.Flush()
	printNotifiers(w, s.Notifiers)
	printHardening(w, s.Hardening)
	for _, q := range s.Quarantine {
		fmt.Fprintf(w, "\n%s\n", quarantineText(q))
	}
}

// chainText returns how old the head of the chain is, and how far our clock is from the chain's.
func chainText(c agent.ChainStatus) string {
	return fmt.Sprintf("head of the chain: block %d, read %s ago; this machine's clock %s", c.HeadBlock, ago(c.Age),
		clockText(c.Skew))
}

// clockText returns how far our clock is from the chain's, after a subject.
func clockText(skew time.Duration) string {
	const blocks = 10 * time.Second // three of them, and what caches add
	switch {
	case skew.Abs() < blocks:
		return "agrees"
	case skew > 0:
		return ago(skew) + " ahead"
	}
	return ago(-skew) + " behind"
}

// printLastHour prints what went wrong with requests, with the time of the last one.
func printLastHour(w io.Writer, entries []trace.Entry) {
	if len(entries) == 0 {
		return
	}
	fmt.Fprintln(w, "\nIn the last hour")
	for _, e := range entries {
		fmt.Fprintf(w, "  %s, the last at %s:\n    %s\n", e, moment(e.Last), e.Kind.Advice())
	}
}

// quarantineText returns a sentence: which session is silent on which relay, and why.
func quarantineText(q agent.Quarantine) string {
	// An agent that was started before its program was replaced gives no reason.
	reason := cmp.Or(q.Reason, "too many damaged requests or replays")
	if q.App != "" {
		return fmt.Sprintf("Logins of app %s are not heard from %s until %s: %s came from there. "+
			"`pksa session release --app %s` ends that.", q.App, q.Relay, moment(q.Until), reason, q.App)
	}
	return fmt.Sprintf("Session %s does not listen to %s until %s: %s came from there.", q.Session, q.Relay,
		moment(q.Until), reason)
}

func printHardening(w io.Writer, measures []harden.Measure) {
	fmt.Fprintln(w, "\nHardening")
	if len(measures) == 0 {
		fmt.Fprintln(w, "  off: other processes of this user can read the keys")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range measures {
		state := "done"
		if !m.Done {
			state = "not done"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", m.Name, state, m.Detail)
	}
	t.Flush()
}

// nodeState returns the state of a node in a few words.
func nodeState(n node.NodeStatus) string {
	switch {
	case n.Chain == "other":
		return "not used: it serves another chain"
	case !n.RestUntil.IsZero():
		return fmt.Sprintf("rests until %s after %s: %s", moment(n.RestUntil), count(n.Failures, "failure"),
			n.LastError)
	case !n.BlamedUntil.IsZero():
		return fmt.Sprintf("asked last until %s: it %s", moment(n.BlamedUntil), n.Blame)
	case n.LastError != "":
		return "last error: " + n.LastError
	case n.Astray:
		return fmt.Sprintf("used as a last resort: its head block %d of %s is away from the others", n.HeadBlock,
			moment(n.HeadTime))
	case n.HeadBlock != 0:
		return fmt.Sprintf("good, head block %d of %s", n.HeadBlock, moment(n.HeadTime))
	case n.Usable:
		return "good"
	}
	return "not asked yet"
}

func printLink(w io.Writer, l agent.LinkStatus, all bool) {
	if l.Connected {
		fmt.Fprintf(w, "  %s  connected since %s, %s registered, %d pending\n", l.Relay, moment(l.Since),
			count(l.Registered, "account"), l.Pending)
	} else {
		fmt.Fprintf(w, "  %s  not connected%s, %s\n", l.Relay, since(l.DownSince), nextAttempt(l.NextAttempt))
		if l.LastError != "" {
			fmt.Fprintf(w, "    last error%s: %s\n", at(l.LastErrorAt), l.LastError)
		}
	}
	if l.Added != nil {
		fmt.Fprintf(w, "    %s\n", addedText(l.Added))
	}
	if all && l.Public != "" {
		fmt.Fprintf(w, "    key %s%s\n", l.Public, map[bool]string{true: ", pinned"}[l.Pinned])
	}
	if l.KeyRefused != "" && l.KeyRefused != l.LastError {
		fmt.Fprintf(w, "    %s\n", l.KeyRefused)
	}
	for i, r := range l.Refused {
		if i == someAccounts && !all {
			fmt.Fprintf(w, "    and %s more are not registered\n", grouped(len(l.Refused)-i))
			break
		}
		fmt.Fprintf(w, "    %s is not registered: %s\n", r.Account, r.Reason)
	}
	if l.RelayError != "" {
		fmt.Fprintf(w, "    the relay said%s: %s\n", at(l.RelayErrorAt), l.RelayError)
	}
	if l.Hint != "" {
		fmt.Fprintf(w, "    hint: %s\n", l.Hint)
	}
	if l.ProbeHint != "" {
		fmt.Fprintf(w, "    at %s %s\n", moment(l.ProbeAt), l.ProbeHint)
	}
}

// addedText returns for whom and how long a relay is served that is not in the settings.
func addedText(a *agent.AddedRelay) string {
	text := "not in the settings; for " + strings.Join(a.Accounts, ", ") + ", by `pksa pair`, "
	var ids []string
	for _, id := range a.Sessions {
		ids = append(ids, id.String())
	}
	switch len(ids) {
	case 0:
		return text + "while the login of the link is waited for"
	case 1:
		return text + "until session " + ids[0] + " ends"
	}
	return text + "until sessions " + strings.Join(ids, ", ") + " end"
}

// since returns since when something is so, as a part of a sentence. An agent that was started
// before its program was replaced gives no times, here and in at.
func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + moment(t)
}

// at returns when something was.
func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " at " + moment(t)
}

// nextAttempt returns when a relay is dialled again.
func nextAttempt(t time.Time) string {
	if t.IsZero() {
		return "connecting now"
	}
	return "next attempt " + moment(t)
}

// printOwnRelay prints how the relay stands that the agent runs.
func printOwnRelay(w io.Writer, r *agent.OwnRelay) {
	if r == nil {
		return
	}
	fmt.Fprintf(w, "\nOwn relay\n  listens at %s: %s, %s connected, %d requests since the start, %d waiting\n",
		r.Listen,
		count(r.Wallets, "wallet"), count(r.Apps, "application"), r.Requests, r.Waiting)
	if r.Unproved > 0 {
		fmt.Fprintf(w, "    %s registered as protocol 0.8 has it, without proof of key in answers\n",
			count(r.Unproved, "wallet"))
	}
	if r.Unanswered > 0 {
		fmt.Fprintf(w, "    %d requests ended without an answer\n", r.Unanswered)
	}
	for _, late := range r.Late {
		if late.Times > 0 {
			fmt.Fprintf(w, "    read later %d times, %s in all, by the pace of %s\n", late.Times,
				span(time.Duration(late.Seconds*float64(time.Second)).Round(time.Second)), paceWords[late.Pace])
		}
	}
	if r.PagesRefused > 0 {
		fmt.Fprintf(w, "    %d connections of web pages refused, which the setting relay.origins does not name\n",
			r.PagesRefused)
	}
	if r.Hint != "" {
		fmt.Fprintf(w, "    hint: %s\n", r.Hint)
	}
}

// paceWords are the paces of the own relay in words.
var paceWords = map[string]string{"connection": "a connection", "address": "an address",
	"strangers": "all strangers", "known": "all that this wallet has answered"}

// roomLine returns how much of a limit is used, in words.
func roomLine(r policy.Room) string {
	name := r.Limit.Name
	if r.Split != "" {
		if words, err := url.QueryUnescape(r.Split); err == nil {
			name += " (" + words + ")"
		}
	}
	kind := "limit"
	if r.Observed {
		kind = "observed limit" // it refuses nothing, however full it is
	}
	text := fmt.Sprintf("%s %q: %s of %s %s used in %s", kind, name, r.Used, r.Most, r.Unit, span(r.Window))
	if r.Lost {
		return text + ", as audit records were lost that may have charged it"
	}
	if r.NotOnChain != "" {
		text += fmt.Sprintf(", of that %s not on the chain", r.NotOnChain)
	}
	if r.More > 0 {
		text += fmt.Sprintf("; %d more counters of this limit are less full", r.More)
	}
	return text
}
