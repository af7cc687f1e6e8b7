package agent

import (
	"testing"
	"time"
)

// A session that fails now and then, or ended, is not remembered for ever.
func TestFailuresAreForgotten(t *testing.T) {
	now := time.Now()
	d := quarantine{limit: damageLimit}
	for range damageLimit {
		d.count(listener{session: 1, relay: "relay"}, now)
	}
	d.count(listener{session: 2, relay: "relay"}, now)
	d.forget(now.Add(faultWindow + time.Second))
	if len(d.faults) != 1 {
		t.Errorf("%d counts after the window, want that of the silenced session", len(d.faults))
	}
	if d.forget(now.Add(3 * quietMost)); len(d.faults) != 0 {
		t.Errorf("%d counts after days", len(d.faults))
	}
}
