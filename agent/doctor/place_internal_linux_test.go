package doctor

import "testing"

// Who has the capability may lock memory beyond the limit.
func TestEffective(t *testing.T) {
	for text, want := range map[string]bool{
		"Name:\tpksa\nCapPrm:\t0000000000000000\nCapEff:\t0000000000004000\nCapBnd:\t0\n": true,
		"Name:\tpksa\nCapPrm:\t0000000000004000\nCapEff:\t0000000000000400\nCapBnd:\t0\n": false,
		"Name:\tpksa\nCapEff:\t000001ffffffffff\n":                                        true,
		"Name:\tpksa\n": false, "": false,
	} {
		if got := effective(text, capIPCLock); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
