package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"pksa/agent/approve"
	"pksa/agent/audit"
	"pksa/agent/control"
	"pksa/agent/guard"
	"pksa/agent/ledger"
	"pksa/agent/lock"
	"pksa/agent/notify"
	"pksa/agent/probe"
	"pksa/agent/provision"
	"pksa/agent/refund"
	"pksa/keystore"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// The methods of the control socket, named once for the agent and for commands.
const (
	MethodStatus       = "status"
	MethodLive         = "live"
	MethodAppAdd       = "app.add"
	MethodAppRotate    = "app.rotate"
	MethodAppRemove    = "app.remove"
	MethodAppList      = "app.list"
	MethodAppAnswers   = "app.answers"
	MethodApply        = "apply"
	MethodSessionAdd   = "session.add"
	MethodSessionList  = "session.list"
	MethodRevoke       = "session.revoke"
	MethodEndSessions  = "session.end"
	MethodRelease      = "session.release"
	MethodEndedList    = "session.ended"
	MethodForget       = "session.forget"
	MethodPair         = "pair"
	MethodPairLook     = "pair.look"
	MethodPolicyReload = "policy.reload"
	MethodKeysReload   = "keys.reload"
	MethodKeysRelock   = "keys.relock"
	MethodKeysCheck    = "keys.check"
	MethodAuditPage    = "audit.page"
	MethodAuditVerify  = "audit.verify"
	MethodVerifying    = "audit.verifying"
	MethodPending      = "pending"
	MethodPendingWhole = "pending.whole"
	MethodLogins       = "pending.logins"
	MethodDecide       = "decide"
	MethodWhereabouts  = "whereabouts"
	MethodLimitList    = "limit.list"
	MethodLimitRelease = "limit.release"
	MethodGuardList    = "guard.list"
	MethodGuardAccept  = "guard.accept"
	MethodCanary       = "canary"
	MethodLedgerCopy   = "ledger.copy"
	MethodReload       = "reload"
	MethodPause        = "pause"
	MethodResume       = "resume"
	MethodSettings     = "settings"
	MethodLock         = "lock"
	MethodUnlock       = "unlock"
	MethodNotifyTest   = "notify.test"

	MethodApproverAdd    = "approver.add"
	MethodApproverList   = "approver.list"
	MethodApproverRemove = "approver.remove"
)

// The methods that only the console's socket has.
const (
	MethodDeny           = "decision.deny"
	MethodAbout          = "console.about"
	MethodEnrolBegin     = "enrol.begin"
	MethodEnrolFinish    = "enrol.finish"
	MethodLoginBegin     = "login.begin"
	MethodLoginFinish    = "login.finish"
	MethodLoginCheck     = "login.check"
	MethodDecisionBegin  = "decision.begin"
	MethodDecisionFinish = "decision.finish"
	MethodResumeBegin    = "resume.begin"
	MethodResumeFinish   = "resume.finish"
	MethodPairBegin      = "pair.begin"
	MethodPairFinish     = "pair.finish"
	MethodAppNames       = "app.names"
	MethodPolicyProposal = "policy.proposal"
	MethodPolicyBegin    = "policy.begin"
	MethodPolicyFinish   = "policy.finish"
	MethodPolicyView     = "policy.view"
	MethodPolicyExplain  = "policy.explain"
	MethodPolicySuggest  = "policy.suggest"
)

// AppParams names a slot, with a secret where one is set. An empty secret asks for a random one.
type AppParams struct {
	Name   string         `json:"name"`
	Secret control.Secret `json:"secret,omitempty"`
	// EndSessions ends the slot's sessions when it gets a new secret. An agent of before this
	// member refuses the call.
	EndSessions bool `json:"end_sessions,omitempty"`
	// Answers is the form of the answers that the app gets; empty: not said. An agent of before
	// this member refuses the call.
	Answers string `json:"answers,omitempty"`
}

// SessionParams names a session.
type SessionParams struct {
	ID ledger.SessionID `json:"id"`
}

// SessionsParams picks a page of a list of sessions: those with higher numbers, as many as one
// answer takes. An agent of before this type had no pages and refuses the call if After is not
// zero; it never says that there are more.
type SessionsParams struct {
	After ledger.SessionID `json:"after,omitzero"`
}

// ListenParams names who shall listen again: a session, or an app whose logins have no session yet.
type ListenParams struct {
	ID  ledger.SessionID `json:"id"`
	App string           `json:"app,omitempty"`
}

// PairParams is a pairing link for a slot. Length zero is the default of 24 h.
type PairParams struct {
	App    string         `json:"app"`
	Link   control.Secret `json:"link"`
	Length time.Duration  `json:"length,omitempty"`
	Wait   time.Duration  `json:"wait,omitempty"` // for the application's request; zero: a minute
	// NewRelay adds the relay of the link for its account, where it is not in the settings. An
	// agent of before this member refuses the call.
	NewRelay bool `json:"new_relay,omitempty"`
}

// ReloadParams carries the secret that opens the keystore, for one rereading, or for a new lock.
type ReloadParams struct {
	Secret control.Secret `json:"secret"`
}

// PolicyParams names what a reload may take. An agent of before Force refuses it.
type PolicyParams struct {
	// Force takes a policy whose tests fail.
	Force bool `json:"force,omitempty"`
}

// LedgerCopy is a copy of the ledger that was made for a backup. The caller removes it.
type LedgerCopy struct {
	Path   string `json:"path"`
	Record uint64 `json:"record"` // up to which all is in it
}

// DecideParams is the operator's answer to a request that waits for it.
type DecideParams struct {
	Number uint64 `json:"number"`
	Yes    bool   `json:"yes"`
}

// DenyParams names a request that waits, which is denied.
type DenyParams struct {
	Number uint64 `json:"number"`
}

// PauseParams names an app; the whole wallet, if it is empty. An agent of before App refuses it.
type PauseParams struct {
	App string `json:"app,omitempty"`
}

// NumberParams names a record of the trail.
type NumberParams struct {
	Number uint64 `json:"number"`
}

// PolicyView is the policy file as it is on disk.
type PolicyView struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"` // of the policy in force
	Text   string `json:"text"`
	Cut    bool   `json:"cut,omitempty"`   // the file is longer than that
	Other  bool   `json:"other,omitempty"` // the file is not what is in force
}

// ExplainView is why a request is decided as it is, in words.
type ExplainView struct {
	Text string `json:"text"`
	Then string `json:"then"` // what was decided when it came
	// Same says that the same policy was in force then.
	Same bool `json:"same"`
	// Lacking is how many requests before it the trail does not hold all of.
	Lacking int `json:"lacking,omitempty"`
}

// AccountParams names an account.
type AccountParams struct {
	Account hive.AccountName `json:"account"`
}

// ReleaseParams names the request whose charge is given back.
type ReleaseParams struct {
	Number uint64 `json:"number"`
}

// What an answer must have. A command that reads one without would report what did not happen.

// Promises returns the members that no answer lacks, as [control.Promise] demands.
func (Status) Promises() []string { return []string{"policy", "links", "accounts"} }

// Promises returns the members that no answer lacks.
func (LedgerCopy) Promises() []string { return []string{"path"} }

// Promises returns the members that no answer lacks.
func (AppInfo) Promises() []string { return []string{"name", "created"} }

// Promises returns the members that no answer lacks.
func (SessionInfo) Promises() []string { return []string{"id", "account", "app", "expires"} }

// Promises returns the members that no answer lacks.
func (EndedInfo) Promises() []string { return []string{"id", "account", "app", "ended"} }

// Promises returns the members that no answer lacks.
func (PolicyView) Promises() []string { return []string{"file", "sha256", "text"} }

// Promises returns the members that no answer lacks.
func (ExplainView) Promises() []string { return []string{"text", "then", "same"} }

// Promises returns the members that no answer lacks.
func (Revoked) Promises() []string { return []string{"ended"} }

// Promises returns the members that no answer lacks.
func (PairAsk) Promises() []string { return []string{"app", "account", "relay"} }

// Promises returns the members that no answer lacks.
func (PolicyStatus) Promises() []string { return []string{"file", "sha256"} }

// Promises returns the members that no answer lacks.
func (Reloaded) Promises() []string { return []string{"taken", "policy"} }

// Promises returns the members that no answer lacks.
func (SettingsView) Promises() []string { return []string{"in_force"} }

// Promises returns the members that no answer lacks.
func (Paused) Promises() []string { return []string{"paused"} }

// Promises returns the members that no answer lacks.
func (KeyCheck) Promises() []string { return []string{"account", "role"} }

// Promises returns the members that no answer lacks.
func (PendingRequest) Promises() []string { return []string{"number", "kind", "account"} }

// Promises returns the members that no answer lacks.
func (PendingLogin) Promises() []string { return []string{"account", "relay", "until"} }

// none is the parameters of a method that needs none, and the result of one that has none: {}.
type none = struct{}

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

// get makes a handler of a function that needs no parameters and cannot fail.
func get[R any](f func() R) control.Handler {
	return method(func(context.Context, none) (R, error) { return f(), nil })
}

// Methods returns what the control socket of this agent offers.
func (a *Agent) Methods() map[string]control.Handler {
	m := a.admin()
	verified := m.Trail()
	verified.Progress = a.verifying.At
	methods := map[string]control.Handler{
		MethodStatus: get(a.Status),
		MethodLive:   method(func(ctx context.Context, _ none) (none, error) { return none{}, a.Live(ctx) }),
		MethodAppAdd: method(func(ctx context.Context, p AppParams) (AppInfo, error) {
			return m.AddApp(ctx, p.Name, string(p.Secret), p.Answers)
		}),
		MethodAppRotate: method(func(ctx context.Context, p AppParams) (AppInfo, error) {
			return m.RotateApp(ctx, p.Name, string(p.Secret), p.EndSessions)
		}),
		MethodAppRemove: method(func(ctx context.Context, p AppParams) (int, error) {
			return m.RemoveApp(ctx, p.Name)
		}),
		MethodAppAnswers: method(func(ctx context.Context, p AppParams) (AppInfo, error) {
			return m.SetAnswers(ctx, p.Name, p.Answers)
		}),
		MethodApply:       method(a.apply),
		MethodAppList:     get(m.Apps),
		MethodSessionAdd:  method(a.addSession),
		MethodSessionList: method(a.sessions),
		MethodRevoke: method(func(ctx context.Context, p SessionParams) (SessionInfo, error) {
			return m.RevokeSession(ctx, p.ID)
		}),
		MethodEndSessions: method(m.EndSessions),
		MethodRelease:     method(a.release),
		MethodEndedList:   method(m.endedPage),
		MethodForget: method(func(ctx context.Context, p SessionParams) (EndedInfo, error) {
			return m.ForgetSession(ctx, p.ID)
		}),
		MethodPair:         method(a.pair),
		MethodPairLook:     method(a.look),
		MethodPolicyReload: method(a.reloadPolicy),
		MethodReload: method(func(ctx context.Context, p PolicyParams) (Reloaded, error) {
			done, err := a.reload(ctx, p.Force)
			return done, orForce(err, "`pksa reload --force` takes it all the same")
		}),
		MethodSettings:   get(a.settingsView),
		MethodPause:      method(a.beginPause),
		MethodResume:     method(a.endPause),
		MethodLock:       method(a.lockByCall),
		MethodUnlock:     method(a.unlockByCall),
		MethodKeysReload: method(a.reloadKeys),
		MethodKeysRelock: method(a.relockKeys),
		MethodKeysCheck:  method(func(ctx context.Context, _ none) ([]KeyCheck, error) { return a.CheckKeys(ctx) }),
		MethodCanary: method(func(ctx context.Context, _ none) ([]probe.Canary, error) {
			if err := a.errLocked(); err != nil {
				return nil, err
			}
			return a.Canary(ctx)
		}),
		MethodNotifyTest: method(func(ctx context.Context, _ none) ([]notify.Tested, error) {
			return a.desk.Test(ctx), nil
		}),
		MethodLedgerCopy:   method(func(context.Context, none) (LedgerCopy, error) { return m.CopyLedger() }),
		MethodAuditPage:    method(m.Trail().Page),
		MethodAuditVerify:  method(verified.Verify),
		MethodVerifying:    get(a.verifying.Now),
		MethodPending:      method(a.pending),
		MethodPendingWhole: method(a.whole),
		MethodLogins:       get(func() []PendingLogin { return a.pairings.logins(time.Now()) }),
		MethodDecide:       method(a.answerAsked),
		MethodWhereabouts:  method(a.whereabouts),
		MethodLimitList: method(func(ctx context.Context, _ none) ([]refund.Charge,
			error) {
			return a.refunds.List(ctx)
		}),
		MethodLimitRelease: method(func(ctx context.Context, p ReleaseParams) (refund.Charge, error) {
			return a.refunds.Release(ctx, p.Number)
		}),
		MethodApproverAdd:  method(a.approvals.Add),
		MethodApproverList: method(a.approvals.List),
		MethodApproverRemove: method(func(ctx context.Context, p approve.NameParams) (none, error) {
			gone, err := a.approvals.Remove(ctx, p)
			if err == nil {
				a.reviewAgain()
			}
			return gone, err
		}),

		MethodGuardList: get(a.guard.Standings),
		MethodGuardAccept: method(func(ctx context.Context, p AccountParams) (guard.Standing, error) {
			return a.guard.Accept(ctx, p.Account)
		}),
	}
	// What ends sessions may end the last one that an added relay is kept for.
	for _, name := range []string{MethodAppRotate, MethodAppRemove, MethodRevoke, MethodEndSessions, MethodApply} {
		end := methods[name]
		methods[name] = func(ctx context.Context, params []byte) (any, error) {
			defer a.settleLinks()
			return end(ctx, params)
		}
	}
	return methods
}

// forConsole are the methods of the control socket that a console may call, too. They look, or they
// take away: nothing here grants anything, and nothing names keys, secrets of apps, or the policy.
// Beside them it has those by which people are enrolled, logged in and heard, each with a one-time
// code or a signature that the wallet checks.
var forConsole = []string{MethodStatus, MethodLive, MethodSessionList, MethodEndedList, MethodRevoke,
	MethodAuditPage, MethodPending, MethodPendingWhole, MethodLogins, MethodPause}

// ConsoleMethods returns what the console's socket of this agent offers.
func (a *Agent) ConsoleMethods() map[string]control.Handler {
	all := a.Methods()
	methods := map[string]control.Handler{
		MethodDeny: method(func(_ context.Context, p DenyParams) (none, error) {
			_, err := a.asks.answer(p.Number, false, nil)
			return none{}, err
		}),
		MethodAbout:      method(a.approvals.About),
		MethodEnrolBegin: method(a.approvals.EnrolBegin),
		MethodEnrolFinish: method(func(ctx context.Context, p approve.Enrolment) (approve.Enrolled, error) {
			made, err := a.approvals.EnrolFinish(ctx, p)
			if err == nil {
				a.reviewAgain()
				a.requireApproval(ctx) // there is somebody now
			}
			return made, err
		}),
		MethodLoginBegin:     method(a.approvals.LoginBegin),
		MethodLoginFinish:    method(a.approvals.LoginFinish),
		MethodLoginCheck:     method(a.approvals.LoginCheck),
		MethodDecisionBegin:  method(a.approvals.DecisionBegin),
		MethodDecisionFinish: method(a.approvals.DecisionFinish),
		MethodResumeBegin:    method(a.approvals.ResumeBegin),
		MethodResumeFinish:   method(a.approvals.ResumeFinish),
		MethodPolicyProposal: method(a.showProposal),
		MethodPolicyBegin:    method(a.beginApproval),
		MethodPolicyFinish:   method(a.finishApproval),
		MethodPairBegin:      method(a.pairBegin),
		MethodPairFinish:     method(a.pairFinish),
		MethodAppNames: get(func() (names []string) {
			for _, slot := range a.ledger.Slots() {
				names = append(names, slot.Name)
			}
			return append([]string{}, names...) // JSON wants a list, also if it is empty
		}),
		MethodPolicyView:    method(a.viewPolicy),
		MethodPolicyExplain: method(a.explainRecord),
		MethodPolicySuggest: method(func(ctx context.Context, _ none) (audit.Suggested, error) {
			return a.looks.Suggest(ctx, a.admin().Trail(), a.policy.Load().policy, a.network)
		}),
	}
	for _, name := range forConsole {
		methods[name] = all[name]
	}
	// Each pause is recorded, and a console shall not fill the trail.
	methods[MethodPause] = method(func(ctx context.Context, p PauseParams) (Paused, error) {
		since, paused := a.ledger.PausedApp(p.App)
		if p.App == "" {
			since, paused = a.ledger.Paused()
			paused = paused && a.paused.Load()
		}
		if paused {
			return Paused{Paused: true, App: p.App, Since: since, Already: true}, nil
		}
		return a.beginPause(ctx, p)
	})
	return methods
}

// mostPolicyText is how many bytes of the policy file a console is shown.
const mostPolicyText = 512 << 10

// viewPolicy shows a console the policy file.
func (a *Agent) viewPolicy(context.Context, none) (PolicyView, error) {
	src, err := ReadPolicy(a.settings())
	if err != nil {
		return PolicyView{}, err
	}
	inForce, hash := a.policy.Load().policy.Hash(), hive.HashText(string(src)).String()
	v := PolicyView{File: a.settings().Policy, SHA256: inForce, Cut: len(src) > mostPolicyText,
		Other: hash != inForce}
	v.Text = strings.ToValidUTF8(string(src[:min(len(src), mostPolicyText)]), "\ufffd")
	return v, nil
}

// explainRecord shows a console why a recorded request is decided as it is, by the policy in force.
func (a *Agent) explainRecord(ctx context.Context, p NumberParams) (ExplainView, error) {
	e, err := a.looks.Explain(ctx, a.admin().Trail(), a.policy.Load().policy, a.network, p.Number)
	if err != nil {
		return ExplainView{}, err
	}
	return ExplainView{Text: e.Text(), Then: e.Record.Text(), Same: e.Record.SamePolicy, Lacking: e.Cut + e.Summed}, nil
}

// addSession makes a session by hand. An auth_req with its key that waits for a link has been
// delivered: it renews nothing later.
func (a *Agent) addSession(ctx context.Context, q SessionRequest) (SessionInfo, error) {
	info, err := a.admin().AddSession(ctx, q)
	if s, ok := a.ledger.Session(info.ID); err == nil && ok {
		a.noteHeld(ctx, s)
	}
	return info, err
}

// apply brings slots and sessions to what is wanted. New sessions are as those made by addSession.
func (a *Agent) apply(ctx context.Context, p ApplyParams) (provision.Applied, error) {
	done, opened, err := a.admin().apply(ctx, p)
	for _, s := range opened {
		a.noteHeld(ctx, s)
	}
	return done, err
}

// sessions lists a page of the live sessions, with the relays on which they are silent.
func (a *Agent) sessions(_ context.Context, q SessionsParams) ([]SessionInfo, error) {
	infos := a.admin().Sessions()
	quiet := map[ledger.SessionID][]Quarantine{}
	for _, q := range a.quarantines() {
		quiet[q.Session] = append(quiet[q.Session], q) // those of apps stand under no session
	}
	for i := range infos {
		infos[i].Quiet = quiet[infos[i].ID]
	}
	return pageOf(infos, q, func(s *SessionInfo) (ledger.SessionID, *int) { return s.ID, &s.More })
}

// listPage is how many bytes of JSON a page of sessions has: an answer, less what stands around it.
// Commands of before there were pages read one page, so it is as long as can be.
const listPage = control.MaxFrame - 1<<20

// pageOf returns the page of a list by number that is asked for. entry returns the number of an
// element, and where to write how many more there are.
func pageOf[T any](all []T, q SessionsParams, entry func(*T) (ledger.SessionID, *int)) ([]T, error) {
	from, size := 0, 0
	for i := range all {
		if id, _ := entry(&all[i]); id <= q.After {
			from = i + 1
			continue
		}
		text, err := control.Encode(all[i])
		if err != nil {
			return nil, err
		}
		if size += len(text) + len(","); size > listPage && i > from {
			_, more := entry(&all[i-1])
			*more = len(all) - i
			return all[from:i], nil
		}
	}
	return all[from:], nil
}

// answerAsked hands in what a person says to a request that waits.
func (a *Agent) answerAsked(_ context.Context, p DecideParams) (none, error) {
	if p.Yes {
		w, err := a.asks.find(p.Number)
		if err == nil {
			err = a.mayAllow(w)
		}
		if err != nil {
			return none{}, err
		}
	}
	_, err := a.asks.answer(p.Number, p.Yes, nil)
	return none{}, err
}

// lockByCall begins a lock in the name of the caller.
func (a *Agent) lockByCall(ctx context.Context, _ none) (lock.Status, error) {
	return a.Lock(ctx, callerName(ctx))
}

// unlockByCall ends a lock with the secret that the caller brings, or without one.
func (a *Agent) unlockByCall(ctx context.Context, p UnlockParams) (lock.Status, error) {
	given := keystore.NewSecret(p.Secret)
	defer given.Wipe()
	return a.Unlock(ctx, callerName(ctx), given)
}

// release ends a quarantine on all relays, whatever the reason was.
func (a *Agent) release(ctx context.Context, p ListenParams) (none, error) {
	who := listener{session: p.ID, app: p.App}
	damaged, replayed := a.byDamage.release(who), a.byReplay.release(who)
	switch {
	case damaged || replayed:
	case p.App != "":
		return none{}, fmt.Errorf("app %q has no damaged logins to forget", p.App)
	default:
		return none{}, fmt.Errorf("session %d has no damaged requests and no replays to forget", p.ID)
	}
	_, err := a.ledger.Append(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "session release", App: p.App,
		Session: p.ID})
	return none{}, err
}

func (a *Agent) pair(ctx context.Context, p PairParams) (SessionInfo, error) {
	if err := a.errLocked(); err != nil {
		return SessionInfo{}, err
	}
	l, err := protocol.ParsePairingLink(string(p.Link))
	if err != nil {
		return SessionInfo{}, err
	}
	if info, ok := a.admin().liveSession(p.App, l.Account, ledger.Secret(l.Key)); ok {
		return info, nil // made since the person was asked
	}
	if p.Wait <= 0 || p.Wait > pairingWait {
		p.Wait = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, p.Wait)
	defer cancel()
	if p.NewRelay {
		if err := a.admin().checkSession(p.App, l.Account, p.Length); err != nil {
			return SessionInfo{}, err
		}
		if err := a.offerRelay(l.Host, l.Account); err != nil {
			return SessionInfo{}, err
		}
	}
	s, err := a.Pair(ctx, p.App, l, p.Length)
	if err != nil {
		// An added relay stays a while: its request may be refused this moment, and is told so.
		return SessionInfo{}, err
	}
	a.endOffer(l.Host, l.Account)
	return sessionInfo(s), nil
}

func (a *Agent) reloadPolicy(ctx context.Context, p PolicyParams) (PolicyStatus, error) {
	switch err := a.reloadPolicyFile(ctx, p.Force); {
	case byTests(err), errors.Is(err, errMeanwhile):
		return PolicyStatus{}, orForce(fmt.Errorf("the old policy stays in force; %w", err),
			"`pksa policy reload --force` takes it all the same")
	case errors.Is(err, errUnapproved):
		return PolicyStatus{}, fmt.Errorf("the old policy stays in force; %w", err)
	case err != nil:
		return PolicyStatus{}, fmt.Errorf("the old policy stays in force; the file has errors:\n%w", err)
	}
	return a.policyStatus(), nil
}

// orForce adds to a refusal by tests what takes the policy in spite of them.
func orForce(err error, advice string) error {
	if !byTests(err) {
		return err
	}
	return fmt.Errorf("%w\nMend the policy or its tests, or %s", err, advice)
}

// These types hold secrets in fields that fmt would look into, so they show nothing of themselves.
// Where only some fields are secret ([AppInfo], [SessionInfo]), [secret.Format] writes the others.
// What a command shows once on purpose is written by package control alone.

// Format writes no more than what it is, for every verb: fmt would look into the fields, and
// theirs.
func (a *Agent) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "agent") }

// Format writes whose request it is, for every verb.
func (r *run) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "request %s of %s", r.msg.UUID, r.app) }

// Format writes no more than what it is, for every verb: the session that it asks for has a key.
func (p *proposal) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "proposal") }

// Format writes everything but the secret.
func (i AppInfo) Format(f fmt.State, verb rune) { secret.Format(f, verb, i) }

// Format writes everything but the key.
func (i SessionInfo) Format(f fmt.State, verb rune) { secret.Format(f, verb, i) }

// Format writes everything but the secret.
func (p AppParams) Format(f fmt.State, verb rune) { secret.Format(f, verb, p) }

// Format writes everything but the link.
func (p PairParams) Format(f fmt.State, verb rune) { secret.Format(f, verb, p) }

// Format writes everything but the link.
func (p PairSigned) Format(f fmt.State, verb rune) { secret.Format(f, verb, p) }

// Format writes everything but the secret.
func (p ReloadParams) Format(f fmt.State, verb rune) { secret.Format(f, verb, p) }

// Format writes everything but the key.
func (q SessionRequest) Format(f fmt.State, verb rune) { secret.Format(f, verb, q) }
