package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"pksa/agent/status"
	"pksa/protocol/hive"
)

// KeyCheck says whether one held key still fits its account on the chain.
type KeyCheck struct {
	Account string `json:"account"`
	Role    string `json:"role"`
	Public  string `json:"public"`
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
}

// mismatches are the held keys that the chain does not know in their roles. The zero value is ready.
type mismatches struct {
	mu    sync.Mutex
	roles map[hive.AccountName][]hive.Role
	words map[hive.AccountName][]string
}

func (m *mismatches) of(account hive.AccountName) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.words[account])
}

func (m *mismatches) has(account hive.AccountName, role hive.Role) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.roles[account], role)
}

func (m *mismatches) labels() []status.KeyLabel {
	m.mu.Lock()
	defer m.mu.Unlock()
	var labels []status.KeyLabel
	for account, roles := range m.roles {
		for _, role := range roles {
			labels = append(labels, status.KeyLabel{Account: string(account), Role: role.String()})
		}
	}
	return labels
}

// replace sets what a check found and says whether that changed anything.
func (m *mismatches) replace(checks []KeyCheck, roles map[hive.AccountName][]hive.Role) bool {
	words := map[hive.AccountName][]string{}
	for _, c := range checks {
		if !c.OK {
			name := hive.AccountName(c.Account)
			words[name] = append(words[name], c.Role+": "+c.Problem)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	changed := !maps.EqualFunc(m.roles, roles, slices.Equal)
	m.roles, m.words = roles, words
	return changed
}

// watchKeys compares the held keys with the chain at start and every so often.
func (a *Agent) watchKeys(ctx context.Context) {
	pause := time.Duration(0)
	for {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = a.config.KeyCheckEvery
		if _, err := a.CheckKeys(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("held keys not compared with the chain", "err", err)
			pause = min(pause, time.Minute)
		}
	}
}

// CheckKeys compares each held key with the authorities of its account. What does not fit is
// logged by name and shown in status; it stays until a later check finds it right.
func (a *Agent) CheckKeys(ctx context.Context) ([]KeyCheck, error) {
	store := a.keys()
	names := store.Accounts()
	var checks []KeyCheck
	wrong := map[hive.AccountName][]hive.Role{}
	for batch := range slices.Chunk(names, 100) {
		accounts, err := a.node.Authorities(ctx, batch...)
		if err != nil {
			return nil, err
		}
		for _, name := range batch {
			account, exists := accounts[name]
			for _, role := range store.Roles(name) {
				public, _ := store.Public(name, role)
				c := KeyCheck{Account: string(name), Role: role.String(), Public: public.String(), OK: true}
				switch {
				case !exists:
					c.OK, c.Problem = false, "the chain has no such account"
				case !slices.Contains(account.Roles(public), role):
					c.OK, c.Problem = false, fmt.Sprintf("the chain does not know this key as a %s key that can sign alone", role)
				}
				if !c.OK {
					wrong[name] = append(wrong[name], role)
					a.log.Warn("a held key does not fit its account", "account", name, "role", role.String(), "public", public.String(), "problem", c.Problem)
				}
				checks = append(checks, c)
			}
		}
	}
	if a.mismatch.replace(checks, wrong) {
		if err := a.registerAll(); err != nil {
			return nil, err
		}
	}
	return checks, nil
}
