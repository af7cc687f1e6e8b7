package ledger_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A trail that is larger than a bound which nobody has chosen stays, and it is said. One that grows
// up to the bound is said to come near to it, before anything is removed.
func TestRetentionByBytesOfDefault(t *testing.T) {
	r, _ := long(t) // four segments of eight records
	size := r.l.TrailSize()
	must(t, r.l.Close())
	whole := filepath.Dir(r.path)
	const slack = 16 // of segments of one byte
	for _, c := range []struct {
		most   int64
		larger bool
		spared bool
	}{{size - slack - 1, true, true}, {size - slack, true, false}, {size - slack - 1, false, false}, {1, true, true},
		{0, true, false}} {
		synctest.Test(t, func(t *testing.T) {
			x := &rig{t: t, o: r.o.WithSegmentBytes(1), path: filepath.Join(t.TempDir(), "ledger.db"), clock: r.clock}
			var log logText
			x.o.Logger, x.o.KeepBytes, x.o.KeepLarger = slog.New(slog.NewTextHandler(&log, nil)), c.most, c.larger
			must(t, os.CopyFS(filepath.Dir(x.path), os.DirFS(whole)))
			x.open()
			if said := strings.Contains(log.String(), "set audit.max"); x.l.Spared() != c.spared || said != c.spared {
				t.Errorf("%+v: spared %v, said %v", c, x.l.Spared(), said)
			}
			time.Sleep(time.Minute + time.Second)
			first := x.segments()[0]
			if kept := first == "000000000001-000000000008"; kept != (c.spared || c.most == 0) {
				t.Errorf("%+v: the first segment is %s", c, first)
			}
			must(t, x.l.Close())
		})
	}
}

// logText is what was logged so far. Loggers of several goroutines may write to it.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Before the first segment is removed for the size of the trail, the log says so, once.
func TestRetentionByBytesIsToldBefore(t *testing.T) {
	o := options("test").WithSegmentBytes(20_000)
	o.KeepBytes = 200_000
	r := newRigWith(t, o)
	var log logText
	r.o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	r.reopen()
	told := func() int { return strings.Count(log.String(), "comes near to audit.max") }
	for range 120 {
		r.note(4000)
		if r.l.TrailSize() > 0 && told() == 0 && strings.Contains(log.String(), "segment removed") {
			t.Fatal("removed before it was told")
		}
	}
	must(t, r.l.Flush(ctx))
	must(t, r.l.Close())
	if told() != 1 || !strings.Contains(log.String(), "segment removed") {
		t.Errorf("told %d times:\n%s", told(), log.String())
	}
}
