// Package provision reads a file that says what a wallet is to hold, and finds what has to be done
// for it.
//
// [Parse] reads the file: which keys of accounts are expected, which apps there are with the
// sources of their secrets, and which sessions. It reads no secret. [Plan] compares it with what a
// ledger holds. Both are pure: the caller reads the sources and makes the change, in one commit.
//
// # What it promises
//
//   - What is there already is left as it is, so that a file can be applied any number of times.
//   - Nothing is removed and no secret is replaced unless the caller asks for it. Of sessions only
//     those that a person made by hand are ever ended: applications make the others by themselves.
//   - A section that the file does not have is not touched. An empty one is refused: it would
//     remove everything.
//   - Keys are expected only, never imported or removed: they come from other places, and a commit
//     of the ledger cannot change the keystore, too.
//   - Unknown keys, values of the wrong form and repetitions are errors with line and column, all
//     of them in one run.
package provision
