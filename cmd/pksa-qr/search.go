package main

import (
	"image"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/multi/qrcode"
	single "github.com/makiuchi-d/gozxing/qrcode"
)

// gray is a picture without colours, a byte for each pixel.
type gray struct {
	width, height int
	pixels        []byte
}

// brightness turns a picture into grays. What is transparent becomes white, as pages show it.
func brightness(p image.Image) gray {
	b := p.Bounds()
	g := gray{b.Dx(), b.Dy(), make([]byte, b.Dx()*b.Dy())}
	at := func(x, y int) (r, g, b, a uint32) { return p.At(x, y).RGBA() }
	if fast, ok := p.(image.RGBA64Image); ok {
		at = func(x, y int) (r, g, b, a uint32) {
			c := fast.RGBA64At(x, y)
			return uint32(c.R), uint32(c.G), uint32(c.B), uint32(c.A)
		}
	}
	i := 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			red, green, blue, alpha := at(x, y) // times alpha already
			g.pixels[i] = byte(((red+2*green+blue)/4 + 0xffff - alpha) >> 8)
			i++
		}
	}
	return g
}

// part returns a window of the picture.
func (g gray) part(left, top, width, height int) gray {
	w := gray{width, height, make([]byte, 0, width*height)}
	for y := range height {
		begin := (top+y)*g.width + left
		w.pixels = append(w.pixels, g.pixels[begin:begin+width]...)
	}
	return w
}

// half returns the picture at half its size. A photograph of a screen shows the code's modules
// better so.
func (g gray) half() gray {
	h := gray{g.width / 2, g.height / 2, make([]byte, 0, g.width/2*(g.height/2))}
	for y := range h.height {
		for x := range h.width {
			i := 2*y*g.width + 2*x
			sum := int(g.pixels[i]) + int(g.pixels[i+1]) + int(g.pixels[i+g.width]) + int(g.pixels[i+g.width+1])
			h.pixels = append(h.pixels, byte(sum/4))
		}
	}
	return h
}

// double returns the picture at twice its size, for codes whose modules are a pixel wide.
func (g gray) double() gray {
	d := gray{2 * g.width, 2 * g.height, make([]byte, 0, 4*g.width*g.height)}
	for y := range d.height {
		for x := range d.width {
			d.pixels = append(d.pixels, g.pixels[y/2*g.width+x/2])
		}
	}
	return d
}

// smallest is the side of the smallest picture that can hold a code: one of 21 modules.
const smallest = 21

// search returns the texts of the codes in a picture. It looks at the whole first, then at other
// sizes, then at windows of it, and ends with the first step that finds any, or with its time: a
// code that shows in no step is not found, and more than one in a step are all returned.
func search(g gray, until time.Time) (codes []string) {
	steps := []func() []gray{
		func() []gray { return []gray{g} },
		func() []gray {
			if g.width > 1000 || g.height > 1000 {
				return []gray{g.half(), g.half().half()}
			}
			return []gray{g.double()}
		},
		func() (windows []gray) {
			width, height := g.width/2, g.height/2
			for i := range 9 { // each reaches into its neighbours, so that no border cuts all
				windows = append(windows, g.part(i%3*width/2, i/3*height/2, width, height))
			}
			return windows
		},
	}
	for _, step := range steps {
		for _, view := range step() {
			if view.width < smallest || view.height < smallest {
				continue
			}
			for way := range ways {
				if time.Now().After(until) {
					return codes
				}
				codes = append(codes, view.decode(way)...)
			}
		}
		if len(codes) > 0 {
			break
		}
	}
	return codes
}

// ways is the number of ways in which one picture is read: with a threshold for each place or one
// for all, and as it is or inverted, as pages with a dark background show their codes.
const ways = 4

// decode reads the codes of a picture in one of the ways.
func (g gray) decode(way int) (codes []string) {
	var source gozxing.LuminanceSource = gozxing.NewLuminanceSourceFromImage(
		&image.Gray{Pix: g.pixels, Stride: g.width, Rect: image.Rect(0, 0, g.width, g.height)})
	if way&2 != 0 {
		source = source.Invert()
	}
	binarizer := gozxing.NewHybridBinarizer(source)
	if way&1 != 0 {
		binarizer = gozxing.NewGlobalHistgramBinarizer(source)
	}
	bitmap, err := gozxing.NewBinaryBitmap(binarizer)
	if err != nil {
		return nil
	}
	hints := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true}
	if found, err := qrcode.NewQRCodeMultiReader().DecodeMultiple(bitmap, hints); err == nil {
		for _, r := range found {
			codes = append(codes, r.GetText())
		}
	}
	// It sees codes that the other one overlooks, one at a time.
	if r, err := single.NewQRCodeReader().Decode(bitmap, hints); err == nil {
		codes = append(codes, r.GetText())
	}
	return codes
}
