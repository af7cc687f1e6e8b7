package agent

import (
	"testing"
	"time"
)

func TestUnrecorded(t *testing.T) {
	var told unrecorded
	now := time.Now()
	digest := func(i int) (d [32]byte) {
		d[0], d[1] = byte(i), byte(i>>8)
		return d
	}
	if !told.add(digest(1), now, time.Hour) || !told.has(digest(1), now) || told.has(digest(2), now) {
		t.Error("what was told is not remembered, or more than that")
	}
	if told.has(digest(1), now.Add(time.Hour)) {
		t.Error("remembered for longer than its nonce counts")
	}
	for i := range maxUnrecorded {
		told.add(digest(i), now, time.Hour)
	}
	if told.add(digest(maxUnrecorded+1), now, time.Hour) {
		t.Error("more were told than can be remembered")
	}
	if !told.add(digest(maxUnrecorded+1), now.Add(2*time.Hour), time.Hour) {
		t.Error("no room although all has expired")
	}
}
