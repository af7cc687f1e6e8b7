package certificate_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/certificate"
)

// A certificate that is renewed is served at the next connection. While the new one is not whole,
// or its key can be read by others, the old one is served on.
func TestCertificateIsRenewed(t *testing.T) {
	folder := t.TempDir()
	var told []string
	k := &certificate.Pair{Certificate: filepath.Join(folder, "c.pem"), KeyFile: filepath.Join(folder, "k.pem"),
		Failed: func(err error) { told = append(told, err.Error()) }}
	write := func(path, kind string, der []byte) {
		t.Helper()
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	made := func(serial int64) (chain, key []byte) {
		t.Helper()
		seed := sha256.Sum256([]byte("a certificate of the tests " + big.NewInt(serial).String()))
		private := ed25519.NewKeyFromSeed(seed[:])
		of := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"wallet.example"},
			NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
		chain, err := x509.CreateCertificate(nil, of, of, private.Public(), private)
		if err != nil {
			t.Fatal(err)
		}
		if key, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
			t.Fatal(err)
		}
		return chain, key
	}
	synctest.Test(t, func(t *testing.T) {
		served := func(when string, want int64) {
			t.Helper()
			pair, err := k.Get(nil)
			if err != nil || pair == nil {
				t.Fatalf("%s: %v", when, err)
			}
			if n := pair.Leaf.SerialNumber.Int64(); n != want {
				t.Errorf("%s: certificate %d is served, want %d", when, n, want)
			}
		}
		if _, err := k.Get(nil); err == nil {
			t.Error("there is none, and it is served")
		}
		chain, key := made(1)
		write(k.Certificate, "CERTIFICATE", chain)
		write(k.KeyFile, "PRIVATE KEY", key)
		served("at first", 1)
		chain, key = made(2)
		write(k.Certificate, "CERTIFICATE", chain)
		served("with the key of before", 1)
		if err := os.Remove(k.KeyFile); err != nil {
			t.Fatal(err)
		}
		served("without a key", 1)
		served("still without", 1) // which is not told again
		write(k.KeyFile, "PRIVATE KEY", key)
		if err := os.Chmod(k.KeyFile, 0o644); err != nil {
			t.Fatal(err)
		}
		served("with a key for everybody", 1)
		served("still for everybody", 1)
		time.Sleep(time.Minute)
		served("read again, for everybody", 1)
		if err := os.Chmod(k.KeyFile, 0o600); err != nil {
			t.Fatal(err)
		}
		if len(told) != 3 {
			t.Errorf("told %d reasons: %q", len(told), told)
		}
		served("renewed", 2)
	})
}
