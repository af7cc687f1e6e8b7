//go:build !linux

package harden

import (
	"runtime"

	"pksa/agent/config"
)

// undone returns the measures as not done: elsewhere none is, and status shows it.
func undone(names ...string) []Measure {
	var measures []Measure
	for _, name := range names {
		measures = append(measures, Measure{Name: name, Detail: "only done on Linux, this is " + runtime.GOOS})
	}
	return measures
}

func shield() []Measure { return undone(noCoreDumps, noTracing, memoryLock) }

func confine(*config.Config, Paths) []Measure { return undone(noNewRights, landlocked) }
