package config_test

import (
	"slices"
	"strings"
	"testing"

	"pksa/agent/config"
)

func TestHardening(t *testing.T) {
	for src, want := range map[string]config.Hardening{
		"":                               {},
		"hardening: best":                {},
		"hardening: off":                 {Off: true},
		"hardening: required":            {Required: config.Measures},
		"hardening: landlock":            {Required: []string{"landlock"}},
		"hardening: [tracing, landlock]": {Required: []string{"tracing", "landlock"}},
	} {
		c, err := parse(t, src)
		if err != nil {
			t.Errorf("%q: %v", src, err)
			continue
		}
		if c.Hardening.Set != (src != "") || c.Hardening.Off != want.Off || !slices.Equal(c.Hardening.Required,
			want.Required) {
			t.Errorf("%q: %+v", src, c.Hardening)
		}
		for _, m := range config.Measures {
			if c.Hardening.Requires(m) != slices.Contains(want.Required, m) {
				t.Errorf("%q requires %s: %t", src, m, c.Hardening.Requires(m))
			}
		}
	}
	if c, err := parse(t, "", "PKSA_HARDENING=core-dumps, tracing"); err != nil || len(c.Hardening.Required) != 2 {
		t.Errorf("variable: %+v, %v", c, err)
	}
	for _, src := range []string{"hardening: on", "hardening: [off, landlock]",
		"hardening: [required]\nhardening: best",
		"hardening: [tracing, tracing]", "hardening: []", "hardening: {landlock: true}", "hardening:",
		"hardening: [best, best]"} {
		if _, err := parse(t, src); err == nil || !strings.Contains(err.Error(), "config.yaml:") {
			t.Errorf("%q: %v", src, err)
		}
	}
	for _, s := range config.Settings() {
		for _, m := range config.Measures {
			if s.Path == "hardening" && !strings.Contains(s.Doc, m) {
				t.Errorf("the setting does not name %s", m)
			}
		}
	}
}
