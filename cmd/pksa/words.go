package main

import (
	"fmt"
	"strings"
	"time"
)

// when returns an instant in words for people.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// moment returns an instant, with how long ago it was, or how soon it comes.
func moment(t time.Time) string {
	switch d := time.Until(t); {
	case t.IsZero():
		return when(t)
	case d > 0:
		return when(t) + " (in " + ago(d) + ")"
	default:
		return when(t) + " (" + ago(-d) + " ago)"
	}
}

// count returns a number of things in words: "1 session", "2 sessions".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// short returns enough of a hash to compare by eye.
func short(hash string) string { return hash[:min(len(hash), 16)] }

// span returns a length of time without its zeros: 24h, not 24h0m0s.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// wasOrWere returns a number of things with its verb: "1 request was", "2 requests were".
func wasOrWere(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " was"
	}
	return fmt.Sprintf("%d %ss were", n, thing)
}

// ago returns a length of time in the words of people, rounded to what matters: "4 s", "3 min", "5
// h", "12 d".
func ago(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 100*time.Second:
		return fmt.Sprintf("%d s", int(d.Round(time.Second)/time.Second))
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute)/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Round(time.Hour)/time.Hour))
	}
	return fmt.Sprintf("%d d", int(d/(24*time.Hour)))
}
