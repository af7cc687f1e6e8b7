package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"pksa/agent/service"
	"pksa/keystore/access"
)

// console looks at the socket of the console: who may call there, who else could put one in its
// place, and whether that user gets there at all.
func (e *examiner) console(context.Context) bool {
	cfg := e.o.Config
	if cfg.ConsoleSocket == "" {
		return true
	}
	user, err := service.ConsoleUser(cfg)
	e.fault(err, "a start would fail")
	folder := filepath.Dir(cfg.ConsoleSocket)
	err = access.Folder(folder, access.Administered(cfg.Home)...)
	e.fault(err, "a start would fail")
	if err != nil || user == nil {
		return true
	}
	info, err := os.Lstat(cfg.ConsoleSocket)
	switch {
	case err == nil && info.Mode().Type() != fs.ModeSocket:
		e.found(Finding{Level: Error, Where: cfg.ConsoleSocket,
			What:    "something that is no socket is in the place of the console's socket",
			Meaning: "a start would fail", Next: "move it away, or name another path in the setting console.socket"})
	case errors.Is(err, fs.ErrNotExist) && e.status != nil:
		e.found(Finding{Level: Warning, Where: cfg.ConsoleSocket,
			What:    "the running wallet has no socket for a console",
			Meaning: "the console cannot reach it", Next: "start the wallet again: it was started with other settings"})
	}
	if closed := closedTo(*user, folder); closed != "" {
		e.found(Finding{Level: Warning, Where: closed, What: fmt.Sprintf("user %d, who runs the console, cannot enter "+
			"this folder", *user), Meaning: "the console does not reach " + cfg.ConsoleSocket,
			Next: "chmod a+x " + closed + "; or, if that is the home folder, name a path outside of it in the " +
				"setting console.socket, such as /run/pksa/console.sock"})
	}
	return true
}

// closedTo returns the folder at or above one that a user cannot enter; empty if there is none, or
// if that depends on the groups that the user is in.
func closedTo(user uint32, folder string) string {
	if user == 0 {
		return ""
	}
	for {
		info, err := os.Stat(folder)
		if err != nil {
			return ""
		}
		may := fs.FileMode(0o011) // by everybody, or by a group
		owner, known := access.Owner(folder)
		if known && owner == user {
			may = 0o100
		}
		if known && info.Mode().Perm()&may == 0 {
			return folder
		}
		above := filepath.Dir(folder)
		if above == folder {
			return ""
		}
		folder = above
	}
}
