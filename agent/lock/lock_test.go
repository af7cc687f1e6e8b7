package lock_test

import (
	"testing"
	"time"

	"pksa/agent/lock"
)

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestState(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }
	s := lock.New(begin)
	if s.Locked() || s.Idle(at(5)) != 5*time.Minute {
		t.Errorf("%+v, idle %s", s.Status(), s.Idle(at(5)))
	}
	s.Used(at(3))
	if d := s.Idle(at(5)); d != 2*time.Minute {
		t.Errorf("idle %s", d)
	}
	leaving := s.Leaving()
	if closed(leaving) {
		t.Error("a lock has begun by itself")
	}
	if !s.Begin("somebody", at(6)) || s.Begin("another", at(7)) {
		t.Error("of two locks the first counts")
	}
	if got, want := s.Status(), (lock.Status{Locked: true, Since: at(6), By: "somebody"}); got != want {
		t.Errorf("%+v", got)
	}
	if !closed(leaving) || !closed(s.Leaving()) || s.Idle(at(60)) != 0 {
		t.Error("who waits is not told, or a locked wallet is idle")
	}
	s.Want("of before")
	s.End(at(61))
	if s.Locked() || closed(s.Leaving()) || s.Idle(at(62)) != time.Minute {
		t.Errorf("after the end: %+v, idle %s", s.Status(), s.Idle(at(62)))
	}
	s.Want("the first")
	s.Want("the second")
	if why := <-s.Wanted(); why != "the first" {
		t.Errorf("wanted by %s", why)
	}
	select {
	case why := <-s.Wanted():
		t.Errorf("wanted by %s", why)
	default:
	}
}
