package access

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// directory is what /etc/passwd and /etc/group say.
type directory struct {
	users   map[string]uint32   // ids by name
	primary map[uint32][]uint32 // users by their first group
	members map[uint32][]string // names by group; a group without names is in it, too
	// partial means that there may be more users than are listed.
	partial bool
}

// maxDirectory bounds what is read of each of the two files.
const maxDirectory = 4 << 20

// servicePaths are where services listen that know more users than the two files.
var servicePaths = []string{"/var/lib/sss/pipes/nss", "/run/nslcd/socket", "/run/samba/winbindd/pipe"}

// theDirectory is read once: a process that has confined itself can no longer read it, and must go
// on deciding as before.
var theDirectory = sync.OnceValue(func() *directory { return readDirectory("/etc/passwd", "/etc/group") })

func readDirectory(passwd, group string) *directory {
	d := &directory{users: map[string]uint32{}, primary: map[uint32][]uint32{}, members: map[uint32][]string{}}
	d.read(passwd, func(fields []string) {
		if uid, gid, ok := ids(fields, 2, 3); ok {
			d.users[fields[0]] = uid
			d.primary[gid] = append(d.primary[gid], uid)
		}
	})
	d.read(group, func(fields []string) {
		if gid, _, ok := ids(fields, 2, 2); ok && len(fields) > 3 {
			names := strings.FieldsFunc(fields[3], func(r rune) bool { return r == ',' })
			d.members[gid] = append(d.members[gid], names...)
		}
	})
	for _, path := range servicePaths {
		if _, err := os.Stat(path); err == nil {
			d.partial = true
		}
	}
	return d
}

// read calls line with the fields of each line of a file. A file that is not there has none: an
// image of a container may hold one program only.
func (d *directory) read(path string, line func(fields []string)) {
	f, err := os.Open(path)
	if err != nil {
		d.partial = d.partial || !errors.Is(err, fs.ErrNotExist)
		return
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxDirectory))
	lines.Buffer(nil, maxDirectory)
	size := 0
	for lines.Scan() {
		size += len(lines.Bytes()) + 1
		line(strings.Split(lines.Text(), ":"))
	}
	if lines.Err() != nil || size >= maxDirectory {
		d.partial = true
	}
}

// ids returns the numbers in two fields.
func ids(fields []string, i, j int) (a, b uint32, ok bool) {
	if len(fields) <= max(i, j) {
		return 0, 0, false
	}
	first, err1 := strconv.ParseUint(fields[i], 10, 32)
	second, err2 := strconv.ParseUint(fields[j], 10, 32)
	return uint32(first), uint32(second), err1 == nil && err2 == nil
}

// own reports whether a group is our own: nobody is in it but root and those who are trusted, and
// this process is in it or the group is listed.
func (d *directory) own(gid uint32, trusted []uint32, member bool) bool {
	names, listed := d.members[gid]
	if !member && !listed || d.partial && !listed {
		return false
	}
	stranger := func(uid uint32) bool { return uid != 0 && !slices.Contains(trusted, uid) }
	// Some systems give accounts for shutting down the group of root as their first.
	if gid != 0 && slices.ContainsFunc(d.primary[gid], stranger) {
		return false
	}
	return !slices.ContainsFunc(names, func(name string) bool {
		uid, known := d.users[name]
		return !known || stranger(uid)
	})
}

// ourselves returns this process as the viewer.
func ourselves(also []uint32) viewer {
	self := uint32(max(os.Geteuid(), 0))
	member := func(gid uint32) bool {
		groups, _ := os.Getgroups()
		return int64(gid) == int64(os.Getegid()) || slices.Contains(groups, int(gid))
	}
	d, trusted := theDirectory(), append([]uint32{self}, also...)
	return viewer{self: self, also: also, rootless: rootless(), member: member, own: func(gid uint32) bool {
		if runtime.GOOS == "darwin" { // its files do not list people
			return gid == 0 && self == 0
		}
		return d.own(gid, trusted, member(gid))
	}}
}
