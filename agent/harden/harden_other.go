//go:build !linux

package harden

import (
	"runtime"

	"pksa/agent/config"
)

func shield() []Measure { return undone(runtime.GOOS, noCoreDumps, noTracing, memoryLock) }

func confine(*config.Config, Paths) []Measure { return undone(runtime.GOOS, noNewRights, landlocked) }

func foresee() []Measure { return append(shield(), confine(nil, Paths{})...) }

func keeps(string) bool { return false }

func unfollowed(*config.Config) []Loss { return nil }

func opened(*config.Config) []string { return nil }
