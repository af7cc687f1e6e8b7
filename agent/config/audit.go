package config

import (
	"fmt"
	"strconv"
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

// sizeUnits are the units of sizes, the largest last.
var sizeUnits = []struct {
	name string
	size int64
}{{"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}

// auditLeast is the smallest bound of the trail: a segment has up to 8 MiB.
const auditLeast = 64 << 20

// readAuditMax reads a size such as 500MiB or 2GiB, or all, which is zero: no bound.
func readAuditMax(r *reader, n *yamlnode.Node) error {
	v, err := scalar(n)
	if err != nil {
		return err
	}
	r.config.AuditMaxSet = true
	if v == "all" {
		r.config.AuditMax = 0
		return nil
	}
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(v, unit.name)
		count, err := strconv.ParseInt(digits, 10, 64)
		if !ok || err != nil || strconv.FormatInt(count, 10) != digits || count < 1 || count > 1<<20 {
			continue
		}
		if size := count * unit.size; size >= auditLeast {
			r.config.AuditMax = size
			return nil
		}
	}
	return fmt.Errorf("wants a size from 64MiB on, such as 500MiB, 2GiB or 1TiB, or all, not %q", v)
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
