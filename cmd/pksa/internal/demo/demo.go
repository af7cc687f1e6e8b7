// Package demo shows a wallet at work: a relay, a chain in memory and a wallet on this machine
// alone, and an application that asks for what the policy allows and for what it does not.
//
// Start with [Run]. The wallet is the real one, in a temporary home folder like any other; the
// relay is the real one on wires that can be watched and cut; only the chain is made up. Nothing
// here needs configuration or a network, and nothing is left behind, also after an interrupt.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Options are where and how the demo is printed.
type Options struct {
	Out  io.Writer
	JSON bool   // one JSON object for each step, on a line of its own
	Mark string // stands below each step that went right
}

// step is one act of the demo. Play shows what happens by d.say, and fails if anything is not as it
// should be.
type step struct {
	name  string
	title string
	play  func(ctx context.Context, d *demo) error
}

// stepTimeout is far more than any step takes.
const stepTimeout = 20 * time.Second

// line is one message between two parties. Without a sender it is an explanation.
type line struct {
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	Text string `json:"text"`
}

// result is what is printed as JSON for each step.
type result struct {
	Step  int            `json:"step"`
	Name  string         `json:"name"`
	Title string         `json:"title"`
	OK    bool           `json:"ok"`
	Lines []line         `json:"lines"`
	Facts map[string]any `json:"facts,omitempty"`
	Error string         `json:"error,omitempty"`
	MS    int64          `json:"ms"`
}

// demo plays the steps and prints them.
type demo struct {
	Options
	world *world
	play  play
	now   result
}

// Failure is a step that did not go as it should: a fault of the program or of the machine.
type Failure struct {
	Step int
	Name string
	Log  string // the end of what the parts logged, perhaps empty
	Err  error
}

func (f *Failure) Error() string { return fmt.Sprintf("step %d (%s): %v", f.Step, f.Name, f.Err) }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Run plays the demo. The error is a *[Failure] unless ctx ended.
func Run(ctx context.Context, o Options) error {
	d := &demo{Options: o}
	if !o.JSON {
		fmt.Fprintf(o.Out, "A wallet, an application and a relay between them, on this machine alone.\n"+
			"Nothing here is real: the chain is made up and the keys are made of texts\n"+
			"that stand in the source code.\n\n")
	}
	defer func() {
		if d.world != nil {
			d.world.close()
		}
	}()
	for i, s := range steps {
		if err := d.run(ctx, i+1, s); err != nil {
			return err
		}
	}
	if !o.JSON {
		fmt.Fprintf(o.Out, "Everything went as it should. A wallet of your own: pksa init\n")
	}
	return nil
}

// say prints a message between two parties.
func (d *demo) say(from, to, format string, args ...any) {
	l := line{from, to, fmt.Sprintf(format, args...)}
	d.now.Lines = append(d.now.Lines, l)
	if d.JSON {
		return
	}
	before := "   "
	if from != "" {
		before = fmt.Sprintf("   %-6s → %-6s  ", from, to)
	}
	blank := strings.Repeat(" ", utf8.RuneCountInString(before))
	for _, text := range folded(l.Text, columns-len(blank)) {
		fmt.Fprintln(d.Out, before+text)
		before = blank
	}
}

// columns is how wide lines are at most.
const columns = 80

// folded breaks a text between words into lines that fit. Blanks at its beginning stay.
func folded(text string, width int) (lines []string) {
	words := strings.Fields(text)
	line := text[:len(text)-len(strings.TrimLeft(text, " "))]
	if utf8.RuneCountInString(text) <= width {
		return []string{text}
	}
	for i, word := range words {
		switch {
		case i == 0:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// explain prints what it means.
func (d *demo) explain(format string, args ...any) { d.say("", "", format, args...) }

// fact keeps a value for machines.
func (d *demo) fact(name string, value any) { d.now.Facts[name] = value }

// run plays one step and prints how it went.
func (d *demo) run(ctx context.Context, number int, s step) error {
	d.now = result{Step: number, Name: s.name, Title: s.title, Facts: map[string]any{}, Lines: []line{}}
	if !d.JSON {
		fmt.Fprintf(d.Out, "%d. %s\n", number, s.title)
	}
	limited, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	start := time.Now()
	err := s.play(limited, d)
	d.now.MS = time.Since(start).Milliseconds()
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted; the demo removes what it made")
	}
	if d.now.OK = err == nil; err != nil {
		d.now.Error = err.Error()
	}
	d.finish()
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &Failure{Step: number, Name: s.name, Log: d.world.log(), Err: err}
}

// finish prints the end of a step.
func (d *demo) finish() {
	if d.JSON {
		enc := json.NewEncoder(d.Out)
		enc.SetEscapeHTML(false)
		enc.Encode(d.now)
		return
	}
	if d.now.OK {
		fmt.Fprintf(d.Out, "   %s\n\n", d.Mark)
	} else {
		fmt.Fprintf(d.Out, "   failed: %s\n\n", d.now.Error)
	}
}
