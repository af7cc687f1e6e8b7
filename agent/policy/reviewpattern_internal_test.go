package policy

import "testing"

// TestTakesEveryText says of patterns whether they take every text. One that leaves a single
// character out at a single place does not, and is the way to say "no memo that is encrypted".
func TestTakesEveryText(t *testing.T) {
	for _, c := range []struct {
		regexp string
		all    bool
	}{
		{`.*`, true}, {`^.*$`, true}, {`(?s).*`, true}, {`.+`, true}, {`(.|\n)*`, true},
		{`.*|x`, true}, {`[^#]|.*`, true}, {`.*[^ ].*`, true},
		{`[^#].*`, false}, {`.*[^#]`, false}, {`[^#]*`, false}, {`[^\n]*`, false},
		{`[^,].*[^;]`, false}, {`#.*`, false},
		{`[^~].*`, false}, {`[^ ].*`, false},
	} {
		p, err := newRegexp(c.regexp)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.takesAll(); got != c.all {
			t.Errorf("%s takes every text: %t", c.regexp, got)
		}
	}
}
