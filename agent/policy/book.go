package policy

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Listed is counters that can be shown. [Book] and [Summary] are.
type Listed interface {
	// Used returns what the counter took in the window that ends now, and what took longer to leave
	// it. The caller may change it.
	Used(c Counter, window time.Duration, now time.Time) *big.Rat
	// Latest is the instant of the latest charge; the zero time if there is none.
	Latest() time.Time
	// Splits returns the counters of a limit that took anything, sorted.
	Splits(limit string) []string
}

// Counters is what a policy asks about the past to decide. [Book] is one.
type Counters interface {
	Listed
	// Live reports whether a window still holds anything of one of a limit's counters.
	Live(limit, split string, window time.Duration, now time.Time) bool
	// Opened returns how many counters that an app opened are in use. If they are more than enough,
	// it also returns when the first of them is not any more.
	Opened(o Openings, now time.Time) (int, time.Time)
}

// Counter names one of a limit's counters, as [Charge] does.
type Counter struct{ Limit, Split, Unit string }

type noCounters struct{}

func (noCounters) Used(Counter, time.Duration, time.Time) *big.Rat { return new(big.Rat) }
func (noCounters) Latest() time.Time                               { return time.Time{} }
func (noCounters) Splits(string) []string                          { return nil }
func (noCounters) Live(string, string, time.Duration, time.Time) bool {
	return false
}
func (noCounters) Opened(Openings, time.Time) (int, time.Time) { return 0, time.Time{} }

// Book is the memory of limits: what was charged, in rolling windows. Its owner fills it from the
// charges that were stored, and adds those of each admission. A charge that could not be stored
// after all is not taken back: the owner fills a new book. The zero value is empty and ready. It
// must not be used concurrently.
//
// # Slices
//
// Charges are not kept one by one, but as sums over slices of time. All charges of a slice count
// from when they are added, and leave a window when the end of their slice does. So a window never
// holds less than a list of all charges would. What is late is late by a thousandth of the window
// at most, and what was charged at a full minute leaves a window of a day exactly: slices are parts
// of a day.
//
// The length of the slices depends on the window that is asked for, and on nothing else: not on
// what other windows there are, nor on when slices were merged, nor on a restart in between. This
// is so since a book merges only what is too old to be seen by a window with shorter slices. In
// memory a slice is a thousandth of its age, roughly. So 31 days of one counter are 32,000 slices
// at most, and a longer or shorter window finds what it needs.
//
// Beyond the longest window of its limit a charge matters only if the file is edited. There slices
// grow to an eighth of their age, and to a day at most. A window that is made longer finds charges
// there that leave it late, and never more room than was left.
//
// The counters that one app opened in a limit hold up to [MostSums] sums together. Of more, slices
// of those that hold most are made longer until they are half as many. Then a charge leaves later,
// by the length of such a slice; only then what a window holds depends on when that was.
//
// # Splits
//
// What was charged to one counter of a limit counts in every other that does not contradict it:
// charges from before a limit was split count in every split, and those of all splits count once it
// is split no more.
//
// A counter belongs to the app whose charge opened it, as the charge says. Those that no window in
// force holds anything of are kept for edits of the file, up to [MostCounters] of each app; of
// more, what they took is added up as if the limit were not split.
type Book struct {
	latest  time.Time
	windows map[string]time.Duration // as Keep was told; nil before
	limits  map[string]*limitCharges
	lost    []lostCharge
	// mostSums is MostSums unless a test sets it.
	mostSums int
}

// lostCharge is an admission of which is not known any more what it was charged.
type lostCharge struct{ at, until time.Time }

// allUsed is what a window holds with a lost charge in it: more than any limit.
var allUsed = new(big.Rat).SetInt64(1e18)

// Lose counts an admission of which is not known any more what it was charged, nor to which limit:
// until an instant nothing is left of any window that holds it.
func (b *Book) Lose(at, until time.Time) {
	if at.After(b.latest) {
		b.latest = at
	}
	b.lost = append(b.lost, lostCharge{at, until})
}

// losses returns what a window holds of lost charges.
func losses(lost []lostCharge, from, now time.Time) *big.Rat {
	for _, l := range lost {
		if l.at.After(from) && !l.at.After(now) && now.Before(l.until) {
			return new(big.Rat).Set(allUsed)
		}
	}
	return new(big.Rat)
}

// Add counts charges of one admission. Instants never go back: one before the latest counts as
// that. A charge whose amount is no number is dropped; this package never makes one.
func (b *Book) Add(at time.Time, charges []Charge) {
	if at.Before(b.latest) {
		at = b.latest
	}
	b.latest = at
	b.add(at, charges, true)
}

// AddUntil counts charges of one admission whose transaction may be carried out until an instant:
// from now on, and as long as if they were charged then. Whenever it is carried out, no window
// around that holds more than the limit has. It is else as Add.
func (b *Book) AddUntil(at, until time.Time, charges []Charge) {
	if at.Before(b.latest) {
		at = b.latest
	}
	b.latest = at
	b.add(later(at, until), charges, true)
}

// Fill counts stored charges in any order of time. now is the instant up to which the book is
// filled: what is old by then takes no more memory than it would after it was added in its time.
// Only a book that nothing was added to is filled.
func (b *Book) Fill(at time.Time, charges []Charge) {
	b.FillUntil(at, at, charges)
}

// FillUntil counts stored charges as AddUntil does, and is else as Fill.
func (b *Book) FillUntil(at, until time.Time, charges []Charge) {
	if at.After(b.latest) {
		b.latest = at
	}
	b.add(later(at, until), charges, false)
}

// later returns the later one of two instants.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// add counts charges as of an instant. shared is true if a [Summary] may have a part in what there
// is.
func (b *Book) add(at time.Time, charges []Charge, shared bool) {
	for _, c := range charges {
		if d, ok := parseDecimal(c.Amount); ok {
			b.limit(c.Limit).add(c, d, wholeMillis(at), b.latest, shared)
		}
	}
}

func (b *Book) limit(name string) *limitCharges {
	if b.limits == nil {
		b.limits = map[string]*limitCharges{}
	}
	l := b.limits[name]
	if l == nil {
		// As long as nobody said so, every window may be in force.
		l = &limitCharges{longest: LongestWindow, shapes: map[string]*likeCounters{},
			most: cmp.Or(b.mostSums, MostSums)}
		if b.windows != nil {
			l.longest = b.windows[name]
		}
		b.limits[name] = l
	}
	return l
}

// splitOf takes a split apart.
func splitOf(split string) map[string]string {
	dims := map[string]string{}
	values, err := url.ParseQuery(split)
	if err != nil {
		return dims // without dimensions it contradicts no counter, and so counts in all
	}
	for name := range values {
		dims[name] = dimText(values.Get(name)) // earlier programs charged long texts as they are
	}
	return dims
}

// longestDim is how many bytes the text of a dimension has at most in the name of a counter.
const longestDim = 256

// dimText returns the text by which a counter is named: a long one by its digest, since an
// application opens counters by the ten thousand. Whoever chooses the digest of another text as his
// text shares the counter with that, and has less room.
func dimText(text string) string {
	if len(text) <= longestDim/3 || len(url.QueryEscape(text)) <= longestDim {
		return text
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text)))
}

// encodeSplit returns the one spelling of a split.
func encodeSplit(dims map[string]string) string {
	values := url.Values{}
	for name, text := range dims {
		values.Set(name, text)
	}
	return values.Encode()
}

func shapeName(dims map[string]string) string {
	var names []string
	for name := range dims {
		names = append(names, url.QueryEscape(name))
	}
	slices.Sort(names)
	return strings.Join(names, "&")
}

// Latest implements [Counters].
func (b *Book) Latest() time.Time { return b.latest }

// Splits implements [Counters].
func (b *Book) Splits(limit string) []string {
	l := b.limits[limit]
	if l == nil {
		return nil
	}
	var splits []string
	for _, sh := range l.shapes {
		splits = slices.AppendSeq(splits, maps.Keys(sh.splits))
	}
	slices.Sort(splits)
	return splits
}

// Used implements [Counters].
func (b *Book) Used(c Counter, window time.Duration, now time.Time) *big.Rat {
	from := now.Add(-window)
	sum := losses(b.lost, from, now)
	if l := b.limits[c.Limit]; l != nil {
		for s := range l.counting(c) {
			s.addTo(sum, from.UnixMilli(), grainOf(window))
		}
	}
	return sum
}

// Keep sets how long the longest window of each limit is, as [Policy.Windows] says, and drops
// charges that are older than that and than 31 days. Charges of other limits are kept for 31 days:
// a limit that is taken out and put back remembers.
func (b *Book) Keep(windows map[string]time.Duration, now time.Time) {
	b.windows = map[string]time.Duration{} // not nil, even if there are none
	maps.Copy(b.windows, windows)
	for name, l := range b.limits {
		l.longest = windows[name]
		if l.keep(now); len(l.shapes) == 0 {
			delete(b.limits, name)
		}
	}
}
