package agent

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pksa/agent/approve"
	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/gate"
	"pksa/agent/harden"
	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/agent/lock"
	"pksa/agent/notify"
	"pksa/agent/passkey"
	"pksa/agent/policy"
	"pksa/keystore"
	"pksa/keystore/access"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
	"pksa/protocol/secret"
)

// policyInForce is a policy with what status shows of it.
type policyInForce struct {
	policy   *policy.Policy
	since    time.Time
	warnings policy.Problems
	fresh    []string     // limits that began at zero with it
	trial    *audit.Trial // of the newest requests, beside the policy before; nil: there was none
	failed   string       // why the last reload changed nothing; empty if it did
	waits    string       // why a watched file that changed is not taken; empty if it is
	tests    string       // why its tests fail; empty if they do not, or have not been run yet
	refused  bool         // failed says why the tests of the file on disk fail
}

// ReadPolicy reads the policy file of the settings. It refuses, with an [*access.Error], a file
// that others could change: whoever changes the policy decides what is signed.
func ReadPolicy(cfg *config.Config) ([]byte, error) {
	src, err := access.Read(cfg.Policy, access.Decision, access.Administered(cfg.Home)...)
	if err != nil {
		return nil, fmt.Errorf("reading the policy: %w", harden.Named(cfg.Policy, err))
	}
	return src, nil
}

// LoadPolicy reads and compiles the policy file of the settings. Keys and ledger may be nil;
// otherwise names in the file are compared with the accounts and slots that they hold. The error
// has one line for each complaint; the problems that are returned besides are warnings.
func LoadPolicy(cfg *config.Config, keys *keystore.Store, l *ledger.Ledger) (*policy.Policy, policy.Problems, error) {
	src, err := ReadPolicy(cfg)
	if err != nil {
		return nil, nil, err
	}
	return compilePolicy(cfg, keys, l, src)
}

// StartPolicy returns the policy that a start takes, as [LoadPolicy] does: that of the file, or,
// where a policy takes an approver's yes, the one that was approved last. waits says why the file
// is not taken then; empty if it is.
func StartPolicy(cfg *config.Config, keys *keystore.Store, l *ledger.Ledger) (p *policy.Policy,
	warnings policy.Problems, waits string, err error) {
	text, required := l.ApprovedPolicy()
	switch {
	case !required:
		p, warnings, err = LoadPolicy(cfg, keys, l)
		return p, warnings, "", err
	case len(text) == 0:
		return nil, nil, "", errors.New("a policy takes an approver's yes, and which one had it was lost: `pksa " +
			"policy accept` takes that of the file")
	}
	if src, err := ReadPolicy(cfg); err != nil || !bytes.Equal(src, text) {
		waits = errUnapproved.Error()
	}
	p, warnings, err = compilePolicy(cfg, keys, l, text)
	if err != nil {
		err = fmt.Errorf("the policy that was approved last cannot be used by this program; `pksa policy accept` "+
			"takes that of the file:\n%w", err)
	}
	return p, warnings, waits, err
}

// errUnapproved is for a policy that takes an approver's yes, and has none.
var errUnapproved = errors.New("a changed policy takes an approver's yes: on the page of the console, under Policy, " +
	"or with the wallet stopped by `pksa policy accept`")

// unapproved returns why a policy may not come into force for want of an approver's yes; nil if it
// may. It is the one place that decides this for a wallet that runs.
func (a *Agent) unapproved(next *policy.Policy) error {
	text, required := a.ledger.ApprovedPolicy()
	if required && hive.HashText(string(text)).String() != next.Hash() {
		return errUnapproved
	}
	return nil
}

// requireApproval lets another policy come into force only with an approver's yes from now on, if
// the settings say so and somebody can say yes. It begins with the policy in force.
func (a *Agent) requireApproval(ctx context.Context) {
	cfg := a.settings()
	a.reloads.Lock()
	defer a.reloads.Unlock()
	_, required := a.ledger.ApprovedPolicy()
	switch {
	case required:
		a.approval.Store(ApprovalRequired)
		if cfg.PolicyApproval != config.ApprovalRequired {
			a.log.Warn("another policy takes an approver's yes, whatever policy_approval says by now: with the " +
				"wallet stopped, `pksa policy accept --end` ends that")
		}
		return
	case cfg.PolicyApproval != config.ApprovalRequired:
		a.approval.Store("")
		return
	}
	a.approval.Store(ApprovalWanted)
	src, err := ReadPolicy(cfg)
	notes, failed := a.ledger.Approvers(ctx)
	inForce := a.policy.Load().policy.Hash()
	switch {
	case cmp.Or(err, failed) != nil:
		a.log.Error("policy_approval has no effect yet", "err", cmp.Or(err, failed))
		return
	case len(a.approvals.Names(notes)) == 0:
		a.log.Warn("policy_approval has no effect before somebody is enrolled who can say yes: `pksa approver add " +
			"NAME`")
		return
	case hive.HashText(string(src)).String() != inForce:
		a.log.Warn("policy_approval has no effect before the policy's file is in force: `pksa policy reload`")
		return
	}
	err = a.ledger.ApprovePolicy(ctx, nil, src, ledger.Entry{Type: ledger.RecordAdmin,
		Outcome: "policy approval required", Content: encodeRecord(map[string]string{"policy": inForce})})
	if err != nil {
		a.log.Error("policy_approval has no effect yet", "err", err)
		return
	}
	a.approval.Store(ApprovalRequired)
	a.log.Info("another policy comes into force only with an approver's yes from now on", "policy", inForce)
}

// What [PolicyStatus.Approval] can be.
const (
	ApprovalRequired = "required" // another policy takes an approver's yes
	ApprovalWanted   = "wanted"   // the settings say so, and it has no effect yet
)

// compilePolicy compiles a policy of the settings as [LoadPolicy] does.
func compilePolicy(cfg *config.Config, keys *keystore.Store, l *ledger.Ledger, src []byte) (*policy.Policy,
	policy.Problems, error) {
	env := policy.Options{Now: time.Now(), NobodyToAsk: cfg.Ask == config.AskNobody, NobodyToTell: len(cfg.Notify) == 0,
		NobodyToTellAll: !cfg.TellsAll(), OnlyPasskeys: cfg.Ask == config.AskPasskey}
	if keys != nil {
		env.Accounts = keys.Accounts()
	}
	if l != nil {
		for _, slot := range l.Slots() {
			env.Apps = append(env.Apps, slot.Name)
		}
		if notes, err := l.Approvers(context.Background()); err == nil {
			desk := approve.New(approve.Options{Site: func() passkey.Site { return cfg.Approve },
				Log: slog.New(slog.DiscardHandler)})
			env.Approvers = desk.Names(notes)
		}
	}
	// The agent makes its own slot with the first checkpoint, and the rule for it must be written
	// before that.
	if cfg.CheckpointAccount != "" && !slices.Contains(env.Apps, OwnSlot) {
		env.Apps = append(env.Apps, OwnSlot)
	}
	compiled, problems := policy.Compile(cfg.Policy, src, env)
	if errs := problems.Errors(); len(errs) > 0 {
		return nil, nil, errors.New(errs.String())
	}
	return compiled, problems, nil
}

// tried is what the tests beside a policy file said of it, and the newest requests.
type tried struct {
	hash   string // of the policy; empty if the file has errors
	failed error  // nil if they pass
	trial  *audit.Trial
	beside string // the hash of the policy that the trial compares with
}

// errMeanwhile is in the errors of reloads that a second try may get past.
var errMeanwhile = errors.New("reload again")

var (
	errChangedMeanwhile = fmt.Errorf("the policy file changed while its tests ran; %w", errMeanwhile)
	errLockedMeanwhile  = fmt.Errorf("the wallet was locked while the tests of the policy ran; %w", errMeanwhile)
)

// trials runs tests of policies one after the other, since each takes memory. The zero value is
// ready; its methods may be called concurrently.
type trials struct {
	running sync.Mutex
	end     atomic.Pointer[context.CancelFunc] // of those that run; nil if none do
}

// run calls f with a context that also ends when stop is called; then it returns
// errLockedMeanwhile.
func (t *trials) run(ctx context.Context, f func(context.Context) error) error {
	t.running.Lock()
	defer t.running.Unlock()
	own, end := context.WithCancel(ctx)
	defer end()
	t.end.Store(&end)
	defer t.end.Store(nil)
	err := f(own)
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return errLockedMeanwhile
	}
	return err
}

// stop ends what runs. What is free in memory is overwritten when the wallet is locked, and that
// takes seconds while tests take memory beside it.
func (t *trials) stop() {
	if end := t.end.Load(); end != nil {
		(*end)()
	}
}

// try runs the tests beside the policy file of the settings. The caller does not hold reloads:
// tests may take ten seconds, and whoever locks the wallet must not wait for them.
func (a *Agent) try(ctx context.Context, cfg *config.Config) tried {
	next, _, err := LoadPolicy(cfg, a.keys, a.ledger)
	if err != nil {
		return tried{} // said when the policy is to be taken
	}
	return a.tryPolicy(ctx, cfg, next)
}

// tryPolicy runs the tests of a policy, and judges the newest requests by it and by the one in
// force.
func (a *Agent) tryPolicy(ctx context.Context, cfg *config.Config, next *policy.Policy) tried {
	old := a.policy.Load().policy
	t := tried{hash: next.Hash(), beside: old.Hash()}
	t.failed = a.trials.run(ctx, func(ctx context.Context) error {
		err := gate.Run(ctx, cfg.Policy, next, a.network)
		if t.hash != t.beside && ctx.Err() == nil {
			t.trial = new(a.admin().Trail().Try(ctx, old, next, a.network))
			err = cmp.Or(err, ctx.Err())
		}
		return err
	})
	return t
}

func (a *Agent) runTests(ctx context.Context, cfg *config.Config, p *policy.Policy) error {
	return a.trials.run(ctx, func(ctx context.Context) error { return gate.Run(ctx, cfg.Policy, p, a.network) })
}

// refuses returns why a policy does not follow the old one; nil if it does. force takes one whose
// tests fail.
func (t tried) refuses(next, old *policy.Policy, force bool) error {
	switch {
	case next.Hash() != t.hash:
		return errChangedMeanwhile
	// What is in force already is not kept out, and would keep out the settings beside it.
	case force, next.Hash() == old.Hash():
		return nil
	}
	return t.failed
}

// refuses returns why a policy may not follow the one in force; nil if it may. force takes one
// whose tests fail, and none without the yes that it takes.
func (a *Agent) refuses(t tried, next *policy.Policy, force bool) error {
	if err := a.unapproved(next); err != nil {
		return err
	}
	return t.refuses(next, a.policy.Load().policy, force)
}

// text returns why tests fail, empty if they do not.
func (t tried) text() string {
	if t.failed == nil {
		return ""
	}
	return t.failed.Error()
}

// byTests reports whether it was tests that refused a policy.
func byTests(err error) bool {
	failed := new(gate.FailedError)
	return errors.As(err, &failed)
}

// tryAtStart runs the tests beside the policy that a start took. They do not keep the wallet from
// starting: a changed file of tests must not be an outage.
func (a *Agent) tryAtStart(ctx context.Context) {
	started := a.policy.Load().policy
	err := a.runTests(ctx, a.settings(), started)
	for errors.Is(err, errMeanwhile) {
		err = a.runTests(ctx, a.settings(), started)
	}
	if !byTests(err) {
		return
	}
	a.reloads.Lock()
	defer a.reloads.Unlock()
	kept := *a.policy.Load()
	if kept.policy != started {
		return
	}
	kept.tests = err.Error()
	a.policy.Store(&kept)
	a.log.Warn("the policy is in force although its tests fail", "err", err)
}

// ReloadPolicy reads the policy file again. Everything that can fail happens before what runs is
// touched: a file with errors, or one whose tests fail, leaves the old policy in force, and status
// and metric show so.
func (a *Agent) ReloadPolicy(ctx context.Context) error { return a.reloadPolicyFile(ctx, false) }

// reloadPolicyFile does what [Agent.ReloadPolicy] does; force takes a policy whose tests fail.
func (a *Agent) reloadPolicyFile(ctx context.Context, force bool) error {
	tests := a.try(ctx, a.settings())
	if err := ctx.Err(); err != nil {
		return err // nobody waits for it any more, and the tests say nothing
	}
	a.reloads.Lock()
	defer a.reloads.Unlock()
	if a.reloading != nil {
		defer a.reloading()()
	}
	next, warnings, err := LoadPolicy(a.settings(), a.keys, a.ledger)
	if err == nil {
		err = a.refuses(tests, next, force)
	}
	switch {
	case errors.Is(err, errUnapproved):
		a.waitForApproval()
		return err
	case errors.Is(err, errMeanwhile): // nothing is wrong with the file, as far as anybody knows
		a.log.Warn("policy not reloaded, the old one stays in force", "err", err)
		return err
	case err != nil:
		a.keepPolicy(err)
		return err
	}
	return a.takePolicy(ctx, next, warnings, tests)
}

// takePolicy brings a policy into force, with what its tests said. The caller holds reloads.
func (a *Agent) takePolicy(ctx context.Context, next *policy.Policy, warnings policy.Problems, tests tried) error {
	old := a.policy.Load().policy
	content := map[string]string{"from": old.Hash(), "to": next.Hash()}
	if text := tests.text(); text != "" {
		how := "by --force: "
		if next.Hash() == old.Hash() {
			how = "it was in force already: "
		}
		content["reason"] = how + plain.Cut(text, audit.MaxText)
	}
	trial := tests.trial
	if tests.beside != old.Hash() || trial != nil && trial.Requests == 0 && trial.Ended == "" {
		trial = nil // another one came into force meanwhile, or nothing was ever asked
	}
	if trial != nil {
		content["trial"] = plain.Cut(trial.Text(), audit.MaxText)
		a.log.Info("a policy comes into force: " + trial.Text())
	}
	// Recorded before it is in force: no request is judged by a policy that the trail does not
	// name. A crash in between leaves a record of a reload that did not happen, and the next start
	// loads the same file.
	entry := ledger.Entry{Type: ledger.RecordAdmin, Outcome: "policy reload", Content: encodeRecord(content)}
	if _, err := a.ledger.Append(ctx, entry); err != nil {
		return fmt.Errorf("recording the reload: %w", err)
	}
	var fresh []string
	a.budget.peek(func(c policy.Counters) { fresh = next.Fresh(old, c, time.Now()) })
	// Requests that wait were judged by the rules of the old policy. The commit sees that another
	// one is in force and judges them again.
	a.policy.Store(&policyInForce{policy: next, since: time.Now(), warnings: warnings, fresh: fresh,
		tests: tests.text(), trial: trial})
	if err := a.ledger.Look(ctx, func(v ledger.View) { a.budget.load(v, next) }); err != nil {
		a.log.Warn("counters are shown as the policy of before counts, until the next request", "err", err)
	}
	a.metrics.Reload(true)
	a.log.Info("policy reloaded", "policy", next.Hash(), "warnings", len(warnings.Warnings()),
		"limits starting at zero", fresh)
	if tests.failed != nil {
		a.log.Warn("the policy is in force although its tests fail", "err", tests.failed)
	}
	return nil
}

// reviewAgain renews the warnings of the policy in force, which say who of those whose yes it takes
// is not enrolled. Where the file is another one they stay.
func (a *Agent) reviewAgain() {
	a.reloads.Lock()
	defer a.reloads.Unlock()
	p, warnings, err := LoadPolicy(a.settings(), a.keys, a.ledger)
	kept := *a.policy.Load()
	if err != nil || p.Hash() != kept.policy.Hash() {
		return
	}
	kept.warnings = warnings
	a.policy.Store(&kept)
}

// keepPolicy reports that a reload failed and the policy in force stays.
func (a *Agent) keepPolicy(err error) {
	kept := *a.policy.Load()
	kept.failed, kept.waits, kept.refused = err.Error(), "", byTests(err)
	a.policy.Store(&kept)
	a.metrics.Reload(false)
	a.log.Error("policy not reloaded, the old one stays in force", "err", err)
	if kept.refused {
		a.tellNotReloaded("The tests of the changed policy fail, the old policy stays in force.",
			"On the wallet's machine: `pksa policy test`.", err.Error())
	} else {
		a.tellNotReloaded("The policy file has errors, the old policy stays in force.",
			"On the wallet's machine: `pksa policy check`.", err.Error())
	}
	content := encodeRecord(map[string]string{"kept": kept.policy.Hash(), "reason": plain.Cut(err.Error(),
		audit.MaxText)})
	entry := ledger.Entry{Type: ledger.RecordAdmin, Outcome: "policy reload failed", Content: content}
	if err := a.ledger.Note(entry); err != nil {
		a.log.Error("reload not recorded", "err", err)
	}
}

// tellNotReloaded lets people know of a file that is not taken. todo says what shows why.
func (a *Agent) tellNotReloaded(what, todo, why string) {
	e := notify.Event{Kind: notify.NotReloaded, What: what, Do: todo}
	for line := range strings.Lines(why) {
		if len(e.Details) < listedParts {
			e.Details = append(e.Details, line)
		}
	}
	a.desk.Tell(e)
}

const (
	// policyWatchEvery is how often the policy file is looked at: editors replace files in ways
	// that notifications miss.
	policyWatchEvery = 2 * time.Second
	// policySettled is at how many looks in a row time and size of a changed file must be as
	// before: what is written in parts, or copied slowly, is a policy without its last rules
	// meanwhile.
	policySettled = 2
)

// watchPolicy takes the policy whenever its file has changed and has come to rest.
func (a *Agent) watchPolicy(ctx context.Context) {
	// Nothing was seen yet, so that the first file that comes to rest is compared with the policy
	// in force: it may have changed since the start read it.
	var seen string
	looks := 0
	every(ctx, policyWatchEvery, func() {
		now := a.policyStamp()
		if now != seen {
			seen, looks = now, 0
			return
		}
		if looks++; looks == policySettled && !a.takeWatched(ctx, seen) {
			looks = 0
		}
	})
}

// takeWatched takes the policy file in the state in which it has come to rest. Log, status and
// metric show why it does not. It returns false if it should be called again for the same file.
func (a *Agent) takeWatched(ctx context.Context, seen string) bool {
	tests := a.try(ctx, a.settings())
	if ctx.Err() != nil {
		return false
	}
	a.reloads.Lock()
	defer a.reloads.Unlock()
	next, warnings, err := LoadPolicy(a.settings(), a.keys, a.ledger)
	if a.policyStamp() != seen {
		return false // changed while it was read
	}
	inForce := a.policy.Load()
	if err != nil {
		a.keepPolicy(err)
		return true
	}
	if next.Hash() == inForce.policy.Hash() && inForce.failed == "" && inForce.waits == "" {
		return true
	}
	if lost := next.Lost(inForce.policy); len(lost) > 0 {
		a.waitWithPolicy(lost)
		return true
	}
	switch err := a.refuses(tests, next, false); {
	case errors.Is(err, errMeanwhile):
		return false
	case errors.Is(err, errUnapproved):
		a.waitForApproval()
		return true
	case err != nil:
		a.keepPolicy(err)
		return true
	}
	if err := a.takePolicy(ctx, next, warnings, tests); err != nil {
		a.log.Error("policy not reloaded, the old one stays in force", "err", err)
		return false
	}
	return true
}

// waitWithPolicy keeps the policy in force although its file has changed: the file lost sections
// that hold requests back, and may be half of what is being written. Only a person can tell.
func (a *Agent) waitWithPolicy(lost []string) {
	kept := *a.policy.Load()
	kept.refused = false
	kept.failed, kept.waits = "", fmt.Sprintf("it has nothing under %s any more, where the policy in force has: it "+
		"may not be written to its end. If it is whole, `pksa policy reload` takes it", strings.Join(lost, " and "))
	a.policy.Store(&kept)
	a.metrics.Reload(false)
	a.log.Warn("the changed policy file is not taken, the old policy stays in force: " + kept.waits)
	a.tellNotReloaded("The changed policy file is not taken, the old policy stays in force.",
		"On the wallet's machine: `pksa status`.", kept.waits)
}

// waitForApproval keeps the policy in force although its file has changed: an approver has to say
// yes first.
func (a *Agent) waitForApproval() {
	kept := *a.policy.Load()
	kept.refused, kept.failed, kept.waits = false, "", errUnapproved.Error()
	a.policy.Store(&kept)
	a.metrics.Reload(false)
	a.log.Warn("the changed policy file is not taken, the old policy stays in force", "err", errUnapproved)
	do := "On the wallet's page: Policy."
	if site := a.settings().Approve; site.Origin != "" {
		do = "With your passkey: " + site.Origin + "/policy"
	}
	a.tellNotReloaded("A changed policy waits for an approver's yes, the old policy stays in force.", do, "")
}

// PolicyProposal is a policy that waits for an approver's yes, for a console.
type PolicyProposal struct {
	approve.PolicyChange
	// Required says that a policy takes an approver's yes.
	Required bool `json:"required"`
	// Waits says that the file has another policy than the one in force. Problem is why it cannot
	// come into force; Diff is what would change, in words; Tests why its tests fail.
	Waits   bool   `json:"waits"`
	Problem string `json:"problem,omitempty"`
	Diff    string `json:"diff,omitempty"`
	Tests   string `json:"tests,omitempty"`
}

// PolicySigned is a yes to another policy, with its signature.
type PolicySigned struct {
	approve.PolicyChange
	approve.Assertion
}

// proposed is a policy that waits for an approver's yes.
type proposed struct {
	PolicyProposal
	next     *policy.Policy // nil: none waits, or none that can be used
	warnings policy.Problems
	was, src []byte // the texts of the one that it replaces, and its own
}

// proposal returns the policy of the file, if it is not in force and takes an approver's yes.
func (a *Agent) proposal() (p proposed) {
	if p.was, p.Required = a.ledger.ApprovedPolicy(); !p.Required {
		return p
	}
	p.From = a.policy.Load().policy.Hash()
	var err error
	if p.src, err = ReadPolicy(a.settings()); err == nil {
		p.To = hive.HashText(string(p.src)).String()
		if p.Waits = p.To != p.From; p.Waits {
			p.next, p.warnings, err = compilePolicy(a.settings(), a.keys, a.ledger, p.src)
		}
	}
	if err != nil {
		p.Problem = strings.TrimSpace(err.Error())
	}
	return p
}

// showProposal shows a console the policy that waits, with what would change.
func (a *Agent) showProposal(ctx context.Context, _ none) (PolicyProposal, error) {
	p := a.proposal()
	if p.next == nil {
		return p.PolicyProposal, nil
	}
	file, err := filepath.Base(a.settings().Policy), error(nil)
	p.Diff, err = a.looks.Compare(ctx, policy.Draft{File: "in force", Src: p.was}, policy.Draft{File: file, Src: p.src},
		a.network)
	if err != nil {
		p.Diff = "Not compared: " + err.Error()
	}
	if err := a.runTests(ctx, a.settings(), p.next); err != nil {
		p.Tests = err.Error()
	}
	return p.PolicyProposal, nil
}

// beginApproval begins an approver's yes to the policy that waits.
func (a *Agent) beginApproval(ctx context.Context, c approve.PolicyChange) (approve.SignAsk, error) {
	if p := a.proposal(); p.next == nil || p.PolicyChange != c {
		return approve.SignAsk{}, errOtherPolicy
	}
	return a.approvals.PolicyBegin(ctx, c)
}

var errOtherPolicy = errors.New("the page shows another policy than the one that waits: load it again")

// finishApproval brings the policy that waits into force, with an approver's yes.
func (a *Agent) finishApproval(ctx context.Context, p PolicySigned) (PolicyStatus, error) {
	yes, err := a.approvals.PolicyFinish(ctx, p.PolicyChange, p.Assertion)
	if err != nil {
		return PolicyStatus{}, err
	}
	tests := a.try(ctx, a.settings())
	a.reloads.Lock()
	defer a.reloads.Unlock()
	if a.reloading != nil {
		defer a.reloading()()
	}
	waits := a.proposal()
	if waits.next == nil || waits.PolicyChange != p.PolicyChange {
		return PolicyStatus{}, errOtherPolicy
	}
	if err := tests.refuses(waits.next, a.policy.Load().policy, false); err != nil {
		return PolicyStatus{}, fmt.Errorf("the old policy stays in force; %w", err)
	}
	// Approved on disk before it is in force: a crash in between has the next start take it.
	err = a.ledger.ApprovePolicy(ctx, waits.was, waits.src, ledger.Entry{Type: ledger.RecordAdmin,
		Outcome: audit.OutcomePolicy, Content: encodeRecord(struct {
			approve.PolicyChange
			Approval *approve.Proof `json:"approval"`
		}{p.PolicyChange, yes})})
	if err == nil {
		err = a.takePolicy(ctx, waits.next, waits.warnings, tests)
	}
	return a.policyStatus(), err
}

// AcceptPolicy takes the policy of the file as approved, or ends that a policy takes an approver's
// yes. It is for whoever opens the keystore while no wallet runs. It returns the hash of the
// policy.
func (m Admin) AcceptPolicy(ctx context.Context, cfg *config.Config, end bool) (string, error) {
	was, required := m.Ledger.ApprovedPolicy()
	switch {
	case !required:
		return "", errors.New("no policy takes an approver's yes here: there is nothing to accept")
	case end:
		return "", m.Ledger.EndApproval(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "policy approval ended"})
	}
	src, err := ReadPolicy(cfg)
	if err != nil {
		return "", err
	}
	p, _, err := compilePolicy(cfg, m.Keys, m.Ledger, src)
	if err != nil {
		return "", fmt.Errorf("the policy cannot be used:\n%w", err)
	}
	was = append([]byte{}, was...) // empty, and not nil, if it was lost
	return p.Hash(), m.Ledger.ApprovePolicy(ctx, was, src, ledger.Entry{Type: ledger.RecordAdmin,
		Outcome: "policy accepted", Content: encodeRecord(map[string]string{"from": hive.HashText(string(was)).String(),
			"to": p.Hash()})})
}

// policyStamp returns a text that differs for two states of the policy file and its tests.
func (a *Agent) policyStamp() string {
	file := a.settings().Policy
	text := stamp(file)
	for _, tests := range gate.TestsOf(file) {
		text += " " + stamp(tests)
	}
	return text
}

// stamp returns a text that differs for two states of a file.
func stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "missing"
	}
	// The mode, too: a file that others could change is refused, and taken once it is closed to
	// them.
	return fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), " ", info.Mode())
}

// KeysReloaded is what became of a reload of the keystore.
type KeysReloaded struct {
	// Locked means that the wallet is locked, and reads the keystore when it is unlocked.
	Locked bool `json:"locked,omitempty"`
}

// reloadKeys reads the keystore again after a command changed it, with the secret that the command
// used, and registers what is new.
func (a *Agent) reloadKeys(ctx context.Context, p ReloadParams) (KeysReloaded, error) {
	given := keystore.NewSecret(p.Secret)
	defer given.Wipe()
	if a.lock.Locked() {
		return KeysReloaded{Locked: true}, nil
	}
	unlock, err := keystore.NewUnlock(given)
	if err != nil {
		return KeysReloaded{}, err
	}
	defer unlock.Wipe()
	if unlock.NeedsPlugin() {
		return KeysReloaded{}, errPlugin
	}
	switch err := a.keys.Reload(unlock); {
	case errors.Is(err, keystore.ErrLocked): // it began just now
		return KeysReloaded{Locked: true}, nil
	case err != nil:
		return KeysReloaded{}, err
	}
	if _, err := a.ledger.Append(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "keys reload"}); err != nil {
		return KeysReloaded{}, fmt.Errorf("recording the reload: %w", err)
	}
	a.log.Info("keystore reread", "accounts", len(a.keys.Accounts()))
	// What was found of the keys before says nothing of those that took their places.
	a.mismatch.replace(nil)
	a.checkKeysSoon()
	return KeysReloaded{}, a.registerAll()
}

// errPlugin refuses what only a plugin opens: this process has lost the devices that a plugin
// needs, and the right to start programs.
var errPlugin = errors.New("a running wallet starts no age plugins: name a passphrase, a file or an age identity, " +
	"and `pksa keystore passwd --new SOURCE` changes to the plugin afterwards")

// errNotRoot refuses a new lock to the wallet's own user.
var errNotRoot = errors.New("only root may have the keystore locked anew without what opens it: whoever reads " +
	"the new file has the keys, and nobody but root can take them out of a running wallet; run it with sudo")

// relockKeys locks the keystore by the secret alone. Whoever knows the secret can read all keys
// then. The wallet's own user, who may call everything else, cannot read the memory of this
// process, so it must not get them in this way. Root can.
func (a *Agent) relockKeys(ctx context.Context, p ReloadParams) (none, error) {
	given := keystore.NewSecret(p.Secret)
	defer given.Wipe()
	if !control.FromRoot(ctx) {
		return none{}, errNotRoot
	}
	if a.lock.Locked() {
		return none{}, errLockedRelock
	}
	unlock, err := keystore.NewUnlock(given)
	if err != nil {
		return none{}, err
	}
	defer unlock.Wipe()
	if unlock.NeedsPlugin() {
		return none{}, errPlugin
	}
	// Recorded before it is done. A crash in between leaves a record of what did not happen.
	if _, err := a.ledger.Append(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "keys relock"}); err != nil {
		return none{}, fmt.Errorf("recording the new lock: %w", err)
	}
	if err := a.keys.Relock(unlock); err != nil {
		return none{}, err
	}
	a.log.Warn("keystore locked anew, without what opened it before", "accounts", len(a.keys.Accounts()))
	return none{}, nil
}

// errLockedRelock says why a locked wallet is no help when what opens the keystore is lost.
var errLockedRelock = errors.New("the wallet is locked, so it holds no keys that it could lock anew: only what opens " +
	"the keystore has them, or the identity of another recipient")

// UnlockParams carries the secret that opens the keystore; none if the agent reads it itself.
type UnlockParams struct {
	Secret control.Secret `json:"secret,omitempty"`
}

// Format writes no more than what it is: fmt would look into the fields.
func (p UnlockParams) Format(f fmt.State, verb rune) { secret.Format(f, verb, p) }

// lockProblem returns that the wallet is locked, and what ends it; empty if it is not.
func (a *Agent) lockProblem() string {
	s := a.lock.Status()
	if !s.Locked {
		return ""
	}
	return fmt.Sprintf("locked since %s by %s: it holds no keys and takes no requests, until `pksa unlock`",
		s.Since.UTC().Format(time.RFC3339), s.By)
}

// errLocked refuses what needs the keys of a locked wallet.
func (a *Agent) errLocked() error {
	if a.lock.Locked() {
		return keystore.ErrLocked
	}
	return nil
}

// callerName returns who makes a call, for people.
func callerName(ctx context.Context) string {
	switch user, known := control.Caller(ctx); {
	case !known:
		return "`pksa lock`"
	case user == 0:
		return "root"
	default:
		return fmt.Sprintf("user %d", user)
	}
}

// lockRecordWait bounds how long a lock waits for the disk to take its record.
const lockRecordWait = 5 * time.Second

// Lock takes no more requests, finishes what was admitted, closes the links, and wipes the keys of
// the accounts, until Unlock or a restart. by is who wants it, or what. It goes on where something
// fails: what is admitted and not finished within the stop deadline is found in the ledger, and a
// record that the disk does not take stands in the log.
func (a *Agent) Lock(ctx context.Context, by string) (lock.Status, error) {
	a.trials.stop()
	a.reloads.Lock()
	defer a.reloads.Unlock()
	if !a.lock.Begin(by, time.Now()) {
		s := a.lock.Status()
		s.Already = true
		return s, nil
	}
	a.log.Warn("locking: finishing what was admitted", "by", by, "deadline", a.settings().StopTimeout)
	crashpoint("lock begun")
	a.recordLock(ctx, "lock", by)
	crashpoint("lock recorded")
	a.leaveAll(ctx)
	crashpoint("lock left the relays")
	a.keys.Lock()
	crashpoint("lock done")
	a.log.Warn("locked: the keys of the accounts are wiped, `pksa unlock` goes on", "by", by)
	return a.lock.Status(), nil
}

// recordLock records a lock. One that cannot be recorded is no reason to keep the keys.
func (a *Agent) recordLock(ctx context.Context, what, by string) {
	ctx, cancel := context.WithTimeout(ctx, lockRecordWait)
	defer cancel()
	if err := a.noteLock(ctx, what, by); err != nil {
		a.log.Error("not recorded in the audit trail", "what", what, "by", by, "err", err)
	}
}

func (a *Agent) noteLock(ctx context.Context, what, by string) error {
	_, err := a.ledger.Append(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: what,
		Content: encodeRecord(map[string]any{"reason": "by " + by})})
	return err
}

// leaveAll finishes what the links brought, at most as long as a stop does, and closes them.
func (a *Agent) leaveAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.settings().StopTimeout)
	defer cancel()
	var links sync.WaitGroup
	for _, l := range a.links.all() {
		a.twins.remove(l.URL()) // what waits for the first probe is not served
		links.Go(func() { _ = l.Drain(ctx) })
	}
	links.Wait()
	if a.running.wait(ctx) != nil {
		a.log.Warn("locking before all admitted requests were finished: their transactions are looked up, and the " +
			"answers wait for the application to ask again")
	}
	// What waits for a pairing link would be answered on a link that is gone: it comes again.
	a.evict(a.pairings.drop())
	for _, l := range a.links.all() {
		l.Unpin()
	}
	for _, stop := range a.links.removeAll() {
		if stop != nil {
			stop()
		}
	}
}

// Unlock ends a lock: it reads the keystore with the secret, or with what the agent reads itself if
// there is none, and connects again. After an error the wallet is locked as before.
func (a *Agent) Unlock(ctx context.Context, by string, given keystore.Secret) (lock.Status, error) {
	if !a.lock.Locked() {
		return lock.Status{Already: true}, nil
	}
	// Read before anything waits for it: a command may take a minute.
	unlock, ok, err := a.openerOf(ctx, given)
	if err != nil {
		return lock.Status{}, err
	}
	defer unlock.Wipe()
	if !ok {
		s := a.lock.Status()
		s.Bring = true
		return s, nil
	}
	a.reloads.Lock()
	defer a.reloads.Unlock()
	if !a.lock.Locked() {
		return lock.Status{Already: true}, nil
	}
	crashpoint("unlock begun")
	if err := a.keys.Unlock(unlock); err != nil {
		return lock.Status{}, err
	}
	crashpoint("unlock with keys")
	fresh, err := a.freshLinks()
	if err == nil {
		// Recorded before anything is served by it.
		err = a.noteLock(ctx, "unlock", by)
	}
	if err != nil {
		for _, l := range fresh {
			l.Unpin()
		}
		a.keys.Lock()
		return lock.Status{}, fmt.Errorf(lock.Still+"%w", err)
	}
	crashpoint("unlock recorded")
	a.lock.End(time.Now())
	a.mismatch.replace(nil) // the keys may be others by now
	a.checkKeysSoon()
	for _, l := range fresh {
		a.twins.add(l.URL(), a.settings().OwnRelay(l.URL()))
	}
	a.links.exchange(nil, fresh)
	if a.ownRelay != nil {
		a.reserveOwnKey(a.ownRelay().Public, fresh)
	}
	a.settleLocked()
	crashpoint("unlock done")
	a.log.Warn("unlocked", "by", by, "accounts", len(a.keys.Accounts()))
	return a.lock.Status(), nil
}

// openerOf returns what opens the keystore: the secret, or what the agent reads by itself. It
// reports false if it cannot, as where that takes a person or a plugin.
func (a *Agent) openerOf(ctx context.Context, given keystore.Secret) (unlock keystore.Unlock, ok bool, err error) {
	brought := len(given.Bytes()) > 0
	switch {
	case brought:
		unlock, err = keystore.NewUnlock(given)
	case a.opener == nil:
		return unlock, false, nil
	default:
		unlock, err = a.opener(ctx)
	}
	if err == nil && unlock.NeedsPlugin() {
		if brought {
			err = errPlugin
		}
		return unlock, false, err
	}
	return unlock, true, err
}

// freshLinks makes the links to the relays of the settings, with what they prove. An error leaves
// nothing behind.
func (a *Agent) freshLinks() (fresh []*link.Link, err error) {
	for _, relay := range a.settings().Relays {
		l, err := a.newLink(relay)
		if err == nil {
			fresh = append(fresh, l)
			err = l.SetAccounts(a.proving()) // before it runs: the first connection proves them
		}
		if err != nil {
			return fresh, err
		}
	}
	return fresh, nil
}

// lockLook is how often the wallet looks whether it was idle for as long as the setting lock_after.
const lockLook = 5 * time.Second

// watchLock locks the wallet when it was idle long enough, or when something else wants it.
func (a *Agent) watchLock(ctx context.Context) {
	tick := time.NewTicker(lockLook)
	defer tick.Stop()
	for {
		by := ""
		select {
		case <-ctx.Done():
			return
		case by = <-a.lock.Wanted():
		case now := <-tick.C:
			by = a.idleTooLong(now)
		}
		if by != "" {
			_, _ = a.Lock(ctx, by) // logs what it did
		}
	}
}

// idleTooLong returns why the wallet locks itself; empty if it does not. What waits for a person is
// not idle.
func (a *Agent) idleTooLong(now time.Time) string {
	after := a.settings().LockAfter
	if after == 0 || a.lock.Idle(now) < after || a.asks.count() > 0 {
		return ""
	}
	return fmt.Sprintf("itself: no request was admitted for %s (setting lock_after)", after)
}
