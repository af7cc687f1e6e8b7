package harden

import (
	"bytes"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pksa/agent/config"
)

// What each system lacks: pksa version and the log name it.
func TestLacking(t *testing.T) {
	for system, want := range map[string][]string{
		"linux":   nil,
		"darwin":  config.Measures,
		"freebsd": config.Measures,
		"windows": append(slices.Clone(config.Measures), "file-rights", "callers"),
		"openbsd": append(slices.Clone(config.Measures), "callers"),
	} {
		var got []string
		for _, m := range LackingOn(system) {
			got = append(got, m.Name)
			if m.Done || m.Detail == "" {
				t.Errorf("%s: %+v", system, m)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s lacks %q, want %q", system, got, want)
		}
		// It has all that it does not lack.
		all := append(Protections(system), got...)
		slices.Sort(all)
		if len(slices.Compact(all)) != len(config.Measures)+2 || len(all) != len(config.Measures)+2 {
			t.Errorf("%s has %q", system, Protections(system))
		}
	}
	if runtime.GOOS == "linux" && Lacking() != nil {
		t.Errorf("this Linux lacks %v", Lacking())
	}
}

// A system that lacks protections runs an agent only if the operator has said so. What is said
// beside that counts as on Linux.
func TestMustBeSet(t *testing.T) {
	for name, tt := range map[string]struct {
		system  string
		setting config.Hardening
		ok      bool
	}{
		"linux, not set":  {"linux", config.Hardening{}, true},
		"linux, off":      {"linux", config.Hardening{Set: true, Off: true}, true},
		"darwin, not set": {"darwin", config.Hardening{}, false},
		"darwin, best":    {"darwin", config.Hardening{Set: true}, true},
		"darwin, off":     {"darwin", config.Hardening{Set: true, Off: true}, true},
		// then demand refuses
		"darwin, tracing":     {"darwin", config.Hardening{Set: true, Required: []string{"tracing"}}, true},
		"freebsd, not set":    {"freebsd", config.Hardening{}, false},
		"windows, not set":    {"windows", config.Hardening{}, false},
		"windows, best":       {"windows", config.Hardening{Set: true}, true},
		"new system, not set": {"plan9", config.Hardening{}, false},
	} {
		err := mustBeSet(tt.setting, LackingOn(tt.system))
		var unset *UnsetError
		if (err == nil) != tt.ok || err != nil && !errors.As(err, &unset) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && !strings.Contains(err.Error(), "\n  landlock: only done on Linux, this is "+tt.system) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Where nothing can be done, what is required is refused as on a machine that does not permit it.
func TestRequiredElsewhere(t *testing.T) {
	_, err := demand(config.Hardening{Set: true, Required: []string{"landlock"}}, undone("darwin", config.Measures...))
	if err == nil || !strings.Contains(err.Error(), "landlock: only done on Linux, this is darwin") {
		t.Errorf("got %v", err)
	}
}

// The log names each protection once, whether it is a measure that was tried or one that the system
// lacks.
func TestLogNamesWhatIsLacking(t *testing.T) {
	for system, want := range map[string]int{"linux": 0, "darwin": 5, "windows": 7} {
		for _, measures := range [][]Measure{nil, undone(system, config.Measures...)} {
			if system == "linux" && measures != nil {
				continue
			}
			var out bytes.Buffer
			logMeasures(t.Context(), slog.New(slog.NewTextHandler(&out, nil)), measures, LackingOn(system))
			if got := strings.Count(out.String(), `level=WARN msg="not hardened"`); got != want {
				t.Errorf("%s: %d lines, want %d:\n%s", system, got, want, &out)
			}
		}
	}
}
