// Package qr draws QR codes of short texts for terminals: [Draw].
package qr

import (
	"errors"
	"strings"
)

const (
	// Most is how long a text may be, in bytes: what a code of version 6 holds.
	Most = 134
	// Columns is how wide a code may be, in columns of a terminal.
	Columns = 49
)

// version is a size of code with correction level L, after ISO/IEC 18004, tables 7 and 9.
type version struct {
	data, correction int // codewords of a block
	blocks           int
	align            int // row and column of the alignment pattern; 0: there is none
}

var versions = []version{{19, 7, 1, 0}, {34, 10, 1, 18}, {55, 15, 1, 22}, {80, 20, 1, 26}, {108, 26, 1, 30},
	{68, 18, 2, 34}}

// code is the modules of a code. A fixed module is a part of a pattern, and holds no data.
type code struct {
	size        int
	dark, fixed [][]bool
}

// Draw returns the code of a text in lines of half blocks, two rows of modules a line, with the
// quiet zone around it. It draws what is light, so that it reads right where letters are light on
// dark; where they are not, most readers take it all the same. A text that is empty or longer than
// [Most] is an error.
func Draw(text string) (string, error) {
	c, err := encode(text)
	if err != nil {
		return "", err
	}
	const quiet = 4
	light := func(row, column int) bool {
		row, column = row-quiet, column-quiet
		return row < 0 || column < 0 || row >= c.size || column >= c.size || !c.dark[row][column]
	}
	var b strings.Builder
	for row := 0; row < c.size+2*quiet; row += 2 {
		for column := range c.size + 2*quiet {
			switch upper, lower := light(row, column), light(row+1, column); {
			case upper && lower:
				b.WriteString("█")
			case upper:
				b.WriteString("▀")
			case lower:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

func encode(text string) (*code, error) {
	if text == "" || len(text) > Most {
		return nil, errors.New("the text is empty, or too long for a QR code")
	}
	number := 0
	for versions[number].data*versions[number].blocks < len(text)+2 {
		number++
	}
	v := versions[number]
	c := newCode(17+4*(number+1), v)
	c.place(v.codewords(text))
	return c, nil
}

// codewords returns what a code holds: the text with its length, and what corrects errors.
func (v version) codewords(text string) []byte {
	// The mode (four bits, 0100), the length (eight), the text and the end (0000) lie across bytes.
	all := make([]byte, 0, v.data*v.blocks)
	carry := byte(4)
	for _, b := range append([]byte{byte(len(text))}, text...) {
		all = append(all, carry<<4|b>>4)
		carry = b & 15
	}
	all = append(all, carry<<4)
	for pad := byte(0xec); len(all) < v.data*v.blocks; pad ^= 0xec ^ 0x11 {
		all = append(all, pad)
	}
	// Blocks stand interleaved: the first byte of each, then the second.
	var out []byte
	for i := range v.data {
		for block := range v.blocks {
			out = append(out, all[block*v.data+i])
		}
	}
	corrections := make([][]byte, v.blocks)
	for block := range corrections {
		corrections[block] = correction(all[block*v.data:][:v.data], v.correction)
	}
	for i := range v.correction {
		for _, of := range corrections {
			out = append(out, of[i])
		}
	}
	return out
}

// correction returns the Reed-Solomon codewords of a block: the remainder of its division by the
// product of (x - 2^i).
func correction(data []byte, count int) []byte {
	divisor := make([]byte, count) // without its first coefficient, which is 1
	divisor[count-1] = 1
	root := byte(1)
	for range count {
		for i := range divisor {
			divisor[i] = times(divisor[i], root)
			if i+1 < count {
				divisor[i] ^= divisor[i+1]
			}
		}
		root = times(root, 2)
	}
	rest := make([]byte, count)
	for _, b := range data {
		factor := b ^ rest[0]
		copy(rest, rest[1:])
		rest[count-1] = 0
		for i := range rest {
			rest[i] ^= times(divisor[i], factor)
		}
	}
	return rest
}

// times multiplies in the field of 256 elements modulo x^8 + x^4 + x^3 + x^2 + 1.
func times(a, b byte) (product byte) {
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			product ^= a
		}
		high := a & 0x80
		if a <<= 1; high != 0 {
			a ^= 0x1d
		}
	}
	return product
}

// newCode returns a code with its patterns.
func newCode(size int, v version) *code {
	c := &code{size: size, dark: make([][]bool, size), fixed: make([][]bool, size)}
	for i := range size {
		c.dark[i], c.fixed[i] = make([]bool, size), make([]bool, size)
	}
	for i := range size { // timing
		c.set(6, i, i%2 == 0)
		c.set(i, 6, i%2 == 0)
	}
	for _, at := range [][2]int{{3, 3}, {3, size - 4}, {size - 4, 3}} { // finders, with their light borders
		for row := -4; row <= 4; row++ {
			for column := -4; column <= 4; column++ {
				ring := max(row, -row, column, -column)
				c.set(at[0]+row, at[1]+column, ring != 2 && ring != 4)
			}
		}
	}
	if v.align > 0 {
		for row := -2; row <= 2; row++ {
			for column := -2; column <= 2; column++ {
				c.set(v.align+row, v.align+column, max(row, -row, column, -column) != 1)
			}
		}
	}
	c.format()
	return c
}

// set sets a module of a pattern; what is outside is passed over.
func (c *code) set(row, column int, dark bool) {
	if row >= 0 && column >= 0 && row < c.size && column < c.size {
		c.dark[row][column], c.fixed[row][column] = dark, true
	}
}

// format sets the modules that name correction level L and mask 0, both with their own correction.
// These 15 bits are those of ISO/IEC 18004, table C.1.
func (c *code) format() {
	const bits = 0b111011111000100
	bit := func(i int) bool { return bits>>i&1 == 1 }
	for i := range 15 {
		switch { // around the finder at the upper left
		case i < 6:
			c.set(i, 8, bit(i))
		case i < 8:
			c.set(i+1, 8, bit(i))
		case i == 8:
			c.set(8, 7, bit(i))
		default:
			c.set(8, 14-i, bit(i))
		}
		if i < 8 { // and once more, beside the two others
			c.set(8, c.size-1-i, bit(i))
		} else {
			c.set(c.size-15+i, 8, bit(i))
		}
	}
	c.set(c.size-8, 8, true)
}

// place fills in the codewords, upwards and downwards in columns of two from the right, under mask
// 0. Any mask can be read; choosing the best one matters for large codes.
func (c *code) place(words []byte) {
	at := 0
	for right := c.size - 1; right > 0; right -= 2 {
		if right == 6 { // the column of the timing pattern
			right = 5
		}
		for step := range c.size {
			row := step
			if (right+1)&2 == 0 {
				row = c.size - 1 - step
			}
			for column := right; column > right-2; column-- {
				if c.fixed[row][column] {
					continue
				}
				dark := at < len(words)*8 && words[at/8]>>(7-at%8)&1 == 1
				c.dark[row][column] = dark != ((row+column)%2 == 0)
				at++
			}
		}
	}
}
