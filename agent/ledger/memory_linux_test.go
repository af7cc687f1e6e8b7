package ledger_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"pksa/agent/ledger"
)

var trailBytes = flag.Int("trailbytes", 40_000_000,
	"how many bytes of records the trail has that is opened in little memory; .ci/run takes 300 million, .ci/long ten "+
		"thousand million")

const (
	// memoryMost is what the process of a wallet may take at most, memoryUsual what the ledger may
	// take from the system, whatever lies in it.
	memoryMost  = 256 << 20
	memoryUsual = 128 << 20
	// childGarbage is what the test's process has in use before garbage is collected more often.
	childGarbage = 64 << 20
	// largeRecord is what a denied request with one comment of 480 kB left in a trail.
	largeRecord = 627_000
)

// TestLargeTrailInLittleMemory opens a home in which an older program left large records, in a
// process that is ended if it wants too much memory. It serves a request, moves the records to
// segments, and reads all of them. Of that many a bucket holds what fills a segment of 4,096, which
// is where the older program was killed, and as many again; the others are in segments. Beside them
// lies a segment of that program which is larger than the memory: nobody may read it.
func TestLargeTrailInLittleMemory(t *testing.T) {
	if path := os.Getenv("LEDGER_TEST_LARGE_TRAIL"); path != "" {
		littleMemory(t, path)
		return
	}
	if raceDetector {
		t.Skip("the race detector takes many times the memory")
	}
	folder := t.TempDir()
	if room := int64(*trailBytes)*3/2 + 1<<30; ledger.FreeBytes(folder) < room {
		t.Skipf("the disk has no room for a trail of %d bytes and its copies: %d are wanted", *trailBytes, room)
	}
	o := options("test")
	path := filepath.Join(folder, "ledger.db")
	must(t, ledger.Create(path, o))
	records := max(*trailBytes/largeRecord, 12)
	last, err := ledger.LargeHome(path, o, records, largeRecord)
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, "-test.run=^TestLargeTrailInLittleMemory$", "-test.v", "-test.timeout=30m")
	cmd.Env = append(os.Environ(), "LEDGER_TEST_LARGE_TRAIL="+path, "LEDGER_TEST_LAST="+strconv.FormatUint(last, 10))
	out, err := cmd.CombinedOutput()
	_, figures, there := strings.Cut(string(out), "it took ")
	if err != nil || !there {
		t.Fatalf("%v\n%s", err, out)
	}
	figures, _, _ = strings.Cut(figures, "\n")
	t.Logf("%d records of %d bytes: %s", records, largeRecord, figures)
}

// littleMemory is what the child does.
func littleMemory(t *testing.T, path string) {
	limit := syscall.Rlimit{Cur: memoryMost, Max: memoryMost}
	must(t, syscall.Setrlimit(syscall.RLIMIT_DATA, &limit))
	// As the program does, which begins to collect garbage more often at less: on a busy machine
	// garbage comes faster than Go's usual rule collects it.
	debug.SetMemoryLimit(childGarbage)
	last, err := strconv.ParseUint(os.Getenv("LEDGER_TEST_LAST"), 10, 64)
	must(t, err)
	r := &rig{t: t, o: options("test"), path: path, clock: newClock()}
	r.o.Now = r.clock.now
	r.open()
	opened := taken()
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	if r.try(s, "text", r.nowMS()) != ledger.Fresh {
		t.Error("a request is not served")
	}
	for !r.l.Rotated(ctx) {
	}
	must(t, r.l.Backlog())
	moved := taken()
	next := uint64(ledger.LargeFirst)
	for rec, err := range r.l.Audit(next) {
		must(t, err)
		if rec.Number != next || next <= last && len(rec.Content) < largeRecord {
			t.Fatalf("record %d has %d bytes, want record %d", rec.Number, len(rec.Content), next)
		}
		next++
	}
	if next < last+3 {
		t.Errorf("the trail ends before %d, want %d and more", next, last)
	}
	size := r.l.TestingSize()
	must(t, r.l.Close())
	r.open() // as it is from now on
	if now := r.l.TestingSize(); size > 64<<20 && now > size/4 {
		t.Errorf("the file had %d bytes, and has %d", size, now)
	}
	must(t, r.l.Close())
	read := taken()
	if read > memoryUsual {
		t.Errorf("it took %d bytes from the system, want at most %d", read, memoryUsual)
	}
	t.Logf("it took %d bytes to open it, %d to move its records, %d to read them; %s", opened, moved, read, resident())
}

// taken is how many bytes the program has taken from the system at most so far.
func taken() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys
}

// resident is what the system says of the process.
func resident() string {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return fmt.Sprint(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "RssAnon") {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(lines, ", ")
}
