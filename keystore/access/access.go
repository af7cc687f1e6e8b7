// Package access decides, by owners and modes, whether a file may hold a secret or a decision of
// the wallet. Every path from which the program takes one is looked at here, by one rule.
//
// [Open] and [Read] take a file of a [Kind] and refuse one that is too open. [Check] does so for a
// file that somebody else opens, [Folder] for a folder in which the program makes files, [Program]
// for a program that is run, and [Descriptor] for a file that is open already.
//
// # The rule
//
// The wallet believes itself, root, and nobody else on the machine. So a file must belong to this
// user or to root, and nobody else may change it. The same holds for every folder on the way to it,
// links included: who can rename a folder can put another file in place. What is more than that
// depends on the kind: nobody else may read a secret either.
//
//   - A group counts as nobody else if it is our own: this process is in it, or the system lists
//     it, and the system names nobody in it but this user and root. Such groups are what Linux
//     gives each user, and the fsGroup of a pod. The group's bits of a file with an access control
//     list say nothing about the group, so they count as those of others.
//   - A folder with the sticky bit, such as /tmp, may lie on the way: others can make files in it,
//     but cannot replace ours. [Folder] does not take one: a file that we have not made yet can be
//     made there by others.
//   - On a mount that is read-only nobody can change anything by way of that mount, so only reading
//     is looked at. Who mounts a file for the wallet decides on its content. Kubernetes mounts its
//     volumes so, with folders of mode 1777 inside.
//   - A secret that belongs to this user must be closed to the group too: its owner can do that.
//     What belongs to root, or is mounted read-only, may be read by a group of our own. So may what
//     the program itself keeps on a volume that a platform has handed to that group since:
//     [PutBack] closes it again where that is possible.
//
// Windows has neither owners nor modes as the rule means them. There nothing is refused.
//
// The rule cannot see members of a group whom only a directory service knows. Where one runs, a
// group that the files /etc/group and /etc/passwd do not list is not our own. On macOS, where these
// files do not list people, no group is but that of root.
package access

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Kind is what a file is for.
type Kind uint8

// The kinds of files.
const (
	// Secret is for unlock files, identities, keys, secrets of applications: nobody else may read
	// or change it.
	Secret Kind = iota
	// Credential is a secret that systemd hands to the unit's user by an access control list, whose
	// mask shows as the group's bits: in a file of root's the group's right to read is no group's.
	Credential
	// Kept is a secret that this program keeps in its home folder, such as the keystore: a platform
	// that goes over the volume may have opened it to a group of our own.
	Kept
	// Shared is a secret that the machine's administrator shares with other services, such as the
	// key of a TLS certificate: each group that this process is in may read it.
	Shared
	// Decision is for policies, settings, programs: everybody may read it, nobody else
	// may change it.
	Decision
	// Written is as Decision, for what the program itself writes, as the ledger: mounting it
	// read-only is no way out.
	Written
)

// Open opens a regular file, and then checks what it has opened, so that nobody can put another
// file in its place between the two. It follows links, as Kubernetes mounts its volumes: the file
// behind the link counts, and so does every folder and link on the way. The error is an *[Error] if
// the rule refuses the file. Besides this user and root, the users in also count as trusted.
func Open(path string, kind Kind, also ...uint32) (*os.File, fs.FileInfo, error) {
	// Without O_NONBLOCK a named pipe would hang here until somebody writes.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		if self, known := Self(); known {
			err = unreadable(path, err, kind, self)
		}
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%q is not a regular file", path)
		if kind != Decision {
			err = fmt.Errorf("%w; what a pipe delivers is read with fd:N", err)
		}
	}
	if err == nil {
		err = ourselves(also).file(path, info, kind)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// unreadable adds to an error what to do about a secret that is mounted for somebody else, or a
// file that somebody else, such as root with an editor, has put into a folder of ours, and that
// only its owner may read.
func unreadable(path string, err error, kind Kind, self uint32) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	info, looked := os.Stat(path)
	e := &Error{Path: path, Self: self, readOnly: looked == nil && factsOf(path, info).readOnly()}
	if kind == Secret && self != 0 && e.mountedSecret() {
		return fmt.Errorf("%w: %s", err, e.mounted())
	}
	if looked != nil || info.Mode().Perm()&0o077 != 0 {
		return err
	}
	owner, known := ownerOf(info)
	ofFolder, ours := Owner(filepath.Dir(path))
	if !known || !ours || owner == self || ofFolder != self {
		return err
	}
	return fmt.Errorf("%w: it belongs to user %d, and user %d has to read it: chown %d %s", err, owner, self, self,
		word(path))
}

// Read opens a file as [Open] does, and returns what it holds.
func Read(path string, kind Kind, also ...uint32) ([]byte, error) {
	f, _, err := Open(path, kind, also...)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// Check checks a file that somebody else opens, without opening it. A file that is not there is an
// error of kind [fs.ErrNotExist].
func Check(path string, kind Kind, also ...uint32) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return ourselves(also).file(path, info, kind)
}

// Folder checks a folder in which this program makes or replaces files: nobody else may make or
// rename files in it, sticky or not. Others may read it, if its owner lets them: that shows them
// names only.
func Folder(path string, also ...uint32) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%q is not a folder", path)
	}
	v := ourselves(also)
	if _, err := v.way(path); err != nil {
		return err
	}
	return v.folder(factsOf(path, info))
}

// Program returns the path of the program that a name stands for, as [exec.LookPath] finds it,
// unless somebody else could have put another one there.
func Program(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	return path, Check(path, Decision)
}

// Descriptor checks a file that is open already, as a parent process passes it on. Whatever is no
// regular file, such as a pipe, has no mode that says who reads it, and is taken.
func Descriptor(f *os.File, kind Kind) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	return ourselves(nil).content(factsOf(descriptorPath(f), info), kind)
}

// Owner returns the user to whom a file belongs; ok is false where the system does not tell.
func Owner(path string) (uid uint32, ok bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	return ownerOf(info)
}

// Administered returns the owner of a folder if this process is root and the folder is another's.
// Root looks after the wallet of a service: then what the service's user says of it counts, too.
func Administered(folder string) []uint32 {
	if uid, ok := Owner(folder); ok && uid != 0 && os.Geteuid() == 0 {
		return []uint32{uid}
	}
	return nil
}

// Self returns the user that this process runs as, and false where the system has no such ids.
func Self() (uint32, bool) {
	uid := os.Geteuid()
	return uint32(uid), uid >= 0
}
