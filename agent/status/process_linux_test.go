package status_test

import (
	"os"
	"testing"

	"pksa/agent/status"
)

// The kernel's facts are those of the process: an opened file shows, and memory that is used.
func TestKernelFacts(t *testing.T) {
	status.OpenProcess()
	before := status.ThisProcess("")
	if before.Resident < 1<<20 || before.Resident > 1<<40 || before.OpenFiles < 3 || before.MaxFiles < 3 {
		t.Fatalf("%+v", before)
	}
	for range 5 {
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	used := make([]byte, 32<<20)
	for i := range used {
		used[i] = 1
	}
	after := status.ThisProcess("")
	if after.OpenFiles < before.OpenFiles+4 || after.Resident < before.Resident+16<<20 { // others may close theirs
		t.Errorf("%d files and %d bytes, before %d and %d", after.OpenFiles, after.Resident, before.OpenFiles,
			before.Resident)
	}
	_ = used[len(used)-1]
}
