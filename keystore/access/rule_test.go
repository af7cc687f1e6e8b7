package access

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	us, other             = 1000, 1001
	ours, theirs, foreign = 2000, 2001, 2002 // a group of our own, one that we share, one that we are not in
)

// looking is a viewer who is in two groups, of which one is its own.
func looking(self uint32) viewer {
	return viewer{self: self,
		member: func(gid uint32) bool { return gid == ours || gid == theirs },
		own:    func(gid uint32) bool { return gid == ours }}
}

func found(mode fs.FileMode, uid, gid uint32) facts {
	no := func() bool { return false }
	return facts{path: "x", mode: mode, uid: uid, gid: gid, readOnly: no, listed: no}
}

func mounted(f facts) facts {
	f.readOnly = func() bool { return true }
	return f
}

func withList(f facts) facts {
	f.listed = func() bool { return true }
	return f
}

// The rule for what is read from a file. ro is the same file on a read-only mount.
func TestContentRule(t *testing.T) {
	tests := []struct {
		name   string
		kind   Kind
		f      facts
		ok, ro bool
	}{
		{"secret of ours", Secret, found(0o600, us, theirs), true, true},
		{"secret of ours, read by our group: we can close it", Secret, found(0o640, us, ours), false, true},
		{"secret of root's", Secret, found(0o400, 0, 0), true, true},
		{"secret of root's for our group, as Kubernetes and Podman mount it", Secret, found(0o440, 0, ours),
			true, true},
		{"the same, writable by root", Secret, found(0o640, 0, ours), true, true},
		{"secret of root's for a group with others", Secret, found(0o440, 0, theirs), false, false},
		{"secret of root's for another group", Secret, found(0o440, 0, foreign), false, false},
		{"secret of root's with an access list", Secret, withList(found(0o440, 0, ours)), false, false},
		{"keystore of ours, on a volume that was handed to our group", Kept, found(0o660, us, ours), true, true},
		{"keystore handed to a group with others", Kept, found(0o660, us, theirs), false, false},
		{"keystore handed to another group", Kept, found(0o660, us, foreign), false, false},
		{"keystore with an access list", Kept, withList(found(0o660, us, ours)), false, false},
		{"keystore for everybody", Kept, found(0o664, us, ours), false, false},
		{"keystore of another", Kept, found(0o660, other, ours), false, false},
		{"secret for everybody, as Swarm mounts it", Secret, found(0o444, 0, 0), false, false},
		{"secret that others may run", Secret, found(0o601, us, ours), false, false},
		{"secret of another", Secret, found(0o600, other, ours), false, false},
		{"credential of root's with an access list", Credential, withList(found(0o440, 0, 0)), true, true},
		{"credential that the list lets others write", Credential, withList(found(0o460, 0, 0)), false, false},
		{"credential for everybody", Credential, found(0o444, 0, 0), false, false},
		{"credential of ours, read by a group", Credential, found(0o440, us, theirs), false, false},
		{"shared key", Shared, found(0o640, 0, theirs), true, true},
		{"shared key of ours", Shared, found(0o640, us, theirs), true, true},
		{"shared key that the group may write", Shared, found(0o660, 0, theirs), false, false},
		{"shared key of a group that we are not in", Shared, found(0o640, 0, foreign), false, false},
		{"shared key for everybody", Shared, found(0o644, 0, 0), false, false},
		{"decision of ours", Decision, found(0o644, us, theirs), true, true},
		{"decision of root's", Decision, found(0o644, 0, 0), true, true},
		{"decision of ours and of our own group, as umask 002 makes it", Decision, found(0o664, us, ours), true, true},
		{"decision of root's, writable by our own group", Decision, found(0o664, 0, ours), true, true},
		{"the same with an access list", Decision, withList(found(0o664, us, ours)), false, true},
		{"decision writable by a group with others", Decision, found(0o664, us, theirs), false, true},
		{"decision writable by another group", Decision, found(0o664, us, foreign), false, true},
		{"decision writable by everybody", Decision, found(0o666, us, ours), false, true},
		{"decision of another", Decision, found(0o644, other, ours), false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for f, want := range map[*facts]bool{&tt.f: tt.ok, ptr(mounted(tt.f)): tt.ro} {
				err := looking(us).content(*f, tt.kind)
				if (err == nil) != want {
					t.Errorf("read-only %t: %v", f.readOnly(), err)
				}
				var e *Error
				if err != nil && (!errors.As(err, &e) || e.UID != f.uid || e.Self != us || e.Mode != f.mode) {
					t.Errorf("got %+v", err)
				}
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// The rules for folders: one in which we make files, and one on the way to a file of ours and of
// another.
func TestFolderRule(t *testing.T) {
	const dir, sticky = fs.ModeDir, fs.ModeDir | fs.ModeSticky
	tests := []struct {
		name                  string
		f                     facts
		place, way, wayOthers bool
	}{
		{"ours alone", found(dir|0o700, us, theirs), true, true, true},
		{"ours, others read", found(dir|0o755, us, theirs), true, true, true},
		{"root's", found(dir|0o755, 0, 0), true, true, true},
		{"ours and our own group's, as umask 002 makes it", found(dir|0o775, us, ours), true, true, true},
		{"writable by a group with others", found(dir|0o775, us, theirs), false, false, false},
		{"writable by others", found(dir|0o777, us, ours), false, false, false},
		{"sticky, as /tmp", found(sticky|0o777, 0, 0), false, true, false},
		{"sticky, of another", found(sticky|0o777, other, 0), false, false, false},
		{"of another", found(dir|0o755, other, theirs), false, false, false},
		{"sticky and read-only, as Kubernetes mounts a volume", mounted(found(sticky|0o777, 0, ours)), true,
			true, true},
		{"of another, read-only", mounted(found(dir|0o755, other, theirs)), true, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := looking(us)
			for rule, got := range map[string]struct {
				err  error
				want bool
			}{
				"place":               {v.folder(tt.f), tt.place},
				"way to our file":     {v.passage(tt.f, found(0o600, us, ours)), tt.way},
				"way to another file": {v.passage(tt.f, found(0o600, other, ours)), tt.wayOthers},
			} {
				if (got.err == nil) != got.want {
					t.Errorf("%s: %v", rule, got.err)
				}
			}
		})
	}
}

// Root looks at a wallet of a service: the files of the service's user count, nobody else's.
func TestTrustedOwners(t *testing.T) {
	v := looking(0)
	v.also = []uint32{us}
	for uid, want := range map[uint32]bool{0: true, us: true, other: false, nobody: false} {
		if err := v.content(found(0o644, uid, foreign), Decision); (err == nil) != want {
			t.Errorf("user %d: %v", uid, err)
		}
	}
	v.rootless = true
	if err := v.content(found(0o644, nobody, foreign), Decision); err != nil {
		t.Errorf("root of the machine, in a user namespace without it: %v", err)
	}
}

// The members of a group are looked up in the two files.
func TestOwnGroup(t *testing.T) {
	dir := t.TempDir()
	passwd, group := filepath.Join(dir, "passwd"), filepath.Join(dir, "group")
	write(t, passwd, "root:x:0:0::/root:/bin/sh\nsync:x:5:0::/:/bin/sync\nalice:x:1000:1000::/home/alice:/bin/sh\n"+
		"bob:x:1001:100::/home/bob:/bin/sh\nbroken\nx:y:z:1000:\n")
	write(t, group, "root:x:0:\nalice:x:1000:\nusers:x:100:\nempty:x:50:\nwheel:x:10:root,alice\nteam:x:11:alice,bob\n"+
		"far:x:12:alice,carol\nbroken\n")
	d := readDirectory(passwd, group)
	d.partial = false // whatever runs on this machine
	for _, tt := range []struct {
		name   string
		gid    uint32
		member bool
		want   bool
	}{
		{"private group of a user", 1000, true, true},
		{"first group of another", 100, true, false},
		{"nobody in it", 50, false, true},
		{"root and us", 10, true, true},
		{"another member", 11, true, false},
		{"a member whom the files do not know", 12, true, false},
		{"of root", 0, true, true},
		{"not listed, we are in it, as the group of a pod", 2000, true, true},
		{"not listed, we are not in it", 2000, false, false},
	} {
		if got := d.own(tt.gid, []uint32{us}, tt.member); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
	if !d.own(100, []uint32{us, other}, false) {
		t.Error("the only member is trusted")
	}
	d.partial = true
	if d.own(2000, []uint32{us}, true) || !d.own(1000, []uint32{us}, true) {
		t.Error("with a directory service, only listed groups are our own")
	}
	if none := readDirectory(filepath.Join(dir, "no"), filepath.Join(dir, "no")); len(none.users)+
		len(none.members) > 0 {
		t.Errorf("of files that are not there: %+v", none)
	}
	if d := readDirectory(dir, group); !d.partial { // a folder cannot be read
		t.Error("a file that cannot be read counts as whole")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Each message names what was found and what can be typed there.
func TestAdvice(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		parts []string
	}{
		{"our secret", looking(us).content(found(0o644, us, ours), Secret), []string{"mode 0644", "chmod 600 x"}},
		{"root's secret", looking(us).content(found(0o444, 0, 0), Secret),
			[]string{"mode 0444", "as root, chown 1000 x && chmod 600 x"}},
		{"mounted secret", looking(us).content(mounted(found(0o444, 0, 0)), Secret),
			[]string{"mode 0444", `uid=1000,mode=0400`, `uid: "1000", mode: 0400`, "defaultMode: 0400"}},
		{"mounted secret of another", looking(us).content(mounted(found(0o400, other, ours)), Secret),
			[]string{"belongs to user 1001", `uid=1000,mode=0400`, `uid: "1000", mode: 0400`}},
		{"policy for everybody", looking(us).content(found(0o666, us, theirs), Decision),
			[]string{"mode 0666", "others can change it", "wanted is 0644", "chmod go-w x"}},
		{"policy for a group", looking(us).content(found(0o664, us, theirs), Decision),
			[]string{"group 2001 is not ours alone", "chmod g-w x"}},
		{"root's policy", looking(us).content(found(0o666, 0, ours), Decision), []string{"as root, chmod o-w x"}},
		{"policy of another", looking(us).content(found(0o644, other, ours), Decision),
			[]string{"belongs to user 1001", "as root, chown 1000 x, or mount it read-only"}},
		{"ledger of another", looking(us).content(found(0o644, other, ours), Written),
			[]string{"belongs to user 1001", "as root, chown 1000 x"}},
		{"folder of another", looking(us).folder(found(fs.ModeDir|0o755, other, ours)),
			[]string{"belongs to user 1001", "as root, chown 1000 x"}},
		{"open folder", looking(us).folder(found(fs.ModeDir|0o777, us, ours)), []string{`folder "x" has mode 0777`,
			"chmod 700 x"}},
		// Closed to all but root it would be closed to the wallet, too.
		{"open folder of root's", looking(us).folder(found(fs.ModeDir|0o777, 0, 0)), []string{"mode 0777",
			"as root, chown 1000 x && chmod 700 x"}},
		{"sticky folder", looking(0).folder(found(fs.ModeDir|fs.ModeSticky|0o777, 0, 0)),
			[]string{"mode 1777", "use a folder that belongs to you alone"}},
		{"open folder on the way", looking(us).passage(found(fs.ModeDir|0o775, us, theirs), found(0o600, us, ours)),
			[]string{"group 2001", "chmod g-w x"}},
		{"folder of another on the way", looking(us).passage(found(fs.ModeDir|0o755, other, theirs),
			found(0o600, us, ours)),
			[]string{"belongs to user 1001", "every folder"}},
	} {
		for _, part := range tt.parts {
			if tt.err == nil || !strings.Contains(tt.err.Error(), part) {
				t.Errorf("%s: %v lacks %q", tt.name, tt.err, part)
			}
		}
		if tt.err != nil && strings.Contains(tt.err.Error(), "chmod") &&
			slices.Contains([]string{"mounted secret", "mounted secret of another", "sticky folder"}, tt.name) &&
			!strings.Contains(tt.err.Error(), "Compose") {
			t.Errorf("%s: advice that nobody can follow: %v", tt.name, tt.err)
		}
		if strings.HasSuffix(tt.name, "r of another") && strings.Contains(tt.err.Error(), "read-only") {
			t.Errorf("%s: the program has to write it: %v", tt.name, tt.err)
		}
	}
	if got := word("/a b/it's"); got != `'/a b/it'\''s'` {
		t.Error(got)
	}
}
