package policy

import (
	"math/big"
	"regexp"
	"strings"
	"time"

	"pksa/agent/yamlnode"
)

// aroundNow wants an instant that is at most so far away from the instant of the judgement, before
// it or after it.
type aroundNow struct {
	span time.Duration
	text string // of the span, as it stands in the file
}

func (m aroundNow) check(s *scope, v value) outcome {
	if v.kind == isAbsent {
		return no
	}
	at, ok := v.instant()
	// Whoever compares rules with rules has no instant: then anything can be.
	if !ok || s.now.IsZero() {
		return unclear
	}
	return s.clock.around(at, m.span, s.now)
}

// around reports whether an instant lies around now, and leaves of the span what lies between the
// changes of that answer.
func (s *steady) around(at time.Time, span time.Duration, now time.Time) outcome {
	first, last := at.Add(-span), at.Add(span)
	s.known = true
	if now.Before(first) {
		s.leave(time.Time{}, first)
		return no
	}
	// The last instant still fits, and a span excludes its end.
	if over := last.Add(time.Nanosecond); now.Before(over) {
		s.leave(first, over)
		return yes
	}
	s.leave(last.Add(time.Nanosecond), time.Time{})
	return no
}

// leave leaves of the span what lies between two instants, of which zero is no bound.
func (s *steady) leave(from, until time.Time) {
	if from.After(s.from) {
		s.from = from
	}
	if !until.IsZero() && (s.until.IsZero() || until.Before(s.until)) {
		s.until = until
	}
}

// mostSeconds is the first number that is no count of seconds but one of milliseconds since 1970:
// as seconds it lies in the year 5138, and as milliseconds in 1973. Beyond a thousand times as many
// it is neither.
var mostSeconds = big.NewRat(1e11, 1)

// isoInstant matches an instant as ISO 8601 writes it. Without a zone it is UTC, as the chain
// writes it.
var isoInstant = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d)?$`)

// instant returns the instant that a value is: of a field of the chain, or in JSON a number of
// seconds or milliseconds since 1970, or a text of such a number or of ISO 8601.
func (v value) instant() (time.Time, bool) {
	switch v.kind {
	case isTime:
		return time.Unix(v.seconds, 0), true
	case isNumber:
		if !v.odd {
			return instantOf(v.number)
		}
	case isText:
		if d, ok := parseDecimal(v.text); ok {
			return instantOf(d)
		}
		if iso := isoInstant.FindStringSubmatch(v.text); iso != nil {
			text := v.text
			if iso[1] == "" {
				text += "Z"
			}
			at, err := time.Parse(time.RFC3339, text)
			return at, err == nil
		}
	}
	return time.Time{}, false
}

func instantOf(d decimal) (time.Time, bool) {
	r, ok := d.rat()
	if !ok || r.Sign() < 0 {
		return time.Time{}, false
	}
	unit := int64(time.Second)
	if r.Cmp(mostSeconds) >= 0 {
		unit = int64(time.Millisecond)
	}
	r.Mul(r, big.NewRat(unit, 1))
	// Less than a nanosecond is nothing.
	n := new(big.Int).Quo(r.Num(), r.Denom())
	if n.Cmp(mostNanoseconds) >= 0 {
		return time.Time{}, false
	}
	seconds, rest := new(big.Int).QuoRem(n, big.NewInt(int64(time.Second)), new(big.Int))
	return time.Unix(seconds.Int64(), rest.Int64()), true
}

var mostNanoseconds = new(big.Int).Mul(big.NewInt(1e11), big.NewInt(int64(time.Second)))

// aroundMatcher compiles within: a span of time on both sides of now.
func (c *compiler) aroundMatcher(e yamlnode.Entry) matcher {
	text, ok := c.Scalar(e.Value, "within")
	if !ok {
		return anything{}
	}
	if strings.HasPrefix(text, "-") {
		c.Complain(e.Value, "within counts on both sides of now; write %s", quote(strings.TrimLeft(text, "-")))
		return anything{}
	}
	span, err := parseSpan(text)
	if err != nil {
		c.Complain(e.Value, "within: %v", err)
		return anything{}
	}
	return aroundNow{span, text}
}
