package config

import (
	"strings"
	"testing"
	"time"
)

// A time may be left out by a word, and by nothing else.
func TestDurationOrNever(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "lock_after: never": 0, "lock_after: 1m": time.Minute,
		"lock_after: 30d": 30 * 24 * time.Hour} {
		c, err := Parse("/home", "config.yaml", []byte(text), nil)
		if err != nil || c.LockAfter != want {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	}
	for _, text := range []string{"0", "0s", "59s", "Never", "off", "-1m", "30", "''", "367d"} {
		_, err := Parse("/home", "config.yaml", []byte("lock_after: "+text), nil)
		if err == nil || !strings.Contains(err.Error(), "or the word never") {
			t.Errorf("lock_after: %s: %v", text, err)
		}
	}
}
