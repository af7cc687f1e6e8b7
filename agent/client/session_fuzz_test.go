package client

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzLoadSession reads saved sessions of any content. What is accepted must be saved and read back
// as the same session, and its next nonce must be above the saved one.
func FuzzLoadSession(f *testing.F) {
	for _, text := range []string{
		`{"account":"alice","auth_key":"9b0e2dc3-f574-4766-abdd-c429dce11284"}`,
		`{"account":"alice","auth_key":"k","token":"t","expires":1700000060000,"nonce":1700000000000}`,
		`{"account":"alice","auth_key":"k"} {"account":"mallory","auth_key":"k"}`,
		`{"account":"alice","auth_key":"k","expires":-62135596800000}`,
		`{"account":"alice","auth_key":"k","nonce":9223372036854775807}`,
		`{"account":"alice","auth_key":"k","auth_key":"other"}`,
		` {"account" : "alice", "auth_key" : "\u006b"}` + "\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := LoadSession(text)
		if err != nil {
			return
		}
		saved, err := s.Save()
		if err != nil {
			t.Fatalf("a session was read and cannot be saved: %v", err)
		}
		again, err := LoadSession(saved)
		if err != nil {
			t.Fatalf("%s was saved and cannot be read: %v", saved, err)
		}
		twice, err := again.Save()
		if err != nil || !bytes.Equal(saved, twice) {
			t.Errorf("saved as %s, then as %s: %v", saved, twice, err)
		}
		if again.account != s.account || again.authKey != s.authKey || again.token != s.token ||
			!again.expires.Equal(s.expires) {
			t.Errorf("%s was read back as %s", text, saved)
		}
		// A file with two sessions, or two keys, could be read as either.
		if bytes.Count(text, []byte(`"auth_key"`)) > 1 {
			t.Errorf("taken: %s", text)
		}
		if before := s.nonce; s.next(time.Now()) <= before {
			t.Errorf("the nonce after %d is %d", before, s.nonce)
		}
	})
}

// FuzzKeptSession reads kept sessions of any content. What is accepted must be written and read
// back as the same.
func FuzzKeptSession(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"account":"alice","auth_key":"k"}`,
		`{"session":{"account":"alice","auth_key":"k","expires":1700000060000},"confirmed":1700000000000,"opened":[1]}`,
		`{"session":{"account":"alice","auth_key":"k"},"before":{"account":"alice","auth_key":"j"},"opened":[1,2]}`,
		`{"session":{"account":"alice","auth_key":"k"},"slot":"00ff00ff"}`, `{"slot":"00FF00FF"}`, `{"slot":"0"}`,
		`{"session":{"account":"alice","auth_key":"k"},"before":{"account":"bob","auth_key":"j"}}`,
		`{"before":{"account":"alice","auth_key":"j"}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseKept(text)
		if err != nil {
			return
		}
		if s.before != nil && (s.session == nil || s.session.account != s.before.account) {
			t.Errorf("taken: %s", text)
		}
		file := filepath.Join(t.TempDir(), "kept")
		if err := s.write(file); err != nil {
			t.Fatal(err)
		}
		written, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseKept(written)
		if err == nil {
			err = again.write(file)
		}
		twice, readErr := os.ReadFile(file)
		if err != nil || readErr != nil || !bytes.Equal(written, twice) {
			t.Errorf("written as %s, then as %s: %v, %v", written, twice, err, readErr)
		}
	})
}
