// Command pksa-convert turns what Hive users have their keys in into a list of keys that
// `pksa keys import --file` takes. It opens no keystore and no connection: it reads one file and
// writes one.
//
//	pksa-convert -out keys.txt keychain 2026-11-27-export.kc
//	pksa-convert beekeeper bot.wallet
//	pksa-convert -key STM8…=alice/posting -out keys.txt beekeeper bot.wallet
//
// # What it reads
//
// The forms are those of the programs' public sources, and nothing else:
//
//   - the export of the browser extension Hive Keychain (accounts.kc, DATE-export.kc), as its
//     encrypt.utils.ts and encrypt.legacy.utils.ts write and read it: AES-256-CBC under PBKDF2 with
//     SHA-1 or SHA-256, and AES-256-GCM under PBKDF2 with SHA-256;
//   - the .wallet files of beekeeper, as crypto_provider_impl.cpp of openhive-network/beekeeper
//     writes and reads them: those of today (BEEKWLT), and those of before, with prefixes beside
//     the keys or, as the first ones of openhive-network/hive, without.
//
// What it does not read: the exports of Keychain's apps for phones, whose form is not established
// here; QR codes; a beekeeper wallet with an empty password, which no source delivers; keys on a
// Ledger device, and the EVM accounts of an export, which are no keys of accounts.
//
// A wallet of beekeeper has keys without accounts and roles. So without -key their public keys are
// listed, and with -key each one gets its name; the chain says whose they are.
//
// # Where the keys go
//
// Into a new file that only its owner reads, or into a pipe. A terminal gets them only with -show.
// Remove the list once it was imported. The password never stands on the command line.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/term"

	"pksa/keystore"
	"pksa/keystore/access"
	"pksa/keystore/durable"
)

// maxFile bounds the file that is read: 10,000 accounts are 5 MB.
const maxFile = 64 << 20

// options are what the command line says.
type options struct {
	kind, file string
	out        string // empty: standard output
	show       bool
	source     string // of the password
	names      names  // of keys that have none
}

// streams are where the program reads and writes.
type streams struct {
	in, out *os.File
	err     io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run runs the program and returns the exit status: 1 if it failed, 2 if the command line makes no
// sense.
func run(ctx context.Context, args []string, s streams) int {
	o, err := parse(args, s.err)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(s.err, "pksa-convert: error: %v\n", err)
		return 2
	}
	if err := convert(ctx, o, s); err != nil {
		fmt.Fprintf(s.err, "pksa-convert: error: %v\n", err)
		return 1
	}
	return 0
}

const usage = `Usage: pksa-convert [FLAGS] keychain|beekeeper FILE

Turns an export of Hive Keychain (the browser extension: accounts.kc,
DATE-export.kc) or a .wallet of beekeeper into a list of keys, for

    pksa keys import --file keys.txt

It opens no keystore and no connection. A wallet of beekeeper has keys without
accounts: without -key their public keys are listed, each with what to write.

Not read: exports of Keychain for phones, whose form is not established here, QR
codes, and wallets with an empty password. Left out and named: keys on a Ledger
device, keys that belong to another account, and what is no key of Hive.

`

func parse(args []string, errs io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("pksa-convert", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() {
		fmt.Fprint(errs, usage)
		flags.PrintDefaults()
	}
	var keys texts
	flags.StringVar(&o.out, "out", "", "new `FILE` for the list, readable by you alone; without one: standard output")
	flags.BoolVar(&o.show, "show", false, "show the keys, if standard output is a terminal")
	flags.StringVar(&o.source, "password", "prompt",
		"`SOURCE` of the password of the file: prompt, file:PATH, env:NAME, fd:N, credential:NAME or command:…")
	flags.Var(&keys, "key", "`STM…=ACCOUNT/ROLE`: whose a key of a beekeeper wallet is; as often as there are keys")
	if err := flags.Parse(args); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			err = errors.New("see -help")
		}
		return o, err
	}
	if flags.NArg() != 2 {
		return o, errors.New("name what the file is, keychain or beekeeper, and the FILE; see -help")
	}
	o.kind, o.file, o.names = flags.Arg(0), flags.Arg(1), names{}
	for _, text := range keys {
		if err := o.names.add(text); err != nil {
			return o, fmt.Errorf("-key: %w", err)
		}
	}
	switch {
	case o.kind != "keychain" && o.kind != "beekeeper":
		return o, fmt.Errorf("%.20q is neither keychain nor beekeeper", o.kind)
	case o.kind == "keychain" && len(o.names) > 0:
		return o, errors.New("-key is for beekeeper: an export of Keychain names its accounts")
	}
	if _, err := keystore.ParseSource(o.source); err != nil {
		return o, fmt.Errorf("-password: %w", err)
	}
	return o, nil
}

// convert reads the file and writes the list.
func convert(ctx context.Context, o options, s streams) error {
	listing := o.kind == "beekeeper" && len(o.names) == 0
	if !listing {
		if err := checkOutput(o, s.out); err != nil {
			return err // before a person types the password
		}
	}
	raw, err := readFile(o.file)
	if err != nil {
		return err
	}
	defer clear(raw)
	password, err := readPassword(ctx, o.source, s)
	if err != nil {
		return err
	}
	defer password.Wipe()
	var found found
	if o.kind == "keychain" {
		found, err = readKeychain(raw, password.Bytes())
	} else {
		found, err = readBeekeeper(raw, password.Bytes(), o.names)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.file, err)
	}
	defer found.wipe()
	for _, left := range found.left {
		fmt.Fprintf(s.err, "pksa-convert: left out: %s\n", left)
	}
	if listing {
		return list(s.out, found)
	}
	if len(found.keys) == 0 {
		return fmt.Errorf("%s: no key to write", o.file)
	}
	return write(o, s, found)
}

// checkOutput refuses to write keys where others read them.
func checkOutput(o options, out *os.File) error {
	switch {
	case o.out != "":
		if _, err := os.Lstat(o.out); err == nil {
			return fmt.Errorf("%s: there is such a file already; name another one", o.out)
		}
		return access.Folder(filepath.Dir(o.out))
	case term.IsTerminal(int(out.Fd())):
		if o.show {
			return nil
		}
		return errors.New("the list is private keys: name a file with -out FILE, or let -show show them here")
	}
	return access.Descriptor(out, access.Secret)
}

func readFile(path string) ([]byte, error) {
	f, info, err := access.Open(path, access.Decision) // it is encrypted; who changes it is found out
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes: is it the right file?", path, maxFile)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

func readPassword(ctx context.Context, from string, s streams) (keystore.Secret, error) {
	source, err := keystore.ParseSource(from)
	if err != nil {
		return keystore.Secret{}, err
	}
	return source.Read(ctx, func(string) ([]byte, error) {
		if !term.IsTerminal(int(s.in.Fd())) {
			return nil, errors.New("there is no terminal to ask at: name another source with -password")
		}
		fmt.Fprint(s.err, "password of the file: ")
		defer fmt.Fprintln(s.err)
		return term.ReadPassword(int(s.in.Fd()))
	})
}

// list prints the public keys, with what to write for each.
func list(w io.Writer, f found) error {
	var b strings.Builder
	b.WriteString("This wallet has keys without accounts. Name each one, such as\n\n")
	for _, k := range f.keys {
		fmt.Fprintf(&b, "  -key %s=ACCOUNT/ROLE\n", k.private.Public())
	}
	b.WriteString("\nROLE is posting, active, memo or signing. A block explorer finds the account of a public key.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// write writes the list of keys.
func write(o options, s streams, f found) error {
	var b bytes.Buffer
	b.Grow(len(f.keys)*100 + 200) // never outgrown: an outgrown buffer would not be wiped
	fmt.Fprintf(&b, "# private keys, by pksa-convert; remove this file once it was imported\n")
	for _, k := range f.keys {
		fmt.Fprintf(&b, "%s %s %s\n", k.account, k.role, k.private.WIF())
	}
	defer clear(b.Bytes())
	if o.out == "" {
		_, err := s.out.Write(b.Bytes())
		return err
	}
	if err := durable.Create(o.out, b.Bytes()); err != nil {
		return err
	}
	fmt.Fprintf(s.err,
		"pksa-convert: %d keys are in %s; import them with `pksa keys import --file %[2]s`, and remove the "+
			"file then\n", len(f.keys), o.out)
	return nil
}
