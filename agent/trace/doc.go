// Package trace keeps what went wrong with requests in the last hour, so that whoever looks at the
// wallet sees the commonest first mistakes of an application: a wrong secret, a session that has
// ended, too many requests a second, a login in each run.
//
// Start with the zero [Log] and [Log.Count]. [Log.List] returns the last hour for people, and
// [Log.Due] what the program's log has not been told yet.
//
// # What it promises
//
// Memory is bounded whatever a relay sends, and the program's log gets one line a minute for each
// kind. Nothing of a request is kept but its kind of mistake, its account and its relay.
package trace
