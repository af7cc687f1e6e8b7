package frames

import (
	"strings"
	"testing"
)

// FuzzFrames: however bytes are cut into pieces, and however few frames are taken at once, the same
// number of frames begins in them, and each byte is passed once.
func FuzzFrames(f *testing.F) {
	f.Add("\x89\x00\x89\x00\x81\x02{}", uint8(1))
	f.Add("\x81\x7e\x00\x80"+strings.Repeat("x", 128)+"\x8a\x00", uint8(3))
	f.Add("\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x01x\x81\x81abcdx\x88\x00", uint8(7))
	f.Add("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xffx\x81\x00", uint8(5))
	f.Fuzz(func(t *testing.T, bytes string, size uint8) {
		var whole, pieces Scanner
		n, want := whole.Scan([]byte(bytes), len(bytes)+1)
		if n != len(bytes) {
			t.Fatalf("%d of %d bytes were passed", n, len(bytes))
		}
		got := 0
		for rest := []byte(bytes); len(rest) > 0; {
			n, begun := pieces.Scan(rest[:min(len(rest), int(size)+1)], 1)
			if n == 0 || begun > 1 {
				t.Fatalf("%d bytes were passed, %d frames begin", n, begun)
			}
			got, rest = got+begun, rest[n:]
		}
		if got != want || pieces != whole {
			t.Errorf("%d frames in pieces, %d in the whole", got, want)
		}
	})
}

// The length of a frame is found in each of its forms.
func TestFrames(t *testing.T) {
	for name, c := range map[string]struct {
		bytes string
		begun int
		left  uint64
	}{
		"two empty pings":     {"\x89\x00\x89\x00", 2, 0},
		"half a header":       {"\x89\x00\x89", 2, 0},
		"125 bytes":           {"\x81\x7dx", 1, 124},
		"126 bytes":           {"\x81\x7e\x00\x7ex", 1, 125},
		"65,536 bytes":        {"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00x", 1, 65535},
		"masked":              {"\x81\x81abcdx\x89\x00", 2, 0},
		"more than there are": {"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 1, 1<<64 - 1},
	} {
		var f Scanner
		if n, begun := f.Scan([]byte(c.bytes), 9); n != len(c.bytes) || begun != c.begun || f.left != c.left {
			t.Errorf("%s: %d bytes, %d frames, %d bytes left", name, n, begun, f.left)
		}
	}
}
