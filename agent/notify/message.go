package notify

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"pksa/protocol/plain"
	"pksa/protocol/sorts"
)

const (
	// maxText bounds the text of a message in bytes: ntfy makes a file of one beyond 4,096.
	maxText = 3500
	// digestLines is how many events of a digest have a line of their own.
	digestLines = 12
)

// message is what is sent at once: one event, or several.
type message struct {
	id       string // the same at each attempt
	at       time.Time
	kind     Kind
	title    string
	text     string
	priority int
	tag      string
	events   []Event // that it tells of
	untold   int     // events of before it that nobody was told of
	until    time.Time
	full     bool
	whole    bool // all of its one event stands in it
}

// one makes the message of one event.
func one(wallet string, e Event, full bool) message {
	_, means := rank(e.Kind)
	m := message{id: rand.Text(), at: e.At, kind: e.Kind, title: title(wallet, means.title), priority: means.priority,
		tag: means.tag, events: []Event{e}, until: e.Until, full: full}
	text := strings.Join(linesOf(e, full), "\n")
	m.text = plain.Cut(text, maxText)
	m.whole = full && !e.cut && m.text == text
	return m
}

// Fits reports whether a message has room for all of the event, so that Whole can hear of it.
func (e Event) Fits() bool { return one("", e.bounded(time.Now()), true).whole }

// linesOf returns what is said of an event.
func linesOf(e Event, full bool) (lines []string) {
	if e.Account != "" {
		lines = append(lines, "Account "+e.Account+".")
	}
	if e.What != "" {
		lines = append(lines, e.What)
	}
	if number := numbered(e); number != "" {
		lines = append(lines, number+", until "+clock(e.Until)+".")
	}
	if e.Link != "" {
		lines = append(lines, "With your passkey: "+e.Link)
	}
	if e.Do != "" {
		lines = append(lines, e.Do)
	}
	// Foreign text comes last, so that no more than that is cut away.
	if full {
		lines = append(lines, e.Details...)
	}
	return lines
}

// several makes the message of many events. untold are those that were dropped before, or could not
// be sent.
func several(wallet string, events []Event, untold int, full bool, now time.Time) message {
	_, means := rank(DigestMessage)
	m := message{id: rand.Text(), at: now, kind: DigestMessage, title: title(wallet, means.title),
		priority: means.priority, tag: means.tag, events: events, untold: untold, full: full}
	ordered := slices.Clone(events)
	sorts.Stable(ordered, func(a, b Event) int {
		of, _ := rank(a.Kind)
		than, _ := rank(b.Kind)
		return of - than
	})
	var lines []string
	for _, kind := range Kinds() {
		if n := count(events, kind); n > 0 {
			_, means := rank(kind)
			lines = append(lines, fmt.Sprintf("%d × %s", n, means.title))
		}
	}
	if untold > 0 {
		lines = append(lines, fmt.Sprintf("%d of before: dropped, or not sent", untold))
	}
	lines = append(lines, "")
	shown := ordered[:min(digestLines, len(ordered))]
	for _, e := range shown {
		lines = append(lines, inOneLine(e, full, now))
	}
	if more := len(ordered) - len(shown); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	const do = "On the wallet's machine: `pksa pending` and `pksa status`."
	m.text = plain.Cut(strings.Join(lines, "\n"), maxText-len(do)-1) + "\n" + do
	return m
}

func inOneLine(e Event, full bool, now time.Time) string {
	parts := []string{clock(e.At)}
	if e.Account != "" {
		parts = append(parts, e.Account)
	}
	switch number := numbered(e); {
	case number != "" && e.late(now):
		parts = append(parts, number+" ended")
	case number != "":
		parts = append(parts, number+" until "+clock(e.Until))
	default:
		parts = append(parts, e.What)
	}
	if full && len(e.Details) > 0 {
		parts = append(parts, e.Details[0])
	}
	return plain.Cut(strings.Join(parts, "  "), 250)
}

func numbered(e Event) string {
	if e.Number == 0 {
		return ""
	}
	return fmt.Sprintf("Request %d, letters %s", e.Number, e.Letters)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }

func title(wallet, what string) string { return plain.Line(wallet, 60) + ": " + what }

func count(events []Event, kind Kind) (n int) {
	for _, e := range events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// ntfy returns the message as ntfy publishes JSON: see https://docs.ntfy.sh/publish. The topic
// stands in it, and not in an address, which proxies write down.
func (m message) ntfy(topic string) []byte {
	return encode(struct {
		Topic    string   `json:"topic"`
		Title    string   `json:"title"`
		Message  string   `json:"message"`
		Priority int      `json:"priority"`
		Tags     []string `json:"tags"`
		Click    string   `json:"click,omitempty"` // what a touch of the message opens
	}{topic, m.title, m.text, m.priority, []string{m.tag}, m.link()})
}

// link returns where the one event of the message is answered; empty: nowhere, or there are more.
func (m message) link() string {
	if len(m.events) == 1 {
		return m.events[0].Link
	}
	return ""
}

// Hook is the JSON that a webhook gets.
type Hook struct {
	Version int       `json:"version"` // of this form: 1
	ID      string    `json:"id"`      // the same at each attempt
	Time    time.Time `json:"time"`    // of the event
	Wallet  string    `json:"wallet"`  // the setting name
	Kind    Kind      `json:"kind"`
	Title   string    `json:"title"`
	Text    string    `json:"text"` // for people, in lines

	Account string    `json:"account,omitempty"`
	Number  uint64    `json:"number,omitempty"` // of a request that waits
	Letters string    `json:"letters,omitempty"`
	Link    string    `json:"link,omitempty"` // to the page on which it is answered
	Until   time.Time `json:"until,omitzero"`
	Details []string  `json:"details,omitempty"` // with content: full

	Counts map[Kind]int `json:"counts,omitempty"` // of a digest
	Untold int          `json:"untold,omitempty"` // dropped or not sent before this digest
}

// hook returns the message as a webhook gets it.
func (m message) hook(wallet string) []byte {
	h := Hook{Version: 1, ID: m.id, Time: m.at.UTC(), Wallet: wallet, Kind: m.kind, Title: m.title, Text: m.text,
		Untold: m.untold}
	if m.kind == DigestMessage {
		h.Counts = map[Kind]int{}
		for _, e := range m.events {
			h.Counts[e.Kind]++
		}
	} else {
		e := m.events[0]
		h.Account, h.Number, h.Letters, h.Until, h.Link = e.Account, e.Number, e.Letters, e.Until, e.Link
		if !e.Until.IsZero() {
			h.Until = e.Until.UTC()
		}
		if m.full {
			h.Details = e.Details
		}
	}
	return encode(h)
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil { // unreachable: texts, numbers and times
		panic(err)
	}
	return text
}
