package pg

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Statement is one statement and its parameters.
type Statement struct {
	SQL  string
	Args []Arg
	// Row is called with each row that comes back: the values in binary form, nil for NULL. They
	// are valid during the call only. An error of it ends the calls, and is what Run returns; the
	// transaction is committed all the same. nil: rows are passed over.
	Row func(values [][]byte) error
	// Columns is how many values a row has that Row is called with; zero: one. A server that sends
	// another number does not keep to the protocol.
	Columns int
	// Often says that the statement is run again and again: where Options.Prepare allows that, the
	// server reads and plans it once for each connection.
	Often bool
}

// Arg is a parameter in binary form, with its type.
type Arg struct {
	oid   uint32
	value []byte
}

// The types of PostgreSQL that are used.
const (
	oidBytea      = 17
	oidInt8       = 20
	oidText       = 25
	oidByteaArray = 1001
)

// Bytes makes a parameter of type bytea. nil is an empty one.
func Bytes(b []byte) Arg {
	if b == nil {
		b = []byte{}
	}
	return Arg{oidBytea, b}
}

// Int makes a parameter of type bigint.
func Int(n int64) Arg { return Arg{oidInt8, binary.BigEndian.AppendUint64(nil, uint64(n))} }

// Text makes a parameter of type text.
func Text(s string) Arg { return Arg{oidText, []byte(s)} }

// ByteArrays makes a parameter of type bytea[].
func ByteArrays[T ~string | ~[]byte](list []T) Arg {
	size := 20
	for _, b := range list {
		size += 4 + len(b)
	}
	v := make([]byte, 0, size)
	if len(list) == 0 { // an empty array has no dimension
		v = binary.BigEndian.AppendUint32(v, 0)
		v = binary.BigEndian.AppendUint32(v, 0)
		return Arg{oidByteaArray, binary.BigEndian.AppendUint32(v, oidBytea)}
	}
	for _, n := range []uint32{1, 0, oidBytea, uint32(len(list)), 1} {
		v = binary.BigEndian.AppendUint32(v, n)
	}
	for _, b := range list {
		v = binary.BigEndian.AppendUint32(v, uint32(len(b)))
		v = append(v, b...)
	}
	return Arg{oidByteaArray, v}
}

// ToInt reads a value of type bigint.
func ToInt(value []byte) (int64, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("%w: a number has %d bytes", errProtocol, len(value))
	}
	return int64(binary.BigEndian.Uint64(value)), nil
}

// Run runs statements in one round trip, all of them in one transaction. They are sent together
// with what commits the transaction: it is committed if none of them fails, and only then. When Run
// returns nil, it is.
//
// A *[ServerError] means that nothing was done. [ErrUnheard] means that nobody knows whether it was
// done; the connection cannot be used any more. So it is when ctx ends.
func (c *Conn) Run(ctx context.Context, statements ...Statement) error {
	if c.bad != nil {
		return fmt.Errorf("database: %w", c.bad)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx) // nothing was sent
	}
	stop := context.AfterFunc(ctx, func() { _ = c.net.SetDeadline(time.Unix(1, 0)) })
	err := c.run(statements)
	if !stop() {
		// The deadline is set, or is about to be, and would end what comes next.
		if err != nil && c.bad != nil {
			return fmt.Errorf("%w: %w", ErrUnheard, context.Cause(ctx))
		}
		c.broken(context.Cause(ctx))
	}
	return err
}

func (c *Conn) run(statements []Statement) error {
	c.parsing = c.parsing[:0]
	for _, s := range statements {
		oids := make([]uint32, len(s.Args))
		values := make([][]byte, len(s.Args))
		for i, a := range s.Args {
			oids[i], values[i] = a.oid, a.value
		}
		c.front.SendBind(&pgproto3.Bind{PreparedStatement: c.parse(s, oids), ParameterFormatCodes: []int16{1},
			Parameters: values, ResultFormatCodes: []int16{1}})
		c.front.SendExecute(&pgproto3.Execute{})
	}
	c.front.SendSync(&pgproto3.Sync{})
	if err := c.front.Flush(); err != nil {
		c.broken(err)
		return fmt.Errorf("%w: %v", ErrUnheard, err)
	}
	return c.ready(statements)
}

// parse has the server read a statement, unless it has done so, and returns the statement's name.
func (c *Conn) parse(s Statement, oids []uint32) string {
	name := ""
	if c.prepares && s.Often {
		if known, ok := c.prepared[s.SQL]; ok {
			return known
		}
		c.names++
		name = "s" + strconv.Itoa(c.names) // another one each time: the last may have been read or not
	}
	c.front.SendParse(&pgproto3.Parse{Name: name, Query: s.SQL, ParameterOIDs: oids})
	c.parsing = append(c.parsing, parsing{s.SQL, name})
	return name
}

// parsed notes that the server has read the next of the statements that were sent to be read.
func (c *Conn) parsed() bool {
	if len(c.parsing) == 0 {
		return false
	}
	if p := c.parsing[0]; p.name != "" {
		c.prepared[p.sql] = p.name
	}
	c.parsing = c.parsing[1:]
	return true
}

// ready reads answers until the server is ready for what comes next. Without statements it reads
// what a server says when a connection begins.
func (c *Conn) ready(statements []Statement) error {
	var failed *ServerError
	var inRow error
	at := 0
	for {
		m, err := c.front.Receive()
		if err != nil {
			c.broken(err)
			return fmt.Errorf("%w: %v", ErrUnheard, err)
		}
		switch m := m.(type) {
		case *pgproto3.DataRow:
			if at >= len(statements) {
				return c.astray()
			}
			s := statements[at]
			if s.Row != nil && len(m.Values) != max(s.Columns, 1) {
				return c.astray()
			}
			if s.Row != nil && inRow == nil && failed == nil {
				inRow = s.Row(m.Values)
			}
		case *pgproto3.CommandComplete, *pgproto3.EmptyQueryResponse:
			at++
		case *pgproto3.ErrorResponse:
			if strings.EqualFold(m.SeverityUnlocalized, "FATAL") || strings.EqualFold(m.SeverityUnlocalized, "PANIC") ||
				m.SeverityUnlocalized == "" {
				// The connection ends, and it may have been ended in the middle of the commit.
				c.broken(serverError(m))
				return fmt.Errorf("%w: %v", ErrUnheard, serverError(m))
			}
			failed = serverError(m)
		case *pgproto3.ReadyForQuery:
			switch {
			case m.TxStatus != 'I':
				return c.astray() // a transaction is open that no statement here has begun
			case failed != nil:
				return failed
			case at != len(statements):
				return c.astray()
			}
			return inRow
		case *pgproto3.NoticeResponse:
			if at == len(statements) && at > 0 && m.SeverityUnlocalized == "WARNING" {
				// While it commits: it waits no longer for the server that should have a copy of
				// this.
				c.broken(errors.New(m.Message))
				return fmt.Errorf("%w: the database says: %s", ErrUnheard, m.Message)
			}
		case *pgproto3.ParseComplete:
			if !c.parsed() {
				return c.astray()
			}
		case *pgproto3.BindComplete, *pgproto3.ParameterStatus,
			*pgproto3.BackendKeyData, *pgproto3.NotificationResponse:
		default:
			return c.astray()
		}
	}
}

// astray ends a connection whose server does not keep to the protocol.
func (c *Conn) astray() error {
	c.broken(errProtocol)
	return fmt.Errorf("%w: %w", ErrUnheard, errProtocol)
}

// IsCode reports whether an error is one that the server reported, with this SQLSTATE.
func IsCode(err error, code string) bool {
	var said *ServerError
	return errors.As(err, &said) && said.Code == code
}
