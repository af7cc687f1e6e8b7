package client

import (
	"bytes"
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
