// Package service is the wallet as one process: it opens what an agent needs, runs the agent with
// the servers beside it, and stops them.
//
// Start with [Open]; then [Service.Run] and [Service.Close]. [Nodes], [LedgerOptions] and
// [OpenRelay] make single parts as the settings say, for commands that need one of them only.
//
// # What it promises
//
// Everything that can fail fails in [Open]: before the first connection to a relay, and before
// anything is registered or answered. The order in Open is part of the protection: no secret is
// read before the process is shielded, and the process is confined before it speaks to anybody.
//
// A stop goes the other way round. First the agent ends, which may still answer through the relay
// of its own while it finishes; then the servers; then ledger and keystore are closed.
//
// A program that runs an agent among other things ([Options.Embedded]) gets neither hardening nor
// listeners: both concern the whole process. Signals are the program's, too.
package service
