// Command pksa-console is a web page on which people see what a wallet does, and say yes or no to
// what waits for them. It holds no keys. It runs as a user of its own, asks the wallet at its
// narrow socket, and decides nothing: a yes is a signature of a passkey, which the wallet checks.
//
//	pksa-console -socket /run/pksa/console.sock -wallet-user pksa -certificate c.pem -key k.pem
//	pksa-console -socket /run/pksa/console.sock -wallet-user pksa -listen 127.0.0.1:9490
//
// The second form is for a reverse proxy on the same machine, which has the certificate. The
// settings of the wallet that belong to it are console.socket, console.user and approve.origin,
// which is the address that browsers show.
//
// # Where to look
//
// server.go has the ways and what guards them, look.go and handlers.go what each does, live.go what
// keeps pages up to date, login.go who is logged in, wallet.go what is read of the wallet.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"pksa/agent/certificate"
	"pksa/agent/control"
	"pksa/protocol/host"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

const usage = `Usage: pksa-console [FLAGS]

The web page of a wallet: people see there what it does, and say yes or no with
a passkey to what waits for them. It runs as a user of its own, holds no keys,
and asks the wallet at a socket, which the wallet's setting console opens.
Without -certificate and -key it serves on this machine alone, for a reverse
proxy. The page examples/docs/console.md tells how to set it up.

`

// options are what the command line says.
type options struct {
	socket, walletUser, listen, certificate, keyFile string
}

// run serves until ctx ends, and returns the exit status: 1 if it failed, 2 if the command line
// makes no sense.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("pksa-console", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.socket, "socket", "/run/pksa/console.sock", "the narrow socket of the wallet (console.socket)")
	flags.StringVar(&o.walletUser, "wallet-user", "", "the user whose wallet it is, by name or number; empty: this one")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:9490", "where pages are served")
	flags.StringVar(&o.certificate, "certificate", "", "TLS certificate chain, PEM; read again when it is renewed")
	flags.StringVar(&o.keyFile, "key", "", "TLS key, PEM")
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if err := o.check(flags.Args()); err != nil {
		fmt.Fprintln(stderr, "pksa-console:", err)
		return 2
	}
	if err := serve(ctx, o, slog.New(slog.NewTextHandler(stderr, nil))); err != nil {
		fmt.Fprintln(stderr, "pksa-console:", err)
		return 1
	}
	return 0
}

func (o options) check(rest []string) error {
	name, _, err := net.SplitHostPort(o.listen)
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q is too much; pksa-console -help says what there is", rest[0])
	case err != nil:
		return fmt.Errorf("-listen wants HOST:PORT such as 127.0.0.1:9490, not %q", o.listen)
	case (o.certificate == "") != (o.keyFile == ""):
		return errors.New("-certificate and -key go together")
	case o.certificate == "" && !host.Loopback(name):
		return fmt.Errorf("-listen %s is reached by other machines: give -certificate and -key, or listen at "+
			"127.0.0.1 behind a proxy of this machine", o.listen)
	}
	return nil
}

func serve(ctx context.Context, o options, log *slog.Logger) error {
	socket := control.Socket{Path: o.socket}
	if o.walletUser != "" {
		uid, err := userID(o.walletUser)
		if err != nil {
			return err
		}
		socket.Agent = &uid
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	listener = &bounded{Listener: listener, from: map[string]int{}}
	if o.certificate != "" {
		pair := &certificate.Pair{Certificate: o.certificate, KeyFile: o.keyFile, Failed: func(err error) {
			log.Warn("the files of the certificate are not taken, that of before is served on", "err", err)
		}}
		if _, err := pair.Get(nil); err != nil {
			listener.Close()
			return err
		}
		listener = tls.NewListener(listener, &tls.Config{GetCertificate: pair.Get, MinVersion: tls.VersionTLS12,
			NextProtos: []string{"http/1.1"}})
	}
	server := newServer(newConsole(dial(socket), log).handler(), log)
	log.Info("serving", "listen", listener.Addr().String(), "socket", o.socket)
	// Streams of open pages end with the connection: nothing that a stop should wait for.
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// newServer returns what serves pages to whoever is slow, and not for ever.
func newServer(pages http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{Handler: pages, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
}

// userID returns the number of a user.
func userID(name string) (uint32, error) {
	id, err := strconv.ParseUint(name, 10, 32)
	if err == nil {
		return uint32(id), nil
	}
	found, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("-wallet-user: this machine has no user %q", name)
	}
	id, err = strconv.ParseUint(found.Uid, 10, 32)
	return uint32(id), err
}
