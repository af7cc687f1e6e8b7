package pg

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// Address is where a database is, and as whom it is entered. It holds no secret.
type Address struct {
	Host     string // name or IP; or the folder of the server's socket, absolute
	Port     int    // also a part of the socket's name
	User     string
	Database string
	// TLS demands TLS with a certificate for Host. It is always demanded beyond this machine,
	// whatever stands here.
	TLS bool
	// Roots is the path of a file with the authorities that may sign the certificate, PEM; empty:
	// those of the system.
	Roots string
}

// usualPort is PostgreSQL's.
const usualPort = 5432

// errPassword does not show what was given: it holds a secret.
var errPassword = errors.New("the address of a database must not hold a password: settings are shown and logged; " +
	"name its source in ledger_password")

// ParseAddress reads postgres://USER@HOST:PORT/DATABASE, with the parameters sslmode (verify-full;
// disable on this machine), sslrootcert (a path) and host (the folder of a socket). The error shows
// nothing of an address that may hold a password.
func ParseAddress(text string) (Address, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Address{}, errors.New("the address of the database does not read as postgres://USER@HOST/DATABASE")
	}
	if _, has := u.User.Password(); has {
		return Address{}, errPassword
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return Address{}, errors.New("the address of a database begins with postgres://")
	}
	a := Address{Host: u.Hostname(), Port: usualPort, User: u.User.Username()}
	if p := u.Port(); p != "" {
		if a.Port, err = strconv.Atoi(p); err != nil || a.Port < 1 || a.Port > 65535 {
			return Address{}, errors.New("the port of the database is not a number from 1 to 65535")
		}
	}
	a.Database = strings.TrimPrefix(u.Path, "/")
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Fragment != "" {
		return Address{}, errors.New("the parameters in the address of the database read wrong")
	}
	mode := ""
	for name, values := range query {
		if len(values) != 1 {
			return Address{}, fmt.Errorf("the address of the database has %q twice", name)
		}
		switch value := values[0]; name {
		case "sslmode":
			mode = value
		case "sslrootcert":
			a.Roots = value
		case "host":
			if a.Host != "" || !filepath.IsAbs(value) {
				return Address{}, errors.New("the parameter host is the absolute path of a socket's folder, " +
					"where the address names no other host")
			}
			a.Host = value
		case "password":
			return Address{}, errPassword
		default:
			return Address{}, fmt.Errorf("the address of the database has the parameter %q; it can have sslmode, "+
				"sslrootcert and host", name)
		}
	}
	return a, a.check(mode)
}

// check looks for what is missing, and reads the mode.
func (a *Address) check(mode string) error {
	switch {
	case a.Host == "" || a.User == "" || a.Database == "" || strings.Contains(a.Database, "/"):
		return errors.New("the address of the database needs user, host and database: postgres://USER@HOST/DATABASE")
	case strings.ContainsRune(a.User+a.Database+a.Host, 0):
		return errors.New("the address of the database holds a zero byte")
	case mode == "verify-full" && a.socket():
		return errors.New("sslmode=verify-full is for a host, and the address names a socket of this machine")
	case mode == "verify-full":
		a.TLS = true
	case mode == "disable" && !a.here():
		return errors.New("sslmode=disable is for a database on this machine; beyond it, the server must show a " +
			"certificate (sslmode=verify-full)")
	case mode != "" && mode != "disable":
		return fmt.Errorf("sslmode is %q; it can be verify-full, or disable on this machine", mode)
	case !a.here():
		a.TLS = true
	}
	return nil
}

// String writes the address as ParseAddress reads it.
func (a Address) String() string {
	u := url.URL{Scheme: "postgres", User: url.User(a.User), Path: "/" + a.Database}
	query := url.Values{}
	if a.socket() {
		query.Set("host", a.Host)
		if a.Port != usualPort {
			u.Host = ":" + strconv.Itoa(a.Port)
		}
	} else {
		u.Host = a.Host
		if strings.Contains(a.Host, ":") {
			u.Host = "[" + a.Host + "]"
		}
		if a.Port != usualPort {
			u.Host = net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
		}
	}
	if a.TLS && a.here() {
		query.Set("sslmode", "verify-full")
	}
	if a.Roots != "" {
		query.Set("sslrootcert", a.Roots)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

func (a Address) socket() bool { return strings.HasPrefix(a.Host, "/") }

// here reports whether the address is one of this machine by its very text. A name other than
// localhost may lead anywhere.
func (a Address) here() bool {
	ip := net.ParseIP(a.Host)
	return a.socket() || a.Host == "localhost" || ip != nil && ip.IsLoopback()
}

// network returns what to dial.
func (a Address) network() (network, address string) {
	if a.socket() {
		return "unix", filepath.Join(a.Host, ".s.PGSQL."+strconv.Itoa(a.Port))
	}
	return "tcp", net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}
