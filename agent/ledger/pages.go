package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"

	"pksa/keystore/filelock"
)

// bbolt believes its pages: on one that reads wrong it panics, also in goroutines of its own,
// follows a circle for ever, or reads beyond the file. So every page in use is looked at before
// bbolt opens the file, by the rules of its format, version 2 (internal/common in its source).
// Values are not looked at here; they are sealed.

const (
	pageHeader  = 16 // id u64, flags u16, count u16, overflow u32
	pageElement = 16 // branch: pos u32, ksize u32, page u64; leaf: flags u32, pos u32, ksize u32, vsize u32
	metaSize    = 64 // magic, version, page size, flags: u32; root page, sequence, freelist, end, txid, checksum: u64
	metaMagic   = 0xED0CDAED

	flagBranch = 0x01
	flagLeaf   = 0x02
	flagBucket = 0x01 // of a leaf element
)

var order = binary.NativeEndian // as bbolt

// pageCheck is one look at a file.
type pageCheck struct {
	file io.ReaderAt
	size uint64   // of a page
	end  uint64   // pages at and beyond it are not in use
	seen []uint64 // a bit for each page that was read
}

// checkFile checks the pages of a ledger file, under the lock of the file. ErrLocked, ErrDamaged.
func checkFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	// This is bbolt's own lock: nobody writes while the pages are looked at.
	if err := filelock.RLock(f); err != nil {
		return fmt.Errorf("%q: %w", path, ErrLocked)
	}
	defer func() { _ = filelock.Unlock(f) }()
	if err := checkPages(f); err != nil {
		return fmt.Errorf("%w: %q: %v; %s", ErrDamaged, path, err, restoreHint)
	}
	return nil
}

var errPage = errors.New("page reads wrong")

func checkPages(f io.ReaderAt) error {
	root, c, ok := newestMeta(f)
	if !ok {
		return errors.New("it has no valid meta page")
	}
	return c.tree(root, nil, nil)
}

// newestMeta finds the meta page that is in force and returns its root page.
func newestMeta(f io.ReaderAt) (root uint64, c pageCheck, ok bool) {
	var newest uint64
	try := func(at int64) uint64 {
		page := make([]byte, pageHeader+metaSize)
		if _, err := f.ReadAt(page, at); err != nil {
			return 0
		}
		m := page[pageHeader:]
		sum := fnv.New64a()
		_, _ = sum.Write(m[:56])
		size := uint64(order.Uint32(m[8:]))
		valid := order.Uint32(m) == metaMagic && order.Uint64(m[56:]) == sum.Sum64() && size >= 1024 && size <= 1<<16
		if txid := order.Uint64(m[48:]); valid && (!ok || txid > newest) {
			ok, newest, root = true, txid, order.Uint64(m[16:])
			c = pageCheck{file: f, size: size, end: order.Uint64(m[40:])}
		}
		return size
	}
	size := try(0)
	if !ok {
		size = uint64(os.Getpagesize())
	}
	try(int64(size))
	return root, c, ok
}

// tree checks a page and all pages below it. The keys of the page are at or above low and below
// high; nil is no bound.
func (c *pageCheck) tree(id uint64, low, high []byte) error {
	page, err := c.read(id)
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	elements, err := parseElements(page, low, high)
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	for i, e := range elements {
		switch {
		case e.branch:
			next := high
			if i+1 < len(elements) {
				next = elements[i+1].key
			}
			err = c.tree(e.page, e.key, next)
		case e.bucket:
			err = c.bucket(e.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket checks a bucket within a bucket. Its value is the root page and a sequence; if the root
// page is zero, a small page follows.
func (c *pageCheck) bucket(value []byte) error {
	if len(value) < 16 {
		return errPage
	}
	if root := order.Uint64(value); root != 0 {
		return c.tree(root, nil, nil)
	}
	elements, err := parseElements(value[16:], nil, nil)
	for _, e := range elements {
		if e.branch || e.bucket {
			return errPage
		}
	}
	return err
}

// read reads a page and its overflow. It refuses a page that was read before.
func (c *pageCheck) read(id uint64) ([]byte, error) {
	head := make([]byte, pageHeader)
	if id < 2 || id >= c.end {
		return nil, errPage
	}
	if _, err := c.file.ReadAt(head, int64(id*c.size)); err != nil {
		return nil, err
	}
	more := uint64(order.Uint32(head[12:]))
	if order.Uint64(head) != id || more >= c.end-id {
		return nil, errPage
	}
	// The file has all of it, or no room is made.
	if _, err := c.file.ReadAt(head[:1], int64((id+more+1)*c.size)-1); err != nil {
		return nil, err
	}
	if !c.mark(id, id+more) {
		return nil, errPage // met twice: a circle
	}
	page := make([]byte, (more+1)*c.size)
	_, err := c.file.ReadAt(page, int64(id*c.size))
	return page, err
}

// mark notes that pages are read. It returns false if one of them was read before.
func (c *pageCheck) mark(first, last uint64) bool {
	if n := int(last/64) + 1 - len(c.seen); n > 0 {
		c.seen = append(c.seen, make([]uint64, n)...)
	}
	for id := first; id <= last; id++ {
		bit := uint64(1) << (id % 64)
		if c.seen[id/64]&bit != 0 {
			return false
		}
		c.seen[id/64] |= bit
	}
	return true
}

// element is an entry of a page.
type element struct {
	key    []byte
	branch bool
	page   uint64 // of a branch
	bucket bool
	value  []byte // of a leaf
}

// parseElements reads the entries of a page and checks their order.
func parseElements(page, low, high []byte) ([]element, error) {
	if len(page) < pageHeader {
		return nil, errPage
	}
	flags, count := order.Uint16(page[8:]), int(order.Uint16(page[10:]))
	isBranch := flags == flagBranch
	if !isBranch && flags != flagLeaf || pageHeader+count*pageElement > len(page) || isBranch && count == 0 {
		return nil, errPage
	}
	list := make([]element, count)
	for i := range list {
		e, ok := parseElement(page[pageHeader+i*pageElement:], isBranch)
		below := i > 0 && bytes.Compare(list[max(i-1, 0)].key, e.key) >= 0 || low != nil && bytes.Compare(low,
			e.key) > 0
		if !ok || below || high != nil && bytes.Compare(e.key, high) >= 0 {
			return nil, errPage
		}
		list[i] = e
	}
	return list, nil
}

// parseElement reads the entry at the beginning of b. Positions in the entry count from there.
func parseElement(b []byte, branch bool) (e element, ok bool) {
	e.branch = branch
	var pos, keySize, valueSize uint64
	if branch {
		pos, keySize, e.page = uint64(order.Uint32(b)), uint64(order.Uint32(b[4:])), order.Uint64(b[8:])
	} else {
		e.bucket = order.Uint32(b)&flagBucket != 0
		pos, keySize, valueSize = uint64(order.Uint32(b[4:])), uint64(order.Uint32(b[8:])), uint64(order.Uint32(b[12:]))
	}
	if pos+keySize+valueSize > uint64(len(b)) || keySize == 0 {
		return e, false
	}
	e.key, e.value = b[pos:pos+keySize], b[pos+keySize:pos+keySize+valueSize]
	return e, true
}
