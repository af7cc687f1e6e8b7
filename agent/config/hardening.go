package config

import (
	"fmt"
	"slices"
	"strings"

	"pksa/agent/yamlnode"
)

// Measures are the names of what hardens the process, in the order in which it is done. Package
// agent/harden describes each of them.
var Measures = []string{"core-dumps", "tracing", "memory-lock", "privileges", "landlock"}

// Hardening is how far the process must shut itself in. The zero value does what can be done and
// starts without the rest.
type Hardening struct {
	Set      bool     // it stands in the file or in the environment
	Off      bool     // nothing is done, so that a debugger can attach
	Required []string // without these of [Measures] it does not start
}

// Requires reports whether the process must not start without a measure.
func (h Hardening) Requires(measure string) bool { return slices.Contains(h.Required, measure) }

// readHardening reads off, best, required, or the names of the measures that are required.
func readHardening(r *reader, n *yamlnode.Node) error {
	items, err := listed(n, anyText)
	if err != nil {
		return err
	}
	h := Hardening{Set: true}
	for _, item := range items {
		v, err := scalar(item)
		if err != nil {
			return err
		}
		switch {
		case slices.Contains(Measures, v) && !slices.Contains(h.Required, v):
			h.Required = append(h.Required, v)
		case len(items) == 1 && v == "off":
			h.Off = true
		case len(items) == 1 && v == "best":
		case len(items) == 1 && v == "required":
			h.Required = slices.Clone(Measures)
		default:
			return fmt.Errorf("wants off, best, required, or some of %s, each once, not %q",
				strings.Join(Measures, ", "), v)
		}
	}
	r.config.Hardening = h
	return nil
}
