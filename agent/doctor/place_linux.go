package doctor

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// fileSystems are the kinds of file systems that mean something here, by the numbers of statfs(2).
var fileSystems = map[int64]string{
	0x794c7630: "overlay", 0x01021994: "tmpfs", 0x6969: "nfs", 0xff534d42: "cifs", 0x517b: "cifs", 0xfe534d42: "cifs",
	0x01021997: "9p",
}

// locksBeyondLimit reports whether the process has CAP_IPC_LOCK, as root has it: then no limit
// holds.
func locksBeyondLimit() bool {
	text, err := os.ReadFile("/proc/self/status")
	return err == nil && effective(string(text), capIPCLock)
}

// effective reports whether a process with this status has a capability.
func effective(status string, capability uint) bool {
	_, rest, _ := strings.Cut(status, "\nCapEff:\t")
	digits, _, _ := strings.Cut(rest, "\n")
	set, err := strconv.ParseUint(digits, 16, 64)
	return err == nil && set>>capability&1 == 1
}

const (
	capIPCLock      = 14
	mountedReadOnly = 1 // ST_RDONLY
	limitMemoryLock = 8 // RLIMIT_MEMLOCK
	maxLimit        = 1 << 62
)

// place looks at the process and the mount of a folder.
func place(folder string) Place {
	p := Place{LockLimit: -1}
	for _, sign := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(sign); err == nil {
			p.Container = true
		}
	}
	p.Container = p.Container || os.Getenv("KUBERNETES_SERVICE_HOST") != ""
	if name, err := os.ReadFile("/proc/1/comm"); err == nil {
		p.FirstName = strings.TrimSpace(string(name))
	}
	var stat syscall.Statfs_t
	if syscall.Statfs(folder, &stat) == nil {
		p.FileSystem, p.ReadOnly = fileSystems[int64(stat.Type)], stat.Flags&mountedReadOnly != 0
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(limitMemoryLock, &limit) == nil && limit.Cur < maxLimit && !locksBeyondLimit() {
		p.LockLimit = int64(limit.Cur)
	}
	return p
}
