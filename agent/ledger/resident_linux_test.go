package ledger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pksa/keystore/durable"
)

// What was read of the file leaves the memory of the process soon, and is read again as it was. All
// of it is locked, as all memory of a hardened process is. A large commit looks at few pages at a
// time, too.
func TestPagesLeaveMemory(t *testing.T) {
	const values, size = 1000, 16 << 10
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	s := newBoltStore(filepath.Join(folder, "ledger.db"), durable.System(), 1)
	if err := s.create(nil, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.secure(); err != nil {
		t.Fatal(err)
	}
	var edits []edit
	for i := range values {
		edits = append(edits, edit{actPut, bucketCharges, numberKey(uint64(i)), bytes.Repeat([]byte{byte(i)}, size)})
	}
	if err := s.commit(edits); err != nil {
		t.Fatal(err)
	}
	read := func() {
		for i := range values {
			v, found, err := s.get(bucketCharges, numberKey(uint64(i)))
			if err != nil || !found || len(v) != size || v[0] != byte(i) || v[size-1] != byte(i) {
				t.Fatalf("value %d: %d bytes, %v, %v", i, len(v), found, err)
			}
		}
	}
	lock := func() {
		if _, _, err := syscall.Syscall(syscall.SYS_MLOCK, s.db.Info().Data, uintptr(values*size), 0); err != 0 {
			t.Log("nothing can be locked here: ", err)
		}
		if n := residentOf(t, s.path); n < values*size/2 {
			t.Skipf("%d bytes are resident of a file that was brought into memory", n)
		}
	}
	few := func(after string) {
		t.Helper()
		if n := residentOf(t, s.path); n > 2*unmapAfter*64<<10 {
			t.Errorf("%d bytes are resident after %s, of %d", n, after, values*size)
		}
	}
	lock()
	read()
	few("reading")
	lock()
	if pairs, _, err := s.list(bucketCharges, nil, values); err != nil || len(pairs) == 0 {
		t.Fatal(len(pairs), err)
	}
	few("a list")
	for range 3 { // until the file need not grow, which makes a new mapping
		lock()
		if err := s.commit(edits); err != nil {
			t.Fatal(err)
		}
	}
	few("a commit")
	read()
}

// residentOf returns how many bytes of a mapped file are resident, by the kernel's word.
func residentOf(t *testing.T, path string) (sum int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip("the kernel does not say what is resident: ", err)
	}
	inside := false
	for line := range strings.Lines(string(text)) {
		var kib int
		switch first, _, _ := strings.Cut(line, " "); {
		case !strings.HasSuffix(first, ":"):
			inside = strings.HasSuffix(strings.TrimSpace(line), path)
		case inside && first == "Rss:":
			if _, err := fmt.Sscanf(line, "Rss: %d kB", &kib); err != nil {
				t.Fatal(err)
			}
			sum += kib << 10
		}
	}
	return sum
}
