package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// backupPoint is a point that no wallet passes of which nobody makes a backup.
const backupPoint = "copy begun"

// TestBackupKilled kills `pksa backup` while the ledger is copied, after that, twice while the file
// is written, and at the end. The name of the backup leads to nothing then, or to a whole backup. A
// second run makes a whole one, and removes what the first one left; the copy of the ledger once it
// is old.
func TestBackupKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	binary, home, folder := buildWallet(t, "crashpoints"), t.TempDir(), t.TempDir()
	mustRun(t, home, "init")
	file, missing, whole, copies := filepath.Join(folder, "wallet.pksa"), 0, 0, 0
	for _, point := range []string{backupPoint, "backup has its copy", "file written in part", "file written in part:2",
		"backup in place"} {
		cmd := exec.Command(binary, "--home", home, "backup", file)
		cmd.Env = append(os.Environ(), "CRASHPOINT="+point)
		if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("%s: it was not killed: %v: %s", point, err, out)
		}
		copies += leftCopies(t, home)
		if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
			missing++
			mustRun(t, home, "backup", file)
		} else {
			whole++
		}
		mustRun(t, home, "backup", "check", file)
		if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
			t.Errorf("%s: beside the backup lie %v, %v", point, entries, err)
		}
		check(t, os.Remove(file))
	}
	if missing != 4 || whole != 1 || copies < 4 {
		t.Errorf("%d backups were not there, %d were whole, %d copies were left", missing, whole, copies)
	}
	mustRun(t, home, "backup", file)
	if n := leftCopies(t, home); n > 0 {
		t.Errorf("%d copies of the ledger are left, which are old", n)
	}
}

// leftCopies returns how many copies of the ledger lie in a home, and lets them be an hour old.
func leftCopies(t *testing.T, home string) (fresh int) {
	t.Helper()
	copies, err := filepath.Glob(filepath.Join(home, "ledger.db.copy-*"))
	check(t, err)
	ago := time.Now().Add(-time.Hour)
	for _, path := range copies {
		check(t, os.Chtimes(path, ago, ago))
	}
	return len(copies)
}
