package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"pksa/agent"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/protocol/sorts"
)

// frame makes the lines of `pksa status --watch`: totals first, then what is not well, then limits.
type frame struct {
	now  time.Time
	wide int // 0: lines stay whole
	all  bool
	home func(text string) string // names the home folder in the commands of a text; nil: it is the default

	text []string
}

// Bounds of what one screen shows of a kind, unless all is asked for.
const (
	watchNotWell = 4 // lines of relays, of nodes, of accounts, of sessions each
	watchLimits  = 4
	watchErrors  = 4
	barWidth     = 20
)

func (f *frame) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if f.home != nil {
		text = f.home(text)
	}
	if f.wide > 0 {
		text = fit(text, f.wide)
	}
	f.text = append(f.text, text)
}

// some adds lines, and how many more there are if they are too many for one screen.
func (f *frame) some(lines []string, most int) {
	shown := lines
	if len(lines) > most && !f.all {
		shown = lines[:most-1]
	}
	for _, line := range shown {
		f.line("  %s", line)
	}
	if rest := len(lines) - len(shown); rest > 0 {
		f.line("  and %s more", grouped(rest))
	}
}

// lines returns the screen.
func (f *frame) lines(s agent.Status, failed error) []string {
	f.text = nil
	state := "Ready"
	if len(s.NotReady) > 0 {
		state = "NOT READY"
	}
	if failed != nil {
		state = "NO ANSWER, what follows is old"
	}
	f.line("pksa  %s  %s", f.now.UTC().Format("15:04:05Z"), state)
	if failed != nil {
		f.line("  %s", strings.ReplaceAll(failed.Error(), "\n", " "))
	}
	for _, reason := range s.NotReady {
		f.line("  %s", reason)
	}
	if s.StillServed != "" {
		f.line("  still served: %s", s.StillServed)
	}
	f.totals(s)
	f.notWell(s)
	f.limits(s.Policy.Room)
	if len(s.LastHour) > 0 {
		f.line("In the last hour")
		var lines []string
		for _, e := range s.LastHour {
			lines = append(lines, fmt.Sprintf("%s, the last %s ago", e, ago(f.now.Sub(e.Last))))
		}
		f.some(lines, watchErrors)
	}
	if f.all {
		f.everything(s)
	}
	return f.text
}

func (f *frame) totals(s agent.Status) {
	m := s.LastMinute
	f.line("Minute    %d answered, %d refused, %d failed, %d dropped; %d wait for a person", m.Answered, m.Refused,
		m.Failed, m.Dropped, s.Pending)
	bad := len(unwell(s.Accounts))
	f.line("Accounts  %s, %s %s a look; %s in %s", grouped(len(s.Accounts)), grouped(bad),
		map[bool]string{true: "needs", false: "need"}[bad == 1], count(s.Sessions, "session"), count(s.Apps, "app"))
	connected, registered := 0, 0
	for _, l := range s.Links {
		if l.Connected {
			connected++
		}
		registered = max(registered, l.Registered)
	}
	f.line("Relays    %d of %d connected, up to %s registered at one", connected, len(s.Links),
		count(registered, "account"))
	usable := 0
	for _, n := range s.Nodes {
		if n.Usable {
			usable++
		}
	}
	chain := "no head of the chain is known"
	if s.Chain != nil {
		chain = fmt.Sprintf("head %d, read %s ago; clock %s", s.Chain.HeadBlock, ago(s.Chain.Age),
			clockText(s.Chain.Skew))
	}
	f.line("Nodes     %d of %d usable; %s", usable, len(s.Nodes), chain)
}

// notWell adds what needs a look, each kind as far as there is room.
func (f *frame) notWell(s agent.Status) {
	var wallet, relays, nodes, accounts, sessions []string
	for _, reason := range s.WillNotStart {
		wallet = append(wallet, "a restart will fail: "+strings.ReplaceAll(reason, "\n", " "))
	}
	if s.Settings != nil && s.Settings.Gone {
		wallet = append(wallet, goneText(s.Settings.Differ))
	}
	if s.Twin != nil {
		wallet = append(wallet, fmt.Sprintf("another copy of this wallet was met %s ago through %s",
			ago(f.now.Sub(s.Twin.At)), s.Twin.Relay))
	}
	for _, changed := range s.Guard {
		what := make([]string, len(changed.Changes))
		for i, c := range changed.Changes {
			what[i] = string(c.What)
		}
		text := fmt.Sprintf("%s was changed on the chain by somebody else: %s", changed.Account,
			strings.Join(what, ", "))
		if changed.Stopped {
			text += "; nothing of it is signed"
		}
		wallet = append(wallet, text)
	}
	if d := s.GuardWaits; d != nil {
		wallet = append(wallet, count(d.Accounts, "account")+": what a node says of it, no second node confirms")
	}
	if s.Backlog != "" {
		wallet = append(wallet, "the audit trail stays in the ledger: "+s.Backlog)
	}
	for _, n := range s.Notifiers {
		if n.Problem != "" {
			wallet = append(wallet, fmt.Sprintf("nobody is told by %s at %s: %s", n.Kind, n.Server, n.Problem))
		}
	}
	for _, p := range s.PausedApps {
		wallet = append(wallet, fmt.Sprintf("app %s is paused since %s", p.App, moment(p.Since)))
	}
	for _, d := range s.Disabled {
		wallet = append(wallet, fmt.Sprintf("app %s is disabled: app %s has the same secret", d.Name, d.SameSecretAs))
	}
	for _, l := range s.Links {
		relays = append(relays, f.relay(l)...)
	}
	for _, n := range s.Nodes {
		if !n.Usable || n.LastError != "" {
			nodes = append(nodes, fmt.Sprintf("%s %s", n.URL, f.node(n)))
		}
	}
	for _, a := range unwell(s.Accounts) {
		what := strings.Join(a.Wrong, "; ")
		if what == "" {
			what = fmt.Sprintf("%d of %s", a.Sessions, count(a.SessionsMost, "session"))
		}
		accounts = append(accounts, a.Name+": "+what)
	}
	for _, q := range s.Quarantine {
		sessions = append(sessions, f.quarantine(q))
	}
	if len(wallet)+len(relays)+len(nodes)+len(accounts)+len(sessions) == 0 {
		return
	}
	f.line("Not well")
	for _, lines := range [][]string{wallet, relays, nodes, accounts, sessions} {
		f.some(lines, watchNotWell)
	}
}

// relay returns what is not well about a relay.
func (f *frame) relay(l agent.LinkStatus) (lines []string) {
	if !l.Connected {
		text := l.Relay + " is not connected"
		if !l.DownSince.IsZero() {
			text += ", for " + ago(f.now.Sub(l.DownSince))
		}
		if l.LastError != "" {
			text += ": " + l.LastError
		}
		return []string{text}
	}
	if l.ProbeHint != "" {
		lines = append(lines, fmt.Sprintf("%s %s ago: %s", l.Relay, ago(f.now.Sub(l.ProbeAt)), l.ProbeHint))
	}
	if n := len(l.Refused); n > 0 {
		lines = append(lines, fmt.Sprintf("%s does not take %s; %s: %s", l.Relay, count(n, "account"),
			l.Refused[0].Account, l.Refused[0].Reason))
	}
	if l.RelayError != "" {
		lines = append(lines, fmt.Sprintf("%s said %s ago: %s", l.Relay, ago(f.now.Sub(l.RelayErrorAt)), l.RelayError))
	}
	return lines
}

// node returns the state of a node, with times as lengths.
func (f *frame) node(n node.NodeStatus) string {
	switch {
	case n.Chain == "other":
		return "serves another chain"
	case !n.RestUntil.IsZero():
		return fmt.Sprintf("rests for %s after %s: %s", ago(n.RestUntil.Sub(f.now)), count(n.Failures, "failure"),
			n.LastError)
	}
	return nodeState(n)
}

func (f *frame) quarantine(q agent.Quarantine) string {
	who := "session " + q.Session.String()
	if q.App != "" {
		who = "logins of app " + q.App
	}
	return fmt.Sprintf("%s: silent on %s for %s, %s", who, q.Relay, ago(q.Until.Sub(f.now)), q.Reason)
}

// limits adds the limits as bars, the fullest first.
func (f *frame) limits(room []policy.Room) {
	if len(room) == 0 {
		return
	}
	room = slices.Clone(room)
	sorts.Stable(room, func(a, b policy.Room) int {
		switch x, y := fullness(a), fullness(b); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	f.line("Limits")
	var lines []string
	for _, r := range room {
		lines = append(lines, fmt.Sprintf("%s %3.0f %%  %s", bar(fullness(r)), 100*fullness(r), roomLine(r)))
	}
	f.some(lines, watchLimits)
}

// fullness returns how much of a limit is used, from 0 to 1, or more if it was lowered since.
func fullness(r policy.Room) float64 {
	used, _ := strconv.ParseFloat(r.Used, 64)
	most, _ := strconv.ParseFloat(r.Most, 64)
	if most == 0 {
		return 1 // nothing is left
	}
	return used / most
}

// bar returns a bar of signs that every terminal has.
func bar(part float64) string {
	n := min(max(int(part*barWidth+0.5), 0), barWidth)
	return "[" + strings.Repeat("#", n) + strings.Repeat("-", barWidth-n) + "]"
}

// everything adds each relay, node and account that stands nowhere above.
func (f *frame) everything(s agent.Status) {
	f.line("Relays")
	for _, l := range s.Links {
		if l.Connected {
			f.line("  %s connected for %s, %s registered, %d pending", l.Relay, ago(f.now.Sub(l.Since)),
				count(l.Registered, "account"), l.Pending)
		} else {
			f.line("  %s not connected", l.Relay)
		}
	}
	f.line("Nodes")
	for _, n := range s.Nodes {
		f.line("  %s %s", n.URL, f.node(n))
	}
	f.line("Accounts")
	for _, a := range s.Accounts {
		f.line("  %s  %s, %d of %s", a.Name, strings.Join(a.Roles, ", "), a.Sessions, count(a.SessionsMost, "session"))
	}
}
