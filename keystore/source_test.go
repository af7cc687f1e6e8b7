package keystore_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pksa/keystore"
)

func TestParseSource(t *testing.T) {
	good := []string{
		"file:/run/secrets/x", "file:relative path", "file:a:b", "identity:/etc/pksa/identity.txt",
		"env:PKSA_PASSPHRASE", "env:_x1",
		"fd:0", "fd:3", "fd:17", "credential:keystore", "credential:a.b-c", "command:pass show pksa", "command:/bin/x",
		"prompt",
	}
	for _, text := range good {
		s, err := keystore.ParseSource(text)
		if err != nil || s.String() != text || s == (keystore.Source{}) {
			t.Errorf("%q: got %q, %v", text, s, err)
		}
	}
	bad := []string{
		"", ":", "hunter2", "hunter2:x", "file", "file:", "File:x", "prompt:", "prompt:x", " prompt", "env:", "env:A-B",
		"env:1A", "env:A B",
		"env:A=B", "fd:", "fd:1", "fd:2", "fd:-3", "fd:03", "fd:+3", "fd:x", "fd:99999999999999999999", "credential:",
		"credential:a/b",
		"credential:..", "credential:.", "credential:/etc/shadow", "command:", "command: ", "command:pass 'a b'",
		`command:echo "x"`,
		"command:a | b", "command:echo $HOME", "command:a; b", "command:a > b", "command:`a`", "identity:",
		"file:a\x00b",
	}
	for _, text := range bad {
		s, err := keystore.ParseSource(text)
		if err == nil || s != (keystore.Source{}) {
			t.Errorf("%q was accepted", text)
		}
	}
	var zero keystore.Source
	if _, err := zero.Read(t.Context(), nil); err == nil || zero != (keystore.Source{}) {
		t.Error("the zero source was read")
	}
}

// What is refused may be the secret itself: it is not repeated.
func TestParseSourceKeepsQuiet(t *testing.T) {
	for _, text := range []string{"hunter2", "hunter2:x", "env:hunter2 x", "fd:hunter2", "credential:hunter2/",
		"command:'hunter2'"} {
		if _, err := keystore.ParseSource(text); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func source(t testing.TB, text string) keystore.Source {
	t.Helper()
	s, err := keystore.ParseSource(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// carry puts a secret where a source finds it.
type carry func(t *testing.T, secret string) keystore.Source

// written writes a secret to a file and returns its path.
func written(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(privateDir(t), "secret")
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func carriers() map[string]carry {
	all := map[string]carry{
		"file": func(t *testing.T, secret string) keystore.Source { return source(t, "file:"+written(t, secret)) },
		"identity": func(t *testing.T, secret string) keystore.Source {
			return source(t, "identity:"+written(t, secret))
		},
		"env": func(t *testing.T, secret string) keystore.Source {
			t.Setenv("PKSA_TEST_SECRET", secret)
			return source(t, "env:PKSA_TEST_SECRET")
		},
		"credential": func(t *testing.T, secret string) keystore.Source {
			path := written(t, secret)
			t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(path))
			return source(t, "credential:"+filepath.Base(path))
		},
	}
	maps.Copy(all, unixCarriers)
	return all
}

func TestSourcesAlike(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"plain":             {"secret", "secret"},
		"newline":           {"secret\n", "secret"},
		"DOS newline":       {"secret\r\n", "secret"},
		"two newlines":      {"secret\n\n", "secret\n"},
		"blanks stay":       {" secret \t", " secret \t"},
		"empty":             {"", ""},
		"newline only":      {"\n", ""},
		"largest":           {strings.Repeat("x", 16<<10), strings.Repeat("x", 16<<10)},
		"too long":          {strings.Repeat("x", 16<<10+1), ""},
		"far too long":      {strings.Repeat("x", 200<<10), ""},
		"identity kept raw": {"# c\nAGE-SECRET-KEY-1X\n", "# c\nAGE-SECRET-KEY-1X"},
	}
	for carrier, carry := range carriers() {
		for name, tt := range tests {
			if carrier == "env" && name == "far too long" {
				continue // the kernel refuses to pass it on
			}
			t.Run(carrier+"/"+name, func(t *testing.T) {
				got, err := carry(t, tt.text).Read(t.Context(), nil)
				switch {
				case tt.want == "" && err == nil:
					t.Errorf("accepted %q", got.Bytes())
				case tt.want == "" && strings.Contains(err.Error(), "xxx"):
					t.Errorf("the error shows the secret: %v", err)
				case tt.want != "" && (err != nil || string(got.Bytes()) != tt.want):
					t.Errorf("got %q, %v", got.Bytes(), err)
				}
			})
		}
	}
}

func TestSourcePrompt(t *testing.T) {
	prompt := source(t, "prompt")
	var asked string
	got, err := prompt.Read(t.Context(), func(label string) ([]byte, error) {
		asked = label
		return []byte("secret\n"), nil
	})
	if err != nil || string(got.Bytes()) != "secret" || asked != "secret" {
		t.Errorf("got %q for %q, %v", got.Bytes(), asked, err)
	}
	unlock, err := prompt.Unlock(t.Context(), func(label string) ([]byte, error) {
		asked = label
		return []byte(goldenText(t, "golden-identity.txt")), nil
	})
	if err != nil || !strings.Contains(asked, "keystore") {
		t.Errorf("asked for %q, %v", asked, err)
	}
	mustOpen(t, golden(t, "golden-recipients.age"), unlock)
	if _, err := prompt.Read(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "nobody to ask") {
		t.Errorf("without a person: %v", err)
	}
	broken := errors.New("no terminal")
	if _, err := prompt.Read(t.Context(), func(string) ([]byte, error) { return nil, broken }); !errors.Is(err,
		broken) {
		t.Errorf("got %v", err)
	}
	if _, err := prompt.Read(t.Context(), func(string) ([]byte, error) { return nil, nil }); err == nil {
		t.Error("an empty answer was accepted")
	}
}

func TestSourceEnvOnce(t *testing.T) {
	t.Setenv("PKSA_TEST_SECRET", "secret")
	s := source(t, "env:PKSA_TEST_SECRET")
	if _, err := s.Read(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, ok := os.LookupEnv("PKSA_TEST_SECRET"); ok {
		t.Error("the variable is still there")
	}
	if _, err := s.Read(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "read before") {
		t.Errorf("got %v", err)
	}
}

func TestSourceErrors(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	for text, says := range map[string]string{
		"file:/no/such/file":       "/no/such/file",
		"file:/":                   "regular file",
		"env:PKSA_TEST_UNSET":      "not set",
		"credential:x":             "LoadCredential",
		"command:/no/such/program": "/no/such/program",
	} {
		_, err := source(t, text).Read(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hidden-word") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestUnlockFromSources(t *testing.T) {
	identity := goldenText(t, "golden-identity.txt")
	for carrier, carry := range carriers() {
		t.Run(carrier, func(t *testing.T) {
			unlock, err := carry(t, identity).Unlock(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			mustOpen(t, golden(t, "golden-recipients.age"), unlock)
			_, err = carry(t, passphrase).Unlock(t.Context(), nil)
			if refused := err != nil; refused != (carrier == "identity") {
				t.Errorf("a passphrase: %v", err)
			}
		})
	}
}

func TestNewUnlockRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"empty":           {"", nil},
		"two lines":       {"one\ntwo", nil},
		"carriage return": {"one\r", nil},
		"broken identity": {"AGE-SECRET-KEY-1HUNTER2HUNTER2HUNTER2", nil},
		"identity and x":  {goldenText(t, "golden-identity.txt") + "HUNTER2\n", nil},
		"broken plugin":   {"AGE-PLUGIN-YUBIKEY-1HUNTER2", nil},
		"no file key":     {"PKSA-FILE-KEY-HUNTER2", nil},
		"short file key":  {"PKSA-FILE-KEY-00112233", nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := keystore.NewUnlock(keystore.NewSecret([]byte(tt.text)))
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || strings.Contains(err.Error(), "HUNTER2") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The store has a copy of what opened it: the caller may wipe his at once.
func TestUnlockWiped(t *testing.T) {
	secret := keystore.NewSecret([]byte(passphrase))
	unlock, err := keystore.NewUnlock(secret)
	if err != nil {
		t.Fatal(err)
	}
	secret.Wipe()
	s := mustOpen(t, golden(t, "golden-passphrase.age"), unlock)
	unlock.Wipe()
	mustImport(t, s, "carol", 1, "carol")
}

func TestCreateIdentity(t *testing.T) {
	path := filepath.Join(privateDir(t), "identity.txt")
	unlock, recipient, err := keystore.CreateIdentity(path)
	if err != nil {
		t.Fatal(err)
	}
	keystorePath := filepath.Join(privateDir(t), "keystore.age")
	s, err := keystore.Create(keystorePath, unlock)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Recipients(); len(got) != 1 || got[0] != recipient {
		t.Errorf("recipients %v, want %s", got, recipient)
	}
	again, err := source(t, "identity:"+path).Unlock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	mustOpen(t, keystorePath, again)
	before, _ := os.ReadFile(path)
	if _, _, err := keystore.CreateIdentity(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v", err)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("the identity was overwritten")
	}
}

func FuzzParseSource(f *testing.F) {
	for _, seed := range []string{"file:x", "env:X", "fd:3", "prompt", "command:a b", "credential:x",
		"identity:x", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := keystore.ParseSource(text)
		if err == nil && s.String() != text {
			t.Errorf("%q became %q", text, s)
		}
	})
}
