package hive

import (
	"errors"
	"math"
	"time"
)

// Time is an instant of the chain in seconds since 1970, UTC. The last date is 2038-01-19T03:14:07,
// because the node reads none after it (tx §3.1).
type Time uint32

const timeLayout = "2006-01-02T15:04:05"

var errTimeForm = errors.New(`a date looks like "2026-01-31T23:59:59" and lies in 1970 to 2038`)

// TimeOf returns the second that contains the instant. An instant before or after all dates of the
// chain becomes the first or the last.
func TimeOf(t time.Time) Time {
	return Time(min(max(t.Unix(), 0), math.MaxInt32))
}

// Time returns the instant in UTC.
func (t Time) Time() time.Time { return time.Unix(int64(t), 0).UTC() }

// String returns the instant as the chain writes it, without a zone.
func (t Time) String() string { return string(t.append(nil)) }

func (t Time) append(dst []byte) []byte { return t.Time().AppendFormat(dst, timeLayout) }

// ParseTime reads the form of [Time.String], and no other.
func ParseTime(text string) (Time, error) {
	// time.Parse would take fractions of a second.
	if len(text) != len(timeLayout) {
		return 0, errTimeForm
	}
	t, err := time.Parse(timeLayout, text)
	if err != nil || t.Unix() < 0 || t.Unix() > math.MaxInt32 {
		return 0, errTimeForm
	}
	return Time(t.Unix()), nil
}
