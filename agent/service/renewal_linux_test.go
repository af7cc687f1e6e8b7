package service_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pksa/agent/config"
	"pksa/agent/relay"
	"pksa/agent/service"
	"pksa/protocol/hive"
)

// renew puts a certificate with this number, and its key, in the place of those that are there.
func renew(t *testing.T, cfg *config.Config, number int64) {
	t.Helper()
	seed := sha256.Sum256([]byte("a certificate of the relay's tests " + big.NewInt(number).String()))
	private := ed25519.NewKeyFromSeed(seed[:])
	of := &x509.Certificate{SerialNumber: big.NewInt(number), DNSNames: []string{"relay.example"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	chain, err := x509.CreateCertificate(nil, of, of, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		path, kind string
		der        []byte
	}{{cfg.RelayCertificate, "CERTIFICATE", chain}, {cfg.RelayKey, "PRIVATE KEY", key}} {
		text := pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der})
		if err := os.WriteFile(f.path+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(f.path+".new", f.path); err != nil {
			t.Fatal(err)
		}
	}
}

// The relay serves a certificate that was renewed without a restart, and that of before while the
// new one is not to be used.
func TestRelayServesRenewedCertificate(t *testing.T) {
	folder := t.TempDir()
	cfg := config.Default(folder)
	cfg.RelayListen = "127.0.0.1:0"
	cfg.RelayCertificate, cfg.RelayKey = filepath.Join(folder, "relay.pem"), filepath.Join(folder, "relay.key")
	renew(t, cfg, 1)
	var log bytes.Buffer
	_, listener, err := service.OpenRelay(cfg, relay.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Keys: service.ChainKeys(nil), Unproven: func(hive.AccountName) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	served := func() int64 {
		t.Helper()
		taken := make(chan error, 1)
		go func() {
			conn, err := listener.Accept()
			if err == nil {
				err = conn.(*tls.Conn).Handshake()
				conn.Close()
			}
			taken <- err
		}()
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // its number is what is looked at
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-taken; err != nil {
			t.Fatal(err)
		}
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if n := served(); n != 1 {
		t.Errorf("certificate %d at first", n)
	}
	renew(t, cfg, 2)
	if n := served(); n != 2 {
		t.Errorf("certificate %d after it was renewed", n)
	}
	if err := os.WriteFile(cfg.RelayKey, []byte("half a ke"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := served(); n != 2 || !strings.Contains(log.String(), "relay.certificate and relay.key are not taken") {
		t.Errorf("certificate %d with half a key; the log: %s", n, log.String())
	}
}
