package trace

import (
	"fmt"
	"testing"
	"time"

	"pksa/protocol/hive"
)

// The next line about a kind comes a minute after the last one, and not before.
func TestNextLine(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	for after, told := range map[time.Duration]bool{
		time.Minute - 1: false, time.Minute: true, time.Minute + 1: true,
	} {
		var l Log
		l.Count(Unopened, "alice", "ws://one", start)
		if line, ok := l.Count(Unopened, "alice", "ws://one", start.Add(after)); ok != told || told && line.Count != 1 {
			t.Errorf("after %s: %t, %v", after, ok, line)
		}
	}
}

// So many places are counted apart, and what comes for one more is counted under no account.
func TestPlacesAtTheBound(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for n, without := range map[int]uint64{999: 0, 1000: 0, 1001: 1, 1002: 2} {
		var l Log
		for i := range n {
			l.Count(Unopened, hive.AccountName(fmt.Sprintf("user%05d", i)), "ws://one", now)
		}
		var got uint64
		for _, e := range l.List(now) {
			if e.Account == "" {
				got += e.Count
			}
		}
		if got != without {
			t.Errorf("of %d accounts %d are counted under none", n, got)
		}
	}
}
