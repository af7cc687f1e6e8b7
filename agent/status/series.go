package status

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"pksa/protocol/sorts"
)

// labels are the values of a metric's labels, in the order of [Metric.Labels]. What a metric has no
// label for is empty.
type labels [3]string

// counts counts by labels. Its methods may be called concurrently.
type counts struct {
	mu sync.Mutex
	by map[labels]uint64
}

// add adds n; zero makes a series that counts from now on.
func (c *counts) add(n uint64, values ...string) {
	var at labels
	copy(at[:], values)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[labels]uint64{}
	}
	c.by[at] += n
}

func (c *counts) now() map[labels]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.by)
}

// bucketEnds are the largest seconds that the buckets of durations count, each four times the one
// before: from half a millisecond to two minutes. The last bucket counts everything.
var bucketEnds = func() (ends [11]float64) {
	for i := range ends {
		ends[i] = 0.0005 * math.Pow(4, float64(i))
	}
	ends[len(ends)-1] = math.Inf(1)
	return ends
}()

// duration is how often something took how long.
type duration struct {
	up  [len(bucketEnds)]uint64 // to the end of each bucket, those of the buckets before it included
	sum float64                 // seconds
}

// durations sorts seconds by one label. Its methods may be called concurrently.
type durations struct {
	mu sync.Mutex
	by map[string]duration
}

func (d *durations) add(seconds float64, value string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.by == nil {
		d.by = map[string]duration{}
	}
	all := d.by[value]
	for i, end := range bucketEnds {
		if seconds <= end {
			all.up[i]++
		}
	}
	all.sum += seconds
	d.by[value] = all
}

func (d *durations) now() map[string]duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.by)
}

// series is one line of the page: a value under the labels of its metric.
type series struct {
	suffix string // of the name, for the parts of a histogram
	labels []string
	end    string // of a bucket
	value  float64
}

// page takes the values of one moment and writes them in the text form of Prometheus, version
// 0.0.4.
type page map[*Metric][]series

func (p page) set(m *Metric, value float64, values ...string) {
	p[m] = append(p[m], series{labels: values, value: value})
}

func (p page) counts(m *Metric, c *counts) {
	for values, n := range c.now() {
		p.set(m, float64(n), values[:len(m.Labels)]...)
	}
}

func (p page) durations(m *Metric, d *durations) {
	for value, all := range d.now() {
		add := func(suffix, end string, v float64) {
			p[m] = append(p[m], series{suffix, []string{value}, end, v})
		}
		for i, end := range bucketEnds {
			add("_bucket", number(end), float64(all.up[i]))
		}
		add("_sum", "", all.sum)
		add("_count", "", float64(all.up[len(all.up)-1]))
	}
}

// text writes the metrics by name, and the series of each by the values of their labels. Prometheus
// refuses a page that has a series twice: of such only the first one stands there.
func (p page) text() []byte {
	var b []byte
	for _, m := range slices.SortedFunc(maps.Keys(p), func(a, b *Metric) int { return cmp.Compare(a.Name, b.Name) }) {
		b = append(b, "# HELP "+m.Name+" "+helpText.Replace(m.Help)+"\n# TYPE "+m.Name+" "+string(m.Kind)+"\n"...)
		order := make([]int, len(m.Labels)) // of the labels, by name
		for i := range order {
			order[i] = i
		}
		sorts.By(order, func(a, b int) int { return cmp.Compare(m.Labels[a], m.Labels[b]) })
		compare := func(a, b series) int {
			for _, i := range order {
				if c := cmp.Compare(a.labels[i], b.labels[i]); c != 0 {
					return c
				}
			}
			return 0
		}
		all := p[m]
		sorts.Stable(all, compare)
		if m.Kind != Histogram {
			all = slices.CompactFunc(all, func(a, b series) bool { return compare(a, b) == 0 })
		}
		for _, s := range all {
			b = append(b, m.Name+s.suffix...)
			before := "{"
			for _, i := range order {
				value := labelText.Replace(strings.ToValidUTF8(s.labels[i], "\uFFFD"))
				b = append(b, before+m.Labels[i]+`="`+value+`"`...)
				before = ","
			}
			if s.end != "" {
				b = append(b, before+`le="`+s.end+`"`...)
				before = ","
			}
			if before == "," {
				b = append(b, '}')
			}
			b = append(b, " "+number(s.value)+"\n"...)
		}
	}
	return b
}

var (
	helpText  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelText = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// number returns a value as Prometheus reads it: infinite ones are +Inf and -Inf.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
