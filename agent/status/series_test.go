package status_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"pksa/agent/status"
)

// sample is one line of a page, read back.
type sample struct {
	name   string
	labels map[string]string
	value  float64
}

// parse reads the text form of Prometheus, version 0.0.4, by its description and not by the code
// that writes it: a name, labels whose values have \\, \" and \n escaped, a number.
func parse(line string) (s sample, err error) {
	i := strings.IndexAny(line, "{ ")
	if i < 0 {
		return s, fmt.Errorf("%q has no value", line)
	}
	s = sample{name: line[:i], labels: map[string]string{}}
	rest := line[i:]
	if rest[0] == '{' {
		rest = rest[1:]
		for rest[0] != '}' {
			name, after, ok := strings.Cut(rest, `="`)
			if !ok {
				return s, fmt.Errorf("%q: a label without value", line)
			}
			var value strings.Builder
			for after[0] != '"' {
				c := after[0]
				if c == '\\' {
					after = after[1:]
					if c = after[0]; c == 'n' {
						c = '\n'
					}
				}
				value.WriteByte(c)
				after = after[1:]
			}
			if _, twice := s.labels[name]; twice {
				return s, fmt.Errorf("%q has the label %s twice", line, name)
			}
			s.labels[name] = value.String()
			rest = strings.TrimPrefix(after[1:], ",")
		}
		rest = rest[1:]
	}
	s.value, err = strconv.ParseFloat(strings.TrimPrefix(rest, " "), 64)
	return s, err
}

// samples reads a page. Comments are left out.
func samples(t *testing.T, text string) (all []sample) {
	t.Helper()
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		s, err := parse(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if key := fmt.Sprint(s.name, s.labels); seen[key] {
			t.Errorf("%s stands there twice", key)
		} else {
			seen[key] = true
		}
		all = append(all, s)
	}
	return all
}

func metricsOf(gauges status.Gauges) *status.Metrics {
	return status.New(status.Options{Ready: func() []status.Hindrance { return nil },
		Gauges: func() status.Gauges { return gauges }})
}

// Whatever letters a label has, it stands on the page as it is. A series that is told twice stands
// there once: Prometheus would refuse the whole page.
func TestLabelsOfAnyText(t *testing.T) {
	hostile := "a\"} 1\npksa_ready 0\\\xff\t{x=\"y"
	m := metricsOf(status.Gauges{Nodes: []status.NodeGauges{{Node: hostile, Usable: true, Head: 7},
		{Node: hostile, Head: 8}}})
	m.Alarm(hostile)
	_, text := get(t, m.Handler(), "/metrics")
	want := strings.ToValidUTF8(hostile, "\uFFFD")
	found := map[string]float64{}
	for _, s := range samples(t, text) {
		if s.labels["node"] == want || s.labels["alarm"] == want {
			found[s.name] += s.value
		}
		if s.name == "pksa_ready" && s.value != 1 {
			t.Error("a label became a line")
		}
	}
	if found["pksa_node_head_block"] != 7 || found["pksa_node_usable"] != 1 || found["pksa_alarms_total"] != 1 {
		t.Errorf("found %v", found)
	}
}

// Each duration is counted in all buckets that reach so far.
func TestDurations(t *testing.T) {
	m := metricsOf(status.Gauges{})
	random := rand.New(rand.NewPCG(1, 2))
	var all []float64
	sum := 0.0
	for range 500 {
		took := time.Duration(random.ExpFloat64() * float64(time.Second))
		if len(all)%5 == 0 {
			took = 500 * time.Microsecond << (2 * random.IntN(8)) // exactly at an end
		}
		m.Request("sign", "answered", "", took)
		all, sum = append(all, took.Seconds()), sum+took.Seconds()
	}
	_, text := get(t, m.Handler(), "/metrics")
	buckets := 0
	for _, s := range samples(t, text) {
		name, ok := strings.CutPrefix(s.name, "pksa_request_seconds")
		if !ok {
			continue
		}
		want := sum
		if name != "_sum" {
			end := s.labels["le"]
			if name == "_count" {
				end = "+Inf"
			} else {
				buckets++
			}
			most, err := strconv.ParseFloat(end, 64)
			if err != nil {
				t.Fatal(err)
			}
			want = 0
			for _, seconds := range all {
				if seconds <= most {
					want++
				}
			}
		}
		if s.labels["kind"] != "sign" || s.value != want {
			t.Errorf("%s %v is %v, want %v", s.name, s.labels, s.value, want)
		}
	}
	if buckets != 11 {
		t.Errorf("%d buckets", buckets)
	}
}

// Requests are counted while pages are written.
func TestCountsAtOnce(t *testing.T) {
	m := metricsOf(status.Gauges{})
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 500 {
				m.Request("sign", "answered", "", time.Millisecond)
				m.Dropped("nobody's")
				get(t, m.Handler(), "/metrics")
			}
		}()
	}
	for range 4 {
		<-done
	}
	_, text := get(t, m.Handler(), "/metrics")
	for _, want := range []string{`pksa_requests_total{code="",kind="sign",result="answered"} 2000`,
		`pksa_requests_dropped_total{reason="nobody's"} 2000`, `pksa_request_seconds_count{kind="sign"} 2000`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
}

// Prometheus's own tool finds nothing wrong with a page that has every metric.
func TestPageIsOfPrometheus(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian: prometheus); the other tests read the page by its description")
	}
	page, err := os.Open("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = page
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
