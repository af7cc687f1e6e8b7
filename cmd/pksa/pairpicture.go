package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"pksa/keystore/access"
	"pksa/protocol"
)

// A picture is read by pksa-qr, a program of its own: what decodes other people's files is neither
// linked into this one nor near a keystore. It gets the bytes and returns texts, and both have
// bounds here, too.
const (
	pictureProgram = "pksa-qr"
	maxPicture     = 32 << 20 // bytes
	maxCodes       = 256 << 10
	pictureTime    = time.Minute
)

// pictureReader returns the path of the program that reads pictures: beside this one, so that no
// PATH decides who sees the link. Tests put another in its place.
var pictureReader = func() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", err
	}
	name := pictureProgram
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(filepath.Dir(self), name), nil
}

// readPicture returns the pairing link whose QR code a picture shows.
func (c *command) readPicture(ctx context.Context, path string) (string, error) {
	picture, err := openPicture(path)
	if err != nil {
		return "", err
	}
	program, err := pictureReader()
	if err == nil {
		err = access.Check(program, access.Decision)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", hint(fmt.Errorf("%s, which reads pictures, is not installed", pictureProgram), advicePictureReader)
	}
	if err != nil {
		return "", fmt.Errorf("%s is not run: %w", pictureProgram, err)
	}
	out, err := runPictureReader(ctx, program, picture)
	if err != nil {
		return "", err
	}
	return linkAmong(path, out)
}

// openPicture reads the file of a picture. An argument that names no file is not repeated: it may
// be the link itself, or a part of it.
func openPicture(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, errUsage{errors.New("there is no such file; the argument of `pksa pair` is a picture with the QR " +
			"code, and never the link, which others could read there")}
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%q is not a regular file", path)
	case info.Size() > maxPicture:
		return nil, hint(fmt.Errorf("%q is larger than %d MiB", path, maxPicture>>20), advicePicture)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	picture, err := io.ReadAll(io.LimitReader(f, maxPicture))
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(picture, []byte("\x89PNG\r\n\x1a\n")) && !bytes.HasPrefix(picture, []byte("\xff\xd8\xff")) {
		return nil, hint(fmt.Errorf("%q is neither a PNG nor a JPEG; a link in a file is read with --link file:PATH",
			path), advicePicture)
	}
	return picture, nil
}

// runPictureReader hands a picture to the program that reads it, and returns what it says. It gets
// nothing else of this process: no variables, no files, no folder.
func runPictureReader(ctx context.Context, program string, picture []byte) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, pictureTime)
	defer cancel()
	out := &bounded{room: maxCodes}
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = []string{} // nil would be all of ours
	cmd.Dir = filepath.VolumeName(program) + string(filepath.Separator)
	cmd.Stdin, cmd.Stdout = bytes.NewReader(picture), out
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return "", hint(fmt.Errorf("%s could not read the picture in %v", pictureProgram, pictureTime),
				advicePicture)
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		}
		// Whatever is wrong with a picture, it says and ends with 0. What it said last stays
		// here: it may hold a part of the picture's text.
		return "", hint(fmt.Errorf("%s could not read the picture: the program itself failed (%w), which says "+
			"nothing against the picture", pictureProgram, err), advicePictureReader)
	}
	return out.text.String(), nil
}

// bounded keeps what is written to it, and fails when that is too much.
type bounded struct {
	text bytes.Buffer
	room int
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.room-b.text.Len() {
		return 0, errors.New("too much output")
	}
	return b.text.Write(p)
}

// pictureProblems are what pksa-qr says of a picture that it does not read.
var pictureProblems = map[string]string{
	"size":   "too large a file",
	"pixels": "too many pixels",
	"format": "neither a PNG nor a JPEG",
	"broken": "not a whole picture",
}

// linkAmong returns the only pairing link among the codes that pksa-qr has found in a picture.
// Other codes beside it, as of a shop for programs, do no harm.
func linkAmong(path, out string) (string, error) {
	fail := func(problem string) (string, error) {
		return "", hint(fmt.Errorf("%q: %s", path, problem), advicePicture)
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if problem, ok := pictureProblems[lines[0]]; ok {
		return fail(problem)
	}
	if lines[0] != "codes" {
		return "", fmt.Errorf("%s answers in a form that this program does not know; install both from one version",
			pictureProgram)
	}
	var links []string
	for _, line := range lines[1:] {
		text, err := strconv.Unquote(line)
		if err != nil {
			return "", fmt.Errorf("%s answers in a form that this program does not know; install both from one version",
				pictureProgram)
		}
		if _, err := protocol.ParsePairingLink(text); err == nil {
			links = append(links, text)
		}
	}
	switch {
	case len(lines) == 1:
		return fail("no QR code was found in it")
	case len(links) == 0:
		return fail("the QR code in it is no pairing link")
	case len(links) > 1:
		return fail("it shows several pairing links, and nothing says which is meant")
	}
	return links[0], nil
}

// maybeLink reports whether an argument is a pairing link, or was meant to be one, and no file.
func maybeLink(argument string) bool {
	_, err := protocol.ParsePairingLink(argument)
	return err == nil || strings.Contains(argument, "://") || strings.HasPrefix(argument, "{")
}
