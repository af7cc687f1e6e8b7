package relay

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pksa/protocol/hive"
)

// Ten strangers' look-ups begin at once, the next ones one after the other, and whoever would have
// to wait for too long is told so at once.
func TestShare(t *testing.T) {
	var s share
	now := time.Unix(1_000_000, 0)
	for n, want := range map[int]time.Duration{lookupsAtOnce - 1: 0, lookupsAtOnce: 0,
		lookupsAtOnce + 1: time.Second / lookupsPerSecond} {
		s = share{}
		var wait time.Duration
		for range n {
			wait, _ = s.reserve(now, time.Minute)
		}
		if wait != want {
			t.Errorf("look-up %d waits %s", n, wait)
		}
	}
	s = share{}
	taken := 0
	for range 100 {
		if _, ok := s.reserve(now, 5*time.Second); ok {
			taken++
		}
	}
	if taken != lookupsAtOnce+5*lookupsPerSecond {
		t.Errorf("%d of 100 have a turn within 5 s", taken)
	}
	if wait, ok := s.reserve(now.Add(time.Minute), 0); !ok || wait != 0 {
		t.Errorf("a minute later: %s, %t", wait, ok)
	}
}

// What the chain does not have is asked for again after half a minute, and is remembered of a
// bounded number of names. The wallet's own accounts are asked for each time.
func TestAbsentAccounts(t *testing.T) {
	asked := 0
	p := newProver(hive.PrivateKeyFromSeed("relay"), Options{
		Keys:  func(context.Context, hive.AccountName) ([]hive.PublicKey, error) { asked++; return nil, ErrNoAccount },
		Known: func(account hive.AccountName) bool { return account == "own" },
	}.withDefaults())
	now := time.Unix(1_000_000, 0)
	look := func(account hive.AccountName, after time.Duration) (askedNow int) {
		t.Helper()
		before := asked
		if _, err := p.keysOf(t.Context(), account, now.Add(after), atOnce); !errors.Is(err, ErrNoAccount) {
			t.Errorf("%s: %v", account, err)
		}
		return asked - before
	}
	for after, want := range map[time.Duration]int{0: 1, absentTTL - 1: 0, absentTTL: 1, absentTTL + 1: 1} {
		p.absent = map[hive.AccountName]time.Time{}
		if look("nobody", 0); after != 0 {
			if got := look("nobody", after); got != want {
				t.Errorf("after %s the chain is asked %d times", after, got)
			}
		}
	}
	if look("own", 0) != 1 || look("own", 1) != 1 {
		t.Error("an own account is not asked for each time")
	}
	p.absent = map[hive.AccountName]time.Time{}
	for n := range maxAbsent + 1 {
		look(hive.AccountName(fmt.Sprint("name-", n)), 0)
		if n == maxAbsent-2 && len(p.absent) != maxAbsent-1 || n == maxAbsent-1 && len(p.absent) != maxAbsent ||
			len(p.absent) > maxAbsent {
			t.Fatalf("%d names are remembered after %d", len(p.absent), n+1)
		}
	}
	if len(p.absent) != 1 {
		t.Errorf("%d names are remembered in the end", len(p.absent))
	}
}
