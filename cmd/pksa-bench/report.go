package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"pksa/protocol"
)

// reportVersion changes when members of the JSON change their meaning.
const reportVersion = 1

// report is everything that a run has found out.
type report struct {
	Version  int               `json:"version"`
	Time     time.Time         `json:"time"`
	Wallet   string            `json:"wallet"`
	Machine  machine           `json:"machine"`
	Settings map[string]string `json:"settings"` // raised above those of pksa init
	Steps    steps             `json:"steps"`
	Cases    []result          `json:"cases"`

	baseline *report // compared with
}

// result is what was found out about one case. What is per request counts those with an answer.
type result struct {
	caseSpec
	tally
	Seconds       float64        `json:"seconds"`
	PerSecond     float64        `json:"per_second"`
	P50           float64        `json:"p50_us"`
	P95           float64        `json:"p95_us"`
	P99           float64        `json:"p99_us"`
	Max           float64        `json:"max_us"`
	CPU           float64        `json:"cpu_us"`             // of the wallet, per request
	OfSteps       float64        `json:"of_steps,omitzero"`  // CPU as a multiple of the steps
	Beyond        float64        `json:"beyond_us,omitzero"` // p50 less one signature and one sync, one in flight
	Written       float64        `json:"written_bytes"`      // per request; below zero if it may not be read
	Memory        memory         `json:"memory"`             // the most of each
	Registered    float64        `json:"registered_s"`       // from the start of the process
	RegisteredCPU float64        `json:"registered_cpu_s"`
	Samples       []memorySample `json:"samples,omitzero"` // of a soak

	Others float64 `json:"others"` // share of the processors that other programs took

	used   spent // in all rounds
	span   time.Duration
	others time.Duration // of one processor
}

// memorySample is what the wallet held after so many requests.
type memorySample struct {
	Requests int `json:"requests"`
	memory
}

// add adds what a round has used.
func (r *result) add(span time.Duration, before, after usage) {
	r.span += span
	r.used.CPU += after.wallet.CPU - before.wallet.CPU
	r.others += (after.all - before.all) - (after.ours - before.ours)
	if before.wallet.Written < 0 || after.wallet.Written < 0 || r.used.Written < 0 {
		r.used.Written = -1
		return
	}
	r.used.Written += after.wallet.Written - before.wallet.Written
}

// summarise works out what is per request.
func (r *result) summarise(took []time.Duration) {
	n := float64(len(took))
	if n == 0 {
		return
	}
	slices.Sort(took)
	r.Seconds = r.span.Seconds()
	r.PerSecond = n / r.Seconds
	r.P50, r.P95, r.P99 = micros(quantile(took, 50)), micros(quantile(took, 95)), micros(quantile(took, 99))
	r.Max = micros(took[len(took)-1])
	r.CPU = micros(r.used.CPU) / n
	r.Others = max(0, r.others.Seconds()/r.Seconds/float64(runtime.NumCPU()))
	r.Written = -1
	if r.used.Written >= 0 {
		r.Written = float64(r.used.Written) / n
	}
}

// quantile returns the smallest value that so many of a hundred do not exceed.
func quantile(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)*percent+99)/100-1]
}

// derive works out what is said by the steps.
func (r *result) derive(s steps) {
	switch r.Kind {
	case protocol.Challenge:
		r.OfSteps = r.CPU / s.Challenge
		if r.Width == 1 {
			r.Beyond = r.P50 - s.Sign - s.Sync
		}
	case protocol.Sign:
		r.OfSteps = r.CPU / s.Vote
	}
}

// failed reports whether an answer was lost or wrong.
func (r *report) failed() bool {
	return slices.ContainsFunc(r.Cases, func(c result) bool { return c.tally.failed() })
}

// readReport reads what an earlier run has written with -json.
func readReport(path string) (*report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usageError{"-baseline: " + err.Error()}
	}
	r := &report{}
	if err := json.Unmarshal(text, r); err != nil || r.Version != reportVersion {
		return nil, usageError{fmt.Sprintf("-baseline: %s is no report that this pksa-bench wrote with -json", path)}
	}
	return r, nil
}

// compare keeps what to compare with.
func (r *report) compare(before *report) { r.baseline = before }

// ratios are how a case did, divided by how it did before; zero where one of both is unknown.
type ratios struct {
	Case       string  `json:"name"`
	PerSecond  float64 `json:"per_second"`
	P50        float64 `json:"p50"`
	P99        float64 `json:"p99"`
	CPU        float64 `json:"cpu"`
	OfSteps    float64 `json:"of_steps,omitzero"`
	Anonymous  float64 `json:"anonymous"`
	Written    float64 `json:"written"`
	Registered float64 `json:"registered"`
}

// ratios compares the cases that both runs have.
func (r *report) ratios() (list []ratios) {
	for _, now := range r.Cases {
		i := slices.IndexFunc(r.baseline.Cases, func(c result) bool { return c.Name == now.Name })
		if i < 0 {
			continue
		}
		old := r.baseline.Cases[i]
		list = append(list, ratios{now.Name, ratio(now.PerSecond, old.PerSecond), ratio(now.P50, old.P50),
			ratio(now.P99, old.P99), ratio(now.CPU, old.CPU), ratio(now.OfSteps, old.OfSteps),
			ratio(float64(now.Memory.Anonymous), float64(old.Memory.Anonymous)), ratio(now.Written, old.Written),
			ratio(now.Registered, old.Registered)})
	}
	return list
}

func ratio(now, old float64) float64 {
	if now <= 0 || old <= 0 {
		return 0
	}
	return now / old
}

// writeJSON writes the report for machines.
func (r *report) writeJSON(w io.Writer) error {
	text := struct {
		*report
		Ratios []ratios `json:"ratios,omitzero"`
	}{report: r}
	if r.baseline != nil {
		text.Ratios = r.ratios()
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(text)
}

// writeTable writes the report for people, 80 columns wide.
func (r *report) writeTable(w io.Writer) error {
	var b bytes.Buffer
	line := func(format string, args ...any) {
		b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
	}
	line("Steps of a request alone, on one processor:")
	for _, s := range r.Steps.List {
		if s.Allocs == 0 && s.Bytes == 0 {
			line("  %-12s %7.1f µs", s.Name, s.Micros)
			continue
		}
		line("  %-12s %7.1f µs  %6d bytes in %d allocations", s.Name, s.Micros, s.Bytes, s.Allocs)
	}
	line("  in all: challenge %.0f µs, vote %.0f µs; a sync to %s takes %.0f µs", r.Steps.Challenge, r.Steps.Vote,
		r.Machine.FileSystem, r.Steps.Sync)
	line("")
	line("Latency in ms; CPU of the wallet in µs a request, and as a multiple (x) of the")
	line("steps; most memory in MiB: anonymous, of files, resident; KB written a request.")
	line("")
	line("%-18s%6s%6s%6s%6s%6s%6s%5s%5s%5s%5s%6s", "case", "req/s", "p50", "p95", "p99", "max", "CPU", "x", "anon",
		"file", "res", "KB")
	for _, c := range r.Cases {
		line("%-18s%6.0f%s%s%s%s%6.0f%5s%5.0f%5.0f%5.0f%6s", c.Name, c.PerSecond, millis(c.P50), millis(c.P95),
			millis(c.P99), millis(c.Max), c.CPU, number(c.OfSteps, 1), mebi(c.Memory.Anonymous), mebi(c.Memory.File),
			mebi(c.Memory.Resident), number(c.Written/1000, 1))
	}
	r.writeRest(line)
	if r.baseline != nil {
		r.writeRatios(line)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// muchByOthers is the share of the processors beyond which a case says little about the wallet.
const muchByOthers = 0.1

// writeRest writes what only some cases have, and what went wrong.
func (r *report) writeRest(line func(string, ...any)) {
	line("")
	var all tally
	for _, c := range r.Cases {
		all.add(c.tally)
		if c.Others > muchByOthers {
			line("%s: other programs took %.0f %% of the processors: measure again", c.Name, 100*c.Others)
		}
		if c.Accounts > 1 {
			line("%s: registered %.1f s after the start, with %.1f s of CPU", c.Name, c.Registered, c.RegisteredCPU)
		}
		if c.Beyond != 0 {
			line("%s: median of %.2f ms beyond a signature and a sync", c.Name, c.Beyond/1000)
		}
		for _, s := range c.Samples {
			line("%s: after %d requests %.0f MiB anonymous, %.0f MiB of files", c.Name, s.Requests, mebi(s.Anonymous),
				mebi(s.File))
		}
	}
	for _, c := range r.Cases {
		for _, reason := range c.Reasons {
			line("%s: %s", c.Name, reason)
		}
	}
	line("%d requests, %d lost, %d wrong", all.Requests, all.Lost, all.Wrong)
}

// writeRatios writes the comparison.
func (r *report) writeRatios(line func(string, ...any)) {
	line("")
	line("Divided by those of %s:", r.baseline.Time.Format(time.DateTime))
	if r.baseline.Machine != r.Machine {
		line("(another machine, system or disk)")
	}
	line("%-18s%8s%8s%8s%8s%6s%8s%8s", "case", "req/s", "p50", "p99", "CPU", "x", "anon", "KB")
	for _, c := range r.ratios() {
		line("%-18s%8s%8s%8s%8s%6s%8s%8s", c.Case, number(c.PerSecond, 2), number(c.P50, 2), number(c.P99, 2),
			number(c.CPU, 2), number(c.OfSteps, 2), number(c.Anonymous, 2), number(c.Written, 2))
	}
}

// number writes a number above zero; - stands for one that is not known.
func number(v float64, digits int) string {
	if v <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.*f", digits, v)
}

// millis writes microseconds as milliseconds in six columns.
func millis(us float64) string {
	if us >= 100_000 {
		return fmt.Sprintf("%6.0f", us/1000)
	}
	return fmt.Sprintf("%6.1f", us/1000)
}

// mebi turns KiB into MiB.
func mebi(kib int64) float64 { return float64(kib) / 1024 }
