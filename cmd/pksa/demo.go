package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func (c *command) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Watch a wallet at work, on this machine alone, in a few seconds",
		Long: `Starts a relay, a chain that is none and a wallet in a temporary folder, and plays an application
that logs in, has a challenge signed and a vote broadcast, and meets what the wallet refuses. It
needs no configuration and no network, touches no account of yours, and leaves nothing behind.

Exit status 0 says that everything went as it should.`,
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.demo(cmd.Context()) },
	}
}

// demoStep is one act of the demo. Play says what happened by d.say, and fails if anything is not
// as it should be.
type demoStep struct {
	name  string
	title string
	play  func(ctx context.Context, d *demo) error
}

// stepTimeout is far more than any step takes.
const stepTimeout = 20 * time.Second

// demoLine is who says what to whom. Without a speaker it is an explanation.
type demoLine struct {
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	Text string `json:"text"`
}

// demoResult is what `demo --json` prints for each step, on a line of its own.
type demoResult struct {
	Step  int            `json:"step"`
	Name  string         `json:"name"`
	Title string         `json:"title"`
	OK    bool           `json:"ok"`
	Lines []demoLine     `json:"lines"`
	Facts map[string]any `json:"facts,omitempty"`
	Error string         `json:"error,omitempty"`
	MS    int64          `json:"ms"`
}

// demo plays the steps and tells them.
type demo struct {
	*command
	world *demoWorld
	play  demoPlay
	mark  string // in front of what went right
	now   demoResult
}

// say tells who says what to whom.
func (d *demo) say(from, to, format string, args ...any) {
	line := demoLine{from, to, fmt.Sprintf(format, args...)}
	d.now.Lines = append(d.now.Lines, line)
	if d.asJSON {
		return
	}
	if from == "" {
		fmt.Fprintf(d.out, "   %s\n", line.Text)
		return
	}
	fmt.Fprintf(d.out, "   %-6s → %-6s  %s\n", from, to, line.Text)
}

// explain tells what it means.
func (d *demo) explain(format string, args ...any) { d.say("", "", format, args...) }

// fact keeps a value for machines.
func (d *demo) fact(name string, value any) { d.now.Facts[name] = value }

func (c *command) demo(ctx context.Context) error {
	d := &demo{command: c, mark: "ok"}
	if f, ok := c.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		d.mark = "✓"
	}
	if !c.asJSON {
		fmt.Fprintf(c.out, "A wallet, an application and a relay between them, on this machine alone. Nothing here "+
			"is real:\n"+
			"the chain is made up and the keys are made of texts that stand in the source code.\n\n")
	}
	defer func() {
		if d.world != nil {
			d.world.close()
		}
	}()
	for i, step := range demoSteps {
		if err := d.run(ctx, i+1, step); err != nil {
			return err
		}
	}
	if !c.asJSON {
		fmt.Fprintf(c.out, "Everything went as it should. A wallet of your own: pksa init\n")
	}
	return nil
}

// run plays one step and tells how it went.
func (d *demo) run(ctx context.Context, number int, step demoStep) error {
	d.now = demoResult{Step: number, Name: step.name, Title: step.title, Facts: map[string]any{}, Lines: []demoLine{}}
	if !d.asJSON {
		fmt.Fprintf(d.out, "%d. %s\n", number, step.title)
	}
	limited, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	start := time.Now()
	err := step.play(limited, d)
	d.now.MS = time.Since(start).Milliseconds()
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted; the demo removes what it made")
	}
	if d.now.OK = err == nil; err != nil {
		d.now.Error = err.Error()
	}
	d.tell()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return err
	}
	err = fmt.Errorf("step %d (%s): %w", number, step.name, err)
	if log := d.world.log(); log != "" {
		return hint(err, "this is a fault of the program or of this machine; the wallet's log says:\n%s", log)
	}
	return hint(err, "this is a fault of the program or of this machine")
}

// tell ends what was said of a step.
func (d *demo) tell() {
	if d.asJSON {
		enc := json.NewEncoder(d.out)
		enc.SetEscapeHTML(false)
		enc.Encode(d.now)
		return
	}
	if d.now.OK {
		fmt.Fprintf(d.out, "   %s\n\n", d.mark)
	} else {
		fmt.Fprintf(d.out, "   failed: %s\n\n", d.now.Error)
	}
}

// lastLines keeps the end of a log.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
