package agent

import (
	"testing"
	"time"
)

func TestUnrecorded(t *testing.T) {
	var failures unrecorded
	now := time.Now()
	digest := func(i int) (d [32]byte) {
		d[0], d[1] = byte(i), byte(i>>8)
		return d
	}
	if !failures.add(digest(1), now, time.Hour) || !failures.has(digest(1), now) || failures.has(digest(2), now) {
		t.Error("a failure is not remembered, or more than that")
	}
	if failures.has(digest(1), now.Add(time.Hour)) {
		t.Error("remembered for longer than its nonce counts")
	}
	for i := range maxUnrecorded {
		failures.add(digest(i), now, time.Hour)
	}
	if failures.add(digest(maxUnrecorded+1), now, time.Hour) {
		t.Error("more failures were taken than can be remembered")
	}
	if !failures.add(digest(maxUnrecorded+1), now.Add(2*time.Hour), time.Hour) {
		t.Error("no room although all has expired")
	}
}
