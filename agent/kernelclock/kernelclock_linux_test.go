package kernelclock

import "testing"

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		state  int
		status int32
		right  bool
	}{
		{"kept right", 0, 0x2001, true},
		{"before a leap second", 1, 0x2011, true},
		{"never synchronised", 5, 0x40, false},
		{"set by hand since", 0, 0x40, false},
		{"an error of the clock", 5, 0x2001, false},
	} {
		if err := judge(c.state, c.status); (err == nil) != c.right {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Reading needs no rights, and changes nothing.
func TestSynchronised(t *testing.T) {
	first, second := Synchronised(), Synchronised()
	t.Log(first)
	if (first == nil) != (second == nil) {
		t.Errorf("%v, then %v", first, second)
	}
}
