package agent

import (
	"context"
	"fmt"
	"time"

	"pksa/agent/control"
	"pksa/agent/harden"
	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/protocol"
)

// The methods of the control socket, named once for the agent and for commands.
const (
	MethodStatus       = "status"
	MethodAppAdd       = "app.add"
	MethodAppRotate    = "app.rotate"
	MethodAppRemove    = "app.remove"
	MethodAppList      = "app.list"
	MethodSessionAdd   = "session.add"
	MethodSessionList  = "session.list"
	MethodRevoke       = "session.revoke"
	MethodRelease      = "session.release"
	MethodPair         = "pair"
	MethodPolicyReload = "policy.reload"
	MethodKeysReload   = "keys.reload"
	MethodKeysCheck    = "keys.check"
	MethodAuditPage    = "audit.page"
	MethodAuditVerify  = "audit.verify"
	MethodPending      = "pending"
	MethodDecide       = "decide"
)

// AppParams names a slot, with a secret where one is set. An empty secret asks for a random one.
type AppParams struct {
	Name   string         `json:"name"`
	Secret control.Secret `json:"secret,omitempty"`
}

// SessionParams names a session.
type SessionParams struct {
	ID ledger.SessionID `json:"id"`
}

// PairParams is a pairing link for a slot. Length zero is the default of 24 h.
type PairParams struct {
	App    string         `json:"app"`
	Link   control.Secret `json:"link"`
	Length time.Duration  `json:"length,omitempty"`
	Wait   time.Duration  `json:"wait,omitempty"` // for the application's request; zero: a minute
}

// ReloadParams carries the secret that opens the keystore, for one rereading.
type ReloadParams struct {
	Secret control.Secret `json:"secret"`
}

// DecideParams is a person's word on a request that waits.
type DecideParams struct {
	Number uint64 `json:"number"`
	Yes    bool   `json:"yes"`
}

// Nothing stands for no parameters or no result.
type Nothing struct{}

// method makes a handler of a typed function.
func method[P, R any](f func(context.Context, P) (R, error)) control.Handler {
	return func(ctx context.Context, params []byte) (any, error) {
		var p P
		if err := control.Decode(params, &p); err != nil {
			return nil, err
		}
		return f(ctx, p)
	}
}

// Methods are what the control socket of this agent offers.
func (a *Agent) Methods() map[string]control.Handler {
	m := Admin{a.ledger, a.keys()}
	return map[string]control.Handler{
		MethodStatus: method(func(context.Context, Nothing) (Status, error) { return a.Status(), nil }),
		MethodAppAdd: method(func(ctx context.Context, p AppParams) (AppInfo, error) {
			return m.AddApp(ctx, p.Name, string(p.Secret))
		}),
		MethodAppRotate: method(func(ctx context.Context, p AppParams) (AppInfo, error) {
			return m.RotateApp(ctx, p.Name, string(p.Secret))
		}),
		MethodAppRemove: method(func(ctx context.Context, p AppParams) (int, error) {
			return m.RemoveApp(ctx,
				p.Name)
		}),
		MethodAppList: method(func(context.Context, Nothing) ([]AppInfo, error) { return m.Apps(), nil }),
		MethodSessionAdd: method(func(ctx context.Context, q SessionRequest) (SessionInfo, error) {
			return m.AddSession(ctx, q)
		}),
		MethodSessionList: method(func(context.Context, Nothing) ([]SessionInfo, error) { return a.sessions(), nil }),
		MethodRevoke: method(func(ctx context.Context, p SessionParams) (SessionInfo, error) {
			return m.RevokeSession(ctx, p.ID)
		}),
		MethodRelease: method(a.release),
		MethodPair:    method(a.pair),
		MethodPolicyReload: method(func(ctx context.Context, _ Nothing) (PolicyStatus,
			error) {
			return a.reloadPolicy(ctx)
		}),
		MethodKeysReload: method(func(ctx context.Context, p ReloadParams) (Nothing, error) {
			return Nothing{}, a.reloadKeys(ctx, p)
		}),
		MethodAuditPage:   method(m.Trail().Page),
		MethodAuditVerify: method(m.Trail().Verify),
		MethodPending:     method(func(context.Context, Nothing) ([]Asked, error) { return a.asks.list(), nil }),
		MethodDecide: method(func(_ context.Context, p DecideParams) (Nothing, error) {
			return Nothing{}, a.asks.answer(p.Number, p.Yes)
		}),
		MethodKeysCheck: method(func(ctx context.Context, _ Nothing) ([]KeyCheck, error) { return a.CheckKeys(ctx) }),
	}
}

// sessions lists the live sessions with those relays that they do not listen to.
func (a *Agent) sessions() []SessionInfo {
	infos := Admin{a.ledger, a.keys()}.Sessions()
	quiet := map[ledger.SessionID][]Quarantine{}
	for _, q := range a.quarantines() {
		quiet[q.Session] = append(quiet[q.Session], q)
	}
	for i := range infos {
		infos[i].Quiet = quiet[infos[i].ID]
	}
	return infos
}

// quarantines are the sessions that do not listen to a relay now, for whatever reason.
func (a *Agent) quarantines() []Quarantine {
	now := time.Now()
	return append(a.damage.list(now), a.replays.list(now)...)
}

func (a *Agent) release(ctx context.Context, p SessionParams) (Nothing, error) {
	damaged, replayed := a.damage.release(p.ID), a.replays.release(p.ID)
	if !damaged && !replayed {
		return Nothing{}, fmt.Errorf("session %d has no damaged requests to forget", p.ID)
	}
	_, err := a.ledger.Append(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "session release", Session: p.ID})
	return Nothing{}, err
}

func (a *Agent) pair(ctx context.Context, p PairParams) (SessionInfo, error) {
	l, err := protocol.ParseLink(string(p.Link))
	if err != nil {
		return SessionInfo{}, err
	}
	if p.Wait <= 0 || p.Wait > pairingWait {
		p.Wait = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, p.Wait)
	defer cancel()
	s, err := a.Pair(ctx, p.App, l, p.Length)
	if err != nil {
		return SessionInfo{}, err
	}
	return sessionInfo(s), nil
}

func (a *Agent) reloadPolicy(ctx context.Context) (PolicyStatus, error) {
	if err := a.ReloadPolicy(ctx); err != nil {
		return PolicyStatus{}, fmt.Errorf("the old policy stays in force; the file has errors:\n%w", err)
	}
	return a.policyStatus(), nil
}

// Status is how a running agent stands.
type Status struct {
	NotReady []string          `json:"not_ready,omitempty"` // reasons; none means ready
	Policy   PolicyStatus      `json:"policy"`
	Links    []LinkStatus      `json:"links"`
	Nodes    []node.NodeStatus `json:"nodes"`
	Accounts []AccountStatus   `json:"accounts"`
	Apps     int               `json:"apps"`
	Sessions int               `json:"sessions"`
	Pending  int               `json:"pending"` // requests that wait for a person
	// why the audit trail cannot be moved out of the ledger
	Backlog    string           `json:"audit_backlog,omitempty"`
	Quarantine []Quarantine     `json:"quarantine,omitempty"`
	Hardening  []harden.Measure `json:"hardening"` // empty: off
}

// PolicyStatus is the policy in force, and what a failed reload complained of.
type PolicyStatus struct {
	File   string    `json:"file"`
	SHA256 string    `json:"sha256"`
	Since  time.Time `json:"since"`
	Failed string    `json:"reload_failed,omitempty"`
	// Warnings are doubtful places of the file in force.
	Warnings []string `json:"warnings,omitempty"`
	// Fresh are limits that began at zero when this file came into force: what was done before does
	// not count in them.
	Fresh []string `json:"limits_from_zero,omitempty"`
	// Room is what is left of each limit.
	Room []policy.Room `json:"room,omitempty"`
}

// LinkStatus is one relay link in the words of status.
type LinkStatus struct {
	Relay       string         `json:"relay"`
	Connected   bool           `json:"connected"`
	Since       time.Time      `json:"since,omitzero"`
	Registered  int            `json:"registered"`
	Pending     int            `json:"pending"`
	Refused     []link.Refusal `json:"refused,omitempty"`
	Hint        string         `json:"hint,omitempty"`
	LastError   string         `json:"last_error,omitempty"`
	RelayError  string         `json:"relay_error,omitempty"`
	NextAttempt time.Time      `json:"next_attempt,omitzero"`
	Reconnects  uint64         `json:"reconnects"`
	KeyChanges  uint64         `json:"key_changes"`
}

// AccountStatus is one account with the roles of the keys that are held and, once they were
// compared with the chain, what did not fit.
type AccountStatus struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
	Wrong []string `json:"wrong,omitempty"`
}

// Status tells how the agent stands.
func (a *Agent) Status() Status {
	s := Status{
		NotReady: a.Ready(), Policy: a.policyStatus(), Nodes: a.node.Status(),
		Apps: len(a.ledger.Slots()), Sessions: len(a.ledger.Sessions()), Pending: len(a.asks.list()),
		Quarantine: a.quarantines(),
		Hardening:  append([]harden.Measure{}, a.hardening...), // a list in JSON, too
	}
	if err := a.ledger.Backlog(); err != nil {
		s.Backlog = err.Error()
	}
	for _, link := range a.links {
		l := link.Status()
		s.Links = append(s.Links, LinkStatus{
			Relay: l.URL, Connected: l.Connected, Since: l.Since, Registered: l.Registered, Pending: l.Pending,
			Refused: l.Refused, Hint: l.Hint, LastError: l.LastError, RelayError: l.RelayError,
			NextAttempt: l.NextAttempt,
			Reconnects:  l.Counters.Reconnects, KeyChanges: l.Counters.KeyChanges,
		})
	}
	for _, name := range a.keys().Accounts() {
		account := AccountStatus{Name: string(name), Wrong: a.mismatch.of(name)}
		for _, role := range a.keys().Roles(name) {
			account.Roles = append(account.Roles, role.String())
		}
		s.Accounts = append(s.Accounts, account)
	}
	return s
}

func (a *Agent) policyStatus() PolicyStatus {
	p := a.policy.Load()
	s := PolicyStatus{File: a.config.Policy, SHA256: p.policy.Hash(), Since: p.since, Failed: p.failed, Fresh: p.fresh}
	for _, w := range p.warnings {
		s.Warnings = append(s.Warnings, w.String())
	}
	a.budget.peek(func(c policy.Counters) {
		if c != nil { // not read back from the ledger before the first decision: nothing is known then
			s.Room = p.policy.Room(c, time.Now())
		}
	})
	return s
}
