package harden

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"pksa/agent/config"
)

// Protections that are no measure, because nothing needs to be done for them on systems that have
// them: packages keystore and control ask for them in passing.
const (
	fileRights = "file-rights" // a secret file that others can read or change is refused
	callers    = "callers"     // the control socket serves only the user whose agent it is, and root
)

// Lacking returns the protections that this system does not have, whatever the setting hardening
// says. On Linux there are none.
func Lacking() []Measure { return LackingOn(runtime.GOOS) }

// Protections returns the names of the protections that a system has, named as in GOOS.
func Protections(system string) []string {
	return slices.DeleteFunc(append(slices.Clone(config.Measures), fileRights, callers), func(name string) bool {
		return slices.ContainsFunc(LackingOn(system), func(m Measure) bool { return m.Name == name })
	})
}

// LackingOn returns what [Lacking] returns on another system, named as in GOOS.
func LackingOn(system string) []Measure {
	if system == "linux" {
		return nil
	}
	list := undone(system, config.Measures...)
	knowsCallers := system == "darwin" || system == "freebsd"
	if system == "windows" {
		list = append(list, Measure{Name: fileRights, Detail: "owners and modes of secret files are not checked, " +
			"Windows has access control lists: let nobody else into the home folder"})
	}
	if !knowsCallers {
		list = append(list, Measure{Name: callers, Detail: fmt.Sprintf("%s does not say who calls the control socket: "+
			"whoever may use its folder may call", system)})
	}
	return list
}

// undone returns measures that are done on Linux only.
func undone(system string, names ...string) (list []Measure) {
	for _, name := range names {
		list = append(list, Measure{Name: name, Detail: "only done on Linux, this is " + system})
	}
	return list
}

// UnsetError means that the system lacks protections, and that nothing tells that its operator
// knows.
type UnsetError struct{ Lacking []Measure }

// Error returns what to set, and one line for each protection that the system lacks.
func (e *UnsetError) Error() string {
	var b strings.Builder
	b.WriteString("this system lacks protections that the setting hardening stands for; to run without them, set it, " +
		"to best or off:")
	writeMeasures(&b, e.Lacking)
	return b.String()
}

// mustBeSet returns an *[UnsetError] if protections are lacking and the setting is not there. An
// operator who has read on Linux what protects the keys must not believe it of another system.
func mustBeSet(h config.Hardening, lacking []Measure) error {
	if len(lacking) == 0 || h.Set {
		return nil
	}
	return &UnsetError{slices.Clone(lacking)}
}

func writeMeasures(b *strings.Builder, list []Measure) {
	for _, m := range list {
		b.WriteString("\n  " + m.Name + ": " + m.Detail)
	}
}
