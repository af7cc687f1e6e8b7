package agent

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/guard"
	"pksa/agent/harden"
	"pksa/agent/link"
	"pksa/agent/node"
	"pksa/agent/notify"
	"pksa/agent/outage"
	"pksa/agent/policy"
	"pksa/agent/probe"
	"pksa/agent/status"
	"pksa/agent/trace"
	"pksa/protocol/hive"
	"pksa/protocol/host"
)

// Status is how a running agent stands.
type Status struct {
	NotReady []string `json:"not_ready,omitempty"` // reasons; none means ready
	// Hindrances are the same reasons with their codes.
	Hindrances []status.Hindrance `json:"hindrances,omitempty"`
	// StillServed says what is served although no transaction is; empty if the agent is ready, or
	// serves nothing.
	StillServed string `json:"still_served,omitempty"`
	// Chain is what the agent knows of the chain's time; nil before a node told it.
	Chain *ChainStatus `json:"chain,omitempty"`
	// NoNode says what is not served because no Hive API node answers; empty while one does.
	NoNode string       `json:"no_node,omitempty"`
	Policy PolicyStatus `json:"policy"`
	// Settings are those in force beside what is written now; nil if they cannot be read again.
	Settings *SettingsStatus   `json:"settings,omitempty"`
	Links    []LinkStatus      `json:"links"`
	Nodes    []node.NodeStatus `json:"nodes"`
	Accounts []AccountStatus   `json:"accounts"`
	Apps     int               `json:"apps"`
	// Disabled are apps whose secret is another one's, too: it opens the other one only.
	Disabled []DisabledApp `json:"apps_disabled,omitempty"`
	// PausedApps are apps that the operator paused: each request of theirs is told to come again
	// later.
	PausedApps []PausedApp `json:"apps_paused,omitempty"`
	Sessions   int         `json:"sessions"`
	Pending    int         `json:"pending"` // requests that wait for a person
	// why the audit trail cannot be moved out of the ledger
	Backlog    string `json:"audit_backlog,omitempty"`
	AuditBytes int64  `json:"audit_bytes,omitempty"` // of the full segments of the audit trail
	// AuditSpared says that nothing is removed from the trail for its size: it was larger than
	// audit.max when the agent started, and that is not set.
	AuditSpared bool             `json:"audit_spared,omitempty"`
	Quarantine  []Quarantine     `json:"quarantine,omitempty"`
	Hardening   []harden.Measure `json:"hardening"` // empty: off
	// WillNotStart are the reasons for which a restart would fail; none: as far as is known it
	// would not.
	WillNotStart []string `json:"will_not_start,omitempty"`
	// OwnRelay is the relay that this process runs, nil if it runs none.
	OwnRelay *OwnRelay `json:"own_relay,omitempty"`
	// LastHour is what went wrong with requests in the last hour.
	LastHour []trace.Entry `json:"last_hour,omitempty"`
	// LastMinute is what became of the requests of the last minute.
	LastMinute status.Minute `json:"last_minute"`
	// Guard are the accounts that somebody else changed, until a person accepts it.
	Guard []guard.Standing `json:"guard,omitempty"`
	// GuardWaits are the accounts of which a change waits for a second node that says the same.
	GuardWaits *guard.Doubts `json:"guard_waits,omitempty"`
	// Notifiers are the ways in which people are told (setting notify).
	Notifiers []notify.Status `json:"notifiers,omitempty"`
	// Twin is another copy of this wallet that was met, nil if none was.
	Twin *TwinStatus `json:"twin,omitempty"`
}

// PausedApp is an app that the operator paused, and since when.
type PausedApp struct {
	App   string    `json:"app"`
	Since time.Time `json:"since"`
}

// DisabledApp is an app whose secret opens nothing, because the app before it has the same one.
type DisabledApp struct {
	Name         string `json:"name"`
	SameSecretAs string `json:"same_secret_as"`
}

// PolicyStatus is the policy in force, and what a failed reload complained of.
type PolicyStatus struct {
	File   string    `json:"file"`
	SHA256 string    `json:"sha256"`
	Since  time.Time `json:"since"`
	Failed string    `json:"reload_failed,omitempty"`
	// Refused says that Failed is about tests of the file on disk, which do not keep a start from
	// taking it.
	Refused bool `json:"reload_refused_by_tests,omitempty"`
	// Tests says why the tests of the policy in force fail: a start took it, or --force.
	Tests string `json:"tests_failed,omitempty"`
	// Approval says whether another policy takes an approver's yes: required; or wanted, by the
	// settings, and not in effect yet. Empty: it takes none.
	Approval string `json:"approval,omitempty"`
	// Waits says why a file that changed is not taken.
	Waits string `json:"reload_waits,omitempty"`
	// Warnings are doubtful places of the file in force.
	Warnings []string `json:"warnings,omitempty"`
	// Silenced are the warnings that the file says to be meant so, with the reasons.
	Silenced []string `json:"silenced,omitempty"`
	// Fresh are limits that began at zero when this file came into force: what was done before does
	// not count in them.
	Fresh []string `json:"limits_from_zero,omitempty"`
	// Trial is what this file answers otherwise than the one before, to the newest requests. Nil
	// after a start, and after a reload of the same file.
	Trial *audit.Trial `json:"trial,omitempty"`
	// Room is what is left of each limit.
	Room []policy.Room `json:"room,omitempty"`
}

// OwnRelay is how the relay stands that this process runs (setting relay.listen).
type OwnRelay struct {
	Listen  string `json:"listen"`
	Public  string `json:"public_key"`
	Used    bool   `json:"used"`    // this wallet is connected to it, by its settings
	Wallets int    `json:"wallets"` // connections with accounts
	// Unproved are those of the wallets that send no proof of key with their answers.
	Unproved int `json:"unproved,omitempty"`
	Apps     int `json:"apps"` // other connections
	// Waiting are the requests that wait for an answer, Requests all since the start.
	Waiting  int    `json:"waiting"`
	Requests uint64 `json:"requests"`
	// Unanswered are the requests that ended without an answer.
	Unanswered uint64 `json:"unanswered"`
	// PagesRefused are the connections of web pages that relay.origins does not name.
	PagesRefused uint64 `json:"pages_refused,omitempty"`
	// Displaced are the requests that made room for others, or found none at a wallet; TooMany the
	// messages that were refused by a limit; SilentClosed the connections that said nothing and
	// made room; TurnedAway those that found no place.
	Displaced    uint64 `json:"displaced,omitempty"`
	TooMany      uint64 `json:"too_many,omitempty"`
	SilentClosed uint64 `json:"silent_closed,omitempty"`
	TurnedAway   uint64 `json:"turned_away,omitempty"`
	// Late is how often frames were read later because their sender was ahead of a pace: that of
	// the connection, of its address, of all strangers, or of all that this wallet has answered.
	Late []ReadLater `json:"late,omitempty"`
	Hint string      `json:"hint,omitempty"`
}

// ReadLater is how often the own relay read frames later, because of one pace, and by how many
// seconds, all waits added up.
type ReadLater struct {
	Pace    string  `json:"pace"` // connection, address, strangers, known
	Times   uint64  `json:"times"`
	Seconds float64 `json:"seconds"`
}

// LinkStatus is one relay link in the words of status.
type LinkStatus struct {
	Relay       string         `json:"relay"`
	Connected   bool           `json:"connected"`
	Since       time.Time      `json:"since,omitzero"`
	DownSince   time.Time      `json:"down_since,omitzero"` // since when it is not connected
	Registered  int            `json:"registered"`
	Pending     int            `json:"pending"`
	Refused     []link.Refusal `json:"refused,omitempty"`
	Hint        string         `json:"hint,omitempty"`
	LastError   string         `json:"last_error,omitempty"`
	LastErrorAt time.Time      `json:"last_error_at,omitzero"`
	// LastReason is why, in one word.
	LastReason outage.Reason `json:"last_reason,omitempty"`
	// RelayError is what the relay complained of, until all accounts are registered or an hour has
	// passed.
	RelayError   string    `json:"relay_error,omitempty"`
	RelayErrorAt time.Time `json:"relay_error_at,omitzero"`
	NextAttempt  time.Time `json:"next_attempt,omitzero"`
	// Protocol is what the relay announces: 1 or 0.8.
	Protocol float64 `json:"protocol,omitempty"`
	// Public is the relay's public key on this connection, Pinned whether the settings name it.
	Public string `json:"public_key,omitempty"`
	Pinned bool   `json:"pinned,omitempty"`
	// KeyRefused says why the relay is refused because of its key.
	KeyRefused string `json:"key_refused,omitempty"`
	Reconnects uint64 `json:"reconnects"`
	KeyChanges uint64 `json:"key_changes"`
	// Probe is what the last probe for another copy found out; empty before the first one, and at
	// the own relay.
	Probe   string    `json:"probe,omitempty"`
	ProbeAt time.Time `json:"probe_at,omitzero"`
	// ProbeHint says what that means, if it did not find what it should.
	ProbeHint string `json:"probe_hint,omitempty"`
	// Canary says whether the relay delivers, by what the last probes found out: works, fails, or
	// unsure.
	Canary string `json:"canary,omitempty"`
	// Added is set while the relay is not in the settings.
	Added *AddedRelay `json:"added,omitempty"`
}

// AccountStatus is one account with the roles of the keys that are held and, once they were
// compared with the chain, what did not fit.
type AccountStatus struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
	Wrong []string `json:"wrong,omitempty"`
	// Sessions are its live sessions, of at most SessionsMost. NearlyFull is set from 80 % on.
	Sessions     int  `json:"sessions"`
	SessionsMost int  `json:"sessions_most"`
	NearlyFull   bool `json:"sessions_nearly_full,omitempty"`
}

// Status returns how the agent stands.
func (a *Agent) Status() Status {
	hindrances := a.hindrances(time.Now())
	s := Status{
		NotReady: texts(hindrances), Hindrances: hindrances, StillServed: stillServed(hindrances),
		Chain: a.chainStatus(time.Now()), Policy: a.policyStatus(), Nodes: a.node.Status(),
		Settings: a.settingsStatus(),
		Apps:     len(a.ledger.Slots()), Disabled: a.disabledApps(), PausedApps: a.pausedApps(),
		Sessions:   len(a.ledger.Sessions()),
		Pending:    a.asks.count(),
		Quarantine: a.quarantines(),
		Hardening:  append([]harden.Measure{}, a.hardening...), // a list in JSON, too
	}
	if err := a.ledger.Backlog(); err != nil {
		s.Backlog = err.Error()
	}
	s.AuditBytes, s.AuditSpared = a.ledger.TrailSize(), a.ledger.Spared()
	s.NoNode = noNodeText(s.Nodes)
	s.Twin, s.Guard, s.GuardWaits = a.twins.status(), a.guard.Standings(), a.guard.Doubts()
	s.Notifiers = a.desk.Status()
	a.noticeOwnRelay()
	s.LastHour = a.trace.List(time.Now())
	s.LastMinute = a.metrics.LastMinute()
	if a.restart != nil {
		s.WillNotStart = a.restart()
	}
	if err := a.ledger.Displaced(); err != nil {
		s.WillNotStart = append(s.WillNotStart, err.Error())
	}
	if problem := a.onDisk.problem(a); problem != "" {
		s.WillNotStart = append(s.WillNotStart, problem)
	}
	if a.ownRelay != nil {
		own := a.ownRelay()
		s.OwnRelay = &own
	}
	for _, link := range a.links.all() {
		l := link.Status()
		canary := a.canary(l.URL)
		one := LinkStatus{
			Relay: l.URL, Connected: l.Connected, Since: l.Since, Registered: l.Registered, Pending: l.Pending,
			Refused: l.Refused, Hint: l.Hint, LastError: l.LastError, LastErrorAt: l.LastErrorAt,
			LastReason: l.LastReason,
			RelayError: l.RelayError, RelayErrorAt: l.RelayErrorAt,
			DownSince: l.DownSince, NextAttempt: l.NextAttempt,
			Reconnects: l.Counters.Reconnects, KeyChanges: l.Counters.KeyChanges,
			Probe: canary.Outcome, ProbeAt: canary.At, ProbeHint: canary.Hint, Canary: canary.Result,
			Protocol: l.Protocol, Pinned: l.Pinned, Added: a.addedAt(l.URL),
		}
		if l.Connected {
			one.Public = l.RelayKey.String()
		}
		if l.KeyRefused != nil {
			one.KeyRefused = l.KeyRefused.Error()
		}
		s.Links = append(s.Links, one)
	}
	for _, name := range a.keys.Accounts() {
		account := AccountStatus{Name: string(name), Wrong: a.mismatch.of(name)}
		account.Sessions, account.SessionsMost = len(a.ledger.SessionsOf(string(name))), a.settings().SessionsPerAccount
		account.NearlyFull = a.fullness(name) >= nearlyFull
		for _, role := range a.keys.Roles(name) {
			account.Roles = append(account.Roles, role.String())
		}
		s.Accounts = append(s.Accounts, account)
	}
	return s
}

// pausedApps returns the apps that are paused, by name.
func (a *Agent) pausedApps() (paused []PausedApp) {
	for _, slot := range a.ledger.Slots() {
		if !slot.Paused.IsZero() {
			paused = append(paused, PausedApp{slot.Name, slot.Paused})
		}
	}
	return paused
}

// disabledApps returns the apps that share a secret with an app before them.
func (a *Agent) disabledApps() (disabled []DisabledApp) {
	for _, slot := range a.ledger.Slots() {
		if slot.SameSecretAs != "" {
			disabled = append(disabled, DisabledApp{slot.Name, slot.SameSecretAs})
		}
	}
	return disabled
}

// nearlyFull is the part of an account's sessions from which on status and log warn.
const nearlyFull = 0.8

// fullness returns how many sessions an account has, as a part of what it may have.
func (a *Agent) fullness(name hive.AccountName) float64 {
	return float64(len(a.ledger.SessionsOf(string(name)))) / float64(a.settings().SessionsPerAccount)
}

// fullAgain is how long the log says nothing more of an account that is still nearly full.
const fullAgain = time.Hour

// warnOfFull logs the accounts whose sessions are nearly at their bound. tidy calls it.
func (a *Agent) warnOfFull(now time.Time) {
	for _, name := range a.keys.Accounts() {
		if a.fullness(name) < nearlyFull {
			delete(a.toldFull, name)
			continue
		}
		if told, ok := a.toldFull[name]; ok && now.Sub(told) < fullAgain {
			continue
		}
		a.toldFull[name] = now
		a.log.Warn("an account has nearly as many sessions as it may have; an application that logs in again and "+
			"again should keep its session", "account", name, "sessions", len(a.ledger.SessionsOf(string(name))),
			"most", a.settings().SessionsPerAccount)
	}
}

func (a *Agent) policyStatus() PolicyStatus {
	p := a.policy.Load()
	s := PolicyStatus{File: a.settings().Policy, SHA256: p.policy.Hash(), Since: p.since, Failed: p.failed,
		Waits: p.waits, Refused: p.refused, Tests: p.tests,
		Fresh: p.fresh, Trial: p.trial}
	for _, w := range p.warnings.Warnings() {
		s.Warnings = append(s.Warnings, w.String())
	}
	for _, w := range p.warnings.Silenced() {
		s.Silenced = append(s.Silenced, w.String())
	}
	s.Approval, _ = a.approval.Load().(string)
	s.Room = a.budget.room(p.policy, time.Now())
	return s
}

func (a *Agent) gauges() status.Gauges {
	inForce := a.policy.Load()
	g := status.Gauges{PolicyHash: inForce.policy.Hash(), PolicyTestsFail: inForce.tests != "",
		Sessions: len(a.ledger.Sessions()),
		Pending:  a.asks.count(), WrongKeys: a.mismatch.labels(), Limits: a.limitGauges(),
		Backlog: a.ledger.Backlog() != nil, AuditBytes: a.ledger.TrailSize()}
	g.Twin, g.Process = a.twins.status() != nil, status.ThisProcess(a.version)
	g.Apps, g.Disabled, g.Quarantine = len(a.ledger.Slots()), len(a.disabledApps()), len(a.quarantines())
	if chain := a.chainStatus(time.Now()); chain != nil {
		g.Chain = &status.ChainGauges{Ahead: chain.Skew, Age: chain.Age}
	}
	for _, n := range a.node.Status() {
		g.Nodes = append(g.Nodes, status.NodeGauges{Node: n.URL, Usable: n.Usable, Head: n.HeadBlock,
			Failures: n.Failures, Calls: n.Calls, Errors: n.Reasons, Untrue: n.Untrue})
	}
	if a.ownRelay != nil {
		for _, late := range a.ownRelay().Late {
			g.OwnPaces = append(g.OwnPaces, status.PaceGauges(late))
		}
	}
	g.AccountChanges = a.guard.Counts()
	for kind, n := range a.desk.Counts() {
		g.Notifications = append(g.Notifications, status.NotificationGauges{Notifier: kind, Sent: n.Sent,
			Failed: n.Failed, Dropped: n.Dropped})
	}
	if d := a.guard.Doubts(); d != nil {
		g.DoubtfulAccounts = d.Accounts
	}
	for _, s := range a.guard.Standings() {
		g.ChangedAccounts++
		if s.Stopped {
			g.StoppedAccounts++
		}
	}
	for _, name := range a.keys.Accounts() {
		g.Accounts++
		for _, role := range a.keys.Roles(name) {
			if !a.mismatch.has(name, role) {
				g.FitKeys = append(g.FitKeys, status.KeyLabel{Account: string(name), Role: role.String()})
			}
		}
		g.Fullest = max(g.Fullest, a.fullness(name))
		if a.fullness(name) >= nearlyFull {
			g.NearlyFull++
		}
	}
	for _, l := range a.links.all() {
		s := l.Status()
		drops := map[string]uint64{}
		for _, reason := range link.Drops() {
			drops[string(reason)] = 0
		}
		for reason, n := range s.Counters.Drops {
			drops[string(reason)] = n
		}
		canary := a.canary(s.URL)
		g.Links = append(g.Links, status.LinkGauges{
			CanaryFails: canary.Result == probe.Fails, CanaryTrip: float64(canary.TripMS) / 1000,
			Relay: s.URL, Connected: s.Connected, Registered: s.Registered, Refused: len(s.Refused),
			Reconnects: s.Counters.Reconnects, KeyChanges: s.Counters.KeyChanges, Frames: s.Counters.Frames,
			Drops: drops, Losses: s.Counters.Losses,
		})
	}
	return g
}

// limitGauges returns the limits in force, each with the fullest of its counters. Metrics are
// floating point numbers; the policy counts exactly.
func (a *Agent) limitGauges() []status.LimitGauge {
	fullest := map[status.LimitGauge]int{} // by name, unit and window, to the place in gauges
	var gauges []status.LimitGauge
	for _, room := range a.budget.room(a.policy.Load().policy, time.Now()) {
		used, _ := strconv.ParseFloat(room.Used, 64)
		most, _ := strconv.ParseFloat(room.Most, 64)
		key := status.LimitGauge{Limit: room.Limit.Name, Unit: room.Unit, Window: shortSpan(room.Window)}
		i, seen := fullest[key]
		if !seen {
			i = len(gauges)
			fullest[key] = i
			gauges = append(gauges, key)
		}
		gauges[i].Used, gauges[i].Most = max(gauges[i].Used, used), most
	}
	return gauges
}

// shortSpan returns a span without the parts that are zero: "24h" and not "24h0m0s".
func shortSpan(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// ShowRelay makes status show the relay that runs in the same process. It is called before Run. The
// relay's key is that of no other relay from then on.
func (a *Agent) ShowRelay(show func() OwnRelay) {
	a.ownRelay = show
	a.reserveOwnKey(show().Public, a.links.all())
}

// privateRelay reports whether a relay is one of the user's own on this machine: in this process or
// in another one.
func privateRelay(cfg *config.Config, address string) bool {
	u, err := url.Parse(address)
	return cfg.OwnRelay(address) || err == nil && host.Loopback(u.Hostname())
}

// onDisk remembers what is wrong with the policy file as it is now, which the next start has to
// take. The file is compiled again only when it has changed. The agent has one; status uses it.
type onDisk struct {
	mu    sync.Mutex
	stamp string
	found string
}

func (d *onDisk) problem(a *Agent) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := stamp(a.settings().Policy); now != d.stamp {
		d.stamp, d.found = now, ""
		if required, _ := a.approval.Load().(string); required == ApprovalRequired {
			return "" // the next start takes the policy that was approved last
		}
		_, _, err := LoadPolicy(a.settings(), a.keys, a.ledger)
		if replaced := new(harden.ReplacedError); err != nil && !errors.As(err, &replaced) { // a start can read it
			d.found = "the policy cannot be used: " + strings.TrimSpace(err.Error())
		}
	}
	return d.found
}
