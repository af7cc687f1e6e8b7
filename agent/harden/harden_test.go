package harden

import (
	"errors"
	"strings"
	"testing"

	"pksa/agent/config"
)

func TestDemand(t *testing.T) {
	measures := []Measure{
		{Name: "core-dumps", Done: true, Detail: "RLIMIT_CORE is 0"},
		{Name: "memory-lock", Detail: "RLIMIT_MEMLOCK is 8192 KiB"},
		{Name: "landlock", Detail: "this kernel has no Landlock"},
	}
	for _, c := range []struct {
		name    string
		require []string
		missing string
	}{
		{"best", nil, ""},
		{"what is done", []string{"core-dumps"}, ""},
		{"one", []string{"core-dumps", "landlock"}, "\n  landlock: this kernel has no Landlock"},
		{"all", config.Measures, "\n  memory-lock: RLIMIT_MEMLOCK is 8192 KiB\n  landlock: this kernel has no " +
			"Landlock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := demand(config.Hardening{Required: c.require}, measures)
			if len(got) != len(measures) {
				t.Errorf("%d measures", len(got))
			}
			var missing *Error
			switch {
			case c.missing == "" && err != nil:
				t.Error(err)
			case c.missing != "" && (!errors.As(err, &missing) || !strings.HasSuffix(err.Error(), "could not be done:"+
				c.missing)):
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestHardeningOff(t *testing.T) {
	off := config.Default(t.TempDir())
	off.Hardening.Off = true
	shielded, err := Shield(off.Hardening)
	if shielded != nil || err != nil {
		t.Errorf("%v, %v", shielded, err)
	}
	confined, err := Confine(off, Paths{})
	if confined != nil || err != nil {
		t.Errorf("%v, %v", confined, err)
	}
}
