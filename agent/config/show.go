package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Shown is a setting as it is in force: its value as the file would hold it, and where that comes
// from.
type Shown struct {
	Path     string `json:"path"`
	Value    string `json:"value"` // empty: nothing is set
	From     string `json:"from"`  // "config.yaml:3:5", the name of a variable, or FromDefault
	Variable string `json:"variable"`
	// Empty says that the variable is there and empty, which counts as not set.
	Empty bool `json:"variable_empty,omitempty"`
}

// FromDefault is what [Shown] names as the place of a value that nobody set.
const FromDefault = "default"

// Show returns all settings in the order of the table. Of a command that delivers the unlock secret
// only the program is shown: its arguments belong to whoever wrote them. Of a notifier neither
// topic nor path is shown: who knows them may read, or send.
func (c *Config) Show() []Shown {
	all := make([]Shown, len(settings))
	for i, s := range settings {
		from, set := c.from[s.Path]
		if !set {
			from = FromDefault
		}
		all[i] = Shown{Path: s.Path, Value: s.show(c), From: from, Variable: s.Variable(),
			Empty: slices.Contains(c.empty, s.Variable())}
	}
	return all
}

// Within reports whether a name is that of the setting, or of the section that it stands in.
func (s Shown) Within(name string) bool { return s.Path == name || strings.HasPrefix(s.Path, name+".") }

// took notes where the value of a setting comes from. What comes later counts.
func (r *reader) took(s setting, where string) {
	if r.config.from == nil {
		r.config.from = map[string]string{}
	}
	r.config.from[s.Path] = where
}

// showSource leaves the arguments of a command out.
func showSource(source string) string {
	if rest, isCommand := strings.CutPrefix(source, "command:"); isCommand {
		if words := strings.Fields(rest); len(words) > 0 {
			return "command:" + words[0]
		}
	}
	return source
}

// inList returns the items as the file has a list, or nothing if there are none.
func inList(items []string) string {
	if len(items) == 0 {
		return ""
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func showRelays(c *Config) string {
	var items []string
	for _, relay := range c.Relays {
		item := relay.URL
		if relay.Plaintext || !relay.Key.IsNull() {
			item = "{url: " + relay.URL
			if relay.Plaintext {
				item += ", plaintext: true"
			}
			if !relay.Key.IsNull() {
				item += ", key: " + relay.Key.String()
			}
			item += "}"
		}
		items = append(items, item)
	}
	return inList(items)
}

func showNodes(c *Config) string {
	items := slices.Clone(c.Nodes)
	if c.NodeList != "" {
		items = append(items, "list:"+c.NodeList)
	}
	return inList(items)
}

func showChainID(c *Config) string { return c.ChainID }

func showKeyPrefix(c *Config) string { return c.KeyPrefix }

func showAuditKeep(c *Config) string {
	if c.AuditKeep == 0 {
		return "all"
	}
	return fmt.Sprintf("%dd", c.AuditKeep/(24*time.Hour))
}

func showAuditMax(c *Config) string {
	if c.AuditMax == 0 {
		return "all"
	}
	for _, unit := range slices.Backward(sizeUnits) {
		if c.AuditMax%unit.size == 0 {
			return strconv.FormatInt(c.AuditMax/unit.size, 10) + unit.name
		}
	}
	return ""
}

func showCheckpointAccount(c *Config) string { return c.CheckpointAccount }

func showUnproven(c *Config) string {
	var items []string
	if c.RelayUnproven.Others {
		items = append(items, "others")
	}
	if c.RelayUnproven.Any {
		items = append(items, "any")
	}
	for _, name := range c.RelayUnproven.Names {
		items = append(items, string(name))
	}
	switch len(items) {
	case 0:
		return "none"
	case 1:
		return items[0]
	}
	return inList(items)
}

func showHardening(c *Config) string {
	switch {
	case c.Hardening.Off:
		return "off"
	case len(c.Hardening.Required) == 0:
		return "best"
	case slices.Equal(c.Hardening.Required, Measures):
		return "required"
	}
	return inList(c.Hardening.Required)
}

func showLevel(c *Config) string { return strings.ToLower(c.LogLevel.String()) }
