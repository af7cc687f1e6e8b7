package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// confinedIn names the folder in which a confined process tries what it may not do.
const confinedIn = "PKSA_QR_CONFINED_IN"

// TestMain is the confined process, too: limits that are set cannot be taken back.
func TestMain(m *testing.M) {
	folder := os.Getenv(confinedIn)
	if folder == "" {
		os.Exit(m.Run())
	}
	confine()
	if _, err := os.Open(os.Args[0]); err == nil {
		fmt.Println("opened a file")
	}
	if _, err := os.Create(filepath.Join(folder, "made")); err == nil {
		fmt.Println("made a file")
	}
	if _, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		fmt.Println("opened a connection")
	}
	fmt.Println("done")
	os.Exit(0)
}

// TestConfined: even a decoder that somebody took over reads no file and reaches nobody.
func TestConfined(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), confinedIn+"="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "done\n" {
		t.Errorf("%q, %v", out, err)
	}
}
