package harden

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"pksa/agent/config"
)

// measured makes a measure of the result of trying it.
func measured(name, done string, err error) Measure {
	if err != nil {
		return Measure{Name: name, Detail: err.Error()}
	}
	return Measure{Name: name, Done: true, Detail: done}
}

func shield() []Measure {
	return []Measure{
		measured(noCoreDumps, "RLIMIT_CORE is 0", forbidCoreDumps()),
		measured(noTracing, "not dumpable: only root can trace it or read its memory", forbidTracing()),
		measured(memoryLock, "memory is locked as it is used, none goes to swap", lockMemory()),
	}
}

func forbidCoreDumps() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("setting RLIMIT_CORE: %w", err)
	}
	return nil
}

func forbidTracing() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl PR_SET_DUMPABLE: %w", err)
	}
	return nil
}

// lockLimit returns how many bytes of memory may be locked, or why locking must not be tried.
func lockLimit() (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return 0, fmt.Errorf("reading RLIMIT_MEMLOCK: %w", err)
	}
	if limit.Cur != unix.RLIM_INFINITY && !mayLock() {
		return 0, fmt.Errorf("memory with keys may go to swap: RLIMIT_MEMLOCK is %d KiB; locking wants "+
			"LimitMEMLOCK=infinity in the unit, --ulimit memlock=-1 for a container, memlock in "+
			"/etc/security/limits.conf for a login, or CAP_IPC_LOCK", limit.Cur>>10)
	}
	return limit.Cur, nil
}

func lockMemory() error {
	limit, err := lockLimit()
	if err != nil {
		return err
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("mlockall: %w; where a container's system calls are filtered, allow this one", err)
	}
	if limit == unix.RLIM_INFINITY || reserves(limit) {
		return nil
	}
	// A capability that counts only inside a container: the limit holds all the same, and would end
	// the process at its next request for memory.
	return errors.Join(fmt.Errorf("RLIMIT_MEMLOCK is %d KiB and CAP_IPC_LOCK does not lift it here", limit>>10),
		unix.Munlockall())
}

// mayLock reports whether the process has CAP_IPC_LOCK.
func mayLock() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return err == nil && data[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0
}

// reserves reports whether the process still gets address space above the limit.
func reserves(limit uint64) bool {
	if limit > 1<<40 {
		return true // more than there is memory
	}
	m, err := unix.Mmap(-1, 0, int(limit)+os.Getpagesize(), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return false
	}
	return unix.Munmap(m) == nil
}

func foresee() (undone []Measure) {
	if _, err := lockLimit(); err != nil {
		undone = append(undone, measured(memoryLock, "", err))
	}
	if _, err := ll.LandlockGetABIVersion(); err != nil {
		undone = append(undone, measured(landlocked, "", withoutLandlock(err)))
	}
	return undone
}

func confine(cfg *config.Config, extra Paths) []Measure {
	privileges := measured(noNewRights, "no_new_privs is set on all threads", forbidNewRights())
	abi, err := ll.LandlockGetABIVersion()
	if err != nil {
		err = withoutLandlock(err)
	} else {
		err = restrictFiles(rules(cfg, extra))
	}
	return []Measure{privileges, measured(landlocked, landlockDetail(abi), err)}
}

// withoutLandlock returns why Landlock is not there, as far as the kernel's answer shows it.
func withoutLandlock(err error) error {
	const calls = "landlock_create_ruleset, landlock_add_rule and landlock_restrict_self"
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("this kernel has Landlock and does not start it: add landlock to lsm= of its command "+
			"line: %w",
			err)
	case errors.Is(err, unix.ENOSYS):
		// Some filters answer as a kernel without the call would.
		return fmt.Errorf("this kernel has no Landlock (Linux 5.13 brought it), or a filter of a container or unit "+
			"hides it: there, allow %s: %w", calls, err)
	}
	return fmt.Errorf("a filter of a container or unit blocks Landlock: allow %s: %w", calls, err)
}

// forbidNewRights uses the system call wrapper of the Landlock library, which reaches the threads
// of libc, too.
func forbidNewRights() error {
	if err := ll.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl PR_SET_NO_NEW_PRIVS: %w", err)
	}
	return nil
}

func landlockDetail(abi int) string {
	detail := fmt.Sprintf("only the files that the configuration names, on all threads; Landlock version %d", abi)
	if abi < 3 {
		detail += ", which lets other files be truncated"
	}
	return detail
}

// restrictFiles restricts as many of the rights that the library knows as this kernel can, and
// tries whether the kernel keeps to it.
func restrictFiles(allowed []landlock.Rule) error {
	// A variable of the whole process, and meant for all of it: the resolver of libc would need
	// files that are closed from here on.
	net.DefaultResolver.PreferGo = true
	net.DefaultResolver.Dial = askNameServer
	if err := landlock.V11.BestEffort().RestrictPaths(allowed...); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	root, err := os.Open("/")
	if err == nil {
		root.Close()
	}
	if !errors.Is(err, fs.ErrPermission) {
		return errors.New("landlock: the kernel took the rules and does not keep to them")
	}
	return nil
}
