//go:build !race

package keystore_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"pksa/keystore"
)

// TestApartLeavesNothingToSignals has two signals arrive while a secret is in the registers of a
// processor. The kernel would write these to a stack that nobody overwrites, and Go's preemption,
// which is the first signal, a second time. Nor are they left in the registers, where later signals
// would find them. Without the race detector, which uses registers of its own.
func TestApartLeavesNothingToSignals(t *testing.T) {
	fill(known[:])
	pieces := piecesIn(t)
	clear(known[:])
	if pieces == 0 {
		t.Fatal("a secret in memory is not found, so this test finds nothing")
	}
	// On several threads: what looks for the secret is preempted on one, and overwrites it there.
	const threads = 6
	var all, done sync.WaitGroup
	all.Add(threads)
	for range threads {
		done.Go(func() {
			keystore.Apart(func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				all.Done()
				all.Wait()
				signalAmidst(t)
			})
		})
	}
	done.Wait()
	if pieces = piecesIn(t); pieces > 0 {
		t.Errorf("the memory of the process holds %d pieces of the secret", pieces)
	}
}

// signalAmidst sends signals to its thread while the secret is in registers.
func signalAmidst(t *testing.T) {
	var secret, to [256]byte
	tid, _, _ := syscall.RawSyscall(syscall.SYS_GETTID, 0, 0, 0)
	pid, _, _ := syscall.RawSyscall(syscall.SYS_GETPID, 0, 0, 0)
	fill(secret[:])
	copyAll(to[:], secret[:])
	for _, signal := range [...]syscall.Signal{syscall.SIGURG, syscall.SIGCHLD} {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_TGKILL, pid, tid, uintptr(signal)); errno != 0 {
			t.Error(errno)
		}
	}
	clear(secret[:])
	clear(to[:])
}

func fill(secret []byte) {
	for i := 1; i < len(secret); i++ {
		secret[i] = after(secret[i-1])
	}
}

// copyAll copies by way of most registers, which the compiler does only for what it does not know
// the length of.
//
//go:noinline
func copyAll(to, from []byte) { copy(to, from) }

// after returns the byte of the secret behind a byte. This test holds no copy of the secret to
// compare with, which it would find.
func after(b byte) byte { return 37*b + 11 }

// known is where the test finds the secret.
var known [256]byte

// piecesIn returns how many pieces of the secret are in the memory of this process.
func piecesIn(t *testing.T) (pieces int) {
	t.Helper()
	const enough = 15 // bytes behind the first; a register holds 16
	regions, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	buffer := make([]byte, 64<<10)
	for line := range strings.Lines(string(regions)) {
		var from, to int64
		var rights string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); err != nil || !strings.HasPrefix(rights, "rw") {
			continue
		}
		run := 0
		for at := from; at < to; at += int64(len(buffer)) {
			part := buffer[:min(int64(len(buffer)), to-at)]
			if _, err := memory.ReadAt(part, at); err != nil {
				break // gone by now, or of the kernel
			}
			for i := 1; i < len(part); i++ {
				if part[i] != after(part[i-1]) {
					run = 0
					continue
				}
				if run++; run == enough {
					pieces++
				}
			}
		}
	}
	clear(buffer)
	return pieces
}
