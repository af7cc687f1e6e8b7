package access

import (
	"errors"
	"io/fs"
	"slices"
)

// nobody is the user that the kernel shows for an owner whom this user namespace does not have.
const nobody = 65534

// Bits of a mode.
const (
	otherBits  fs.FileMode = 0o007
	groupBits  fs.FileMode = 0o070
	otherWrite fs.FileMode = 0o002
	groupRead  fs.FileMode = 0o040
	groupWrite fs.FileMode = 0o020
)

// facts is what the rule looks at. It is apart from the system, so that each rule can be tested.
type facts struct {
	path     string
	mode     fs.FileMode
	uid, gid uint32
	// readOnly reports whether the file lies on a mount that is read-only, and listed whether an
	// access control list has the group's bits. Both cost a call, and are rarely asked.
	readOnly, listed func() bool
}

// viewer is who looks.
type viewer struct {
	self uint32
	also []uint32 // other users who are trusted here
	// rootless means that root of the machine is not in this user namespace: its files show as of
	// nobody's.
	rootless bool
	member   func(gid uint32) bool // this process is in the group
	own      func(gid uint32) bool // so is nobody else
}

func (v viewer) trusts(uid uint32) bool {
	return uid == v.self || uid == 0 || slices.Contains(v.also, uid) || uid == nobody && v.rootless
}

// strangersWrite returns the bits by which somebody else can write.
func (v viewer) strangersWrite(f facts) fs.FileMode {
	bits := f.mode & otherWrite
	if f.mode&groupWrite != 0 && (!v.own(f.gid) || f.listed()) {
		bits |= groupWrite
	}
	return bits
}

// content checks what is read from a file.
func (v viewer) content(f facts, kind Kind) error {
	if kind == Written {
		err := v.content(f, Decision)
		var wrong *Error
		if errors.As(err, &wrong) {
			wrong.written = true
		}
		return err
	}
	switch {
	case kind != Decision && !v.trusts(f.uid):
		return v.complain(f, 0, kind)
	case kind == Decision && f.readOnly():
		return nil
	case !v.trusts(f.uid):
		return v.complain(f, 0, kind)
	}
	bits := v.strangersWrite(f)
	if kind != Decision {
		bits = f.mode & (otherBits | groupBits) &^ v.groupMay(f, kind)
	}
	if bits == 0 {
		return nil
	}
	return v.complain(f, bits, kind)
}

// groupMay returns the bits that a secret's group may have.
func (v viewer) groupMay(f facts, kind Kind) fs.FileMode {
	switch {
	case f.mode&groupBits == 0:
		return 0
	case kind == Credential && f.uid == 0:
		return groupRead
	case kind == Shared && v.member(f.gid):
		return groupRead
	case kind == Kept && v.own(f.gid) && !f.listed():
		return groupBits
	// Who owns it can close it to the group; on a read-only mount nobody can.
	case f.uid == v.self && !f.readOnly():
		return 0
	case v.own(f.gid) && !f.listed():
		return groupBits
	}
	return 0
}

// folder checks a folder in which files are made.
func (v viewer) folder(f facts) error {
	if f.readOnly() {
		return nil
	}
	if !v.trusts(f.uid) {
		return v.complain(f, 0, Decision)
	}
	if bits := v.strangersWrite(f); bits != 0 {
		return v.complain(f, bits|0o077, Decision)
	}
	return nil
}

// passage checks a folder on the way to one of its entries.
func (v viewer) passage(f, entry facts) error {
	trusted, bits := v.trusts(f.uid), v.strangersWrite(f)
	sticky := f.mode&fs.ModeSticky != 0
	switch {
	case trusted && (bits == 0 || sticky && v.trusts(entry.uid)):
		return nil
	case f.readOnly():
		return nil
	case trusted && sticky: // the folder is as it should be: it is the entry that is another's
		f, bits = entry, 0
	case !trusted:
		bits = 0
	}
	e := v.complain(f, bits, Decision)
	e.onTheWay = e.Folder
	return e
}

func (v viewer) complain(f facts, bits fs.FileMode, kind Kind) *Error {
	e := &Error{Path: f.path, Folder: f.mode.IsDir(), Mode: f.mode & (fs.ModePerm | fs.ModeSticky), UID: f.uid,
		GID: f.gid, Self: v.self, kind: kind, readOnly: f.readOnly()}
	switch {
	case bits == 0: // it is the owner that is wrong
	case kind == Decision:
		e.Want = f.mode.Perm() &^ bits
	default:
		e.Want = 0o600
	}
	return e
}
