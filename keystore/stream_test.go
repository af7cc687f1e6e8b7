package keystore_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"pksa/keystore"
)

// What opens the keystore opens what it encrypts, and nothing else does.
func TestEncryptTo(t *testing.T) {
	dir := privateDir(t)
	mine, _, err := keystore.CreateIdentity(filepath.Join(dir, "mine.txt"))
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := keystore.CreateIdentity(filepath.Join(dir, "other.txt"))
	if err != nil {
		t.Fatal(err)
	}
	recovery, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.Repeat([]byte("a text of some length "), 10_000)
	for name, tt := range map[string]struct {
		unlock   keystore.Unlock
		recovery []string
		others   map[error]keystore.Unlock
		opens    []keystore.Unlock
	}{
		"identity": {mine, []string{recovery.Recipient().String()},
			map[error]keystore.Unlock{keystore.ErrWrongIdentity: other, keystore.ErrWrongLock: unlockWith(t,
				passphrase)},
			[]keystore.Unlock{mine, unlockWith(t, recovery.String())}},
		"passphrase": {unlockWith(t, passphrase), nil,
			map[error]keystore.Unlock{keystore.ErrWrongPassphrase: unlockWith(t, "another passphrase"),
				keystore.ErrWrongLock: mine}, []keystore.Unlock{unlockWith(t, passphrase)}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := keystore.Create(filepath.Join(privateDir(t), "keystore.age"), tt.unlock, tt.recovery...)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var out bytes.Buffer
			w, err := s.EncryptTo(&out)
			if err == nil {
				_, err = w.Write(text)
			}
			if err = errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
			for _, unlock := range tt.opens {
				if plain, err := decrypted(out.Bytes(), unlock); err != nil || !bytes.Equal(plain, text) {
					t.Errorf("not opened: %v", err)
				}
			}
			for want, unlock := range tt.others {
				if _, err := decrypted(out.Bytes(), unlock); !errors.Is(err, want) {
					t.Errorf("opened by another: %v, want %v", err, want)
				}
			}
			if bytes.Contains(out.Bytes(), text[:20]) {
				t.Error("the text is in clear")
			}
		})
	}
}

func decrypted(data []byte, unlock keystore.Unlock) ([]byte, error) {
	r, err := keystore.Decrypt(bytes.NewReader(data), unlock)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Whatever is cut off or altered is told, at the latest at the end.
func TestDecryptDamaged(t *testing.T) {
	dir := privateDir(t)
	unlock, _, err := keystore.CreateIdentity(filepath.Join(dir, "identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := keystore.Create(filepath.Join(dir, "keystore.age"), unlock)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out bytes.Buffer
	w, err := s.EncryptTo(&out)
	if err == nil {
		_, err = w.Write(make([]byte, 200_000)) // more than three chunks of age
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	data := out.Bytes()
	for at := 0; at < len(data); at += 1 + len(data)/50 {
		if _, err := decrypted(data[:at], unlock); !errors.Is(err, keystore.ErrDamaged) {
			t.Errorf("cut off at %d: %v", at, err)
		}
		altered := bytes.Clone(data)
		altered[at] ^= 1
		if _, err := decrypted(altered, unlock); err == nil {
			t.Errorf("altered at %d: no error", at)
		}
	}
	if _, err := decrypted(append(bytes.Clone(data), 0), unlock); !errors.Is(err, keystore.ErrDamaged) {
		t.Errorf("with a byte more: %v", err)
	}
	if _, err := decrypted([]byte("age-encryption.org/v2\n-> x"), unlock); !errors.Is(err, keystore.ErrNewerVersion) {
		t.Errorf("of a newer age: %v", err)
	}
}
