package keystore

import (
	"errors"
	"io/fs"
	"testing"
)

func TestPermissionRules(t *testing.T) {
	const us, other = 1000, 1001
	file, credential, folder := owned.checkFile, owned.checkCredential, owned.checkFolder
	tests := []struct {
		name  string
		check func(owned) error
		mode  fs.FileMode
		uid   uint32
		want  fs.FileMode // wanted mode of the complaint
		ok    bool
	}{
		{"ours 0600", file, 0o600, us, 0, true},
		{"ours 0400", file, 0o400, us, 0, true},
		{"root's 0400", file, 0o400, 0, 0, true},
		{"another's 0600", file, 0o600, other, 0, false},
		{"readable by others", file, 0o604, us, 0o600, false},
		{"readable by group", file, 0o640, us, 0o600, false},
		{"writable by group", file, 0o620, us, 0o600, false},
		{"executable by others", file, 0o601, us, 0o600, false},
		{"root's readable by group", file, 0o440, 0, 0o600, false},
		{"credential of root by access list", credential, 0o440, 0, 0, true},
		{"credential of ours", credential, 0o400, us, 0, true},
		{"credential of ours readable by group", credential, 0o440, us, 0o600, false},
		{"credential of root writable by group", credential, 0o420, 0, 0o600, false},
		{"credential of root readable by others", credential, 0o444, 0, 0o600, false},
		{"folder 0700", folder, fs.ModeDir | 0o700, us, 0, true},
		{"folder 0755", folder, fs.ModeDir | 0o755, us, 0, true},
		{"folder of root", folder, fs.ModeDir | 0o755, 0, 0, true},
		{"folder writable by group", folder, fs.ModeDir | 0o770, us, 0o700, false},
		{"folder writable by others", folder, fs.ModeDir | fs.ModeSticky | 0o777, us, 0o700, false},
		{"folder of another", folder, fs.ModeDir | 0o700, other, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.check(owned{path: "x", mode: tt.mode, uid: tt.uid, self: us})
			if tt.ok {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			var complaint *PermissionError
			if !errors.As(err, &complaint) {
				t.Fatalf("got %v, want a *PermissionError", err)
			}
			if complaint.Want != tt.want || complaint.UID != tt.uid || complaint.Self != us {
				t.Errorf("got %+v", complaint)
			}
		})
	}
}
