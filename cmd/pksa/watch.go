package main

import (
	"bytes"
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
	home     func(text string) string // as of frame
	asJSON   bool
	top      int // lines that are above those shown; the first one always is shown
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
	s := &screen{out: c.out, terminal: columns(c.out) > 0 && !c.asJSON, all: all, asJSON: c.asJSON,
		home: c.inPlace}
	var state agent.Status
	if err := c.askStatus(ctx, &state); err != nil {
		return err // nobody to watch
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	moves := make(chan move, 8)
	if s.terminal {
		defer c.takeKeys(moves, quit)()
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
		case m := <-moves:
			s.top += m.lines + m.pages*max(s.high()-2, 1)
			continue
		case <-tick.C:
		}
		// What was seen last stays, with the reason why there is nothing newer.
		var now agent.Status
		if failed = c.askStatus(ctx, &now); failed == nil {
			state = now
		}
	}
}

// move is how far a key moves what is shown; below zero: up.
type move struct{ lines, pages int }

// keyMoves are the keys that move what is shown, as a terminal sends them.
var keyMoves = map[string]move{
	"\x1b[A": {lines: -1}, "\x1bOA": {lines: -1}, "k": {lines: -1},
	"\x1b[B": {lines: 1}, "\x1bOB": {lines: 1}, "j": {lines: 1},
	"\x1b[5~": {pages: -1}, "b": {pages: -1},
	"\x1b[6~": {pages: 1}, " ": {pages: 1},
}

// takeKeys has the terminal hand on each key at once, and calls quit at q and Ctrl-C. What it
// returns makes the terminal as it was.
func (c *command) takeKeys(moves chan<- move, quit func()) (restore func()) {
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
		key := make([]byte, 16)
		for {
			n, err := file.Read(key)
			if err != nil || bytes.ContainsAny(key[:n], "qQ\x03") {
				quit()
				return
			}
			if m, ok := keyMoves[string(key[:n])]; ok {
				select {
				case moves <- m:
				default: // typed faster than it is shown
				}
			}
		}
	}()
	return func() { _ = term.Restore(int(file.Fd()), before) } // nothing else could be done
}

// show shows one state.
func (s *screen) show(state agent.Status, failed error) error {
	if s.asJSON {
		if failed != nil {
			return failed
		}
		return control.Show(s.out, state)
	}
	wide := 0
	if s.terminal {
		wide = columns(s.out)
	}
	f := frame{now: time.Now(), wide: wide, all: s.all, home: s.home}
	lines := f.lines(state, failed)
	if !s.terminal {
		_, err := io.WriteString(s.out, strings.Join(lines, "\n")+"\n\n")
		return err
	}
	lines[0] += strings.Repeat(" ", max(1, wide-len([]rune(lines[0]))-len("q quits"))) + "q quits"
	lines = s.window(lines, s.high())
	for i := range lines {
		lines[i] = fit(lines[i], wide)
	}
	_, err := io.WriteString(s.out, pageTop+strings.Join(lines, lineRest+"\r\n")+lineRest+pageRest)
	return err
}

// high returns how many lines the terminal has; zero if that is not known.
func (s *screen) high() int {
	if file, ok := s.out.(*os.File); ok && s.terminal {
		if _, rows, err := term.GetSize(int(file.Fd())); err == nil {
			return rows
		}
	}
	return 0
}

// window returns the lines that a terminal has room for: the first one, those behind it from where
// a person has moved to, and how many more there are.
func (s *screen) window(lines []string, high int) []string {
	if high < 3 || len(lines) <= high {
		s.top = 0
		return lines
	}
	room := high - 2
	s.top = min(max(s.top, 0), len(lines)-1-room)
	shown := append(lines[:1:1], lines[1+s.top:1+s.top+room]...)
	below := fmt.Sprintf("… %d more below", len(lines)-1-room-s.top)
	if s.top > 0 {
		below += fmt.Sprintf(", %d above", s.top)
	}
	if !s.all {
		below += ", --all"
	}
	return append(shown, below+" (arrows, space, b)")
}
