package policy

import (
	"slices"
	"time"
)

// grains are the lengths of the slices of time in which charges are added up. Each is a multiple of
// the one before, so that a slice is always part of one longer slice, and all are parts of a day,
// so that slices begin at full minutes and hours.
var grains = [...]time.Duration{
	time.Millisecond, 2 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond,
	200 * time.Millisecond, time.Second, 2 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
	5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour,
}

const (
	// perWindow is how many slices a window has at least: a charge leaves late by a thousandth of
	// the window at most.
	perWindow = 1000
	// perAge is the same beyond the longest window of a limit, where nothing counts as long as the
	// file is not changed: slices are an eighth of their age at most, and a day at most.
	perAge = 8
)

// grainOf returns the length of the slices of a window, in ms.
func grainOf(window time.Duration) int64 {
	longest := grains[0]
	for _, g := range grains {
		if g*perWindow <= window {
			longest = g
		}
	}
	return longest.Milliseconds()
}

// sliceEnd returns the end of the slice that an instant is in. Slices are closed at their end: an
// instant on a full minute is not moved. All in ms.
func sliceEnd(at, grain int64) int64 {
	over := at % grain
	switch {
	case over == 0:
		return at
	case over < 0:
		return at - over
	}
	return at + grain - over
}

// wholeMillis returns an instant in ms, the next one if it is between two.
func wholeMillis(at time.Time) int64 {
	ms := at.UnixMilli()
	if at.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	return ms
}

// ripe finds slices that may be merged into longer ones at an instant without any change of what
// the windows in force hold.
type ripe struct {
	now     int64 // ms
	longest int64 // window of the limit, ms
	i       int   // of the grain that the last answer has
}

func ripeAt(now time.Time, longest time.Duration) ripe {
	return ripe{now.UnixMilli(), longest.Milliseconds(), len(grains) - 1}
}

// end returns the end of the longest slice that a charge may be part of. It is asked in the order
// of time.
func (r *ripe) end(at int64) int64 {
	// What is younger may be part of shorter slices only, so the search goes one way.
	for ; r.i > 0; r.i-- {
		grain := grains[r.i].Milliseconds()
		end := sliceEnd(at, grain)
		// A window with slices that are shorter than this one is shorter than a thousand of this
		// one: the slice has left it for good, and so have all its parts.
		if age := r.now - end; age >= perWindow*grain || age >= r.longest && age >= perAge*grain {
			return end
		}
	}
	return at
}

// Slice returns the longest slice of time around an instant of which nobody can tell any more, now
// or later, when in it something was charged: every window either has slices that are as long, or
// has been left by all of this one. It begins after begin. Charges of one slice may be kept as
// [Sums], at its end. begin and end are the same if the instant is too young for any.
func Slice(at, now time.Time) (begin, end time.Time) {
	ms := wholeMillis(at)
	for _, g := range slices.Backward(grains[:]) {
		grain := g.Milliseconds()
		if end := sliceEnd(ms, grain); now.UnixMilli()-end >= perWindow*grain {
			return time.UnixMilli(end - grain).UTC(), time.UnixMilli(end).UTC()
		}
	}
	return at, at
}
