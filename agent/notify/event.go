package notify

import (
	"encoding/binary"
	"time"

	"pksa/protocol/plain"
)

// Kind is what an event is about.
type Kind string

// The kinds of events.
const (
	Waiting       Kind = "waiting"         // a request waits for a person
	Changed       Kind = "account-changed" // somebody else changed a held account
	NotReady      Kind = "not-ready"       // nothing is signed, for minutes
	Ready         Kind = "ready"           // after that
	Allowed       Kind = "allowed"         // a rule that says tell allowed a request
	Copied        Kind = "approver-copied" // an approver's authenticator counted backwards: there may be two
	KeyInvalid    Kind = "key-invalid"     // a held key does not fit its account on the chain
	NotReloaded   Kind = "reload-failed"   // the old settings, or the old policy, stay in force
	Limit         Kind = "limit"           // most of a limit of the policy is used
	Quarantined   Kind = "quarantine"      // a session or app is silent on a relay for a while
	Backlog       Kind = "audit-backlog"   // full segments of the audit trail stay in the ledger
	TestMessage   Kind = "test"            // a person wants to see whether messages arrive
	DigestMessage Kind = "digest"          // no event, but several of them in one message
)

// meaning is what is said of a kind. The most urgent kinds stand first.
type meaning struct {
	kind     Kind
	title    string
	priority int    // of ntfy: from 1 to 5, which rings
	tag      string // of ntfy: a picture
}

var meanings = []meaning{
	{Changed, "An account was changed, and not by this wallet", 5, "rotating_light"},
	{Waiting, "A request waits for your yes or no", 5, "bell"},
	{NotReady, "The wallet signs nothing", 4, "warning"},
	{Copied, "The authenticator of an approver may have been copied", 4, "warning"},
	{KeyInvalid, "A held key is not valid any more", 4, "warning"},
	{NotReloaded, "A reload failed", 4, "warning"},
	{Limit, "A limit is nearly used up", 3, "hourglass"},
	{Quarantined, "Requests are not heard for a while", 3, "mute"},
	{Allowed, "A request was allowed", 3, "eyes"},
	{Backlog, "The audit trail cannot be moved to its files", 3, "warning"},
	{Ready, "The wallet signs again", 3, "white_check_mark"},
	{DigestMessage, "Several notifications in one", 4, "bell"},
	{TestMessage, "A test of the notifications", 3, "test_tube"},
}

// Kinds returns all kinds of events, the most urgent first.
func Kinds() (all []Kind) {
	for _, m := range meanings {
		all = append(all, m.kind)
	}
	return all
}

// rank returns the place of a kind among all, and what is said of it. A lower one is more urgent.
func rank(kind Kind) (int, meaning) {
	for i, m := range meanings {
		if m.kind == kind {
			return i, m
		}
	}
	return len(meanings), meaning{kind: kind, title: string(kind), priority: 3}
}

// Event is something that a person may want to know.
type Event struct {
	Kind Kind
	At   time.Time // zero: now

	// These are sent always. None of them holds an amount, a counterparty or foreign text.
	Account string // that it is about; empty: none, or several
	What    string // a sentence of ours
	Do      string // what a person does about it, on the wallet's machine
	Number  uint64 // of a request that waits for a person
	Letters string // of that request: see the package of the agent
	Link    string // to the page on which a person answers it; empty: there is none
	// Until is when that request is denied; a message that is late is not tried any more.
	Until time.Time

	// Details are sent where the settings say so. Foreign text may stand in them.
	Details []string

	// Whole hears of each notifier that took a message of this event alone in which all details
	// stand, none of them cut: its kind, its server, and when. It is called concurrently and must
	// not wait. nil: nobody asks, and long details are cut.
	Whole func(kind, server string, at time.Time)

	cut bool // by bounded: something of the details is missing
}

// What one event takes at most. More is cut.
const (
	maxDetails = 12
	maxDetail  = 400  // bytes of each
	maxLine    = 1000 // bytes of our own sentences
	maxLonger  = 3    // times that a text grows at most where hidden bytes are made visible
)

// bounded returns the event with texts that are fit to show, and no longer than they may be.
func (e Event) bounded(now time.Time) Event {
	if e.At.IsZero() {
		e.At = now
	}
	e.Account, e.Letters = plain.Line(e.Account, 64), plain.Line(e.Letters, 16)
	e.What, e.Do, e.Link = plain.Line(e.What, maxLine), plain.Line(e.Do, maxLine), plain.Line(e.Link, maxLine)
	given := e.Details
	if e.Whole != nil {
		if e.Details = wholeLines(given); e.Details != nil || len(given) == 0 {
			return e
		}
	}
	e.Details, e.cut = nil, true
	for i, d := range given {
		if i == maxDetails {
			e.Details = append(e.Details, plain.Ellipsis)
			break
		}
		e.Details = append(e.Details, plain.Line(d, maxDetail))
	}
	return e
}

// wholeLines returns details that are fit to show, none of them cut; nil if they fit no message.
func wholeLines(details []string) (lines []string) {
	size := 0
	for _, d := range details {
		if size += len(d); size > maxText {
			return nil
		}
		line := plain.Line(d, maxLonger*len(d))
		if size += len(line) - len(d); size > maxText {
			return nil
		}
		lines = append(lines, line)
	}
	return lines
}

// size returns how many bytes of a queue the event takes.
func (e Event) size() int {
	size := 200 + len(e.Account) + len(e.What) + len(e.Do) + len(e.Letters) + len(e.Link)
	for _, d := range e.Details {
		size += len(d) + 16
	}
	return size
}

// late reports whether nobody can answer the request any more.
func (e Event) late(now time.Time) bool { return !e.Until.IsZero() && !now.Before(e.Until) }

// letterSet has no vowels, so that four letters are no word, and nothing that looks like a digit.
const letterSet = "BCDFGHJKLMNPQRSTVWXZ"

// Letters returns four letters of a digest, by which a person sees that two places speak of the
// same request. They prove nothing: 160,000 digests have all there are.
func Letters(digest [32]byte) string {
	n := binary.BigEndian.Uint64(digest[:8])
	var letters [4]byte
	for i := range letters {
		letters[i] = letterSet[n%uint64(len(letterSet))]
		n /= uint64(len(letterSet))
	}
	return string(letters[:])
}
