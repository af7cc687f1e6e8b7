package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent/harden"
)

// version and commit are what a build says of itself that has no history beside it, such as that of
// an image: -ldflags "-X main.version=… -X main.commit=…". Nothing is needed where Go finds the
// history.
var version, commit string

// unknownVersion is the version of a build to which nobody gave one.
const unknownVersion = "unknown"

// versionInfo is what `pksa version --json` prints.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	System   string `json:"system"`
	Protocol int    `json:"has_protocol"`

	// Protections are those of the keys that this build has.
	Protections []string `json:"protections,omitempty"`
	// Lacking are the protections that this system does not have.
	Lacking []harden.Measure `json:"lacking,omitempty"`
}

func (c *command) versionCommand() *cobra.Command {
	var system string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			v := versionInfo{Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Protocol: 1}
			if system != "" {
				v.System = system
			}
			name, _, _ := strings.Cut(v.System, "/")
			v.Protections, v.Lacking = harden.Protections(name), harden.LackingOn(name)
			info, _ := debug.ReadBuildInfo()
			v.setBuild(info)
			return c.print(v, v.write)
		},
	}
	cmd.Flags().StringVar(&system, "system", "", "say it of the build for `SYSTEM`, such as darwin or windows")
	return cmd
}

// setBuild sets what the build knows of itself; info may be nil.
func (v *versionInfo) setBuild(info *debug.BuildInfo) {
	v.Version, v.Revision = version, commit
	if info != nil {
		if v.Version == "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Revision = s.Value
			case "vcs.time":
				v.Time = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	v.Version = cmp.Or(v.Version, unknownVersion)
}

func (v versionInfo) write(w io.Writer) {
	if v.Version == unknownVersion {
		fmt.Fprintf(w, "pksa of a version that its build was not told (%s, HAS protocol %d)\n", v.Go, v.Protocol)
	} else {
		fmt.Fprintf(w, "pksa %s (%s, HAS protocol %d)\n", v.Version, v.Go, v.Protocol)
	}
	if v.Revision != "" {
		fmt.Fprint(w, "commit "+v.Revision)
		if v.Time != "" {
			fmt.Fprint(w, " of "+v.Time)
		}
		if v.Modified {
			fmt.Fprint(w, ", with changes that are not in it")
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "for %s; protections: %s\n", v.System, cmp.Or(strings.Join(v.Protections, ", "), "none"))
	if len(v.Lacking) == 0 {
		return
	}
	fmt.Fprintf(w, "\nThis system lacks protections of the keys; `pksa run` wants the setting hardening:\n")
	for _, m := range v.Lacking {
		fmt.Fprintf(w, "  %-12s %s\n", m.Name, m.Detail)
	}
}
