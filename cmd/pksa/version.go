package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent/harden"
)

// version is what a build says of itself that has no history beside it, such as that of an image:
// -ldflags "-X main.version=…".
var version string

// versionInfo is what `pksa version --json` prints.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Protocol int    `json:"has_protocol"`

	// Lacking are the protections that this system does not have.
	Lacking []harden.Measure `json:"lacking,omitempty"`
}

func (c *command) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			v := versionInfo{Version: "devel", Go: runtime.Version(), Protocol: 1, Lacking: harden.Lacking()}
			if info, ok := debug.ReadBuildInfo(); ok {
				if info.Main.Version != "" && info.Main.Version != "(devel)" {
					v.Version = info.Main.Version
				}
				if version != "" {
					v.Version = version
				}
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						v.Revision = s.Value
					}
				}
			}
			return c.print(v, v.write)
		},
	}
}

func (v versionInfo) write(w io.Writer) {
	fmt.Fprintf(w, "pksa %s (%s, HAS protocol %d)\n", strings.TrimSpace(v.Version+" "+v.Revision), v.Go, v.Protocol)
	if len(v.Lacking) == 0 {
		return
	}
	fmt.Fprintf(w, "\nThis system lacks protections of the keys; `pksa run` wants the setting hardening:\n")
	for _, m := range v.Lacking {
		fmt.Fprintf(w, "  %-12s %s\n", m.Name, m.Detail)
	}
}
