package agent

import (
	"context"
	"encoding/json"
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

// LoadPolicy reads and compiles the policy file of the settings. The error holds every complaint,
// one a line; the problems that are given besides are warnings.
func LoadPolicy(cfg *config.Config, keys *keystore.Store, l *ledger.Ledger) (*policy.Policy, policy.Problems, error) {
	src, err := os.ReadFile(cfg.Policy)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the policy: %w", err)
	}
	env := policy.Env{Now: time.Now(), NobodyToAsk: cfg.Ask == "none"}
	if keys != nil {
		env.Accounts = keys.Accounts()
	}
	if l != nil {
		for _, slot := range l.Slots() {
			env.Slots = append(env.Slots, slot.Name)
		}
	}
	if cfg.CheckpointAccount != "" && !slices.Contains(env.Slots, SlotSelf) {
		env.Slots = append(env.Slots, SlotSelf)
	}
	compiled, problems := policy.Compile(cfg.Policy, src, env)
	if errs := problems.Errors(); len(errs) > 0 {
		return nil, nil, &PolicyError{errs}
	}
	return compiled, problems, nil
}

// PolicyError is a policy file that cannot be used.
type PolicyError struct{ Problems policy.Problems }

func (e *PolicyError) Error() string { return e.Problems.String() }

// ReloadPolicy reads the policy file again. Everything that can fail happens before what runs is
// touched: a file with errors leaves the old policy in force, and says so in status and metric.
func (a *Agent) ReloadPolicy(ctx context.Context) error {
	a.reloads.Lock()
	defer a.reloads.Unlock()
	next, warnings, err := LoadPolicy(a.config, a.keys(), a.ledger)
	if err != nil {
		old := *a.policy.Load()
		old.failed = err.Error()
		a.policy.Store(&old)
		a.metrics.Reload(false)
		a.log.Error("policy not reloaded, the old one stays in force", "err", err)
		content := encodeRecord(map[string]string{"kept": old.policy.Hash(), "reason": plain.Cut(err.Error(), audit.MaxText)})
		if err := a.ledger.Note(ledger.Entry{Type: ledger.RecordAdmin, Outcome: "policy reload failed",
			Content: content}); err != nil {
			a.log.Error("reload not recorded", "err", err)
		}
		return err
	}
	content, _ := json.Marshal(map[string]string{"from": a.policy.Load().policy.Hash(), "to": next.Hash()})
	if _, err := a.ledger.Append(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "policy reload",
		Content: content}); err != nil {
		return fmt.Errorf("recording the reload: %w", err)
	}
	var fresh []string
	a.budget.peek(func(c policy.Counters) { fresh = next.Fresh(a.policy.Load().policy, c, time.Now()) })
	a.policy.Store(&policyInForce{policy: next, since: time.Now(), warnings: warnings, fresh: fresh})
	a.metrics.Reload(true)
	a.log.Info("policy reloaded", "policy", next.Hash(), "warnings", len(warnings), "limits starting at zero", fresh)
	return nil
}

// watchPolicy reloads the policy whenever its file looks different. It asks for the file's time and
// size every few seconds: editors replace files in ways that notifications miss.
func (a *Agent) watchPolicy(ctx context.Context) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	last := stamp(a.config.Policy)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now := stamp(a.config.Policy); now != last {
			last = now
			a.ReloadPolicy(ctx) // says itself what went wrong
		}
	}
}

// stamp tells one state of a file from another.
func stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size())
}

// reloadKeys rereads the keystore after a command changed it, with the secret that the command
// used, and registers what is new.
func (a *Agent) reloadKeys(ctx context.Context, p ReloadParams) error {
	secret := keystore.NewSecret(p.Secret)
	defer secret.Wipe()
	unlock, err := keystore.NewUnlock(secret)
	if err != nil {
		return err
	}
	defer unlock.Wipe()
	if err := a.keys().Reload(unlock); err != nil {
		return err
	}
	if _, err := a.ledger.Append(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "keys reload"}); err != nil {
		return fmt.Errorf("recording the reload: %w", err)
	}
	a.log.Info("keystore reread", "accounts", len(a.keys().Accounts()))
	// What was found of the keys before says nothing of those that took their places.
	a.mismatch.replace(nil)
	a.checkKeysSoon()
	return a.registerAll()
}
