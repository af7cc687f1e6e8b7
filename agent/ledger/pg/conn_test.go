package pg_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"pksa/agent/ledger/pg"
	"pksa/agent/ledger/pg/pgtest"
	"pksa/protocol/secret"
)

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantText expects an error that says something, and shows no password.
func wantText(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want %q", err, want)
	}
	if err != nil && strings.Contains(err.Error(), pgtest.Password) {
		t.Errorf("the error shows the password: %v", err)
	}
}

// texts collects the first values of rows.
func texts(into *[]string) func([][]byte) error {
	return func(v [][]byte) error {
		*into = append(*into, string(v[0]))
		return nil
	}
}

// TestRun: statements are one transaction, of one round trip.
func TestRun(t *testing.T) {
	server := pgtest.Start(t)
	c, err := pg.Connect(ctx, server.Database())
	must(t, err)
	defer c.Close()
	must(t, c.Run(ctx, pg.Statement{SQL: `CREATE TABLE x (k bytea PRIMARY KEY, n bigint, t text)`}))
	insert := func(k string, n int64, text string) pg.Statement {
		return pg.Statement{SQL: `INSERT INTO x VALUES ($1, $2, $3)`,
			Args: []pg.Arg{pg.Bytes([]byte(k)), pg.Int(n), pg.Text(text)}}
	}
	must(t, c.Run(ctx, insert("a", 1, "one"), insert("b\x00\xff", -2, "two"), insert("", 3, "")))
	err = c.Run(ctx, insert("c", 4, "four"), insert("a", 5, "five"), insert("d", 6, "six"))
	if !pg.IsCode(err, "23505") || errors.Is(err, pg.ErrUnheard) {
		t.Errorf("a key twice: %v", err)
	}
	var keys []string
	var sum int64
	must(t, c.Run(ctx,
		pg.Statement{SQL: `SELECT k FROM x ORDER BY k`, Row: texts(&keys)},
		pg.Statement{SQL: `SELECT n FROM x WHERE k = ANY($1)`,
			Args: []pg.Arg{pg.ByteArrays([]string{"a", "b\x00\xff", "z"})},
			Row: func(v [][]byte) error {
				n, err := pg.ToInt(v[0])
				sum += n
				return err
			}},
		pg.Statement{SQL: `SELECT k FROM x WHERE k = ANY($1)`, Args: []pg.Arg{pg.ByteArrays[[]byte](nil)},
			Row: func([][]byte) error { t.Error("a row of nothing"); return nil }}))
	if strings.Join(keys, "|") != "|a|b\x00\xff" || sum != -1 {
		t.Errorf("the table holds %q, %d", keys, sum)
	}
	// What a row says does not undo what was done.
	odd := errors.New("odd")
	err = c.Run(ctx, insert("e", 7, ""), pg.Statement{SQL: `SELECT 1`, Row: func([][]byte) error { return odd }})
	if !errors.Is(err, odd) || !c.Usable() {
		t.Errorf("error of a row: %v", err)
	}
	err = c.Run(ctx, pg.Statement{SQL: `SELECT n FROM x WHERE k = 'e'`, Row: func(v [][]byte) error {
		if v[0] == nil {
			t.Error("it was undone")
		}
		_, err := pg.ToInt(v[0][:4])
		return err
	}})
	wantText(t, err, "4 bytes")
	must(t, c.Run(ctx))
}

// TestRunRefusesOpenTransactions: nothing may be left open that another user of the connection
// would commit.
func TestRunRefusesOpenTransactions(t *testing.T) {
	server := pgtest.Start(t)
	o := server.Database()
	c, err := pg.Connect(ctx, o)
	must(t, err)
	defer c.Close()
	if err := c.Run(ctx, pg.Statement{SQL: `BEGIN`}); !errors.Is(err, pg.ErrUnheard) || c.Usable() {
		t.Errorf("%v, usable %v", err, c.Usable())
	}
	wantText(t, c.Run(ctx), "does not keep to the protocol")
}

// TestRunEndsWithItsContext: what is not answered in time, nobody knows.
func TestRunEndsWithItsContext(t *testing.T) {
	server := pgtest.Start(t)
	o := server.Database()
	c, err := pg.Connect(ctx, o)
	must(t, err)
	defer c.Close()
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	err = c.Run(short, pg.Statement{SQL: `SELECT pg_sleep(60)`})
	if !errors.Is(err, pg.ErrUnheard) || !errors.Is(err, context.DeadlineExceeded) || c.Usable() {
		t.Errorf("%v, usable %v", err, c.Usable())
	}
	// Before anything was sent, it is known that nothing was done.
	c, err = pg.Connect(ctx, o)
	must(t, err)
	defer c.Close()
	if err := c.Run(short, pg.Statement{SQL: `SELECT 1`}); errors.Is(err, pg.ErrUnheard) || err == nil || !c.Usable() {
		t.Errorf("%v, usable %v", err, c.Usable())
	}
	// A backend that is ended in the middle may have committed.
	pid := ""
	must(t, c.Run(ctx, pg.Statement{SQL: `SELECT pg_backend_pid()::text`, Row: func(v [][]byte) error {
		pid = string(v[0])
		return nil
	}}))
	result := make(chan error)
	go func() { result <- c.Run(ctx, pg.Statement{SQL: `SELECT pg_sleep(60)`}) }()
	busy := `SELECT 'x' FROM pg_stat_activity WHERE state = 'active' AND pid = ` + pid
	for len(server.SQL(o.Address.Database, busy)) == 0 {
		time.Sleep(time.Millisecond)
	}
	server.SQL(o.Address.Database, `SELECT pg_terminate_backend(`+pid+`)::text`)
	if err := <-result; !errors.Is(err, pg.ErrUnheard) || c.Usable() {
		t.Errorf("%v, usable %v", err, c.Usable())
	}
}

func TestPasswords(t *testing.T) {
	server := pgtest.Start(t)
	o := server.Database()
	for name, test := range map[string]struct {
		password func() (secret.Text, error)
		want     string
	}{
		"none":       {nil, "there is none"},
		"wrong":      {func() (secret.Text, error) { return "wrong", nil }, "authentication failed"},
		"no ASCII":   {func() (secret.Text, error) { return "pässword", nil }, "ASCII"},
		"empty":      {func() (secret.Text, error) { return "", nil }, "empty"},
		"unreadable": {func() (secret.Text, error) { return "", errors.New("locked away") }, "locked away"},
	} {
		o.Password = test.password
		_, err := pg.Connect(ctx, o)
		t.Run(name, func(t *testing.T) { wantText(t, err, test.want) })
	}
	o = server.Options("nowhere")
	_, err := pg.Connect(ctx, o)
	wantText(t, err, "does not exist")
}

// TestTLS: a server must show a certificate of its name that a known authority signed.
func TestTLS(t *testing.T) {
	folder := t.TempDir()
	cert, key := certificate(t, folder, "server", net.IPv4(127, 0, 0, 1))
	other, _ := certificate(t, folder, "other", net.IPv4(127, 0, 0, 1))
	elsewhere, elseKey := certificate(t, folder, "elsewhere", net.IPv4(10, 0, 0, 1))
	clear := pgtest.Start(t)
	server := pgtest.StartTLS(t, cert, key)
	o := server.Database()
	o.Address.TLS, o.Address.Roots = true, cert
	c, err := pg.Connect(ctx, o)
	must(t, err)
	var used []string
	must(t, c.Run(ctx, pg.Statement{SQL: `SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()`,
		Row: texts(&used)}))
	if len(used) != 1 || !strings.HasPrefix(used[0], "TLSv1.") {
		t.Errorf("the connection has %q", used)
	}
	must(t, c.Close())
	for roots, want := range map[string]string{other: "certificate", "": "certificate", key: "holds no certificate",
		filepath.Join(folder, "none"): "no such file"} {
		o.Address.Roots = roots
		_, err = pg.Connect(ctx, o)
		wantText(t, err, want)
	}
	o = clear.Options("postgres")
	o.Address.TLS, o.Address.Roots = true, cert
	_, err = pg.Connect(ctx, o)
	wantText(t, err, "offers no TLS")
	wrong := pgtest.StartTLS(t, elsewhere, elseKey)
	o = wrong.Options("postgres")
	o.Address.TLS, o.Address.Roots = true, elsewhere
	_, err = pg.Connect(ctx, o)
	wantText(t, err, "10.0.0.1")
}

// certificate makes a certificate that signs itself, and its key.
func certificate(t *testing.T, folder, name string, ip net.IP) (cert, key string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{ip}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(k)
	must(t, err)
	cert, key = filepath.Join(folder, name+".pem"), filepath.Join(folder, name+".key")
	must(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return cert, key
}

// TestStrangers: a server that does not know the password is not believed, and learns nothing.
func TestStrangers(t *testing.T) {
	sasl := func(names ...string) pgproto3.BackendMessage {
		return &pgproto3.AuthenticationSASL{AuthMechanisms: names}
	}
	for name, test := range map[string]struct {
		says []pgproto3.BackendMessage
		want string
	}{
		"in clear": {[]pgproto3.BackendMessage{&pgproto3.AuthenticationCleartextPassword{}}, "scram-sha-256"},
		"MD5":      {[]pgproto3.BackendMessage{&pgproto3.AuthenticationMD5Password{}}, "scram-sha-256"},
		"another mechanism": {[]pgproto3.BackendMessage{sasl("PLAIN", "SCRAM-SHA-256-PLUS")},
			"does not offer"},
		"without proof": {[]pgproto3.BackendMessage{sasl("SCRAM-SHA-256"),
			&pgproto3.AuthenticationOk{}}, "has not shown"},
		"final alone": {[]pgproto3.BackendMessage{sasl("SCRAM-SHA-256"),
			&pgproto3.AuthenticationSASLFinal{Data: []byte("v=" + strings.Repeat("A", 43) + "=")}, // 32 zeros
			&pgproto3.AuthenticationOk{}}, "not the one"},
		"another nonce": {[]pgproto3.BackendMessage{sasl("SCRAM-SHA-256"),
			&pgproto3.AuthenticationSASLContinue{Data: []byte("r=other,s=AAAA,i=4096")}}, "protocol"},
		"no question":    {[]pgproto3.BackendMessage{&pgproto3.AuthenticationOk{}}, "set no ledger_password"},
		"no SASL at all": {[]pgproto3.BackendMessage{&pgproto3.AuthenticationSASLContinue{}}, "protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer l.Close()
			go stranger(l, test.says)
			port := l.Addr().(*net.TCPAddr).Port
			_, err = pg.Connect(ctx, pg.Options{Address: pg.Address{Host: "127.0.0.1", Port: port, User: "wallet",
				Database: "x"}, Password: func() (secret.Text, error) { return pgtest.Password, nil }})
			wantText(t, err, test.want)
		})
	}
}

// stranger takes one connection and says what it is told to.
func stranger(l net.Listener, says []pgproto3.BackendMessage) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	back := pgproto3.NewBackend(conn, conn)
	if _, err := back.ReceiveStartupMessage(); err != nil {
		return
	}
	for _, m := range says {
		back.Send(m)
		if back.Flush() != nil {
			return
		}
	}
	_, _ = conn.Read(make([]byte, 1000)) // until the client has gone, or said something
	_, _ = conn.Read(make([]byte, 1000))
}

// TestPreparedStatements: a statement that is run often is read once, also after one that failed
// before it was read; without leave, none has a name.
func TestPreparedStatements(t *testing.T) {
	server := pgtest.Start(t)
	o := server.Database()
	for _, may := range []bool{true, false} {
		o.Prepare = may
		c, err := pg.Connect(ctx, o)
		must(t, err)
		names := func() (n int64) {
			must(t, c.Run(ctx, pg.Statement{SQL: `SELECT count(*) FROM pg_prepared_statements WHERE name <> ''`,
				Row: func(v [][]byte) (err error) { n, err = pg.ToInt(v[0]); return err }}))
			return n
		}
		add := func(n int64) pg.Statement {
			return pg.Statement{SQL: `SELECT 10 / $1::bigint`, Often: true, Args: []pg.Arg{pg.Int(n)}}
		}
		other := pg.Statement{SQL: `SELECT $1::text`, Often: true, Args: []pg.Arg{pg.Text("x")}}
		if err := c.Run(ctx, add(0), other); !pg.IsCode(err, "22012") {
			t.Errorf("a division by zero: %v", err)
		}
		for range 3 { // "other" was never read: it is sent again
			must(t, c.Run(ctx, other, add(2), other))
			if err := c.Run(ctx, pg.Statement{SQL: `SELECT nothing`, Often: true}); !pg.IsCode(err, "42703") {
				t.Errorf("a statement that cannot be read: %v", err)
			}
		}
		want := int64(0)
		if may {
			want = 3 // "other" twice: both stood in the transaction in which it was read first
		}
		if n := names(); n != want {
			t.Errorf("with leave %v, %d statements have names, want %d", may, n, want)
		}
		must(t, c.Close())
	}
}
