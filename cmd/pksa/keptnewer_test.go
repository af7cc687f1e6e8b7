package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	bolt "go.etcd.io/bbolt"
)

// A program refuses a home of a newer one in one sentence, and changes nothing.
func TestNewerHomeIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		newer func(*keptHome)
		args  []string
		want  string
	}{
		"keystore": {(*keptHome).newerKeystore, []string{"keys", "list"}, "this keystore was written by a newer pksa"},
		"ledger":   {(*keptHome).newerLedger, []string{"app", "list"}, "this ledger was written by a newer pksa"},
		"mark": {(*keptHome).newerMark, []string{"session", "list"},
			"the ledger's mark was written by a newer pksa"},
	} {
		t.Run(name, func(t *testing.T) {
			withKept(t, func(k *keptHome) {
				c.newer(k)
				before := k.files()
				status, errs := k.fails(c.args...)
				if status != 1 || !strings.Contains(errs, c.want) {
					k.t.Errorf("exit status %d\n%s", status, errs)
				}
				if !strings.HasPrefix(errs, "pksa: error: ") || strings.Count(strings.TrimSpace(errs), "\n") > 1 {
					k.t.Errorf("more than a sentence and a hint:\n%s", errs)
				}
				for path, was := range before {
					if now := k.files()[path]; now != was {
						k.t.Errorf("%s was changed", path)
					}
				}
			})
		})
	}
}

// fails runs a command that has to fail, as a person runs it.
func (k *keptHome) fails(args ...string) (status int, errs string) {
	k.t.Helper()
	var out, text bytes.Buffer
	status = run(k.t.Context(), append(args, "--home", k.home), streams{strings.NewReader(""), &out, &text})
	return status, text.String()
}

// files returns the content of the files of the home that a refusal must not touch.
func (k *keptHome) files() map[string]string {
	k.t.Helper()
	found := map[string]string{}
	for _, name := range []string{"keystore.age", "ledger.db", "ledger.mark", "audit/000000"} {
		content, err := os.ReadFile(filepath.Join(k.home, name))
		k.must(err)
		found[name] = string(content)
	}
	return found
}

// newerKeystore locks content of another version to the owner's identity.
func (k *keptHome) newerKeystore() {
	k.t.Helper()
	text, err := os.ReadFile(filepath.Join(k.home, "identity.txt"))
	k.must(err)
	identities, err := age.ParseIdentities(bytes.NewReader(text))
	k.must(err)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, identities[0].(*age.X25519Identity).Recipient())
	k.must(err)
	_, err = w.Write([]byte(`{"version":5,"vault":{}}`))
	k.must(err)
	k.must(w.Close())
	k.must(os.WriteFile(filepath.Join(k.home, "keystore.age"), sealed.Bytes(), 0o600))
}

func (k *keptHome) newerLedger() {
	k.t.Helper()
	db, err := bolt.Open(filepath.Join(k.home, "ledger.db"), 0o600, nil)
	k.must(err)
	k.must(db.Update(func(tx *bolt.Tx) error {
		// What the journal has holds before what stands here, and it may have a format, too.
		for _, name := range []string{"journal", "journal area"} {
			if tx.Bucket([]byte(name)) == nil {
				continue
			}
			if err := tx.DeleteBucket([]byte(name)); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte("5"))
	}))
	k.must(db.Close())
}

func (k *keptHome) newerMark() {
	k.t.Helper()
	k.must(os.WriteFile(filepath.Join(k.home, "ledger.mark"), []byte("pksa ledger mark 3\nwhatever\n"), 0o600))
}
