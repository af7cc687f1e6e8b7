package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/harden"
	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/keystore"
	"pksa/keystore/access"
	"pksa/protocol/plain"
)

// policyInForce is a policy with what status shows of it.
type policyInForce struct {
	policy   *policy.Policy
	since    time.Time
	warnings policy.Problems
	fresh    []string // limits that began at zero with it
	failed   string   // why the last reload changed nothing; empty if it did
	waits    string   // why a watched file that changed is not taken; empty if it is
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
	env := policy.Options{Now: time.Now(), NobodyToAsk: cfg.Ask == "none"}
	if keys != nil {
		env.Accounts = keys.Accounts()
	}
	if l != nil {
		for _, slot := range l.Slots() {
			env.Apps = append(env.Apps, slot.Name)
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

// ReloadPolicy reads the policy file again. Everything that can fail happens before what runs is
// touched: a file with errors leaves the old policy in force, and status and metric show so.
func (a *Agent) ReloadPolicy(ctx context.Context) error {
	a.reloads.Lock()
	defer a.reloads.Unlock()
	if a.reloading != nil {
		defer a.reloading()()
	}
	next, warnings, err := LoadPolicy(a.settings(), a.keys, a.ledger)
	if err != nil {
		a.keepPolicy(err)
		return err
	}
	return a.takePolicy(ctx, next, warnings)
}

// takePolicy brings a policy into force. The caller holds reloads.
func (a *Agent) takePolicy(ctx context.Context, next *policy.Policy, warnings policy.Problems) error {
	old := a.policy.Load().policy
	content, _ := json.Marshal(map[string]string{"from": old.Hash(), "to": next.Hash()})
	// Recorded before it is in force: no request is judged by a policy that the trail does not
	// name. A crash in between leaves a record of a reload that did not happen, and the next start
	// loads the same file.
	entry := ledger.Entry{Type: ledger.RecordAdmin, Outcome: "policy reload", Content: content}
	if _, err := a.ledger.Append(ctx, entry); err != nil {
		return fmt.Errorf("recording the reload: %w", err)
	}
	var fresh []string
	a.budget.peek(func(c policy.Counters) { fresh = next.Fresh(old, c, time.Now()) })
	// Requests that wait were judged by the rules of the old policy. The commit sees that another
	// one is in force and judges them again.
	a.policy.Store(&policyInForce{policy: next, since: time.Now(), warnings: warnings, fresh: fresh})
	if err := a.ledger.Look(ctx, func(v ledger.View) { a.budget.load(v, next) }); err != nil {
		a.log.Warn("counters are shown as the policy of before counts, until the next request", "err", err)
	}
	a.metrics.Reload(true)
	a.log.Info("policy reloaded", "policy", next.Hash(), "warnings", len(warnings.Warnings()),
		"limits starting at zero", fresh)
	return nil
}

// keepPolicy reports that a reload failed and the policy in force stays.
func (a *Agent) keepPolicy(err error) {
	kept := *a.policy.Load()
	kept.failed, kept.waits = err.Error(), ""
	a.policy.Store(&kept)
	a.metrics.Reload(false)
	a.log.Error("policy not reloaded, the old one stays in force", "err", err)
	content := encodeRecord(map[string]string{"kept": kept.policy.Hash(), "reason": plain.Cut(err.Error(),
		audit.MaxText)})
	entry := ledger.Entry{Type: ledger.RecordAdmin, Outcome: "policy reload failed", Content: content}
	if err := a.ledger.Note(entry); err != nil {
		a.log.Error("reload not recorded", "err", err)
	}
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
		now := stamp(a.settings().Policy)
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
	a.reloads.Lock()
	defer a.reloads.Unlock()
	next, warnings, err := LoadPolicy(a.settings(), a.keys, a.ledger)
	if stamp(a.settings().Policy) != seen {
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
	if err := a.takePolicy(ctx, next, warnings); err != nil {
		a.log.Error("policy not reloaded, the old one stays in force", "err", err)
		return false
	}
	return true
}

// waitWithPolicy keeps the policy in force although its file has changed: the file lost sections
// that hold requests back, and may be half of what is being written. Only a person can tell.
func (a *Agent) waitWithPolicy(lost []string) {
	kept := *a.policy.Load()
	kept.failed, kept.waits = "", fmt.Sprintf("it has nothing under %s any more, where the policy in force has: it "+
		"may not be written to its end. If it is whole, `pksa policy reload` takes it", strings.Join(lost, " and "))
	a.policy.Store(&kept)
	a.metrics.Reload(false)
	a.log.Warn("the changed policy file is not taken, the old policy stays in force: " + kept.waits)
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

// reloadKeys reads the keystore again after a command changed it, with the secret that the command
// used, and registers what is new.
func (a *Agent) reloadKeys(ctx context.Context, p ReloadParams) (none, error) {
	secret := keystore.NewSecret(p.Secret)
	defer secret.Wipe()
	unlock, err := keystore.NewUnlock(secret)
	if err != nil {
		return none{}, err
	}
	defer unlock.Wipe()
	if unlock.NeedsPlugin() {
		return none{}, errPlugin
	}
	if err := a.keys.Reload(unlock); err != nil {
		return none{}, err
	}
	if _, err := a.ledger.Append(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "keys reload"}); err != nil {
		return none{}, fmt.Errorf("recording the reload: %w", err)
	}
	a.log.Info("keystore reread", "accounts", len(a.keys.Accounts()))
	// What was found of the keys before says nothing of those that took their places.
	a.mismatch.replace(nil)
	a.checkKeysSoon()
	return none{}, a.registerAll()
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
	secret := keystore.NewSecret(p.Secret)
	defer secret.Wipe()
	if !control.FromRoot(ctx) {
		return none{}, errNotRoot
	}
	unlock, err := keystore.NewUnlock(secret)
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
