package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pksa/agent"
	"pksa/agent/doctor"
	"pksa/protocol/hive"
)

// doctorOf runs the doctor and returns what it found, but for what depends on the machine that runs
// the test.
func doctorOf(t *testing.T, home string) (doctor.Report, int) {
	t.Helper()
	status, out, said := pksa(t, home, "doctor", "--json")
	var r doctor.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s%s", err, out, said)
	}
	r.Findings = slices.DeleteFunc(r.Findings, func(f doctor.Finding) bool {
		return f.Check == "place" || f.Check == "disk" || f.Level == doctor.Note
	})
	return r, status
}

// TestDoctor: a healthy home gives no finding, with and without an agent.
func TestDoctor(t *testing.T) {
	w := newWorldOf(t, homeParts{apps: []string{"bot"}, accounts: []hive.AccountName{"alice"},
		policy:   "version: 1\nallow:\n  - {name: logins, request: auth, apps: [bot], session: 24h}\n",
		settings: map[string]string{"hardening": "off"}})
	w.catchUp()
	s := &spoken{killWorld: w, hints: &hintRun{}}
	if r, _ := doctorOf(t, w.home); len(r.Findings) > 0 || r.Agent {
		t.Errorf("without an agent: %+v", r)
	}
	s.serve()
	t.Cleanup(s.halt)
	s.until("Ready.", "status")
	if r, _ := doctorOf(t, w.home); len(r.Findings) > 0 || !r.Agent {
		t.Errorf("with an agent: %+v", r)
	}
	s.halt()
	check(t, os.WriteFile(filepath.Join(w.home, "policy.yaml"), []byte("version: 1\nalow: []\n"), 0o600))
	r, status := doctorOf(t, w.home)
	if status != exitErrors || len(r.Findings) != 1 || r.Findings[0].Check != "policy" {
		t.Errorf("status %d: %+v", status, r)
	}
}

// TestDoctorBesideACopy: beside a copy of the wallet that runs elsewhere the doctor names it, and
// the copy goes on as if nobody had been there.
func TestDoctorBesideACopy(t *testing.T) {
	w := newWorldOf(t, homeParts{apps: []string{"bot"}, accounts: []hive.AccountName{"alice"},
		policy:   "version: 1\nallow:\n  - {name: logins, request: auth, apps: [bot], session: 24h}\n",
		settings: map[string]string{"hardening": "off"}})
	w.catchUp()
	other, err := os.MkdirTemp("", "pksa-copy-") // the path of a socket must be short
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(other) })
	check(t, os.CopyFS(other, os.DirFS(w.home)))
	for _, name := range []string{"keystore.age", "identity.txt", "ledger.db", "ledger.mark", "config.yaml",
		"policy.yaml"} {
		check(t, os.Chmod(filepath.Join(other, name), 0o600))
	}
	s := &spoken{killWorld: w, hints: &hintRun{}}
	s.serve()
	t.Cleanup(s.halt)
	s.until("Ready.", "status")
	r, status := doctorOf(t, other)
	for range 5 { // a copy on a busy machine may need longer for its answer than the doctor waits
		if len(r.Findings) > 0 {
			break
		}
		r, status = doctorOf(t, other)
	}
	if status != exitErrors || len(r.Findings) != 1 || r.Agent ||
		!strings.HasPrefix(r.Findings[0].What, "another copy of this wallet runs") {
		t.Errorf("status %d: %+v", status, r)
	}
	// It looks whether the doctor was a copy, and finds that it was none.
	if said := s.says("canary"); !strings.HasPrefix(said, "0: ") {
		t.Error(said)
	}
	var now agent.Status
	check(t, json.Unmarshal([]byte(strings.TrimPrefix(s.says("status", "--json"), "0: ")), &now))
	if len(now.NotReady) > 0 || now.Twin != nil || strings.Contains(s.log.String(), "another copy") {
		t.Errorf("the running copy: %q, %+v\n%s", now.NotReady, now.Twin, s.log.Last(10))
	}
}

// Without a wallet, or with settings that have errors, the doctor says so, and what to do.
func TestDoctorWithoutWallet(t *testing.T) {
	home := t.TempDir()
	status, out, _ := pksa(t, home, "doctor")
	if status != exitErrors || !strings.Contains(out, "there is no wallet") || !strings.Contains(out, "What to do: ") {
		t.Errorf("%d: %s", status, out)
	}
	check(t, os.WriteFile(filepath.Join(home, "config.yaml"), []byte("nods: []\n"), 0o600))
	if status, out, _ := pksa(t, home, "doctor"); status != exitErrors || !strings.Contains(out, "config.yaml:1:1") {
		t.Errorf("%d: %s", status, out)
	}
}

// What people read fits 80 columns, and names where, what it means and what to do.
func TestDoctorText(t *testing.T) {
	var r doctor.Report
	long := strings.Repeat("some words of a reason ", 10)
	r.Add(doctor.Finding{Check: "relays", Level: doctor.Warning, Where: "wss://relay.example/", What: long,
		Meaning: long,
		Next:    long + "`pksa policy check`"})
	r.Add(doctor.Of("home", hint(errors.New("lost"), adviceNoHome), ""))
	for _, place := range []string{"policy.yaml:3:5", "policy.yaml:4:5"} {
		r.Add(doctor.Finding{Check: "policy", Level: doctor.Warning, Where: place, What: long, Meaning: "it is wide",
			Next: "mend it"})
	}
	var text bytes.Buffer
	(&command{home: "/a"}).printReport(&text, r)
	for _, line := range strings.Split(text.String(), "\n") {
		if utf8.RuneCountInString(line) > textWidth {
			t.Errorf("wider than a terminal: %s", line)
		}
	}
	for _, want := range []string{"ERROR, home:\n  lost\n  What to do: name one",
		"WARNING, relays (wss://relay.example/):\n",
		"WARNING, policy:\n  - policy.yaml:3:5: some words", "\n  - policy.yaml:4:5: some words",
		"\n  it is wide\n  What to do: mend it\n\n1 error, 3 warnings, 0 notes.", "`pksa --home /a policy check`"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in %s", want, &text)
		}
	}
	if strings.Count(text.String(), "mend it") != 1 {
		t.Errorf("what to do for findings that are alike stands there twice: %s", &text)
	}
}
