package link_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/link"
	"pksa/agent/outage"
)

func TestTLS(t *testing.T) {
	cases := map[string]struct {
		name    string
		version uint16
		err     string
		why     outage.Reason
	}{
		"good":          {"relay.test", tls.VersionTLS13, "", ""},
		"another name":  {"other.test", tls.VersionTLS13, "other.test", outage.TLS},
		"old version":   {"relay.test", tls.VersionTLS11, "version", outage.TLS},
		"no TLS at all": {"", 0, "TLS", outage.Timeout},
		"silent":        {"-", 0, "TLS", outage.Timeout},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &relay{}
				n := &network{relay: r}
				cert, pool := certificate(t, c.name)
				w := start(t, r, link.Options{
					URL: "wss://relay.test",
					TLS: &tls.Config{RootCAs: pool},
					DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
						if address != "relay.test:443" {
							t.Errorf("dialled %s", address)
						}
						client, server := net.Pipe()
						n.wg.Go(func() {
							switch c.name {
							case "":
								server.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
								server.Close()
							case "-":
								io.Copy(io.Discard, server) // until the link gives up
								server.Close()
							default:
								r.accept(tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert},
									MaxVersion: c.version, MinVersion: tls.VersionTLS10}))
							}
						})
						return client, nil
					},
				}, accounts("alice")...)
				defer n.wg.Wait()
				defer w.close()
				time.Sleep(20 * time.Second)
				s := w.link.Status()
				if s.Connected != (c.err == "") || !strings.Contains(s.LastError, c.err) || s.LastReason != c.why {
					t.Errorf("connected %v, last error %q, %q", s.Connected, s.LastError, s.LastReason)
				}
				if s.Connected && s.Registered != 1 {
					t.Errorf("status: %+v", s)
				}
			})
		})
	}
}

func certificate(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
