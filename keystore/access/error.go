package access

import (
	"fmt"
	"io/fs"
	"strings"
)

// Error reports a file or folder that others could read or change. It names the mode that was found
// and the mode that is wanted.
type Error struct {
	Path   string
	Folder bool        // Path is a folder
	Mode   fs.FileMode // permission bits as found, and fs.ModeSticky
	Want   fs.FileMode // permission bits that would do; zero when it is the owner that is wrong
	UID    uint32      // the owner as found
	GID    uint32      // the group as found
	Self   uint32      // the user that this process runs as

	kind     Kind
	readOnly bool
	written  bool // by the program itself
	onTheWay bool // Path is a folder on the way to what was asked for
}

// Error returns what was found and what to do: [Error.Found] and [Error.Advice].
func (e *Error) Error() string { return e.Found() + ": " + e.Advice() }

// Found returns what was found, and what is wanted.
func (e *Error) Found() string {
	kind := "file"
	if e.Folder {
		kind = "folder"
	}
	if e.Want == 0 {
		return fmt.Sprintf("%s %q belongs to user %d: it must belong to user %d or to root", kind, e.Path, e.UID,
			e.Self)
	}
	return fmt.Sprintf("%s %q has mode %s (%s), wanted is %04o", kind, e.Path, octal(e.Mode), e.danger(), e.Want)
}

// Advice returns what a person can do: a command, or what else helps where that one would fail.
func (e *Error) Advice() string {
	if e.Want == 0 {
		return e.chown()
	}
	return e.chmod()
}

func octal(mode fs.FileMode) string {
	bits := mode.Perm()
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return fmt.Sprintf("%04o", bits)
}

// danger returns who can do what.
func (e *Error) danger() string {
	byGroup := e.Mode&otherWrite == 0
	switch {
	case e.Folder && byGroup:
		return fmt.Sprintf("others can write in it: group %d is not ours alone", e.GID)
	case e.Folder:
		return "others can write in it"
	case e.kind == Decision && byGroup:
		return fmt.Sprintf("others can change it: group %d is not ours alone", e.GID)
	case e.kind == Decision:
		return "others can change it"
	case e.Mode&otherBits == 0:
		return fmt.Sprintf("open to others: group %d", e.GID)
	}
	return "open to others"
}

// chown returns the command that gives the file the right owner, or what else helps.
func (e *Error) chown() string {
	if e.onTheWay {
		return "use a path on which every folder does"
	}
	if e.kind != Decision && e.mountedSecret() {
		return e.mounted()
	}
	command := fmt.Sprintf("chown %d %s", e.Self, word(e.Path))
	if e.Self != 0 {
		command = "as root, " + command // nobody else can give files away
	}
	if e.kind == Decision && !e.written && !e.Folder {
		command += ", or mount it read-only"
	}
	return command
}

// chmod returns the command that takes the rights away, or what helps where that command fails.
func (e *Error) chmod() string {
	command := fmt.Sprintf("chmod %o %s", e.Want, word(e.Path))
	switch {
	case e.Folder && e.Mode&fs.ModeSticky != 0:
		// A folder for everybody, such as /tmp, must stay one.
		return "use a folder that belongs to you alone"
	case e.kind != Decision && e.mountedSecret():
		return e.mounted()
	case e.kind == Decision && e.Want&0o077 != 0:
		who := ""
		if e.Mode&groupWrite > e.Want&groupWrite {
			who = "g"
		}
		if e.Mode&otherWrite > e.Want&otherWrite {
			who += "o"
		}
		command = fmt.Sprintf("chmod %s-w %s", who, word(e.Path))
	case e.UID != e.Self && e.Self != 0 && (e.kind != Decision || e.Folder && !e.onTheWay):
		// The mode alone would close it to this user, too.
		return fmt.Sprintf("as root, chown %d %s && %s", e.Self, word(e.Path), command)
	}
	if e.UID != e.Self && e.Self != 0 {
		return "as root, " + command
	}
	return command
}

// mountedSecret reports whether neither owner nor mode can be changed where the wallet sees the
// file.
func (e *Error) mountedSecret() bool { return e.readOnly || strings.HasPrefix(e.Path, "/run/secrets/") }

// mounted returns where owner and mode of a mounted secret are set. Nobody can change them in a
// container.
func (e *Error) mounted() string {
	return fmt.Sprintf("it is mounted, so say so where that is done. Podman: --secret NAME,uid=%[1]d,mode=0400. "+
		"Swarm: secrets: [{source: NAME, uid: \"%[1]d\", mode: 0400}]. Compose: chown %[1]d and chmod 400 the file on "+
		"the host. Kubernetes: defaultMode: 0400 in the volume, and fsGroup in the securityContext of the pod", e.Self)
}

// word returns a path as a shell takes it.
func word(path string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("/._-+:,@%=~", r)
	}
	if path != "" && strings.IndexFunc(path, func(r rune) bool { return !plain(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
