// Program pksa-qr finds the QR codes in a picture. `pksa pair FILE` runs it, so that no picture is
// read by the program that talks to the wallet: it takes the picture from standard input, opens no
// file and no connection, and knows of no keystore. A code may be the secret of a session, so what
// it finds goes to standard output alone.
//
// Its first line of output is "codes", with a quoted text in each line after it, or one of the
// problems below.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // the two formats that it reads
	_ "image/png"
	"io"
	"os"
	"slices"
	"strconv"
	"time"
)

// The bounds of one picture. What decodes it may be led to take much more memory and time than the
// file has bytes, so the number of its pixels is looked at before that.
const (
	maxFile   = 32 << 20 // bytes
	maxPixels = 40 << 20 // the screens of the largest desks have 30 million
	maxSide   = 1 << 15
	maxCodes  = 16
	maxText   = 4096 // bytes; a QR code holds 2,953
	// patience bounds the search, which tries a picture in several ways until one shows a code.
	patience = 8 * time.Second
)

// What may be wrong with a picture, as pksa reads it.
var (
	errSize   = errors.New("size")   // too large a file
	errPixels = errors.New("pixels") // too large a picture
	errFormat = errors.New("format") // neither PNG nor JPEG
	errBroken = errors.New("broken") // not to be decoded
)

func main() {
	confine()
	codes, err := find(os.Stdin)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("codes")
	for _, code := range codes {
		fmt.Println(strconv.Quote(code))
	}
}

// find returns the texts of the codes in a picture, each once. The libraries that decode it are
// other people's: a panic of theirs is a broken picture.
func find(from io.Reader) (codes []string, err error) {
	defer func() {
		if recover() != nil {
			codes, err = nil, errBroken
		}
	}()
	file, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	switch {
	case err != nil:
		return nil, errBroken
	case len(file) > maxFile:
		return nil, errSize
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(file))
	switch {
	case errors.Is(err, image.ErrFormat):
		return nil, errFormat
	case err != nil:
		return nil, errBroken
	case size.Width <= 0 || size.Height <= 0 || size.Width > maxSide || size.Height > maxSide ||
		size.Width*size.Height > maxPixels:
		return nil, errPixels
	}
	picture, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, errBroken
	}
	for _, code := range search(brightness(picture), time.Now().Add(patience)) {
		if len(code) <= maxText && len(codes) < maxCodes && !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return codes, nil
}
