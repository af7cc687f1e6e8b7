// Package notify tells people what a wallet wants them to know, while they are away from it: by a
// topic of an ntfy server, and by signed JSON to an address of their own. Start with [New]; events
// are handed over with [Desk.Tell].
//
// # What it promises
//
// Nobody waits for it. [Desk.Tell] puts an event into a queue of each notifier and returns. A
// queue is bounded by number and bytes; in a full one the least urgent event makes room, and what
// is dropped is counted and told with the next message. A server that hangs delays its own messages
// and nothing else.
//
// Nothing that it sends approves anything. What is sent is text of ours: which kind of event, which
// account, its number, and what to type on the wallet's machine. Amounts, counterparties and
// foreign texts are added only where the settings say content: full.
//
// Secrets are read when a message is sent, so that a file that is replaced counts, and stand in no
// error, log line, status or metric. Neither do the topic and the path of an address: who knows
// them may be able to read, or to send.
//
// A message goes to the address of the settings and nowhere else: redirects are not followed, TLS
// is required beyond this machine, and the address that is dialled decides what this machine is.
//
// # Where to look
//
// event.go has the kinds of events, queue.go what waits, message.go the words, send.go the two
// ways, notifier.go the order of work of one notifier, desk.go all of them.
package notify
