package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/keystore"
	"pksa/protocol/plain"
)

// policyInForce is a policy with what status shows of it.
type policyInForce struct {
	policy   *policy.Policy
	since    time.Time
	warnings policy.Problems
	fresh    []string // limits that began at zero with it
	failed   string   // why the last reload changed nothing; empty if it did
}

// LoadPolicy reads and compiles the policy file of the settings. Keys and ledger may be nil;
// otherwise names in the file are compared with the accounts and slots that they hold. The error
// has one line for each complaint; the problems that are returned besides are warnings.
func LoadPolicy(cfg *config.Config, keys *keystore.Store, l *ledger.Ledger) (*policy.Policy, policy.Problems, error) {
	src, err := os.ReadFile(cfg.Policy)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the policy: %w", err)
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
	if cfg.CheckpointAccount != "" && !slices.Contains(env.Apps, ownSlot) {
		env.Apps = append(env.Apps, ownSlot)
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
	next, warnings, err := LoadPolicy(a.config, a.keys, a.ledger)
	if err != nil {
		a.keepPolicy(err)
		return err
	}
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
	a.metrics.Reload(true)
	a.log.Info("policy reloaded", "policy", next.Hash(), "warnings", len(warnings), "limits starting at zero", fresh)
	return nil
}

// keepPolicy reports that a reload failed and the policy in force stays.
func (a *Agent) keepPolicy(err error) {
	kept := *a.policy.Load()
	kept.failed = err.Error()
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

// policyWatchEvery is how often the policy file is looked at: editors replace files in ways that
// notifications miss.
const policyWatchEvery = 2 * time.Second

// watchPolicy reloads the policy whenever the time or the size of its file has changed.
func (a *Agent) watchPolicy(ctx context.Context) {
	last := stamp(a.config.Policy)
	every(ctx, policyWatchEvery, func() {
		if now := stamp(a.config.Policy); now != last {
			last = now
			_ = a.ReloadPolicy(ctx) // log, status and metric have the error
		}
	})
}

// stamp returns a text that differs for two states of a file.
func stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size())
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
