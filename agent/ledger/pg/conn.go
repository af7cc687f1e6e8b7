package pg

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"pksa/protocol/secret"
)

// Bounds that this package chose.
const (
	// connectTime is how long it may take until a connection can be used.
	connectTime = 5 * time.Second
	// startMost is how many bytes a message of the server has at most before it has shown who it
	// is.
	startMost = 64 << 10
	// messageMost is how many bytes a message has at most.
	messageMost = 64 << 20
)

// ErrUnheard means that nobody knows what became of the statements: the connection ended, or time
// was up, before the server had said whether the transaction was committed.
var ErrUnheard = errors.New("the database did not say whether it has done so")

// ServerError is an error that the server reported. Nothing of the transaction was done.
type ServerError struct {
	Code    string // SQLSTATE, five letters
	Message string
}

// Error returns the server's own words. They quote names and types, and no values: these are bound
// to parameters.
func (e *ServerError) Error() string {
	return fmt.Sprintf("the database says: %s (%s)", e.Message, e.Code)
}

// IsAway reports whether an error of entering a database may be gone in a moment, without anybody's
// doing: nobody listens there, the connection was cut, or the server is starting, stopping or full.
func IsAway(err error) bool {
	var said *ServerError
	if errors.As(err, &said) {
		return strings.HasPrefix(said.Code, "57P0") || said.Code == "53300"
	}
	return errors.As(err, new(net.Error)) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrUnheard)
}

// Options is how a database is entered.
type Options struct {
	Address Address
	// Password is called when the server asks for one, for each connection anew; nil: there is
	// none.
	Password func() (secret.Text, error)
	// Prepare gives statements that are run often names on the server. A pooler that hands out
	// connections by the transaction must know of that, or must not be asked for it.
	Prepare bool
	// Application is how the connection is named in the server's lists.
	Application string
}

// Conn is a connection to a server. One goroutine at a time may use it.
type Conn struct {
	net   net.Conn
	front *pgproto3.Frontend
	bad   error // why it cannot be used any more

	prepares bool
	prepared map[string]string // names on the server, by SQL
	parsing  []parsing         // sent to be read, in their order
	names    int
}

// parsing is a statement that the server is to read, under a name or without one.
type parsing struct{ sql, name string }

// Connect enters a database. It takes five seconds at most.
func Connect(ctx context.Context, o Options) (*Conn, error) {
	return connect(ctx, o, (&net.Dialer{KeepAlive: 5 * time.Second}).DialContext)
}

func connect(ctx context.Context, o Options, dial func(context.Context, string, string) (net.Conn, error)) (*Conn,
	error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	network, address := o.Address.network()
	raw, err := dial(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	c := &Conn{net: raw, prepares: o.Prepare, prepared: map[string]string{}}
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	err = c.begin(ctx, o)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("entering the database at %s: %w", address, err)
	}
	c.front.SetMaxBodyLen(messageMost)
	return c, nil
}

// begin makes the connection a safe one and shows who enters.
func (c *Conn) begin(ctx context.Context, o Options) error {
	// Where the connection leads counts, not what the name says.
	far := false
	if to, ok := c.net.RemoteAddr().(*net.TCPAddr); ok {
		far = !to.IP.IsLoopback()
	}
	if o.Address.TLS || far {
		if err := c.secure(ctx, o.Address); err != nil {
			return err
		}
	}
	c.front = pgproto3.NewFrontend(c.net, c.net)
	c.front.SetMaxBodyLen(startMost)
	c.front.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{
		"user": o.Address.User, "database": o.Address.Database, "application_name": o.Application,
		"client_encoding": "UTF8",
	}})
	if err := c.front.Flush(); err != nil {
		return err
	}
	if err := c.authenticate(o); err != nil {
		return err
	}
	return c.ready(nil)
}

// secure demands TLS with a certificate for the host.
func (c *Conn) secure(ctx context.Context, a Address) error {
	config := &tls.Config{ServerName: a.Host, MinVersion: tls.VersionTLS12}
	if a.Roots != "" {
		pem, err := os.ReadFile(a.Roots)
		if err != nil {
			return err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%q holds no certificate", a.Roots)
		}
	}
	request := binary.BigEndian.AppendUint32(nil, 8)
	request = binary.BigEndian.AppendUint32(request, 80877103) // SSLRequest
	if _, err := c.net.Write(request); err != nil {
		return err
	}
	// One byte and no more: what a stranger sends in clear behind it would be read as the server's.
	answer := make([]byte, 1)
	if _, err := c.net.Read(answer); err != nil {
		return err
	}
	if answer[0] != 'S' {
		return errors.New("the server offers no TLS, which is demanded of it beyond this machine")
	}
	secured := tls.Client(c.net, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return err
	}
	c.net = secured
	return nil
}

// authenticate answers what the server asks, until it is satisfied.
func (c *Conn) authenticate(o Options) error {
	var proof *scram
	for {
		m, err := c.front.Receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.AuthenticationOk:
			if proof != nil && !proof.done || proof == nil && o.Password != nil {
				// Another program may have the port: it would take each commit, and keep none.
				return errors.New("the server has not shown that it knows the password; if it asks for none, as " +
					"trust and peer in pg_hba.conf do, set no ledger_password")
			}
			return nil
		case *pgproto3.AuthenticationSASL:
			if proof, err = newScram(o.Password, m.AuthMechanisms); err != nil {
				return err
			}
			c.front.Send(&pgproto3.SASLInitialResponse{AuthMechanism: scramName, Data: proof.first()})
		case *pgproto3.AuthenticationSASLContinue:
			if proof == nil {
				return errProtocol
			}
			final, err := proof.final(m.Data)
			if err != nil {
				return err
			}
			c.front.Send(&pgproto3.SASLResponse{Data: final})
		case *pgproto3.AuthenticationSASLFinal:
			if proof == nil {
				return errProtocol
			}
			if err := proof.check(m.Data); err != nil {
				return err
			}
			continue
		case *pgproto3.ErrorResponse:
			return serverError(m)
		case *pgproto3.AuthenticationCleartextPassword, *pgproto3.AuthenticationMD5Password:
			return errors.New("the server wants the password itself, or MD5 of it; have it use scram-sha-256 " +
				"(pg_hba.conf)")
		case *pgproto3.NoticeResponse:
			continue
		default:
			return errors.New("the server wants to know who enters in a way other than scram-sha-256 (pg_hba.conf)")
		}
		if err := c.front.Flush(); err != nil {
			return err
		}
	}
}

var errProtocol = errors.New("the server does not keep to the protocol")

func serverError(m *pgproto3.ErrorResponse) *ServerError {
	return &ServerError{Code: m.Code, Message: m.Message}
}

// Close ends the connection.
func (c *Conn) Close() error {
	c.broken(net.ErrClosed)
	return c.net.Close()
}

// Usable reports whether the connection can run statements.
func (c *Conn) Usable() bool { return c.bad == nil }

func (c *Conn) broken(err error) {
	if c.bad == nil {
		c.bad = err
		_ = c.net.SetDeadline(time.Unix(1, 0))
	}
}
