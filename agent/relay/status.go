package relay

import (
	"time"

	"pksa/protocol/hive"
)

// Version is the version of the relay's code in its greeting.
const Version = "1.0.0"

// Counters count since the relay was made. They only grow.
type Counters struct {
	Connections  uint64 // opened
	TurnedAway   uint64 // connections refused for want of a place
	Registered   uint64 // registrations accepted
	Refused      uint64 // registrations and answers refused
	Requests     uint64 // accepted
	Delivered    uint64 // frames with a request written to wallets
	Answered     uint64 // requests settled by an answer
	LateAnswers  uint64 // to requests that were answered before; dropped
	Expired      uint64 // requests that ended without an answer
	Attached     uint64 // attach requests granted
	OverLimit    uint64 // frames and requests refused by a limit
	Displaced    uint64 // unanswered requests that made room for others, or found none at a wallet
	Silent       uint64 // silent connections that made room for others
	UnknownFrame uint64 // frames that are no message of HAS
	PagesRefused uint64 // connections of web pages that Origins does not name
}

// Pace is a rate at which frames are read. What is sent faster is read later.
type Pace int

// The paces of a relay.
const (
	OfConnection Pace = iota
	OfAddress         // of all connections of an address of another machine
	OfStrangers       // of all connections that no wallet of Options.Known has answered
	OfKnown           // of all others
)

// Paces are the names of the paces, in the order of their numbers.
var Paces = [...]string{OfConnection: "connection", OfAddress: "address", OfStrangers: "strangers", OfKnown: "known"}

// Late is how often reading has waited for a pace since the relay was made, and for how long, all
// waits added up.
type Late struct {
	Times uint64
	Time  time.Duration
}

// Status is the state of a relay at one instant.
type Status struct {
	Key           hive.PublicKey
	Connections   int              // open now
	Wallets       int              // of those, with a registration
	Unproved      int              // of those, registered without the member pok
	Registrations int              // pairs of connection and account
	Accounts      int              // with a wallet, or with a request that waits
	Requests      int              // kept, answered or not
	Pending       int              // of those, without an answer
	Bytes         int              // held by messages and answers
	Reading       int              // held by frames that are being read
	Late          [len(Paces)]Late // waits for each pace
	Counters      Counters
}

// Status returns the state of the relay now.
func (r *Relay) Status() Status {
	reading := r.reading.bytes()
	r.mu.Lock()
	defer r.mu.Unlock()
	wallets, unproved := 0, 0
	for s := range r.open {
		if len(s.accounts) > 0 {
			wallets++
			if !s.proves {
				unproved++
			}
		}
	}
	return Status{
		Wallets:       wallets,
		Unproved:      unproved,
		Key:           r.PublicKey(),
		Connections:   len(r.open),
		Registrations: r.registered,
		Accounts:      len(r.store.accounts),
		Requests:      len(r.store.requests),
		Pending:       r.store.waiting,
		Bytes:         r.store.bytes,
		Reading:       reading,
		Late:          r.paces.late.counted(),
		Counters:      r.counters,
	}
}
