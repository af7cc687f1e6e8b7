package main

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
)

// A certificate that is renewed is served within a minute. While the new one is not whole, or its
// key can be read by others, the old one is served on.
func TestCertificateIsRenewed(t *testing.T) {
	folder := t.TempDir()
	k := &keyPair{certificate: filepath.Join(folder, "c.pem"), keyFile: filepath.Join(folder, "k.pem")}
	write := func(path, kind string, der []byte) {
		t.Helper()
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	made := func(serial int64) (certificate, key []byte) {
		t.Helper()
		seed := sha256.Sum256([]byte("a certificate of the tests of the console " + big.NewInt(serial).String()))
		private := ed25519.NewKeyFromSeed(seed[:])
		of := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"wallet.example"},
			NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
		certificate, err := x509.CreateCertificate(nil, of, of, private.Public(), private)
		if err != nil {
			t.Fatal(err)
		}
		if key, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
			t.Fatal(err)
		}
		return certificate, key
	}
	synctest.Test(t, func(t *testing.T) {
		served := func(when string, want int64) {
			t.Helper()
			time.Sleep(time.Minute)
			pair, err := k.get(nil)
			if err != nil || pair == nil {
				t.Fatalf("%s: %v", when, err)
			}
			if n := pair.Leaf.SerialNumber.Int64(); n != want {
				t.Errorf("%s: certificate %d is served, want %d", when, n, want)
			}
		}
		if _, err := k.get(nil); err == nil {
			t.Error("there is none, and it is served")
		}
		certificate, key := made(1)
		write(k.certificate, "CERTIFICATE", certificate)
		write(k.keyFile, "PRIVATE KEY", key)
		served("at first", 1)
		certificate, key = made(2)
		write(k.certificate, "CERTIFICATE", certificate)
		served("with the key of before", 1)
		if err := os.Remove(k.keyFile); err != nil {
			t.Fatal(err)
		}
		served("without a key", 1)
		write(k.keyFile, "PRIVATE KEY", key)
		if err := os.Chmod(k.keyFile, 0o644); err != nil {
			t.Fatal(err)
		}
		served("with a key for everybody", 1)
		if err := os.Chmod(k.keyFile, 0o600); err != nil {
			t.Fatal(err)
		}
		served("renewed", 2)
	})
}
