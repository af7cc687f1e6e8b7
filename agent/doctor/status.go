package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"slices"
	"strings"

	"pksa/agent"
	"pksa/agent/guard"
	"pksa/agent/harden"
	"pksa/agent/policy"
	"pksa/agent/service"
	"pksa/agent/status"
	"pksa/keystore/access"
)

// judgeStatus judges what a running agent says of itself, but for what later checks look at.
func (e *examiner) judgeStatus(s agent.Status) {
	meaning := "the wallet is not ready: requests are not served"
	if s.StillServed != "" {
		meaning = "the wallet is not ready: it makes no transactions, and still serves " + s.StillServed
	}
	causes := map[string]status.Cause{}
	for _, h := range s.Hindrances {
		causes[h.Text] = h.Cause
	}
	for _, reason := range s.NotReady {
		if reason == s.NoNode && e.made("nodes") { // which is said with the nodes
			continue
		}
		f := Finding{Check: e.name, Level: Error, What: reason, Meaning: meaning, Next: nextReady(causes[reason])}
		switch cause := causes[reason]; {
		case reason == agent.EachStopped && slices.ContainsFunc(s.Guard, stopped): // said with the accounts
		case cause == status.CauseDisk:
			e.later = append(e.later, consequence{f, []string{"disk"}})
		case cause == status.CauseRelay:
			e.later = append(e.later, consequence{f, []string{"relays", "canary"}})
		case cause == status.CauseKeys && reason == agent.NoKeyFits:
			e.later = append(e.later, consequence{f, []string{"keys"}})
		default:
			e.found(f)
		}
	}
	var seen []string // which other checks tell, with their advice
	if access.Administered(e.o.Config.Home) == nil {
		seen = service.ForeseeOpening(e.o.Config)
	}
	for _, reason := range s.WillNotStart {
		if !slices.Contains(seen, reason) && !slices.ContainsFunc(e.told, func(text string) bool {
			return strings.HasSuffix(reason, text)
		}) {
			e.found(Finding{Level: Error, What: reason, Meaning: "the wallet runs on; the next start will fail",
				Next: "mend it before the next restart"})
			if _, text, ok := strings.Cut(reason, ": "); ok {
				e.told = append(e.told, text) // the same may be why another file is refused
			}
		}
	}
	if s.Twin != nil {
		e.found(Finding{Level: Error, What: fmt.Sprintf("another copy of this wallet was met, last at %s",
			s.Twin.At.UTC().Format("2006-01-02 15:04:05Z")), Where: s.Twin.Relay,
			Meaning: "where both serve, money is paid twice", Next: s.Twin.Advice})
	}
	e.judgeGuard(s)
	var backlog error
	if s.Backlog != "" {
		backlog = errors.New(s.Backlog)
	}
	e.judgeTrail(backlog, s.AuditSpared)
	for _, app := range s.PausedApps {
		e.found(Finding{Level: Note, What: fmt.Sprintf("app %s is paused since %s", app.App,
			app.Since.UTC().Format("2006-01-02 15:04:05Z")),
			Meaning: "each of its requests is told to come again later",
			Next:    "if it shall be served again: `pksa resume " + app.App + "`"})
	}
	for _, app := range s.Disabled {
		e.found(Finding{Level: Warning, What: fmt.Sprintf("app %s has the same secret as %s", app.Name,
			app.SameSecretAs),
			Meaning: "a secret names one app: this one's requests count as those of the other",
			Next:    nextRotate})
	}
	for _, q := range s.Quarantine {
		who := "session " + q.Session.String()
		if q.App != "" {
			who = "logins of app " + q.App
		}
		e.found(Finding{Level: Warning, What: fmt.Sprintf("%s: silent since %s came from there", who, q.Reason),
			Where:   q.Relay,
			Meaning: "its requests through this relay are not answered",
			Next:    nextQuiet})
	}
	for _, entry := range s.LastHour {
		e.found(Finding{Level: Warning, What: "in the last hour: " + entry.String(), Next: entry.Kind.Advice()})
	}
	for _, account := range s.Accounts {
		if account.NearlyFull {
			e.found(Finding{Level: Warning, What: fmt.Sprintf("%s has %d sessions of %d", account.Name,
				account.Sessions,
				account.SessionsMost), Where: account.Name,
				Meaning: "soon a login will be refused, or end an idle session",
				Next:    "an application that logs in each time should keep its session"})
		}
	}
	if own := s.OwnRelay; own != nil && own.Hint != "" {
		e.found(Finding{Level: Warning, What: own.Hint, Where: own.Listen,
			Next: "examples/docs/relay.md tells what bounds the own relay, and by which settings"})
	}
}

func stopped(s guard.Standing) bool { return s.Stopped }

// hindered reports whether the running agent is not ready for a cause.
func (e *examiner) hindered(cause status.Cause) bool {
	return e.status != nil && slices.ContainsFunc(e.status.Hindrances, func(h status.Hindrance) bool {
		return h.Cause == cause
	})
}

// mostOfChanges is how many bytes of what was changed a finding shows.
const mostOfChanges = 200

// judgeGuard names the accounts that somebody else changed on the chain, and those of which it is
// not known.
func (e *examiner) judgeGuard(s agent.Status) {
	for i, changed := range s.Guard {
		if i == mostNamed {
			e.found(Finding{Level: Error, What: fmt.Sprintf("%d more accounts were changed", len(s.Guard)-i),
				Next: nextGuard})
			break
		}
		f := Finding{Level: Warning, Where: changed.Account, Next: nextGuard,
			Meaning: "whoever changed it may hold keys of the account; the wallet still signs for it"}
		if changed.Stopped {
			f.Level, f.Meaning = Error, "whoever changed it may hold keys of the account; nothing of it is signed"
		}
		what, size := make([]string, len(changed.Changes)), 0
		for i, c := range changed.Changes {
			what[i] = fmt.Sprintf("%s was %s, is %s", c.What, c.Was, c.Now)
			size += len(what[i])
		}
		for i, c := range changed.Changes {
			if size > mostOfChanges { // of many keys: the command that is named shows them
				what[i] = string(c.What)
			}
		}
		f.What = fmt.Sprintf("%s was changed on the chain, and not by this wallet: %s", changed.Account,
			strings.Join(what, "; "))
		e.found(f)
	}
	if d := s.GuardWaits; d != nil {
		f := Finding{Level: Warning, What: fmt.Sprintf("of %d accounts a node says something that no second node "+
			"confirms", d.Accounts), Meaning: "it counts for nothing, and changes may be missed",
			Next: "see what was found about the nodes; a second node in the setting nodes confirms or denies it"}
		if d.Accounts == 1 {
			f.What = "of one account a node says something that no second node confirms"
		}
		e.found(f)
	}
}

// hardening judges the protections of the running agent. Without one it judges those that a wallet
// would not have in this container; elsewhere a unit may give a wallet other limits than this
// process has.
func (e *examiner) hardening(context.Context) bool {
	var measures []harden.Measure
	off := e.o.Config.Hardening.Off
	switch {
	case e.status != nil:
		measures = e.status.Hardening
		off = len(measures) == 0
	case off:
	case e.o.Place(e.o.Config.Home).Container:
		measures = e.o.Foresee()
	default:
		return false
	}
	if off {
		e.found(Finding{Level: Note, What: "the setting hardening is off", Where: "hardening",
			Meaning: "other processes of this user can read the keys, and the memory may go to swap",
			Next:    "take the setting away, or set it to best, and start the agent again"})
	}
	for _, m := range measures {
		if !m.Done {
			e.found(measureFinding(m))
		}
	}
	return true
}

func measureFinding(m harden.Measure) Finding {
	return Finding{Level: Warning, What: m.Name + " is not done", Where: "hardening",
		Meaning: "what the wallet knows is protected less than this system could", Next: m.Detail}
}

// policy judges the policy on disk, its warnings, and how much room its limits have.
func (e *examiner) policy(ctx context.Context) bool {
	e.approvers(ctx)
	cfg := e.o.Config
	var warnings []string
	if s := e.status; s != nil {
		warnings = s.Policy.Warnings
		if s.Policy.Tests != "" {
			e.found(Finding{Level: Warning, What: ofTests(s.Policy.Tests), Where: cfg.Policy,
				Meaning: "the policy is in force, and does not do what its tests say", Next: nextTests})
		}
		if s.Policy.Refused {
			e.found(Finding{Level: Error, What: ofTests(s.Policy.Failed), Where: cfg.Policy,
				Meaning: "the old policy stays in force, and the next start takes the file all the same",
				Next:    nextTests})
		} else if s.Policy.Failed != "" {
			e.found(Finding{Level: Error, What: s.Policy.Failed, Where: cfg.Policy,
				Meaning: "the old policy stays in force, and the next start will fail", Next: nextMend})
		}
		if s.Policy.Waits != "" {
			next := nextMend
			if s.Policy.Approval == agent.ApprovalRequired {
				next = nextApproval
			}
			e.found(Finding{Level: Warning, What: s.Policy.Waits, Where: cfg.Policy,
				Meaning: "the file has changed, and the old policy stays in force", Next: next})
		}
		if s.Policy.Approval == agent.ApprovalWanted {
			e.found(Finding{Level: Warning, Where: "policy_approval",
				What:    "nobody's yes is needed for another policy yet, although the settings say so",
				Meaning: "whoever can write the policy's file decides what is signed", Next: nextWanted})
		}
		e.judgeRoom(s.Policy.Room)
	} else {
		compiled, problems, err := agent.LoadPolicy(cfg, e.keys, e.ledger)
		if err != nil {
			if wrong := new(access.Error); errors.As(err, &wrong) && slices.Contains(e.refused, wrong.Path) {
				return true // said with the home folder
			}
			next := nextMend
			if errors.Is(err, fs.ErrNotExist) {
				next = nextPolicyLost
			}
			e.found(Finding{Level: Error, What: strings.TrimSpace(err.Error()), Where: cfg.Policy,
				Meaning: "a start would fail", Next: next})
			return true
		}
		e.rules = compiled
		for _, w := range problems.Warnings() {
			warnings = append(warnings, w.String())
		}
	}
	for i, w := range warnings {
		if i == mostNamed {
			e.found(Finding{Level: Warning, What: fmt.Sprintf("%d more warnings", len(warnings)-i), Where: cfg.Policy,
				Meaning: meaningPolicy, Next: nextPolicy})
			break
		}
		where, what, placed := strings.Cut(w, ": warning: ")
		if !placed {
			where, what = cfg.Policy, w
		}
		e.found(Finding{Level: Warning, What: what, Where: where, Meaning: meaningPolicy, Next: nextPolicy})
	}
	return true
}

// ofTests returns the first line of why tests fail: `pksa policy test` shows all.
func ofTests(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return strings.TrimSuffix(first, ":")
}

// judgeRoom names the limits that are used up.
func (e *examiner) judgeRoom(rooms []policy.Room) {
	for _, r := range rooms {
		used, ok := new(big.Rat).SetString(r.Used)
		most, also := new(big.Rat).SetString(r.Most)
		if r.Observed || !ok || !also || used.Cmp(most) < 0 {
			continue
		}
		name := r.Limit.Name
		if r.Split != "" {
			name += " (" + r.Split + ")"
		}
		e.found(Finding{Level: Warning, What: fmt.Sprintf("limit %s has no room: %s of %s %s used", name, r.Used,
			r.Most, r.Unit),
			Where: e.o.Config.Policy, Meaning: "requests that it counts are refused", Next: nextLimit})
	}
}
