package doctor

import (
	"os"
	"strings"
	"syscall"
)

// fileSystems are the kinds of file systems that mean something here, by the numbers of statfs(2).
var fileSystems = map[int64]string{
	0x794c7630: "overlay", 0x01021994: "tmpfs", 0x6969: "nfs", 0xff534d42: "cifs", 0x517b: "cifs", 0xfe534d42: "cifs",
	0x01021997: "9p",
}

const mountedReadOnly = 1 // ST_RDONLY

// InContainer reports whether this process runs in a container, as far as Docker, Podman and
// Kubernetes leave a sign.
func InContainer() bool {
	for _, sign := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(sign); err == nil {
			return true
		}
	}
	// Podman hides its file where the root folder is read-only.
	return os.Getenv("KUBERNETES_SERVICE_HOST") != "" || os.Getenv("container") != ""
}

// place looks at the process and the mount of a folder.
func place(folder string) Place {
	p := Place{Container: InContainer()}
	if name, err := os.ReadFile("/proc/1/comm"); err == nil {
		p.FirstName = strings.TrimSpace(string(name))
	}
	var stat syscall.Statfs_t
	if syscall.Statfs(folder, &stat) == nil {
		p.FileSystem, p.ReadOnly = fileSystems[int64(stat.Type)], stat.Flags&mountedReadOnly != 0
	}
	return p
}
