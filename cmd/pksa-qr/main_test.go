package main

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

var update = flag.Bool("update", false, "write the pictures of the tests of pksa")

// pictures are where the tests of pksa have theirs.
const pictures = "../pksa/testdata/pictures/"

// link is a whole pairing link, as long as those that applications show; its key is of no session.
const link = "has://auth_req/eyJhY2NvdW50IjoiYWxpY2UiLCJ1dWlkIjoiMGYyYjdjMWUtOGEzZC00YzU1LTliMjEtNmQwZTVmNGE3YzM5I" +
	"iwia2V5IjoiM2Q5ZTFhNDQtMmMwNy00Zjg4LWI2ZTUtNzFhMmM4ZDA0NTliIiwiaG9zdCI6IndzczovL3JlbGF5LmV4YW1wbGUifQ=="

// code draws a text as a QR code with a border.
func code(t testing.TB, text string, side int) image.Image {
	t.Helper()
	matrix, err := qrcode.NewQRCodeWriter().Encode(text, gozxing.BarcodeFormat_QR_CODE, side, side, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := image.NewGray(image.Rect(0, 0, matrix.GetWidth(), matrix.GetHeight()))
	for y := range matrix.GetHeight() {
		for x := range matrix.GetWidth() {
			if !matrix.Get(x, y) {
				p.SetGray(x, y, color.Gray{255})
			}
		}
	}
	return p
}

// screen draws pictures on a desk full of other things: windows, and lines as of text.
func screen(width, height int, at map[image.Point]image.Image) *image.RGBA {
	p := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(p, p.Bounds(), image.NewUniform(color.RGBA{30, 60, 90, 255}), image.Point{}, draw.Src)
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		x, y := r.IntN(width), r.IntN(height)
		shade := color.RGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}
		draw.Draw(p, image.Rect(x, y, x+20+r.IntN(300), y+2+r.IntN(60)), image.NewUniform(shade), image.Point{},
			draw.Src)
	}
	for point, q := range at {
		draw.Draw(p, q.Bounds().Add(point), q, q.Bounds().Min, draw.Src)
	}
	return p
}

func inverted(p image.Image) image.Image {
	q := image.NewRGBA(p.Bounds())
	for y := range q.Bounds().Dy() {
		for x := range q.Bounds().Dx() {
			r, _, _, _ := p.At(x, y).RGBA()
			q.Set(x, y, color.Gray{255 - uint8(r>>8)})
		}
	}
	return q
}

func turned(p image.Image) image.Image {
	q := image.NewRGBA(image.Rect(0, 0, p.Bounds().Dy(), p.Bounds().Dx()))
	for y := range p.Bounds().Dy() {
		for x := range p.Bounds().Dx() {
			q.Set(p.Bounds().Dy()-1-y, x, p.At(x, y))
		}
	}
	return q
}

func asPNG(t testing.TB, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asJPEG(t testing.TB, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, p, &jpeg.Options{Quality: 60}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFindsCodes(t *testing.T) {
	one := map[image.Point]image.Image{image.Pt(900, 300): code(t, link, 300)}
	two := map[image.Point]image.Image{image.Pt(100, 100): code(t, link, 300), image.Pt(900, 300): code(t,
		"other", 200)}
	for name, c := range map[string]struct {
		file []byte
		want []string
	}{
		"the code alone":         {asPNG(t, code(t, link, 300)), []string{link}},
		"its modules are pixels": {asPNG(t, code(t, link, 0)), []string{link}},
		"a screenshot":           {asPNG(t, screen(1600, 900, one)), []string{link}},
		"a photograph":           {asJPEG(t, screen(1600, 900, one)), []string{link}},
		"a dark page": {asPNG(t, screen(1600, 900, map[image.Point]image.Image{
			image.Pt(900, 300): inverted(code(t, link, 300))})), []string{link}},
		"turned":    {asPNG(t, turned(screen(1600, 900, one))), []string{link}},
		"two codes": {asPNG(t, screen(1600, 900, two)), []string{link, "other"}},
		"none":      {asPNG(t, screen(800, 600, nil)), nil},
		"tiny":      {asPNG(t, image.NewGray(image.Rect(0, 0, 1, 1))), nil},
	} {
		codes, err := find(bytes.NewReader(c.file))
		slices.Sort(codes)
		slices.Sort(c.want)
		if err != nil || !slices.Equal(codes, c.want) {
			t.Errorf("%s: %d codes, %v", name, len(codes), err)
		}
	}
}

// header returns the beginning of a PNG that says how large it is, and nothing of its pixels.
func header(width, height uint32) []byte {
	chunk := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)...)
	chunk = append(chunk, 8, 2, 0, 0, 0)
	file := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	return binary.BigEndian.AppendUint32(append(file, chunk...), crc32.ChecksumIEEE(chunk))
}

// What is too large is refused before it is decoded, and nothing that is broken ends the program.
func TestRefusesPictures(t *testing.T) {
	whole := asPNG(t, code(t, link, 300))
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"a bomb":              {header(30_000, 30_000), errPixels},
		"a long one":          {header(1, 1<<30), errPixels},
		"too large a file":    {append(slices.Clone(whole), make([]byte, maxFile)...), errSize},
		"no picture":          {[]byte("has://auth_req/"), errFormat},
		"nothing":             {nil, errFormat},
		"cut":                 {whole[:len(whole)/2], errBroken},
		"cut in the header":   {whole[:20], errBroken},
		"its pixels are gone": {header(100, 100), errBroken},
		"a column fewer":      {header(1<<15-1, 1), errBroken},
		"as wide as may be":   {header(1<<15, 1), errBroken}, // by its header it may be decoded
		"too wide":            {header(1<<15+1, 1), errPixels},
		"a row fewer":         {header(1<<15, 40<<20>>15-1), errBroken},
		"as many as may be":   {header(1<<15, 40<<20>>15), errBroken},
		"a row too many":      {header(1<<15, 40<<20>>15+1), errPixels},
		"one byte too many":   {append(slices.Clone(whole), make([]byte, maxFile+1-len(whole))...), errSize},
	} {
		if codes, err := find(bytes.NewReader(c.file)); err != c.want || codes != nil {
			t.Errorf("%s: %d codes, %v", name, len(codes), err)
		}
	}
	for _, size := range []int{maxFile - 1, maxFile} {
		file := append(slices.Clone(whole), make([]byte, size-len(whole))...)
		if codes, err := find(bytes.NewReader(file)); err != nil || len(codes) != 1 {
			t.Errorf("a file of %d bytes: %d codes, %v", size, len(codes), err)
		}
	}
}

// Of as many codes as are taken each one is; one more is left out.
func TestCodesOfAPicture(t *testing.T) {
	for _, n := range []int{maxCodes - 1, maxCodes, maxCodes + 1} {
		all := map[image.Point]image.Image{}
		for i := range n {
			all[image.Pt(20+i%5*140, 20+i/5*140)] = code(t, fmt.Sprint("code ", i), 100)
		}
		codes, err := find(bytes.NewReader(asPNG(t, screen(740, 600, all))))
		if err != nil || len(codes) != min(n, maxCodes) {
			t.Errorf("of %d codes %d are taken, %v", n, len(codes), err)
		}
	}
}

// The pictures that pksa is tested with.
func TestPictures(t *testing.T) {
	other := strings.Replace(link, "auth_req/eyJhY2NvdW50IjoiYWxpY2Ui", "auth_req/eyJhY2NvdW50IjoiYm9iIiAg", 1)
	for name, p := range map[string]image.Image{
		"link.png":  screen(640, 400, map[image.Point]image.Image{image.Pt(300, 60): code(t, link, 250)}),
		"none.png":  screen(320, 200, nil),
		"other.png": code(t, "https://shop.example", 120),
		"mixed.png": screen(700, 400, map[image.Point]image.Image{image.Pt(20, 60): code(t, link, 250),
			image.Pt(400, 60): code(t, "https://shop.example", 150)}),
		"two.png": screen(700, 400, map[image.Point]image.Image{image.Pt(20, 60): code(t, link, 250),
			image.Pt(400, 60): code(t, other, 250)}),
	} {
		file := asPNG(t, p)
		if *update {
			if err := os.WriteFile(pictures+name, file, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if kept, err := os.ReadFile(pictures + name); err != nil || len(kept) == 0 {
			t.Errorf("%s: %v; -update writes it", name, err)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add(asPNG(f, code(f, link, 100)))
	f.Add(asJPEG(f, code(f, link, 100)))
	f.Add(header(50, 50))
	f.Fuzz(func(t *testing.T, file []byte) {
		if config, _, err := image.DecodeConfig(bytes.NewReader(file)); err == nil &&
			config.Width*config.Height > 1<<16 {
			return // slow, and no other path
		}
		if codes, err := find(bytes.NewReader(file)); err != nil && codes != nil {
			t.Errorf("%d codes with %v", len(codes), err)
		}
	})
}
