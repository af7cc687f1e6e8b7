package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"pksa/agent"
	"pksa/agent/control"
)

// watchEvery is how often the state is asked for anew.
const watchEvery = 2 * time.Second

// screen is where the state is shown again and again: a terminal, in place, or a pipe, one after
// another.
type screen struct {
	out      io.Writer
	terminal bool
	all      bool
	asJSON   bool
}

// What a terminal is told: another page, without a cursor; back to the first one; the rest of the
// line and of the page is empty.
const (
	pageOther = "\x1b[?1049h\x1b[?25l"
	pageFirst = "\x1b[?25h\x1b[?1049l"
	pageTop   = "\x1b[H"
	lineRest  = "\x1b[K"
	pageRest  = "\x1b[J"
)

// watch shows the state until a person types q or Ctrl-C, or a signal comes.
func (c *command) watch(ctx context.Context, all bool) error {
	c.serves = true // a signal ends it as it should
	s := screen{out: c.out, terminal: columns(c.out) > 0 && !c.asJSON, all: all, asJSON: c.asJSON}
	var state agent.Status
	if err := c.askStatus(ctx, &state); err != nil {
		return err // nobody to watch
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	if s.terminal {
		defer c.takeKeys(quit)()
		io.WriteString(s.out, pageOther)
		defer io.WriteString(s.out, pageFirst)
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var failed error
	for {
		if err := s.show(state, failed); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		// What was seen last stays, with the reason why there is nothing newer.
		var now agent.Status
		if failed = c.askStatus(ctx, &now); failed == nil {
			state = now
		}
	}
}

// takeKeys has the terminal hand on each key at once, and calls quit at q and Ctrl-C. What it
// returns makes the terminal as it was.
func (c *command) takeKeys(quit func()) (restore func()) {
	file, ok := c.in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return func() {}
	}
	before, err := term.MakeRaw(int(file.Fd()))
	if err != nil {
		return func() {}
	}
	// It ends with the key that ends the watch. After a signal it waits until the process ends.
	go func() {
		key := make([]byte, 1)
		for {
			if _, err := file.Read(key); err != nil || key[0] == 'q' || key[0] == 'Q' || key[0] == 3 {
				quit()
				return
			}
		}
	}()
	return func() { _ = term.Restore(int(file.Fd()), before) } // nothing else could be done
}

// show shows one state.
func (s screen) show(state agent.Status, failed error) error {
	if s.asJSON {
		if failed != nil {
			return failed
		}
		return control.Show(s.out, state)
	}
	wide, high := 0, 0
	if s.terminal {
		wide = columns(s.out)
		if file, ok := s.out.(*os.File); ok {
			if _, rows, err := term.GetSize(int(file.Fd())); err == nil {
				high = rows
			}
		}
	}
	f := frame{now: time.Now(), wide: wide, all: s.all}
	lines := f.lines(state, failed)
	if !s.terminal {
		_, err := io.WriteString(s.out, strings.Join(lines, "\n")+"\n\n")
		return err
	}
	lines[0] += strings.Repeat(" ", max(1, wide-len([]rune(lines[0]))-len("q quits"))) + "q quits"
	if high > 1 && len(lines) > high {
		more := len(lines) - high + 1
		lines = append(lines[:high-1:high-1], fmt.Sprintf("… %d more lines: `pksa status` shows them", more))
	}
	for i := range lines {
		lines[i] = fit(lines[i], wide)
	}
	_, err := io.WriteString(s.out, pageTop+strings.Join(lines, lineRest+"\r\n")+lineRest+pageRest)
	return err
}
