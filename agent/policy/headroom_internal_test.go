package policy

import (
	"math"
	"math/big"
	"testing"
)

// Room goes outwards, never across zero, and never beyond what a vote can weigh.
func TestHeadroom(t *testing.T) {
	for _, c := range []struct {
		room      headroom
		shape     *shape
		number    string
		parts     bool
		low, high string
	}{
		{10, jsonShape, "0.5", false, "0.45", "0.55"},
		{10, jsonShape, "0.0003", false, "0.00027", "0.00033"},
		{10, jsonShape, "12.5", false, "11.25", "13.75"},
		{33, jsonShape, "0.1", false, "0.067", "0.133"},
		{1, jsonShape, "0.001", false, "0.00099", "0.00101"},
		{1, jsonShape, "0.0111", false, "0.010989", "0.011211"},
		{10, jsonShape, "3", false, "2", "4"},
		{10, jsonShape, "3", true, "2.7", "3.3"},
		{10, jsonShape, "-3", true, "-3.3", "-2.7"},
		{33, jsonShape, "-3", false, "-4", "-2"},
		{100, jsonShape, "3", false, "0", "6"},
		{100, jsonShape, "-3", false, "-6", "0"},
		{10, jsonShape, "0", false, "0", "0"},
		{0, jsonShape, "7", false, "7", "7"},
		{10, jsonShape, "99999", false, "89999", "109999"},
		{10, jsonShape, "100000", false, "100000", "100000"}, // a name, a block or a time
		{10, percentShape, "5000", false, "4500", "5500"},
		{10, percentShape, "9999", false, "8999", "10000"},
		{10, percentShape, "-9999", false, "-10000", "-8999"},
	} {
		n, ok := parseDecimal(c.number)
		if !ok {
			t.Fatal(c.number)
		}
		low, high := c.room.outwards(c.shape, n, false, c.parts), c.room.outwards(c.shape, n, true, c.parts)
		if low.String() != c.low || high.String() != c.high {
			t.Errorf("%s with %d%%: %v to %v, want %s to %s", c.number, c.room, low, high, c.low, c.high)
		}
	}
	for _, c := range []struct{ units, most, least int64 }{
		{1, 2, 0}, {1000, 1100, 900}, {1001, 1102, 900}, {math.MaxInt64 - 1, math.MaxInt64, 8301034833169298225},
	} {
		if most, least := headroom(10).amount(c.units, true), headroom(10).amount(c.units, false); most != c.most ||
			least != c.least {
			t.Errorf("%d: %d and %d, want %d and %d", c.units, most, least, c.most, c.least)
		}
	}
	if got := headroom(10).beyond(big.NewRat(-1, 3), false).RatString(); got != "-11/30" {
		t.Error(got)
	}
}

// A long list in an operation takes a bounded time.
func TestCombinationsOfManyElements(t *testing.T) {
	many := make([]string, 100)
	if got := len(combined(many, many)); got != mostCame {
		t.Errorf("%d combinations, want %d", got, mostCame)
	}
	if got := len(combined(many[:10], many[:10])); got != 100 {
		t.Errorf("%d combinations, want 100", got)
	}
}
