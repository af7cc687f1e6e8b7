package places_test

import (
	"fmt"
	"testing"

	"pksa/agent/places"
)

// An app that takes all that it gets leaves each other one its own places, by number and by bytes.
func TestNoisyAppLeavesOthersTheirPlaces(t *testing.T) {
	const size = 10
	table := places.New(places.Room{Requests: 3, Bytes: 25}, places.Room{Requests: 4, Bytes: 1000})
	var leave []func()
	for range 100 {
		if f, ok := table.Take("noisy", size); ok {
			leave = append(leave, f)
		}
	}
	if len(leave) != 2+4 { // the bytes of its own hold two
		t.Fatalf("the noisy app has %d places", len(leave))
	}
	for i := range 9 {
		app := fmt.Sprint("quiet ", i)
		first, ok := table.Take(app, size)
		if _, second := table.Take(app, size); !ok || !second {
			t.Errorf("%s got no place of its own", app)
		}
		if _, third := table.Take(app, size); third {
			t.Errorf("%s got more than its own", app)
		}
		first()
		first() // gives back once
		if _, again := table.Take(app, size); !again {
			t.Errorf("%s did not get its place back", app)
		}
		if _, third := table.Take(app, size); third {
			t.Errorf("%s gave one place back and got two", app)
		}
	}
	leave[len(leave)-1]() // a shared one
	if _, ok := table.Take("late", 26); !ok {
		t.Error("what an app's own bytes do not hold has no place among those that are shared")
	}
	if _, ok := table.Take("late", 26); ok {
		t.Error("a shared place was given twice")
	}
}

// The edges of both bounds.
func TestEdges(t *testing.T) {
	for _, c := range []struct {
		bytes, size int
		ok          bool
	}{{10, 9, true}, {10, 10, true}, {10, 11, false}} {
		table := places.New(places.Room{Requests: 1, Bytes: c.bytes}, places.Room{})
		if _, ok := table.Take("app", c.size); ok != c.ok {
			t.Errorf("%d of %d bytes: %t", c.size, c.bytes, ok)
		}
	}
	for n := 1; n <= 3; n++ {
		table, got := places.New(places.Room{Requests: 2, Bytes: 9}, places.Room{}), 0
		for range n {
			if _, ok := table.Take("app", 1); ok {
				got++
			}
		}
		if got != min(n, 2) {
			t.Errorf("%d of %d got one of 2 places", got, n)
		}
	}
}

func ExampleTable() {
	table := places.New(places.Room{Requests: 1, Bytes: 100}, places.Room{Requests: 1, Bytes: 100})
	table.Take("noisy", 10)
	table.Take("noisy", 10)
	_, third := table.Take("noisy", 10)
	_, other := table.Take("quiet", 10)
	fmt.Println(third, other)
	// Output: false true
}
