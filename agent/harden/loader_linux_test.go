package harden

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"testing"
)

// program returns a program of one kind with a table of two parts, of which the second one names a
// loader.
func program(wide bool, order binary.ByteOrder, loader string) []byte {
	b := make([]byte, 512)
	copy(b, "\x7fELF")
	b[4], b[5], b[6] = 1, 1, 1
	if order == binary.BigEndian {
		b[5] = 2
	}
	const table, name = 128, 400
	copy(b[name:], loader)
	order.PutUint16(b[16:], uint16(elf.ET_DYN))
	order.PutUint16(b[18:], uint16(elf.EM_386))
	order.PutUint32(b[20:], 1)
	if wide {
		b[4] = 2
		order.PutUint64(b[32:], table)
		order.PutUint16(b[52:], 64)
		order.PutUint16(b[54:], 56)
		order.PutUint16(b[56:], 2)
		second := b[table+56:]
		order.PutUint32(b[table:], uint32(elf.PT_LOAD))
		order.PutUint32(second, uint32(elf.PT_INTERP))
		order.PutUint64(second[8:], name)
		order.PutUint64(second[32:], uint64(len(loader)))
		return b
	}
	order.PutUint32(b[28:], table)
	order.PutUint16(b[40:], 52)
	order.PutUint16(b[42:], 32)
	order.PutUint16(b[44:], 2)
	second := b[table+32:]
	order.PutUint32(b[table:], uint32(elf.PT_LOAD))
	order.PutUint32(second, uint32(elf.PT_INTERP))
	order.PutUint32(second[4:], name)
	order.PutUint32(second[16:], uint32(len(loader)))
	return b
}

// loaderByLibrary is how Go's own library finds it.
func loaderByLibrary(t *testing.T, b []byte) string {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			name, err := io.ReadAll(p.Open())
			if err != nil {
				t.Fatal(err)
			}
			return string(bytes.TrimRight(name, "\x00"))
		}
	}
	return ""
}

// The loader of a program is found as debug/elf finds it, which is too large to be linked for that.
func TestLoaderOf(t *testing.T) {
	const loader = "/lib/ld.so\x00"
	for _, wide := range []bool{false, true} {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			b := program(wide, order, loader)
			if want, got := loaderByLibrary(t, b), loaderOf(bytes.NewReader(b)); got != want || got != "/lib/ld.so" {
				t.Errorf("64 bits %t, %v: %q, want %q", wide, order, got, want)
			}
		}
	}
	for _, path := range []string{"/bin/sh", os.Args[0]} { // dynamically linked, and static
		b, err := os.ReadFile(path)
		if err != nil {
			t.Skip(err)
		}
		if want, got := loaderByLibrary(t, b), loaderOf(bytes.NewReader(b)); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// What is no program, or a broken one, has no loader, and takes no more than the bytes of a path.
func FuzzLoaderOf(f *testing.F) {
	f.Add([]byte("#!/bin/sh\n"))
	f.Add([]byte("\x7fELF"))
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		f.Add(program(true, order, "/lib/ld.so\x00"))
		f.Add(program(false, order, "/lib/ld.so\x00"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if name := loaderOf(bytes.NewReader(b)); len(name) > 4096 {
			t.Errorf("%d bytes", len(name))
		}
	})
}
