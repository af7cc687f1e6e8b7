package main

import (
	"bytes"
	"errors"
	"image"
	"image/draw"
	"image/png"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"pksa/protocol"
)

// pictureReaderBuilt builds pksa-qr, which is a module of its own. Where its modules are not there
// and cannot be had, nothing here can be tested.
func pictureReaderBuilt(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), pictureProgram)
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	list := exec.Command("go", "list", "-deps", ".")
	list.Dir = filepath.Join("..", pictureProgram)
	if out, err := list.CombinedOutput(); err != nil {
		t.Skipf("the modules of pksa-qr are not here, and this machine cannot get them: %s", out)
	}
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = list.Dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// readBy sets the program that reads pictures for one test.
func readBy(t *testing.T, program string) {
	t.Helper()
	before := pictureReader
	pictureReader = func() (string, error) { return program, nil }
	t.Cleanup(func() { pictureReader = before })
}

// TestPicture reads the pictures that the tests of pksa-qr have made.
func TestPicture(t *testing.T) {
	noRace(t)
	readBy(t, pictureReaderBuilt(t))
	cut := filepath.Join(t.TempDir(), "cut.png")
	whole, err := os.ReadFile("testdata/pictures/link.png")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, whole[:200], 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"testdata/pictures/link.png":  "",
		"testdata/pictures/mixed.png": "", // another code beside the link
		"testdata/pictures/two.png":   "several pairing links",
		"testdata/pictures/none.png":  "no QR code was found in it",
		"testdata/pictures/other.png": "is no pairing link",
		cut:                           "not a whole picture",
		// What its runtime needs beside the picture shows only with large ones.
		onScreen(t, 1600, 1000): "",
		onScreen(t, 8192, 5120): "", // the most pixels that it takes
	} {
		text, err := (&command{}).readPicture(t.Context(), file)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", file, err)
		case want == "":
			link, err := protocol.ParsePairingLink(text)
			if err != nil || link.Account != "alice" || link.Key != "3d9e1a44-2c07-4f88-b6e5-71a2c8d0459b" {
				t.Errorf("%s: %v, %v", file, link, err)
			}
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
}

// onScreen writes a picture of a screen that shows the one with a link, and returns its path.
func onScreen(t *testing.T, width, height int) string {
	t.Helper()
	file, err := os.Open(pictureFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	link, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	screen := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(screen, screen.Bounds(), image.White, image.Point{}, draw.Src)
	draw.Draw(screen, link.Bounds().Add(image.Pt(800, 300)), link, link.Bounds().Min, draw.Src)
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, screen); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "screen.png")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPictureReaderCrashes: when the program fails, the picture is not to blame, and another one
// would not help.
func TestPictureReaderCrashes(t *testing.T) {
	for script, want := range map[string]string{
		"echo sekret >&2; exit 2": "the program itself failed (exit status 2)",
		"kill -9 $$":              "the program itself failed (signal: killed)",
	} {
		readBy(t, fakeReader(t, "cat >/dev/null; echo codes; "+script))
		text, err := (&command{}).readPicture(t.Context(), pictureFile)
		if text != "" || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sekret") {
			t.Errorf("%s: %q, %v", script, text, err)
		}
		var with hinted
		if !errors.As(err, &with) || with.hint != advicePictureReader.text {
			t.Errorf("%s: another hint: %v", script, err)
		}
	}
}

// fakeReader makes a program that reads no pictures, and does what a script says.
func fakeReader(t *testing.T, script string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a shell script stands for the program")
	}
	program := filepath.Join(t.TempDir(), pictureProgram)
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return program
}

const pictureFile = "testdata/pictures/link.png"

// TestPictureReaderGetsNothing: the program that decodes other people's files sees the picture and
// nothing of this process, and what it says has a bound.
func TestPictureReaderGetsNothing(t *testing.T) {
	t.Setenv("PKSA_TEST_SECRET", "sekret")
	// It answers with its variables, its folder and its arguments in the place of a code's text.
	readBy(t, fakeReader(t, `cat >/dev/null; echo codes; echo "\"has://auth_req/$PKSA_TEST_SECRET$HOME\""
echo "\"$(pwd) $#\""`))
	program, err := pictureReader()
	if err != nil {
		t.Fatal(err)
	}
	out, err := runPictureReader(t.Context(), program, []byte("picture"))
	if err != nil || out != "codes\n\"has://auth_req/\"\n\"/ 0\"\n" {
		t.Errorf("%q, %v", out, err)
	}
	for script, want := range map[string]string{
		"cat >/dev/null; exec yes": "could not read the picture",
		"cat >/dev/null; echo codes; echo '\"has://auth_req/sekret'; exit 3": "could not read the picture",
		"cat >/dev/null; echo sekret":                                        "a form that this program does not know",
		"cat >/dev/null; echo codes; echo sekret":                            "a form that this program does not know",
	} {
		readBy(t, fakeReader(t, script))
		text, err := (&command{}).readPicture(t.Context(), pictureFile)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sekret") || text != "" {
			t.Errorf("%s: %q, %v", script, text, err)
		}
	}
}

// TestPictureReaderMustBeOurs: a program that others could have put there sees no link.
func TestPictureReaderMustBeOurs(t *testing.T) {
	program := fakeReader(t, "echo codes")
	readBy(t, program)
	if err := os.Chmod(program, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := (&command{}).readPicture(t.Context(), pictureFile); err == nil ||
		!strings.Contains(err.Error(), "is not run") {
		t.Errorf("run, although everybody can change it: %v", err)
	}
	readBy(t, filepath.Join(t.TempDir(), pictureProgram))
	if _, err := (&command{}).readPicture(t.Context(), pictureFile); err == nil ||
		!strings.Contains(err.Error(), "is not installed") {
		t.Errorf("not there: %v", err)
	}
}

// TestPictureArgument: what may be a link, or a part of one, is refused and not repeated.
func TestPictureArgument(t *testing.T) {
	home := t.TempDir()
	if status := run(t.Context(), []string{"--home", home, "init"}, silent(&bytes.Buffer{})); status != 0 {
		t.Fatal("no wallet was made")
	}
	folder := t.TempDir()
	for _, c := range []struct{ argument, want string }{
		{"has://auth_req/sekret", "takes no link on the command line"},
		{"https://waivio.example/has#1sekret", "takes no link on the command line"},
		{`{"key":"sekret"}`, "takes no link on the command line"},
		{"eyJhY2NvdW50Ijoic2VrcmV0IiwKsekret", "there is no such file"},
		{folder, "is not a regular file"},
	} {
		var out bytes.Buffer
		status := run(t.Context(), []string{"--home", home, "pair", "--app", "bot", c.argument}, silent(&out))
		if status == 0 || !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "sekret") {
			t.Errorf("%q: %d %s", c.want, status, out.String())
		}
	}
	if _, err := openPicture(filepath.Join(folder, "none")); errors.Is(err, fs.ErrNotExist) {
		t.Error("the error names the file")
	}
}

// silent are streams without input, whose output goes to one place.
func silent(out *bytes.Buffer) streams { return streams{strings.NewReader(""), out, out} }
