package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"syscall"
)

// Place is where the wallet runs.
type Place struct {
	Container  bool   // what holds for this process holds for the wallet's there, too
	FirstName  string // of the program that is process 1
	FileSystem string // of the home folder: a word of [fileSystems], or empty
	ReadOnly   bool   // the home folder's mount
}

// networked are file systems on which locks and syncs may not hold what the ledger needs of them.
var networked = []string{"nfs", "cifs", "9p"}

// shells are programs that, as process 1, pass on no signal.
var shells = []string{"sh", "bash", "dash", "ash", "busybox"}

// listen looks whether the next start can listen where it has to. A running agent does so already.
func (e *examiner) listen(context.Context) bool {
	if e.status != nil || e.running != nil {
		return false
	}
	cfg := e.o.Config
	for _, one := range []struct{ setting, address string }{{"status.listen", cfg.StatusListen},
		{"relay.listen", cfg.RelayListen}} {
		if one.address == "" {
			continue
		}
		l, err := e.o.Listen("tcp", one.address)
		if err != nil {
			f := Finding{Level: Error, Where: one.setting, What: "nobody can listen at " + one.address + ": " +
				cause(err).Error(), Meaning: "a start would fail",
				Next: "name an address of this machine in the setting " + one.setting + ", and a port that is free"}
			if errors.Is(err, syscall.EADDRINUSE) {
				f.Next = "stop the program that has this port, or name another one in the setting " + one.setting
			}
			e.found(f)
			continue
		}
		_ = l.Close()
	}
	if info, err := os.Lstat(cfg.Control); err == nil && info.Mode().Type() != fs.ModeSocket {
		e.found(Finding{Level: Error, Where: cfg.Control,
			What:    "something that is no socket is in the place of the control socket",
			Meaning: "a start would fail", Next: "move it away, or name another path in the setting control"})
	}
	return true
}

// cause returns an error of the network without what was tried, which the finding names.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// placeOf looks at what containers and service managers make of the process.
func (e *examiner) placeOf(context.Context) bool {
	home := e.o.Config.Home
	p := e.o.Place(home)
	if e.fixed = p.ReadOnly; p.ReadOnly {
		e.found(Finding{Level: Error, What: "the home folder is mounted read-only", Where: home,
			Meaning: "nothing can be recorded, so nothing is signed",
			Next:    "mount it for writing; only the root of a container and what holds secrets may be read-only"})
	}
	if slices.Contains(networked, p.FileSystem) {
		e.found(Finding{Level: Warning, What: fmt.Sprintf("the home folder is on a network file system (%s)",
			p.FileSystem),
			Where: home, Meaning: "two machines may open the ledger at once, and a sync may not reach the disk",
			Next: "put the home folder on a local disk or a block volume"})
	}
	if !p.Container {
		return true
	}
	if p.FileSystem == "overlay" || p.FileSystem == "tmpfs" {
		what := "the home folder is no volume, but part of the container"
		if p.FileSystem == "tmpfs" {
			what = "the home folder is in memory (tmpfs), and no volume"
		}
		e.found(Finding{Level: Warning, What: what, Where: home,
			Meaning: "keys, ledger and audit trail are gone with the container",
			Next:    "mount a volume there, as examples/container/compose.yaml does"})
	}
	if slices.Contains(shells, p.FirstName) {
		e.found(Finding{Level: Warning, What: fmt.Sprintf("process 1 of the container is a shell (%s)", p.FirstName),
			Meaning: "it passes no signal on: a stop kills the wallet in the middle of its work",
			Next:    "start pksa as process 1 (exec, or the list form of the command), or under an init such as tini"})
	}
	return true
}
