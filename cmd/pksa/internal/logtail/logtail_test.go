package logtail_test

import (
	"fmt"
	"testing"

	"pksa/cmd/pksa/internal/logtail"
)

func TestBuffer(t *testing.T) {
	var log logtail.Buffer
	if got := log.Last(2); got != "" {
		t.Errorf("an empty log ends with %q", got)
	}
	for i := range 3 {
		fmt.Fprintf(&log, "line %d\n", i)
	}
	for n, want := range map[int]string{1: "line 2", 2: "line 1\nline 2", 5: "line 0\nline 1\nline 2"} {
		if got := log.Last(n); got != want {
			t.Errorf("the last %d: %q", n, got)
		}
	}
}
