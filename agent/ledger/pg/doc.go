// Package pg is a small client of PostgreSQL: as much of one as a ledger needs that is kept in a
// database, and no more. It knows nothing of ledgers.
//
// Start from [ParseAddress] and [Connect]. A [Conn] runs statements: all that are handed over in
// one call of [Conn.Run] are sent together, are one transaction, and are answered after one round
// trip. The client writes all of them, and what ends the transaction, before it reads the first
// answer. So a statement that must stop the transaction has to fail by itself; see [Conn.Run].
//
// # What it refuses
//
// Beyond this machine the server must show a certificate of its host name that a known authority
// signed (sslmode=verify-full); there is no other way, and nothing to fall back to. Passwords are
// proven by SCRAM-SHA-256 alone, so that no server learns one. An address with a password in it is
// refused, since settings are shown and logged. No environment variable and no file of the user is
// looked at, other than what the caller names.
//
// What is set is set for one transaction alone, and statements have no names on the server unless
// [Options] allows it: a connection pooler may give each transaction to another connection.
package pg
