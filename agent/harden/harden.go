// Package harden shuts the process in, so that what it knows stays in it. Start with [Shield],
// which is called before the first secret is read, and [Confine], which is called once keystore and
// ledger are open.
//
// # What it promises
//
// Each measure is tried and reported by name: what could not be done is an error only if the
// setting hardening requires it. What was done cannot be undone in this process, and every program
// that it starts inherits it. Nothing here concerns the network.
//
// On systems other than Linux no measure exists, and each one is reported as not done. There an
// agent starts only if the setting hardening is set, so that its operator knows: see [Lacking].
//
// # Where to look
//
// harden.go has the two steps and the measures; system.go has what other systems lack;
// paths_linux.go decides which files stay open.
package harden

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"pksa/agent/config"
)

// The measures, named as in the setting hardening.
const (
	noCoreDumps = "core-dumps"  // a crash leaves no picture of the memory on disk
	noTracing   = "tracing"     // other processes of the same user cannot look into ours
	memoryLock  = "memory-lock" // nothing of the memory goes to swap
	noNewRights = "privileges"  // no program run from here gains rights (setuid, capabilities of files)
	landlocked  = "landlock"    // files: what the configuration names, nothing else
)

// Measure is one protection of what this process knows, or the reason why it could not be had.
type Measure struct {
	Name   string `json:"name"`
	Done   bool   `json:"done"`
	Detail string `json:"detail"`
}

// Paths is what [Confine] leaves open besides what the configuration names. A folder stands for all
// below it; what does not exist is skipped.
type Paths struct {
	Read    []string
	Write   []string // folders: read, written, made, renamed and removed in
	Execute []string // programs, found as a shell finds them; what they need to start is added
}

// Shield forbids core dumps, tracing by other processes, and swapping. It must be called before the
// first secret is read. It concerns the whole process and cannot be undone; a second call has the
// same effect. The error is a *[Error], or an *[UnsetError] on a system that is not Linux.
//
// Memory is locked page by page as it is used (MCL_ONFAULT): Go reserves much more address space
// than it uses, and locking that would make it real. An idle agent holds 17 MiB without locking, 18
// MiB with it, and 143 MiB if all were locked at once. The pages of the ledger's file that were
// read are locked, too. Locking is tried only where locking has no limit (RLIMIT_MEMLOCK,
// CAP_IPC_LOCK): beyond a limit every further request for memory would fail, and with it the
// process.
func Shield(h config.Hardening) ([]Measure, error) {
	if err := mustBeSet(h, Lacking()); err != nil {
		return nil, err
	}
	if h.Off {
		return nil, nil
	}
	return demand(h, shield())
}

// Confine takes rights away. It must be called when the keystore and the ledger are open. Programs
// gain no rights by being run from here, and with Landlock (Linux 5.13) all threads lose every file
// but these:
//
//   - read and write: the home folder, the folders of keystore and ledger, and of the control
//     socket as far as that needs it;
//   - read: the files of policy, unlocking, notifiers and TLS with their folders, because a file
//     that is replaced is another one to Landlock, and with the folders beside those that a link on
//     the way leads to, because it may be moved; only the file where the folder is one of the
//     system's (/etc, a user's home); what name resolution, time zones and certificates of
//     authorities are read from;
//   - execute: the command of the setting unlock, with what it needs to start;
//   - what extra names.
//
// Files that are open already stay open. The network is not restricted. From then on names are
// resolved by Go's own resolver, because that of libc loads modules and talks to other daemons. An
// ordinary user keeps reading in /etc and, if not logged in, in /run, so that a resolv.conf that is
// replaced there is followed; root, whom no file mode stops, does not, nor beside the folder that a
// link leads to. [Unfollowed] says what is lost, and [Opened] what stays open to root and others.
//
// It cannot be undone in this process, and commands inherit it. The error is a *[Error].
func Confine(cfg *config.Config, extra Paths) ([]Measure, error) {
	if cfg.Hardening.Off {
		return nil, nil
	}
	return demand(cfg.Hardening, confine(cfg, extra))
}

// Foresee returns the measures that [Shield] and [Confine] could not take in this process, as far
// as that shows without taking one: one that is tried can fail all the same. Nothing is changed.
func Foresee() []Measure { return foresee() }

// Confined reports whether this process has lost the files that [Confine] does not leave open.
func Confined(measures []Measure) bool {
	return slices.ContainsFunc(measures, func(m Measure) bool { return m.Name == landlocked && m.Done })
}

// Error names the measures that the setting hardening requires and this machine did not permit.
type Error struct{ Missing []Measure }

// Error returns one line for each measure.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("the setting hardening requires what could not be done:")
	writeMeasures(&b, e.Missing)
	return b.String()
}

func demand(h config.Hardening, measures []Measure) ([]Measure, error) {
	var missing []Measure
	for _, m := range measures {
		if !m.Done && h.Requires(m.Name) {
			missing = append(missing, m)
		}
	}
	if missing != nil {
		return measures, &Error{missing}
	}
	return measures, nil
}

// Log writes one line with the measures that are done, and a warning for each one that is not, or
// that all are off. It warns of what this system lacks, too.
func Log(ctx context.Context, log *slog.Logger, measures []Measure) {
	logMeasures(ctx, log, measures, Lacking())
}

func logMeasures(ctx context.Context, log *slog.Logger, measures, lacking []Measure) {
	if len(measures) == 0 {
		log.Warn("hardening is off: other processes of this user can read the keys")
	}
	for _, m := range lacking {
		if !slices.ContainsFunc(measures, func(other Measure) bool { return other.Name == m.Name }) {
			measures = append(slices.Clip(measures), m)
		}
	}
	var done []string
	for _, m := range measures {
		if m.Done {
			done = append(done, m.Name)
		}
	}
	if len(done) > 0 { // what is as it should be takes one line; status has the details
		log.InfoContext(ctx, "hardened", "measures", strings.Join(done, ","))
	}
	for _, m := range measures {
		if !m.Done {
			log.WarnContext(ctx, "not hardened", "measure", m.Name, "detail", m.Detail)
		}
	}
}
