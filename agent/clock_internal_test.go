package agent

import (
	"testing"
	"time"
)

func TestWallClockSteps(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		wall, monotonic time.Duration
		bad             bool
	}{
		"both go on":        {time.Hour, time.Hour, false},
		"slewed a little":   {time.Hour + time.Second, time.Hour, false},
		"stepped ahead":     {2 * time.Hour, time.Hour, true},
		"stepped back":      {-time.Minute, time.Hour, true},
		"machine slept":     {8 * time.Hour, time.Second, true},
		"just at the bound": {maxJump, 0, false},
	} {
		var clock wallClock
		clock.agree(now)
		if _, bad := clock.jumpedLocked(now, c.wall, c.monotonic); bad != c.bad {
			t.Errorf("%s: %t", name, bad)
		}
	}
	var clock wallClock
	clock.agree(now)
	clock.jumpedLocked(now, time.Hour, 0)
	if _, bad := clock.jumpedLocked(now, 0, 0); !bad {
		t.Error("a clock that stepped back into place is believed without asking the chain")
	}
	clock.agree(now)
	if _, bad := clock.jumped(now); bad {
		t.Error("a clock that the chain agrees with is not believed")
	}
}
