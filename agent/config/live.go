package config

import (
	"maps"
	"slices"
)

// live carries the value of each setting over that a running wallet takes without a restart. All
// others are bound to what was made at the start: keys, ledger, sandbox, sockets, the chain.
var live = map[string]func(to, from *Config){
	"relays": func(to, from *Config) { to.Relays = from.Relays },
	"nodes":  func(to, from *Config) { to.Nodes, to.NodeList = from.Nodes, from.NodeList },
	"policy": func(to, from *Config) { to.Policy = from.Policy },

	"approve.origin": func(to, from *Config) { to.Approve = from.Approve },

	"nonce.required":             func(to, from *Config) { to.NonceRequired = from.NonceRequired },
	"limits.operations":          func(to, from *Config) { to.Operations = from.Operations },
	"limits.requests_per_second": func(to, from *Config) { to.RequestsPerSecond = from.RequestsPerSecond },
	"limits.account_requests_per_second": func(to, from *Config) {
		to.AccountRequestsPerSecond = from.AccountRequestsPerSecond
	},

	"notify":        func(to, from *Config) { to.Notify = from.Notify },
	"lock_after":    func(to, from *Config) { to.LockAfter = from.LockAfter },
	"stop_timeout":  func(to, from *Config) { to.StopTimeout = from.StopTimeout },
	"status.listen": func(to, from *Config) { to.StatusListen = from.StatusListen },
	"status.hosts":  func(to, from *Config) { to.StatusHosts = from.StatusHosts },
	"log.level":     func(to, from *Config) { to.LogLevel = from.LogLevel },
}

// Change is a setting whose value in force is another one than that of the file and the variables.
type Change struct {
	Path    string `json:"path"`
	InForce string `json:"in_force"` // as [Config.Show] shows it
	InFile  string `json:"in_file"`
	From    string `json:"from"` // where the value in the file comes from
	// Restart says that only a restart takes the value over.
	Restart bool `json:"restart"`
}

// Changes returns the settings that differ from those of later, in the order of the table. Both are
// of the same home folder.
func (c *Config) Changes(later *Config) (changes []Change) {
	was, now := c.Show(), later.Show()
	for i, s := range now {
		// What is not shown may be all that has changed.
		hidden := s.Path == "unlock" && c.Unlock != later.Unlock ||
			s.Path == "ledger_password" && c.LedgerPassword != later.LedgerPassword ||
			s.Path == "notify" && !slices.Equal(c.Notify, later.Notify)
		if was[i].Value == s.Value && !hidden {
			continue
		}
		if was[i].Value == s.Value {
			s.Value += " (what has changed is not shown)"
		}
		changes = append(changes, Change{Path: s.Path, InForce: was[i].Value, InFile: s.Value, From: s.From,
			Restart: live[s.Path] == nil})
	}
	return changes
}

// Taking returns the settings with the values of later in those that a running wallet takes over,
// save for the names in except. It changes neither of the two.
func (c *Config) Taking(later *Config, except ...string) *Config {
	next := *c
	next.from, next.Warnings, next.Found = maps.Clone(c.from), later.Warnings, later.Found
	if next.from == nil {
		next.from = map[string]string{}
	}
	for path, carry := range live {
		if slices.Contains(except, path) {
			continue
		}
		carry(&next, later)
		delete(next.from, path)
		if from, set := later.from[path]; set {
			next.from[path] = from
		}
	}
	return &next
}
