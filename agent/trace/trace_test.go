package trace

import (
	"fmt"
	"testing"
	"time"

	"pksa/protocol/hive"
)

// What happened is counted for an hour, and then forgotten.
func TestLastHour(t *testing.T) {
	var l Log
	now := time.Unix(1_800_000_000, 0)
	for range 3 {
		l.Count(Unopened, "alice", "ws://one", now)
	}
	l.Count(TooFast, "bob", "ws://one", now.Add(30*time.Minute))
	got := l.List(now.Add(54 * time.Minute))
	if len(got) != 2 || got[0].String() != "3 requests for alice that nothing opens" || !got[0].Last.Equal(now) ||
		got[1].String() != "1 request for bob above the rate, dropped" {
		t.Fatalf("%v", got)
	}
	if got = l.List(now.Add(61 * time.Minute)); len(got) != 1 || got[0].Account != "bob" {
		t.Errorf("after an hour: %v", got)
	}
	if got = l.List(now.Add(24 * time.Hour)); len(got) != 0 {
		t.Errorf("after a day: %v", got)
	}
}

// Several are counted at once as they are one by one.
func TestManyAtOnce(t *testing.T) {
	var one, many Log
	now := time.Unix(1_800_000_000, 0)
	where := Where{Relay: "127.0.0.1:9480"}
	for range 5 {
		one.CountAt(OwnSilent, where, now)
	}
	many.Add(OwnSilent, 1, where, now)
	many.Add(OwnSilent, 4, where, now)
	got, want := many.List(now), one.List(now)
	if len(got) != 1 || got[0] != want[0] || got[0].Count != 5 {
		t.Errorf("%v, want %v", got, want)
	}
	later := now.Add(time.Minute)
	if got, want := many.Due(later), one.Due(later); len(got) != 1 || got[0] != want[0] || got[0].Count != 4 {
		t.Errorf("the log: %v, want %v", got, want)
	}
}

// The log gets one line a minute for each kind, and in the end knows of all of them.
func TestOneLineAMinute(t *testing.T) {
	var l Log
	start := time.Unix(1_800_000_000, 0)
	lines, told := 0, uint64(0)
	for i := range 1000 {
		now := start.Add(time.Duration(i) * 100 * time.Millisecond)
		if line, ok := l.Count(Unopened, "alice", "ws://one", now); ok {
			lines++
			told += line.Count
		}
	}
	if lines != 2 {
		t.Errorf("%d lines in 100 seconds", lines)
	}
	if due := l.Due(start.Add(110 * time.Second)); len(due) != 0 {
		t.Errorf("told within a minute: %v", due)
	}
	for _, line := range l.Due(start.Add(2 * time.Minute)) {
		told += line.Count
	}
	if told != 1000 {
		t.Errorf("the log knows of %d", told)
	}
	if due := l.Due(start.Add(time.Hour)); len(due) != 0 {
		t.Errorf("told twice: %v", due)
	}
}

// However many accounts there are, memory is bounded, and nothing goes uncounted.
func TestPlacesAreBounded(t *testing.T) {
	var l Log
	now := time.Unix(1_800_000_000, 0)
	const n = 3 * maxPlaces
	for i := range n {
		l.Count(kinds[i%len(kinds)], hive.AccountName(fmt.Sprintf("user%05d", i)), "ws://one", now)
	}
	if len(l.places) > maxPlaces+len(kinds) {
		t.Errorf("%d places", len(l.places))
	}
	sum := uint64(0)
	for _, e := range l.List(now) {
		sum += e.Count
	}
	if sum != n {
		t.Errorf("%d counted", sum)
	}
	// Old ones make room.
	l.Count(Busy, "newcomer", "ws://one", now.Add(2*time.Hour))
	if got := l.List(now.Add(2 * time.Hour)); len(got) != 1 || got[0].Account != "newcomer" {
		t.Errorf("later: %v", got)
	}
}

// Each kind says what happened and what to think of.
func TestWords(t *testing.T) {
	for _, kind := range kinds {
		if kind.Advice() == "" || kind.what(1, "alice", "mybot") == kind.what(2, "alice", "mybot") {
			t.Errorf("%s has no words", kind)
		}
	}
}
