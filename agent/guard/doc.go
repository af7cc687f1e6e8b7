// Package guard watches the accounts that the wallet holds keys of: it tells when somebody else
// changes their authorities, memo key, recovery account or proxy, starts a power-down or routes it
// elsewhere, or withdraws from savings. Start with [New], [Watch.Load] and [Watch.Look].
//
// # What it promises
//
//   - A change counts when two hosts say it and no transaction that this wallet signed does exactly
//     that. What one host of several says changes nothing. With a single host, what it says twice
//     in a row counts. What waits for a second host for a quarter of an hour is told
//     ([Watch.Doubts]).
//   - What was seen first, by two hosts where there are several, is what changes are measured by.
//     It stands in the ledger, so a restart sees what happened meanwhile.
//   - What time alone does is no change: a power-down that has come to its end, a payment from
//     savings that was made, a recovery account that changes as was announced.
//   - The change, its record and the stop of the account are one commit, and are told after that.
//   - A stopped account stays stopped over restarts and settings, until a person accepts what
//     changed ([Watch.Accept]).
//
// # What it trusts
//
// Two hosts that lie together can have an account stopped, and can hide a change. Nobody who can
// only see the wallet's requests can do either.
package guard
