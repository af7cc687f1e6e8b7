package audit_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/keystore"
)

var findBytes = flag.Int("findbytes", 10_000_000,
	"how many bytes of records a search goes through; .ci/run takes 30 million, .ci/long three thousand million")

// findMost is what a process that searches may take of memory, which is 64 MiB for that of a
// command: it has 24 MiB of code that this one has not, and the pages of the ledger's file.
const findMost = 40 << 20

// A search over a long trail gives its first hit at once, misses nothing and takes little memory,
// however long the trail is. What it takes of a core for each byte is logged.
func TestFindInLongTrail(t *testing.T) {
	if path := os.Getenv("AUDIT_TEST_FIND"); path != "" {
		findInLittleMemory(t, path)
		return
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(t.TempDir(), &disk); err != nil {
		t.Fatal(err)
	}
	if room := uint64(*findBytes)*3 + 1<<28; disk.Bavail*uint64(disk.Bsize) < room {
		t.Skipf("the disk has no room for a trail of %d bytes: %d are wanted", *findBytes, room)
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	hits := longTrail(t, path, *findBytes)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestFindInLongTrail$", "-test.v", "-test.timeout=50m")
	cmd.Env = append(os.Environ(), "AUDIT_TEST_FIND="+path)
	out, err := cmd.CombinedOutput()
	if _, figures, there := strings.Cut(string(out), "found "+fmt.Sprint(hits)+", "); err != nil || !there {
		t.Fatalf("%v, want %d hits\n%s", err, hits, out)
	} else {
		figures, _, _ = strings.Cut(figures, "\n")
		t.Log(figures)
	}
}

// A search finds each request once, also of those that move to segments meanwhile.
func TestFindWhileSegmentsMove(t *testing.T) {
	l, err := openedTrail(t, filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	head, _ := l.Head()
	note := func(outcome string, n int) {
		for i := range n {
			if err := l.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: outcome}); err != nil {
				t.Error(err)
			}
			if i%256 == 255 {
				if err := l.Flush(context.Background()); err != nil {
					t.Error(err)
				}
			}
		}
	}
	note("wanted", 3000)
	moved := make(chan struct{})
	go func() {
		defer close(moved)
		note("other", 6000) // which fills a segment, so that those of before move
	}()
	next := head + 1
	for q := (audit.Query{Filter: audit.Filter{Result: "wanted"}, Stories: true, Limit: 100}); ; {
		page, err := audit.Trail{Ledger: l}.Page(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if r.Number != next {
				t.Fatalf("record %d, want %d", r.Number, next)
			}
			next++
		}
		if page.End {
			break
		}
		q.From, q.Open, q.Waiting = page.Next, page.Open, page.Waiting
	}
	<-moved
	if next != head+3001 {
		t.Errorf("%d records were found, of 3000", next-head-1)
	}
}

func openedTrail(t *testing.T, path string) (*ledger.Ledger, error) {
	t.Helper()
	keys := filepath.Join(filepath.Dir(path), "keystore.age")
	unlock, _, err := keystore.CreateIdentity(keys + ".identity")
	if err != nil {
		return nil, err
	}
	store, err := keystore.Create(keys, unlock)
	if err != nil {
		return nil, err
	}
	store.Close()
	o := keyOptions(t, path)
	if err := ledger.Create(path, o); err != nil {
		return nil, err
	}
	return ledger.Open(path, o)
}

// keyOptions returns options with the ciphers and the MAC that a wallet has: a search spends its
// time there.
func keyOptions(t *testing.T, path string) ledger.Options {
	t.Helper()
	keys := filepath.Join(filepath.Dir(path), "keystore.age")
	source, err := keystore.ParseSource("file:" + keys + ".identity")
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := source.Unlock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := keystore.Open(keys, unlock)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	return ledger.Options{ID: store.LedgerID(), AEAD: store.LedgerSealer(), Sealer: store.LedgerSealerOf,
		MAC: store.LedgerMAC, Logger: slog.New(slog.DiscardHandler)}
}

// longTrail writes requests with their outcomes until they have so many bytes. Of each thousand one
// is what the search is for. One in eight is as long as a record of a refusal may be: of long ones
// more waits to be looked at.
func longTrail(t *testing.T, path string, size int) (hits int) {
	t.Helper()
	l, err := openedTrail(t, path)
	if err != nil {
		t.Fatal(err)
	}
	number, _ := l.Head()
	note := func(e ledger.Entry) {
		if err := l.Note(e); err != nil {
			t.Fatal(err)
		}
		number++
		size -= len(e.Content)
	}
	for i := 0; size > 0; i++ {
		memo := "thanks for all of it"
		if i%1000 == 999 || i == 0 {
			memo = "needle " + strconv.Itoa(i)
			hits++
		}
		if i%8 == 7 {
			memo += strings.Repeat(" and more", 900)
		}
		note(ledger.Entry{Type: ledger.RecordJudged, Account: "alice", App: "mybot", Session: 7,
			Content: fmt.Appendf(nil, longRequest, i, i, i, memo)})
		note(ledger.Entry{Type: ledger.RecordSettled, Outcome: "accepted", Account: "alice", App: "mybot", Session: 7,
			Ref: number, Content: fmt.Appendf(nil, longOutcome, i)})
		if i%256 == 0 {
			if err := l.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return hits
}

// What a request and its outcome leave in a trail.
const (
	longRequest = `{"relay":"wss://hive-auth.example/","uuid":"0f2b7c1e-8a3d-4c55-9b21-%012d","policy":` +
		`"16e0d1afd6e96036aa2c6b86d348e43de7253c168cfa1aa2a6ab6b16e0d1afd6","rules":[{"name":"tips","line":12}],` +
		`"request":"sign","account":"alice","app":"mybot","key_type":"active","operations":[["transfer",{"from":` +
		`"alice","to":"bob%d","amount":"0.%03d HBD","memo":%q}]],"effects":["pays from alice to bob"],` +
		`"result":"admitted","cost":[{"limit":"tips per day","unit":"HBD","amount":"0.1"}]}`
	longOutcome = `{"relay":"wss://hive-auth.example/","uuid":"0f2b7c1e-8a3d-4c55-9b21-%012d","result":"answered",` +
		`"outcome":"accepted","transaction":"abababababababababababababababababababab","node":"https://api.example"}`
)

// findInLittleMemory is what the child does.
func findInLittleMemory(t *testing.T, path string) {
	l, err := ledger.Open(path, keyOptions(t, path))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer audit.SpareCollector()()
	begun, cpu := time.Now(), cpuTime(t)
	var first time.Duration
	hits := 0
	q := audit.Query{Filter: audit.Filter{Text: "needle"}, Stories: true, Limit: 1}
	for {
		page, err := audit.Trail{Ledger: l}.Page(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if r.Type == "request" {
				if hits++; hits == 1 {
					first = time.Since(begun)
				}
			}
		}
		if hits == 0 {
			t.Fatal("the first page has no hit, and the first request is one")
		}
		if page.End {
			break
		}
		q.From, q.Open, q.Waiting = page.Next, page.Open, page.Waiting
		q.Limit = min(8*q.Limit, 1000)
	}
	took, cpu := time.Since(begun), cpuTime(t)-cpu
	size := sizeOf(t, filepath.Dir(path))
	memory := memoryPeak(t)
	if memory > findMost && !raceDetector {
		t.Errorf("%d KiB of memory were taken", memory>>10)
	}
	t.Logf("found %d, the first after %v, in %d MB: %v, %.0f MB a second of a core, %d MiB of memory at most", hits,
		first.Round(time.Millisecond), size/1_000_000, took.Round(time.Millisecond), float64(size)/1e6/cpu.Seconds(),
		memory>>20)
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sizeOf returns how many bytes the files of a trail have.
func sizeOf(t *testing.T, folder string) (size int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "audit", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no segments: %v", err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return size
}

// memoryPeak returns what the process had at most.
func memoryPeak(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if err != nil || m == nil {
		t.Fatal(err)
	}
	kib, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return kib << 10
}
