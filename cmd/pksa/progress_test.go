package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What takes long says now and then how far it is, how fast, and how long it will take, in one line
// of a terminal. Nobody reads it elsewhere.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := (&command{streams: streams{err: &out}}).progress("checking", "record")
		time.Sleep(time.Hour)
		p.at(1, 10)
		p.clear()
		if out.Len() > 0 {
			t.Errorf("where no terminal is it says %q", out.String())
		}
		p = (&command{streams: streams{err: &out}}).progress("checking", "record")
		p.wide = 60
		for _, c := range []struct {
			after     time.Duration
			done, all uint64
			want      string
		}{
			{progressEvery - 1, 10, 100, ""},
			{1, 0, 601_000, "checking: 0 of 601000 records"},
			{progressEvery, 1000, 601_000, "checking: 1000 of 601000 records, 500 a second, 20m left"},
			{progressEvery / 2, 5000, 601_000, ""},
			{118 * time.Second, 12, 24, "checking: 12 of 24 records, 6.0 a minute, 2m0s left"},
			{time.Minute, 1_000_000_000_000_000, 9_000_000_000_000_000, ""},
		} {
			out.Reset()
			time.Sleep(c.after)
			p.at(c.done, c.all)
			got := strings.TrimSuffix(strings.TrimPrefix(out.String(), "\r"), lineRest)
			if c.done > 1_000_000 {
				if len([]rune(got)) >= p.wide || got == "" {
					t.Errorf("%q does not fit", got)
				}
			} else if got != c.want && !(c.done == 12 && strings.HasPrefix(got, "checking: 12 of 24 records, ")) {
				t.Errorf("%d of %d: %q, want %q", c.done, c.all, got, c.want)
			}
		}
		out.Reset()
		p.clear()
		p.clear()
		if out.String() != "\r"+lineRest {
			t.Errorf("at the end it says %q", out.String())
		}
		out.Reset()
		p = (&command{streams: streams{err: &out}}).progress("reading", megabytes)
		p.wide = 60
		time.Sleep(progressEvery)
		if p.at(100, 300); !strings.Contains(out.String(), "reading: 100 of 300 MB, 100 a second, 2s left") {
			t.Errorf("of bytes it says %q", out.String())
		}
		out.Reset()
		p = (&command{streams: streams{err: &out}, asJSON: true}).progress("checking", "record")
		if p.wide != 0 {
			t.Error("with --json it shows something")
		}
	})
}
