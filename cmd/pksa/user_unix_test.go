//go:build unix

package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// becomeUser makes this process one of another user, whom a number names.
func becomeUser(number string) {
	if id, err := strconv.Atoi(number); err == nil && syscall.Geteuid() == 0 {
		if err := syscall.Setuid(id); err != nil {
			panic(err)
		}
	}
}

// limitLocks bounds how much memory this process may lock.
func limitLocks(bytes string) {
	if bytes != "" {
		var limit unix.Rlimit
		limit.Cur, limit.Max = 0, 0
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
			panic(err)
		}
	}
}

// What root makes for a wallet with a user of its own is of use once that user can read it; a
// wallet of root's own needs no such word.
func TestForeignFileIsGiven(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes files for others")
	}
	for owner, want := range map[int]string{0: "", 65534: "  chown " + userName(65534) + " '/etc/a key'\n"} {
		home := t.TempDir()
		check(t, os.Chown(home, owner, owner))
		var b strings.Builder
		printForeign(&b, home, "/etc/a key")
		if got := b.String(); got != want && (want == "" || !strings.HasSuffix(got, want)) {
			t.Errorf("owner %d: %q, want %q", owner, got, want)
		}
	}
}
