//go:build unix

package pgtest

import (
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// other returns the user that a server runs as where the test runs as root: a server refuses that.
func other() (uid, gid int, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		var u *user.User
		if u, err = user.Lookup(name); err != nil {
			continue
		}
		if uid, err = strconv.Atoi(u.Uid); err != nil {
			return 0, 0, err
		}
		gid, err = strconv.Atoi(u.Gid)
		return uid, gid, err
	}
	return 0, 0, err
}

// pass lets other users through a folder of root.
func pass(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chmod(path, 0o711)
}

// giveAway makes a file the other user's.
func giveAway(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := other()
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

func asOther(cmd *exec.Cmd) {
	if os.Geteuid() != 0 {
		return
	}
	uid, gid, err := other()
	if err != nil {
		return // giveAway has said so
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// quit asks for an immediate end: none of what is in memory is written.
func quit(p *os.Process) { _ = p.Signal(syscall.SIGQUIT) }
