package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"
)

// bom is a bill in the format of CycloneDX 1.6, as far as it is used here.
type bom struct {
	Format       string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	Serial       string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

// metadata is what the bill is about.
type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

// component is the program, or a module in it.
type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

// hash is the digest of the program.
type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

// property is what CycloneDX has no member for.
type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// dependency is what a component is made of.
type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// writeSBOM writes the bill of one program. The standard library is a component, too: holes in it
// are holes in the program.
func writeSBOM(w io.Writer, program string, at time.Time) error {
	info, list, err := modules(program)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	main := component{Type: "application", Ref: "program", Name: path.Base(info.Path), Version: info.Main.Version,
		Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}}, Properties: settings(info)}
	list = append([]module{{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}}, list...)
	b := bom{Format: "CycloneDX", SpecVersion: "1.6", Serial: serial(sum), Version: 1,
		Metadata: metadata{at.Format(time.RFC3339), main}}
	whole := dependency{Ref: main.Ref}
	for _, m := range list {
		c := component{Type: "library", Name: m.path, Version: m.version, PURL: "pkg:golang/" + m.path + "@" +
			m.version}
		c.Ref = c.PURL
		if m.sum != "" {
			// Go's own sum of a module, as in go.sum: it is none of the archive's bytes.
			c.Properties = []property{{"go:sum", m.sum}}
		}
		b.Components = append(b.Components, c)
		whole.DependsOn = append(whole.DependsOn, c.Ref)
	}
	b.Dependencies = []dependency{whole}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(b)
}

// settings returns those of the build that say what it was made of.
func settings(info *buildinfo.BuildInfo) (list []property) {
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS", "GOARCH", "CGO_ENABLED", "vcs.revision", "vcs.time", "vcs.modified":
			list = append(list, property{"go:" + s.Key, s.Value})
		}
	}
	return list
}

// serial returns a UUID (version 8) that is made of the program's digest, so that it is the same
// each time.
func serial(sum [sha256.Size]byte) string {
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
