package keystore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"pksa/keystore/access"
)

const (
	// maxSecret bounds every secret that is read. It is far above any passphrase or identity file,
	// and far below most files that are named by mistake.
	maxSecret = 16 << 10
	// commandTimeout gives a person time to touch a hardware key or to answer a question of the
	// command.
	commandTimeout = time.Minute
	// commandGrace is how long children of the command may hold its output open after it has ended.
	commandGrace = time.Second
)

// Sources, by the word before the colon.
const (
	sourceFile       = "file"
	sourceEnv        = "env"
	sourceFD         = "fd"
	sourceCredential = "credential"
	sourceCommand    = "command"
	sourceIdentity   = "identity"
	sourcePrompt     = "prompt"
)

// Source is where a secret comes from. It is not the secret and may be printed. The zero value is
// no source: reading it fails.
//
// The forms mean the same wherever a setting or flag takes one:
//
//	file:PATH        a file that only this user or root can read (0600 or 0400), or a mounted
//	                 one of root's that a group of our own can read (0440), as in Kubernetes
//	env:NAME         an environment variable. It is removed once it was read, so that no child
//	                 inherits it, and can be read once. (The kernel still shows the first
//	                 environment of a process to its own user.)
//	fd:N             an open file descriptor, 0 or from 3 up. It is read to its end and closed, 0
//	                 is not closed. It can be read once. A file is under the rules of file:
//	credential:NAME  a systemd credential: the file NAME in $CREDENTIALS_DIRECTORY
//	command:ARGV     what a program prints within a minute. ARGV is split at blanks; there is no
//	                 shell and no quoting. A program that others can replace is not run
//	identity:PATH    an age identity file, under the rules of file:
//	prompt           the person at the terminal is asked
//
// One newline at the end is cut off. An empty secret is refused, and so is one of more than 16 KiB.
// The rules are those of [pksa/keystore/access]. On Windows fd: takes 0 only, and the owners and
// modes of files are not checked.
type Source struct{ kind, arg string }

// errSource never quotes what was refused, which may be the secret itself, given by mistake.
var errSource = errors.New("not a source of secrets: wanted file:PATH, env:NAME, fd:N, credential:NAME, command:…, " +
	"identity:PATH or prompt; a secret itself is never taken from a command line or a setting")

var (
	envName        = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	credentialName = regexp.MustCompile(`^[A-Za-z0-9_@%+:=,-][A-Za-z0-9_@%+:=,.-]*$`)
)

// ParseSource reads one of the forms that [Source] lists. Its errors do not repeat the text.
func ParseSource(s string) (Source, error) {
	if s == sourcePrompt {
		return Source{kind: sourcePrompt}, nil
	}
	kind, arg, found := strings.Cut(s, ":")
	if !found || arg == "" || strings.ContainsRune(arg, 0) {
		return Source{}, errSource
	}
	src := Source{kind: kind, arg: arg}
	switch kind {
	case sourceFile, sourceIdentity:
		return src, nil
	case sourceEnv:
		if !envName.MatchString(arg) {
			return Source{}, errors.New("env: wants the name of an environment variable: letters, digits and _")
		}
	case sourceFD:
		if _, err := descriptor(arg); err != nil {
			return Source{}, err
		}
	case sourceCredential:
		if !credentialName.MatchString(arg) {
			return Source{}, errors.New("credential: wants the bare name of a systemd credential, no path")
		}
	case sourceCommand:
		if len(strings.Fields(arg)) == 0 || strings.ContainsAny(arg, "'\"`\\$|&;<>\n") {
			return Source{}, errors.New("command: wants a program and its arguments, split at blanks; there is no " +
				"shell: " +
				"put quotes, pipes and variables into a script")
		}
	default:
		return Source{}, errSource
	}
	return src, nil
}

// String returns the text that [ParseSource] read; it is empty for the zero value.
func (s Source) String() string {
	if s.arg == "" {
		return s.kind
	}
	return s.kind + ":" + s.arg
}

// Read fetches the secret. prompt asks a person, to whom it shows the label. Only the source prompt
// calls it, and nil means that there is nobody to ask. The context bounds commands and reads
// of fd:N, which end when the writer closes its end.
//
// Errors name the source, never what it delivered. A file that others can read is a
// *[PermissionError].
func (s Source) Read(ctx context.Context, prompt func(label string) ([]byte, error)) (Secret, error) {
	return s.readAs(ctx, "secret", prompt)
}

func (s Source) readAs(ctx context.Context, label string, prompt func(label string) ([]byte, error)) (Secret, error) {
	if ctx.Err() != nil {
		return Secret{}, context.Cause(ctx)
	}
	raw, err := s.read(ctx, label, prompt)
	if err == nil {
		raw, err = trimSecret(raw)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("reading the secret from %s: %w", s.brief(), err)
	}
	return NewSecret(raw), nil
}

// Unlock reads the source and makes an [Unlock] of the secret, as [NewUnlock] does. From
// identity:PATH it takes an age identity only.
func (s Source) Unlock(ctx context.Context, prompt func(label string) ([]byte, error)) (Unlock, error) {
	secret, err := s.readAs(ctx, "passphrase of the keystore", prompt)
	if err != nil {
		return Unlock{}, err
	}
	defer secret.Wipe()
	if s.kind == sourceIdentity && !holdsIdentity(secret.Bytes()) {
		return Unlock{}, fmt.Errorf("reading %s: there is no line that begins with AGE-SECRET-KEY-1 or "+
			"AGE-PLUGIN-", s)
	}
	return NewUnlock(secret)
}

// Check returns nil if the secret can be read as far as that shows without reading it: the file, or
// the program of a command, is there, and nobody else can read or change what must not be. Of other
// sources nothing shows.
func (s Source) Check(also ...uint32) error {
	var err error
	switch s.kind {
	case sourceFile, sourceIdentity:
		err = access.Check(s.arg, access.Secret, also...)
	case sourceCredential:
		var path string
		if path, err = credentialPath(s.arg); err == nil {
			err = access.Check(path, access.Credential, also...)
		}
	case sourceCommand:
		_, err = commandOf(strings.Fields(s.arg))
	}
	return err
}

// Again reports whether the secret can be read again by a process that has read it before, without
// a person: from a file, a credential or a command.
func (s Source) Again() bool {
	switch s.kind {
	case sourceFile, sourceIdentity, sourceCredential, sourceCommand:
		return true
	}
	return false
}

// brief returns the source as errors name it: a command without its arguments, which may be long.
func (s Source) brief() string {
	if s.kind == sourceCommand {
		return sourceCommand + ":" + strings.Fields(s.arg)[0]
	}
	return s.String()
}

func (s Source) read(ctx context.Context, label string, prompt func(string) ([]byte, error)) ([]byte, error) {
	switch s.kind {
	case sourceFile, sourceIdentity:
		return readSecretFile(s.arg, access.Secret)
	case sourceEnv:
		return readEnv(s.arg)
	case sourceFD:
		return readDescriptor(ctx, s.arg)
	case sourceCredential:
		return readCredential(s.arg)
	case sourceCommand:
		return readCommand(ctx, strings.Fields(s.arg))
	case sourcePrompt:
		if prompt == nil {
			return nil, errors.New("there is nobody to ask: name another source, such as file:PATH or identity:PATH")
		}
		return prompt(label)
	default:
		return nil, errSource
	}
}

func readSecretFile(path string, kind access.Kind) ([]byte, error) {
	f, _, err := access.Open(path, kind)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBounded(f)
}

func readEnv(name string) ([]byte, error) {
	value, ok := os.LookupEnv(name)
	if !ok {
		return nil, errors.New("the variable is not set (or was read before: it is removed once read)")
	}
	if err := os.Unsetenv(name); err != nil {
		return nil, err
	}
	return readBounded(strings.NewReader(value))
}

func descriptor(arg string) (int, error) {
	n, err := strconv.Atoi(arg)
	if err != nil || strconv.Itoa(n) != arg || n < 0 || n == 1 || n == 2 || n > 1<<16 {
		return 0, errors.New("fd: wants the number of an open file descriptor: 0, or from 3 up")
	}
	return n, nil
}

// readDescriptor reads a descriptor to its end, or until ctx ends: then the read is left behind.
func readDescriptor(ctx context.Context, arg string) ([]byte, error) {
	n, err := descriptor(arg)
	if err != nil {
		return nil, err
	}
	f, err := openDescriptor(n)
	if err != nil {
		return nil, err
	}
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		// Standard input stays open: the next file that is opened would become standard input.
		if n != 0 {
			defer f.Close()
		}
		r := result{err: access.Descriptor(f, access.Secret)}
		if r.err == nil {
			r.text, r.err = readBounded(f)
		}
		done <- r
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func readCredential(name string) ([]byte, error) {
	path, err := credentialPath(name)
	if err != nil {
		return nil, err
	}
	return readSecretFile(path, access.Credential)
}

// credentialPath returns where systemd puts a credential of the unit.
func credentialPath(name string) (string, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if !filepath.IsAbs(dir) {
		return "", errors.New("$CREDENTIALS_DIRECTORY is not set: give the unit LoadCredential= or " +
			"LoadCredentialEncrypted=")
	}
	return filepath.Join(dir, name), nil
}

// readCommand returns what a command prints. What it writes to standard error goes to ours, where a
// person sees it.
func readCommand(ctx context.Context, argv []string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, fmt.Errorf("no answer within %s", commandTimeout))
	defer cancel()
	program, err := commandOf(argv)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, argv[1:]...) //nolint:gosec // the operator's own setting
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = commandGrace
	out := &boundedBuffer{bytes: make([]byte, 0, maxSecret+1)}
	cmd.Stdout = out
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case out.full:
		err = errTooLong
	}
	if err != nil {
		clear(out.bytes)
		return nil, err
	}
	return out.bytes, nil
}

// commandOf returns the path of a command's program. It refuses a program, and files that the
// arguments name, which somebody else could change: an interpreter does what its script says.
func commandOf(argv []string) (program string, err error) {
	if program, err = access.Program(argv[0]); err != nil {
		return "", err
	}
	for _, arg := range argv[1:] {
		if i := strings.IndexByte(arg, '='); i >= 0 && strings.HasPrefix(arg, "-") {
			arg = arg[i+1:] // --file=PATH
		}
		if info, err := os.Stat(arg); err != nil || !info.Mode().IsRegular() {
			continue // no file; what the program makes of it, it knows itself
		}
		path, err := filepath.Abs(arg)
		if err == nil {
			err = access.Check(path, access.Decision)
		}
		if err != nil {
			return "", err
		}
	}
	return program, nil
}

var errTooLong = fmt.Errorf("longer than %d bytes: is this the right place?", maxSecret)

// boundedBuffer is a buffer that never grows: an outgrown one would leave a copy of the secret.
type boundedBuffer struct {
	bytes []byte
	full  bool
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if len(b.bytes)+len(p) > maxSecret {
		b.full = true
		return 0, errTooLong
	}
	b.bytes = append(b.bytes, p...)
	return len(p), nil
}

func readBounded(r io.Reader) ([]byte, error) {
	buf := make([]byte, maxSecret+1)
	n, err := io.ReadFull(r, buf)
	switch {
	case err == nil:
		clear(buf)
		return nil, errTooLong
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return buf[:n], nil
	default:
		clear(buf)
		return nil, err
	}
}

// trimSecret returns the secret in a buffer of its size, without one newline at its end. It wipes
// the buffer that the secret came in.
func trimSecret(raw []byte) ([]byte, error) {
	defer clear(raw)
	text, cut := bytes.CutSuffix(raw, []byte("\n"))
	if cut {
		text = bytes.TrimSuffix(text, []byte("\r"))
	}
	if len(text) == 0 {
		return nil, errors.New("it is empty")
	}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, errors.New("it is UTF-16, as PowerShell and some editors write it: write it again as UTF-8 " +
			"without a " +
			"byte order mark")
	}
	if len(text) > maxSecret {
		return nil, errTooLong
	}
	return append([]byte(nil), text...), nil
}
