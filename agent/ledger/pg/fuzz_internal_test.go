package pg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"pksa/protocol/secret"
)

// told is a server that says certain bytes, whatever it is told, and hangs up.
type told struct{ *bytes.Reader }

func (told) Write(b []byte) (int, error)      { return len(b), nil }
func (told) Close() error                     { return nil }
func (told) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (told) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (told) SetDeadline(time.Time) error      { return nil }
func (told) SetReadDeadline(time.Time) error  { return nil }
func (told) SetWriteDeadline(time.Time) error { return nil }

func saying(b []byte) *Conn {
	server := told{bytes.NewReader(b)}
	c := &Conn{net: server, prepared: map[string]string{}, front: pgproto3.NewFrontend(server, server)}
	c.front.SetMaxBodyLen(messageMost)
	return c
}

// said writes messages as a server does.
func said(t testing.TB, messages ...pgproto3.BackendMessage) (b []byte) {
	for _, m := range messages {
		var err error
		if b, err = m.Encode(b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

var (
	isReady = &pgproto3.ReadyForQuery{TxStatus: 'I'}
	isDone  = &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}
)

// FuzzAnswers: whatever a server answers to statements, they count as committed only if it says of
// each that it is done, says nothing of an error, and ends with no transaction open. What it sends
// as rows is of the form that was asked for.
func FuzzAnswers(f *testing.F) {
	row := func(values ...[]byte) *pgproto3.DataRow { return &pgproto3.DataRow{Values: values} }
	eight := binary.BigEndian.AppendUint64(nil, 77)
	f.Add(said(f, &pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, row(eight, []byte("x")), isDone,
		&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, isDone, isReady))
	f.Add(said(f, row(eight), isDone, isDone, isReady))
	f.Add(said(f, row(eight, nil), isDone, isDone, isReady))
	f.Add(said(f, &pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "22012",
		Message: "division by zero"}, isReady))
	f.Add(said(f, isDone, isDone, &pgproto3.NoticeResponse{SeverityUnlocalized: "WARNING", Message: "no"}, isReady))
	f.Add(said(f, isDone, isDone, &pgproto3.ReadyForQuery{TxStatus: 'T'}))
	f.Add(said(f, isDone, &pgproto3.ErrorResponse{SeverityUnlocalized: "FATAL", Code: "57P01"}))
	f.Fuzz(func(t *testing.T, text []byte) {
		rows := 0
		read := func(v [][]byte) error {
			rows++
			_, err := ToInt(v[0])
			return errors.Join(err, wantText(v[1]))
		}
		c := saying(text)
		err := c.Run(context.Background(), Statement{SQL: "SELECT", Row: read, Columns: 2}, Statement{SQL: "COMMIT"})
		if err == nil && (bytes.Count(text, []byte("C\x00"))+bytes.Count(text, []byte("I\x00")) < 2 ||
			!bytes.Contains(text, []byte("Z\x00\x00\x00\x05I"))) {
			t.Errorf("%q is taken for a commit", text)
		}
		if unheard := errors.Is(err, ErrUnheard); unheard == c.Usable() && err != nil {
			t.Errorf("after %v the connection is usable: %v", err, c.Usable())
		}
	})
}

func wantText(b []byte) error {
	if b == nil {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// FuzzGreeting: whatever a server says when a connection begins, it is not believed that it knows
// the password, which none of these does.
func FuzzGreeting(f *testing.F) {
	f.Add(said(f, &pgproto3.AuthenticationOk{}, &pgproto3.ParameterStatus{Name: "a", Value: "b"},
		&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte("abcd")}, isReady))
	f.Add(said(f, &pgproto3.AuthenticationSASL{AuthMechanisms: []string{scramName}}, &pgproto3.AuthenticationOk{},
		isReady))
	f.Add(said(f, &pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-256-PLUS", scramName}},
		&pgproto3.AuthenticationSASLContinue{Data: []byte("r=x,s=AAAA,i=4096")},
		&pgproto3.AuthenticationSASLFinal{Data: []byte("v=AAAA")}, &pgproto3.AuthenticationOk{}, isReady))
	f.Add(said(f, &pgproto3.AuthenticationCleartextPassword{}, &pgproto3.AuthenticationOk{}, isReady))
	f.Add(said(f, &pgproto3.AuthenticationMD5Password{Salt: [4]byte{1}}, &pgproto3.AuthenticationOk{}, isReady))
	f.Add(said(f, &pgproto3.ErrorResponse{SeverityUnlocalized: "FATAL", Code: "28P01", Message: "no"}))
	f.Fuzz(func(t *testing.T, text []byte) {
		o := Options{Password: func() (secret.Text, error) { return "a password", nil }}
		if err := saying(text).begin(context.Background(), o); err == nil {
			t.Errorf("%q is believed to know the password", text)
		}
		_ = saying(text).begin(context.Background(), Options{})
	})
}

// FuzzChallenge: a challenge that is taken reads in one way, and costs no more than it may.
func FuzzChallenge(f *testing.F) {
	for _, text := range []string{"r=Nx,s=AAAA,i=4096", "r=Nx,s=AAAA,i=1000000", "r=N,s=,i=4095",
		"r=Nx,s=A A=,i=+4096"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := readChallenge(text, "N")
		if err != nil {
			return
		}
		if c.rounds < roundsLeast || c.rounds > roundsMost || len(c.salt) == 0 || !strings.HasPrefix(c.nonce, "r=N") ||
			len(c.nonce) < 4 {
			t.Errorf("%q is taken as %+v", text, c)
		}
	})
}

// TestRoundsOfHashing: a server may demand so many, and not one more.
func TestRoundsOfHashing(t *testing.T) {
	for rounds, want := range map[string]bool{"4095": false, "4096": true, "4097": true, "999999": true,
		"1000000": true, "1000001": false} {
		if _, err := readChallenge("r=Nx,s=AAAA,i="+rounds, "N"); (err == nil) != want {
			t.Errorf("%s rounds: %v", rounds, err)
		}
	}
}

// TestMessagesAreBounded: a larger message than may come is not read.
func TestMessagesAreBounded(t *testing.T) {
	length := func(kind byte, body int) []byte { return binary.BigEndian.AppendUint32([]byte{kind}, uint32(body+4)) }
	for body, large := range map[int]bool{64<<20 - 1: false, 64 << 20: false, 64<<20 + 1: true} {
		err := saying(length('D', body)).Run(context.Background(), Statement{SQL: "SELECT"})
		if said := strings.Contains(err.Error(), "body"); said != large || !errors.Is(err, ErrUnheard) {
			t.Errorf("%d bytes: %v", body, err)
		}
	}
	for body, large := range map[int]bool{64<<10 - 1: false, 64 << 10: false, 64<<10 + 1: true} {
		err := saying(length('N', body)).begin(context.Background(), Options{})
		if said := strings.Contains(err.Error(), "body"); said != large {
			t.Errorf("%d bytes before it is known who it is: %v", body, err)
		}
	}
}
