package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// A bill names the program with its digest, Go's library and each module, and is the same each
// time.
func TestSBOM(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	at := time.Unix(1795741147, 0).UTC()
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := writeSBOM(out, program, at); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two bills of a program differ")
	}
	var b bom
	d := json.NewDecoder(&first)
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.SpecVersion != "1.6" || b.Metadata.Timestamp != "2026-11-27T00:59:07Z" ||
		len(b.Metadata.Component.Hashes) != 1 || len(b.Serial) != len("urn:uuid:")+36 {
		t.Errorf("%+v", b)
	}
	if len(b.Components) == 0 || b.Components[0].Name != "std" ||
		!strings.HasPrefix(b.Components[0].PURL, "pkg:golang/std@1.") {
		t.Errorf("components: %+v", b.Components)
	}
	refs := map[string]bool{b.Metadata.Component.Ref: true}
	for _, c := range b.Components {
		refs[c.Ref] = true
	}
	for _, d := range b.Dependencies {
		for _, ref := range append(d.DependsOn, d.Ref) {
			if !refs[ref] {
				t.Errorf("nothing is %q", ref)
			}
		}
	}
}

// A module without a licence is an error, and so is one that is not here.
func TestLicence(t *testing.T) {
	folder := t.TempDir()
	var out bytes.Buffer
	if err := writeLicence(&out, "a", ""); err == nil {
		t.Error("a module that is not here")
	}
	if err := writeLicence(&out, "a", folder); err == nil || !strings.Contains(err.Error(), "has no licence") {
		t.Errorf("a module without a licence: %v", err)
	}
	for name, text := range map[string]string{"LICENSE.md": "may be used", "NOTICE": "made by",
		"license_test.go": "x"} {
		if err := os.WriteFile(folder+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeLicence(&out, "a v1", folder); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if strings.Count(text, "a v1: ") != 2 || !strings.Contains(text, "may be used") ||
		!strings.Contains(text, "made by") {
		t.Error(text)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"sbom"}, {"sbom", "x", "soon"}, {"licences", "x"}, {"other", "x", "y"}} {
		if run(bufio.NewWriter(nil), args) == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
