package main

import (
	"fmt"
	"io"
	"time"
)

// progressEvery is how long a line of progress stands. Nothing is shown for what takes less.
const progressEvery = time.Second

// progress shows a person at a terminal how far something is that takes long: one line, in its
// place, until it is done. Without a terminal, and with --json, it shows nothing.
type progress struct {
	out   io.Writer
	wide  int    // of the terminal, zero if nobody looks
	what  string // such as "checking"
	thing string // such as "record"; megabytes are written as they are
	begun time.Time
	told  time.Time
	shown bool
}

const megabytes = "MB"

// progress begins to show how far something is.
func (c *command) progress(what, thing string) *progress {
	p := &progress{out: c.err, wide: columns(c.err), what: what, thing: thing, begun: time.Now()}
	if c.asJSON {
		p.wide = 0
	}
	p.told = p.begun
	return p
}

// at shows how many are done, of how many.
func (p *progress) at(done, all uint64) {
	if p.wide == 0 {
		return
	}
	now := time.Now()
	if now.Sub(p.told) < progressEvery {
		return
	}
	p.told, p.shown = now, true
	fmt.Fprint(p.out, "\r"+fit(p.line(done, all, now.Sub(p.begun)), p.wide-1)+lineRest)
}

func (p *progress) line(done, all uint64, took time.Duration) string {
	things := p.thing
	if things != megabytes {
		things += "s"
	}
	text := fmt.Sprintf("%s: %d of %d %s", p.what, done, all, things)
	rate := float64(done) / took.Seconds()
	if done == 0 || done > all {
		return text
	}
	left := time.Duration(float64(all-done) / rate * float64(time.Second)).Round(time.Second)
	if rate < 1 {
		return fmt.Sprintf("%s, %.1f a minute, %s left", text, 60*rate, span(left))
	}
	return fmt.Sprintf("%s, %.0f a second, %s left", text, rate, span(left))
}

// clear takes the line away, so that something else can stand there.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.out, "\r"+lineRest)
		p.shown = false
	}
}
