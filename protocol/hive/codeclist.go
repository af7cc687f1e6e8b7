package hive

import (
	"cmp"
	"encoding/binary"
	"errors"

	"pksa/protocol/sorts"
)

// Sets and maps: the node sorts them before it packs them, so the sorted form is signed (tx §3.1).
// The same entry twice is refused; the node would keep the first.

var (
	errRepeated = errors.New("an entry comes twice")
	errUnsorted = errors.New("the entries are not in ascending order")
)

// ascending returns an error unless each item is above the one before it.
func ascending[T any](items []T, compare func(a, b T) int) error {
	for i := 1; i < len(items); i++ {
		switch c := compare(items[i-1], items[i]); {
		case c == 0:
			return errRepeated
		case c > 0:
			return errUnsorted
		}
	}
	return nil
}

func sorted[T any](r *jsonReader, items []T, compare func(a, b T) int) []T {
	sorts.By(items, compare)
	if err := ascending(items, compare); err != nil {
		r.fail(err)
	}
	return items
}

func checkAscending[T any](u *unpacker, items []T, compare func(a, b T) int) []T {
	if err := ascending(items, compare); err != nil {
		u.fail(err)
	}
	return items
}

// accountSetCodec is a set of accounts.
type accountSetCodec struct{}

func (accountSetCodec) typeName() string { return "set of account" }

func (accountSetCodec) parse(r *jsonReader) Value {
	names := []AccountName{}
	r.list(func() { names = append(names, accountCodec{}.parse(r).(AccountName)) })
	return sorted(r, names, cmp.Compare[AccountName])
}

func (accountSetCodec) write(dst []byte, v Value, _ *Network) []byte {
	dst = append(dst, '[')
	for i, name := range v.([]AccountName) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, string(name))
	}
	return append(dst, ']')
}

func (accountSetCodec) pack(dst []byte, v Value, _ *Network) []byte {
	names := v.([]AccountName)
	dst = binary.AppendUvarint(dst, uint64(len(names)))
	for _, name := range names {
		dst = appendText(dst, string(name))
	}
	return dst
}

func (accountSetCodec) unpack(u *unpacker) Value {
	names := make([]AccountName, u.count(1))
	for i := range names {
		names[i] = u.account(false)
	}
	return checkAscending(u, names, cmp.Compare[AccountName])
}

// intsCodec is a list of integers. With ascending it is a set, which the node refuses unless it is
// sorted.
type intsCodec struct {
	name      string
	item      intCodec
	ascending bool
}

func (c intsCodec) typeName() string { return c.name }

func (c intsCodec) parse(r *jsonReader) Value {
	items := []int64{}
	r.list(func() { items = append(items, c.item.parse(r).(int64)) })
	if err := c.check(items); err != nil {
		r.fail(err)
	}
	return items
}

func (c intsCodec) check(items []int64) error {
	if !c.ascending {
		return nil
	}
	return ascending(items, cmp.Compare[int64])
}

func (c intsCodec) write(dst []byte, v Value, _ *Network) []byte {
	dst = append(dst, '[')
	for i, item := range v.([]int64) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONInt(dst, item)
	}
	return append(dst, ']')
}

func (c intsCodec) pack(dst []byte, v Value, n *Network) []byte {
	items := v.([]int64)
	dst = binary.AppendUvarint(dst, uint64(len(items)))
	for _, item := range items {
		dst = c.item.pack(dst, item, n)
	}
	return dst
}

func (c intsCodec) unpack(u *unpacker) Value {
	items := make([]int64, u.count(c.item.size))
	for i := range items {
		items[i] = c.item.unpack(u).(int64)
	}
	if err := c.check(items); err != nil {
		u.fail(err)
	}
	return items
}
