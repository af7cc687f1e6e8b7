package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/policy"
)

// A home folder that an earlier program made is taken by every later one. Each folder of
// testdata/homes holds one, as that program left it, and what it said of it; the README there says
// how it was made. The tests open a copy, at the time when it was left, with the program of today.
const keptHomes = "testdata/homes"

// keptHome is a copy of a kept home, and what its program said of it.
type keptHome struct {
	t    *testing.T
	home string
	said string
}

// withKept runs a test on a copy of each kept home, on a clock that stands some seconds after that
// home was left.
func withKept(t *testing.T, f func(*keptHome)) {
	t.Setenv("PKSA_HARDENING", "off") // this process tests other things too
	folders, err := filepath.Glob(filepath.Join(keptHomes, "*", "home"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no kept homes: %v", err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(filepath.Dir(folder)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &keptHome{t: t, home: filepath.Join(t.TempDir(), "home"), said: filepath.Join(filepath.Dir(folder),
					"said")}
				var made struct{ Time time.Time }
				k.read("made.json", &made)
				time.Sleep(time.Until(made.Time))
				k.copyFrom(folder)
				f(k)
			})
		})
	}
}

// copyFrom copies the home. Git keeps no modes: only the owner may read what is in a home folder.
func (k *keptHome) copyFrom(folder string) {
	k.t.Helper()
	k.must(os.CopyFS(k.home, os.DirFS(folder)))
	k.must(filepath.WalkDir(k.home, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	}))
}

func (k *keptHome) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// read reads a JSON file of what the earlier program said.
func (k *keptHome) read(name string, value any) {
	k.t.Helper()
	text, err := os.ReadFile(filepath.Join(k.said, name))
	k.must(err)
	if err := json.Unmarshal(text, value); err != nil {
		k.t.Fatalf("%s: %v", name, err)
	}
}

// pksa runs a command of today's program in this process, on the test's clock.
func (k *keptHome) pksa(args ...string) []byte {
	k.t.Helper()
	var out, errs bytes.Buffer
	args = append(args, "--home", k.home, "--json")
	if status := run(k.t.Context(), args, streams{strings.NewReader(""), &out, &errs}); status != 0 {
		k.t.Fatalf("pksa %q: exit status %d\n%s%s", args, status, &out, &errs)
	}
	return out.Bytes()
}

// holds checks that a command prints what the earlier program printed. It may print more members.
func (k *keptHome) holds(name string, args ...string) {
	k.t.Helper()
	var want, got any
	k.read(name, &want)
	k.must(json.Unmarshal(bytes.ReplaceAll(k.pksa(args...), []byte(k.home), []byte("HOME")), &got))
	if lost := lostIn(want, got, ""); len(lost) > 0 {
		k.t.Errorf("pksa %s: the home was left with other values:\n%s", strings.Join(args, " "),
			strings.Join(lost, "\n"))
	}
}

// lostIn names the places at which a JSON value lacks something of another one.
func lostIn(want, got any, at string) (lost []string) {
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(want)) {
			lost = append(lost, lostIn(want[name], got[name], at+"."+name)...)
		}
		return lost
	case []any:
		list, _ := got.([]any)
		if len(list) != len(want) {
			return []string{fmt.Sprintf("%s: %d elements, not %d", at, len(list), len(want))}
		}
		for i := range want {
			lost = append(lost, lostIn(want[i], list[i], fmt.Sprintf("%s[%d]", at, i))...)
		}
		return lost
	}
	if want != got {
		return []string{fmt.Sprintf("%s: %v, not %v", at, got, want)}
	}
	return nil
}

// The commands say of a kept home what the program that made it said.
func TestKeptHomeReads(t *testing.T) {
	withKept(t, func(k *keptHome) {
		k.holds("keys.json", "keys", "list")
		k.holds("apps.json", "app", "list")
		k.holds("sessions.json", "session", "list")
		k.holds("verify.json", "audit", "verify")
		k.holds("replay.json", "policy", "replay", filepath.Join(k.home, "policy.yaml"))
		k.checkTrail()
		k.checkPolicy(filepath.Join(k.home, "policy.yaml"))
	})
}

// checkTrail compares the records of which the earlier program said what they hold: all but those
// of an app that did nothing but fill the trail.
func (k *keptHome) checkTrail() {
	k.t.Helper()
	got := map[string]any{}
	for line := range bytes.Lines(k.pksa("audit", "export")) {
		var record map[string]any
		k.must(json.Unmarshal(line, &record))
		got[fmt.Sprint(record["number"])] = record
	}
	text, err := os.ReadFile(filepath.Join(k.said, "export.jsonl"))
	k.must(err)
	compared := 0
	for line := range bytes.Lines(text) {
		var record map[string]any
		k.must(json.Unmarshal(line, &record))
		number := fmt.Sprint(record["number"])
		for _, lost := range lostIn(record, got[number], "record "+number) {
			k.t.Error(lost)
		}
		compared++
	}
	if compared < 100 {
		k.t.Errorf("only %d records of the trail were compared", compared)
	}
}

// checkPolicy wants a policy that has warnings at most.
func (k *keptHome) checkPolicy(path string) {
	k.t.Helper()
	var result struct {
		OK       bool
		Problems []struct {
			Warning bool
			Text    string
		}
	}
	k.must(json.Unmarshal(k.pksa("policy", "check", path), &result))
	for _, p := range result.Problems {
		if !p.Warning {
			k.t.Errorf("%s: %s", path, p.Text)
		}
	}
	if !result.OK {
		k.t.Errorf("%s is not taken", path)
	}
}

// limitKey names a counter of a limit.
type limitKey struct {
	name, split, unit string
	window            time.Duration
}

// checkRoom wants the counters carried over: no limit has more room than the earlier program said.
func (k *keptHome) checkRoom(rooms []policy.Room) {
	k.t.Helper()
	var status agent.Status
	k.read("status.json", &status)
	now := map[limitKey]policy.Room{}
	for _, r := range rooms {
		now[limitKey{r.Limit.Name, r.Split, r.Unit, r.Window}] = r
	}
	for _, was := range status.Policy.Room {
		is, ok := now[limitKey{was.Limit.Name, was.Split, was.Unit, was.Window}]
		switch {
		case !ok:
			k.t.Errorf("limit %q (%s, %s) has no counter any more", was.Limit.Name, was.Split, was.Unit)
		case k.number(is.Used).Cmp(k.number(was.Used)) < 0 || k.number(is.Most).Cmp(k.number(was.Most)) > 0:
			k.t.Errorf("limit %q (%s): %s of %s %s used, where it was %s of %s", was.Limit.Name, was.Split, is.Used,
				is.Most, was.Unit, was.Used, was.Most)
		}
	}
	if len(status.Policy.Room) < 5 {
		k.t.Errorf("only %d counters were compared", len(status.Policy.Room))
	}
}

func (k *keptHome) number(text string) *big.Rat {
	k.t.Helper()
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		k.t.Fatalf("%q is no number", text)
	}
	return n
}

// Policies and configurations that the earlier program took are taken.
func TestKeptPoliciesAndSettings(t *testing.T) {
	taken, read := 0, 0 // homes that came later need not have any
	withKept(t, func(k *keptHome) {
		folder := filepath.Dir(k.said)
		policies, err := filepath.Glob(filepath.Join(folder, "policies", "*.yaml"))
		k.must(err)
		for _, path := range policies {
			if strings.HasSuffix(path, "_test.yaml") {
				k.pksa("policy", "test", path)
				continue
			}
			k.checkPolicy(path)
		}
		settings, err := filepath.Glob(filepath.Join(folder, "settings", "*.[ye]*"))
		k.must(err)
		for _, path := range settings {
			k.checkSettings(path)
		}
		taken, read = taken+len(policies), read+len(settings)
	})
	if taken < 50 || read < 14 {
		t.Errorf("%d policies, %d configurations", taken, read)
	}
}

// refusedNow are configurations that no program takes any more, by what it says. Ends of lines that
// editors do not show hid settings in comments.
var refusedNow = map[string]string{
	"ends_of_lines.yaml": "ends_of_lines.yaml:1:23: here is a character that nobody sees",
}

// checkSettings wants a configuration to be taken, and to mean what it meant: beside it stands what
// the earlier program read from it, without what was left to the defaults.
func (k *keptHome) checkSettings(path string) {
	k.t.Helper()
	text, err := os.ReadFile(path)
	k.must(err)
	if short, packed := strings.CutSuffix(path, ".gz"); packed {
		unpacked, err := gzip.NewReader(bytes.NewReader(text))
		k.must(err)
		text, err = io.ReadAll(unpacked)
		k.must(err)
		path = short
	}
	src, environ := text, []string(nil)
	if strings.HasSuffix(path, ".env") {
		src, environ = nil, strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	cfg, err := config.Parse("/HOME", filepath.Base(path), src, environ)
	if want := refusedNow[filepath.Base(path)]; want != "" {
		if err == nil || !strings.Contains(err.Error(), want) {
			k.t.Errorf("%s: %v, want %s", path, err, want)
		}
		return
	}
	if err != nil {
		k.t.Errorf("%s is not taken: %v", path, err)
		return
	}
	meant, err := os.ReadFile(strings.TrimSuffix(path, filepath.Ext(path)) + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return // it sets nothing
	}
	k.must(err)
	written, err := json.Marshal(cfg)
	k.must(err)
	var want, got any
	k.must(errors.Join(json.Unmarshal(meant, &want), json.Unmarshal(written, &got)))
	for _, lost := range lostIn(want, got, path) {
		k.t.Error(lost)
	}
}
