package oldwallet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pksa/keystore"
	"pksa/keystore/linejson"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// Wallet is what keys.json and storage.json of hive-auth-pksa hold (HAS §10).
type Wallet struct {
	Name   string      // pksa_name
	Secret secret.Text // auth_req_secret

	ApproveAuth     bool
	RejectAuth      bool
	RejectSign      bool
	RejectChallenge bool
	Days            float64 // auth_timeout_days

	Relay     string // has_server; empty if the file names none
	RelayLine int    // where it stands in storage.json
	Nodes     []string

	Accounts []Account
	Keys     *keystore.Batch
	Files    []string // that were read, all with secrets in the clear

	Unread []string // what stands in the files and no version reads
	Notes  []string // what became of a setting that is taken in another way

	keysInline *linejson.Value // the keys that storage.json holds itself
	keysPath   string          // where storage.json says that they are
	keysLine   int
	daysRead   bool
	problems   []error
}

// ErrUnknown means that storage.json has a setting that no known version reads.
var ErrUnknown = errors.New("no known version of hive-auth-pksa reads this setting, and it may forbid something")

// Account is an account with its sessions, expired ones included.
type Account struct {
	Name     hive.AccountName
	Sessions []Session
}

// LastNonce returns the highest nonce under an auth_key. An expired session with the same key
// counts too.
func (a Account) LastNonce(key secret.Text) int64 {
	var last int64
	for _, s := range a.Sessions {
		if s.Key == key {
			last = max(last, s.Nonce)
		}
	}
	return last
}

// Session is an entry of auths.
type Session struct {
	Key      secret.Text // auth_key
	App      string      // what the application called itself; it proves nothing and is only shown
	Nonce    int64       // of the last request, in ms
	BadNonce bool        // the last nonce is no time, so that nobody can say which request comes after it
	Token    bool        // made by a version before protocol 1, which knew no nonces
	Expires  time.Time
}

// BadNonce reports whether the last nonce under an auth_key cannot be told.
func (a Account) BadNonce(key secret.Text) bool {
	return slices.ContainsFunc(a.Sessions, func(s Session) bool { return s.Key == key && s.BadNonce })
}

// Leave takes an account and its keys out, and reports whether there was anything of it.
func (w *Wallet) Leave(account hive.AccountName) bool {
	named := slices.ContainsFunc(w.Accounts, func(a Account) bool { return a.Name == account })
	w.Accounts = slices.DeleteFunc(w.Accounts, func(a Account) bool { return a.Name == account })
	return w.Keys.Leave(account) > 0 || named
}

// maxFile is far above what the reference wallet could rewrite at each request.
const maxFile = 64 << 20

// Read reads the two files in the folder. keys names the file of the keys; if it is empty, it is
// the one that storage.json names, or keys.json. The error holds every complaint, with file and
// line. The caller wipes the keys.
func Read(dir, keys string) (*Wallet, error) {
	storage := filepath.Join(dir, "storage.json")
	src, err := readFile(storage)
	if err != nil {
		return nil, err
	}
	defer clear(src)
	w := &Wallet{Name: "pksa", Days: defaultDays, Files: []string{storage}}
	root, err := linejson.Parse(src)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", storage, err)
	}
	w.read(root)
	for i, problem := range w.problems {
		w.problems[i] = fmt.Errorf("%s:%w", storage, problem)
	}
	for i, unread := range w.Unread {
		w.Unread[i] = storage + ":" + unread
	}
	// The keys are read too when the settings have errors, so that one run names all of them.
	if err := errors.Join(append(w.problems, w.readKeys(dir, storage, keys))...); err != nil {
		if w.Keys != nil {
			w.Keys.Wipe()
		}
		return nil, err
	}
	return w, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(src) > maxFile {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	return src, err
}

// keysFile returns the file of the keys. A path in storage.json is one from the folder of the old
// wallet, which had to be started there.
func (w *Wallet) keysFile(dir, given string) string {
	switch {
	case given != "":
		return given
	case filepath.IsAbs(w.keysPath):
		return w.keysPath
	case w.keysPath != "":
		return filepath.Join(dir, w.keysPath)
	}
	return filepath.Join(dir, "keys.json")
}

// readKeys reads the file of the keys, or the keys that storage.json holds itself.
func (w *Wallet) readKeys(dir, storage, given string) (err error) {
	path := w.keysFile(dir, given)
	src, err := readFile(path)
	if w.keysInline != nil {
		if err == nil {
			return fmt.Errorf("%s:%d: there are keys here and in %s; move one of the two away", storage,
				w.keysInline.Line, path)
		}
		path = storage
		// Empty lines in front keep the numbers of the lines in complaints right.
		src = append(bytes.Repeat([]byte("\n"), w.keysInline.Line-1), w.keysInline.Raw...)
	} else if err != nil {
		if w.keysPath != "" && given == "" {
			err = fmt.Errorf("%s:%d: keys: %w", storage, w.keysLine, err)
		}
		return err
	} else {
		w.Files = append(w.Files, path)
	}
	defer clear(src)
	w.Keys, err = keystore.ReadKeysJSON(path, bytes.NewReader(src))
	if err == nil {
		w.Unread = append(w.Unread, w.Keys.Skipped()...)
	}
	return err
}

// Format writes everything but the secret.
func (w Wallet) Format(f fmt.State, verb rune) { secret.Format(f, verb, w) }

// Format writes everything but the key.
func (s Session) Format(f fmt.State, verb rune) { secret.Format(f, verb, s) }
