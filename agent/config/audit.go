package config

import (
	"fmt"
	"strings"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
)

// readAuditKeep reads whole days such as 400d, or all, which is zero: for ever.
func readAuditKeep(r *reader, n *yamlnode.Node) error {
	v, err := scalar(n)
	if err != nil {
		return err
	}
	if v == "all" {
		r.config.AuditKeep = 0
		return nil
	}
	d, err := parseSpan(v)
	if err != nil || !strings.HasSuffix(v, "d") {
		return fmt.Errorf("wants days such as 400d, or all, not %q", v)
	}
	r.config.AuditKeep = d
	return nil
}

func readCheckpointAccount(r *reader, n *yamlnode.Node) error {
	v, err := scalar(n)
	if err != nil {
		return err
	}
	if _, err := hive.ParseAccountName(v); err != nil {
		return fmt.Errorf("%q is no name of an account", v)
	}
	r.config.CheckpointAccount = v
	return nil
}
