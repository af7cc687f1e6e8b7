package main

// becomeUser does nothing: on Windows owners are not looked at.
func becomeUser(string) {}

// limitLocks does nothing: on Windows no memory is locked.
func limitLocks(string) {}
