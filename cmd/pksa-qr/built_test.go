package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// TestBuilt runs the program as pksa does: built, confined, and with its picture from a pipe. What
// the runtime needs beside the picture shows only there, and only when a picture is large.
func TestBuilt(t *testing.T) {
	program := filepath.Join(t.TempDir(), "pksa-qr")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	one := map[image.Point]image.Image{image.Pt(900, 300): code(t, link, 300)}
	for _, size := range []image.Point{{1600, 1000}, {8192, maxPixels / 8192}} {
		var file bytes.Buffer
		fast := png.Encoder{CompressionLevel: png.BestSpeed}
		if err := fast.Encode(&file, screen(size.X, size.Y, one)); err != nil {
			t.Fatal(err)
		}
		for threads := range 2 {
			cmd := exec.Command(program)
			cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", 1+3*threads))
			cmd.Stdin = bytes.NewReader(file.Bytes())
			out, err := cmd.Output()
			if want := "codes\n" + strconv.Quote(link) + "\n"; err != nil || string(out) != want {
				t.Errorf("%v, %d: %v, %d bytes", size, threads, err, len(out))
			}
		}
	}
}
