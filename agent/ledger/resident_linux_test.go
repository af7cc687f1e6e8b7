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

// What was read of the file leaves the memory of the process with a later commit, and is read again
// as it was. Some of it is locked, as all memory of a hardened process is.
func TestPagesLeaveMemory(t *testing.T) {
	const values, size = 500, 16 << 10
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
	read()
	if _, _, err := syscall.Syscall(syscall.SYS_MLOCK, s.db.Info().Data, 64<<10, 0); err != 0 {
		t.Log("nothing can be locked here: ", err)
	}
	before := residentOf(t, s.path)
	if before < values*size {
		t.Fatalf("%d bytes are resident of a file that was read", before)
	}
	s.unmapped = s.unmapped.Add(-unmapEvery)
	if err := s.commit([]edit{{actDelete, bucketCharges, numberKey(values), nil}}); err != nil {
		t.Fatal(err)
	}
	if after := residentOf(t, s.path); after > before/4 {
		t.Errorf("%d bytes are resident, of %d before", after, before)
	}
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
