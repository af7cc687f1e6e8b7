package backup_test

import (
	"archive/tar"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/backup"
)

// mac stands for the MAC of a keystore.
func mac(data ...[]byte) []byte {
	h := hmac.New(sha256.New, []byte("a key in plain sight"))
	for _, part := range data {
		h.Write(part)
	}
	return h.Sum(nil)
}

// wallet makes the files of a wallet, and returns what a backup of it is made of.
func wallet(t testing.TB) backup.Source {
	t.Helper()
	home := t.TempDir()
	files := map[string]string{"keystore.age": "the keys", "config.yaml": "name: x\n", "rules.yaml": "version: 1\n",
		"ledger.db.copy-1": strings.Repeat("page", 5000), "audit/000001": "of a program of before",
		"audit/000000004097-000000004200": "a segment", "audit/000000000001-000000000002.lost": "set aside",
		"audit/.000001.new-1": "left over"}
	for name, text := range files {
		path := filepath.Join(home, name)
		must(t, errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)))
	}
	at := func(name string) string { return filepath.Join(home, name) }
	return backup.Source{Keystore: at("keystore.age"), Config: at("config.yaml"), Policy: at("rules.yaml"),
		Ledger: at("ledger.db.copy-1"), Segments: at("audit"), MAC: mac,
		Manifest: backup.Manifest{Form: backup.Form, Made: time.Unix(1_800_000_000, 0).UTC(), Home: home,
			Unlock: "identity:identity.txt", Record: 7, Keystore: "keystore.age", Policy: "rules.yaml",
			Ledger: "ledger.db"}}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func written(t testing.TB, s backup.Source) []byte {
	t.Helper()
	var out bytes.Buffer
	_, err := backup.Write(&out, s)
	must(t, err)
	return out.Bytes()
}

// files reads a backup and returns its files.
func files(data []byte) (map[string]string, *backup.Contents, error) {
	found := map[string]string{}
	c, err := backup.Read(bytes.NewReader(data), func(f backup.File, r io.Reader) error {
		text, err := io.ReadAll(r)
		found[f.Name] = string(text)
		return err
	})
	return found, c, err
}

func TestBackup(t *testing.T) {
	s := wallet(t)
	var told, all int64
	s.Progress = func(done, of int64) { told, all = done, of }
	data := written(t, s)
	found, c, err := files(data)
	must(t, err)
	must(t, c.Verify(mac))
	want := map[string]string{"keystore.age": "the keys", "config.yaml": "name: x\n", "rules.yaml": "version: 1\n",
		"ledger.db": strings.Repeat("page", 5000), "audit/000001": "of a program of before",
		"audit/000000004097-000000004200": "a segment"}
	if !maps.Equal(found, want) {
		t.Errorf("it holds %q", slices.Sorted(maps.Keys(found)))
	}
	if c.Manifest != s.Manifest || c.Segments != 2 || told < all || all < 20_000 {
		t.Errorf("%+v, %d segments, %d of %d bytes told", c.Manifest, c.Segments, told, all)
	}
	other := func(data ...[]byte) []byte { return mac(append(data, []byte("x"))...) }
	if err := c.Verify(other); !errors.Is(err, backup.ErrForeign) {
		t.Errorf("the seal of another wallet: %v", err)
	}
	// Without settings and policy, and with the trail all in the ledger.
	s.Config, s.Policy, s.Segments = s.Config+".not", s.Policy+".not", s.Segments+".not"
	found, c, err = files(written(t, s))
	must(t, err)
	if len(found) != 2 || c.Segments != 0 || c.Verify(mac) != nil {
		t.Errorf("it holds %q", slices.Sorted(maps.Keys(found)))
	}
}

// Any tar program unpacks what is in the encrypted file.
func TestBackupIsAnArchive(t *testing.T) {
	r := tar.NewReader(bytes.NewReader(written(t, wallet(t))))
	var names []string
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		names = append(names, h.Name)
	}
	want := []string{"manifest.json", "keystore.age", "config.yaml", "policy.yaml", "ledger.db", "audit/000001",
		"audit/000000004097-000000004200", "seal"}
	if !slices.Equal(names, want) {
		t.Errorf("entries %q", names)
	}
}

// A backup that is cut off, longer, or altered in a byte is refused, or is not of its wallet.
func TestBackupDamaged(t *testing.T) {
	data := written(t, wallet(t))
	for at := 0; at < len(data); at += 1 + len(data)/200 {
		// What is cut off of the zeros at the end, the encryption tells.
		if _, _, err := files(data[:at]); !errors.Is(err, backup.ErrDamaged) && len(bytes.Trim(data[at:], "\x00")) > 0 {
			t.Errorf("cut off at %d: %v", at, err)
		}
		altered := bytes.Clone(data)
		altered[at] ^= 1
		// Only what says nothing, as the padding of entries, may differ.
		if found, c, err := files(altered); err == nil && c.Verify(mac) == nil && !sameFiles(found, data) {
			t.Errorf("altered at %d: taken", at)
		}
	}
	for name, more := range map[string][]byte{"text": []byte("more"), "much": make([]byte, 2<<20)} {
		if _, _, err := files(append(bytes.Clone(data), more...)); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("with %s behind it: %v", name, err)
		}
	}
}

func sameFiles(found map[string]string, data []byte) bool {
	whole, _, err := files(data)
	return err == nil && maps.Equal(found, whole)
}

// entries makes an archive of entries: "NAME" or "NAME=TEXT".
func entries(t testing.TB, list ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range list {
		text := h.Linkname
		h.Linkname = ""
		if h.Typeflag == tar.TypeSymlink {
			h.Linkname, text = text, ""
		}
		h.Size, h.Mode = int64(len(text)), 0o600
		must(t, w.WriteHeader(&h))
		_, err := w.Write([]byte(text))
		must(t, err)
	}
	must(t, w.Close())
	return out.Bytes()
}

// Only the one form is taken: each entry in its place, once, and none of another name or kind.
func TestReadIsStrict(t *testing.T) {
	const manifest = `{"form":1,"keystore":"keystore.age","policy":"policy.yaml","ledger":"ledger.db"}`
	file := func(name, text string) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: text} // entries takes the text from there
	}
	m, k, l := file("manifest.json", manifest), file("keystore.age", "k"), file("ledger.db", "l")
	seal := file("seal", strings.Repeat("0", 64)+"\n")
	must(t, second(files(entries(t, m, k, l, seal))))
	for name, list := range map[string][]tar.Header{
		"nothing":           {},
		"no manifest":       {k, l, seal},
		"no keystore":       {m, l, seal},
		"no ledger":         {m, k, seal},
		"no seal":           {m, k, l},
		"twice":             {m, k, k, l, seal},
		"other order":       {m, l, k, seal},
		"behind the seal":   {m, k, l, seal, file("audit/000001", "")},
		"another file":      {m, k, l, file("identity.txt", "s"), seal},
		"a way out":         {m, k, l, file("audit/../../x", "s"), seal},
		"absolute":          {m, k, l, file("/etc/passwd", "s"), seal},
		"segments disorder": {m, k, l, file("audit/000002", ""), file("audit/000001", ""), seal},
		"a link": {m, k, l, {Typeflag: tar.TypeSymlink, Name: "audit/000001",
			Linkname: "/etc/passwd"}, seal},
		"a folder":           {m, k, l, {Typeflag: tar.TypeDir, Name: "audit/"}, seal},
		"short seal":         {m, k, l, file("seal", "00\n")},
		"seal in capitals":   {m, k, l, file("seal", strings.Repeat("A", 64)+"\n")},
		"no JSON":            {file("manifest.json", "{"), k, l, seal},
		"large manifest":     {file("manifest.json", manifest+strings.Repeat(" ", 70_000)), k, l, seal},
		"manifest leads out": {file("manifest.json", strings.Replace(manifest, "ledger.db", "../l", 1)), k, l, seal},
		"manifest has a file twice": {file("manifest.json", strings.Replace(manifest, "ledger.db", "policy.yaml",
			1)), k,
			l, seal},
		"manifest takes the settings": {file("manifest.json", strings.Replace(manifest, "ledger.db", "config.yaml",
			1)), k, l, seal},
	} {
		if _, _, err := files(entries(t, list...)); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	newer := file("manifest.json", strings.Replace(manifest, `"form":1`, `"form":2`, 1))
	if _, _, err := files(entries(t, newer, k, l, seal)); err == nil || !strings.Contains(err.Error(), "form 2") {
		t.Errorf("a newer form: %v", err)
	}
}

func second(_ map[string]string, _ *backup.Contents, err error) error { return err }

// FuzzRead reads anything. What is taken holds what a backup needs, and names that stay in a home.
func FuzzRead(f *testing.F) {
	f.Add(written(f, wallet(f)))
	f.Add(entries(f, tar.Header{Typeflag: tar.TypeReg, Name: "manifest.json", Linkname: `{"form":1}`}))
	f.Fuzz(func(t *testing.T, data []byte) {
		found, c, err := files(data)
		if err != nil {
			return
		}
		for name := range found {
			if !filepath.IsLocal(name) || strings.Count(name, "/") > 1 {
				t.Errorf("a file %q", name)
			}
		}
		if _, ok := found[c.Manifest.Keystore]; !ok {
			t.Error("no keystore")
		}
		if _, ok := found[c.Manifest.Ledger]; !ok {
			t.Error("no ledger")
		}
	})
}

// A stage needs an empty home, is given up without a trace, and is finished by whoever comes.
func TestStage(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	take := func(s *backup.Stage) {
		for _, name := range []string{"keystore.age", "audit/000001"} {
			must(t, s.Take(backup.File{Name: name}, strings.NewReader("text of "+name)))
		}
	}
	s, err := backup.Begin(home)
	must(t, err)
	take(s)
	if _, err := backup.Begin(home); err == nil || !strings.Contains(err.Error(), "another restore") {
		t.Errorf("two at once: %v", err)
	}
	must(t, backup.Finish(home)) // not ready: nothing to do
	must(t, s.Discard())
	if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	must(t, os.WriteFile(filepath.Join(home, "identity.txt"), nil, 0o600))
	if _, err := backup.Begin(home); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("a home with a file: %v", err)
	}
	s, err = backup.Begin(home, "identity.txt")
	must(t, err)
	take(s)
	must(t, s.Ready())
	must(t, s.Discard()) // too late
	must(t, backup.Finish(home))
	must(t, backup.Finish(home))
	for _, name := range []string{"keystore.age", "audit/000001"} {
		if text, err := os.ReadFile(filepath.Join(home, name)); string(text) != "text of "+name {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if left, err := os.ReadDir(home); err != nil || len(left) != 3 {
		t.Errorf("in the home are %v, %v", left, err)
	}
}
