// Package oldwallet reads the folder of a wallet of hive-auth-pksa, the reference wallet (HAS §10):
// its settings, accounts, sessions and keys.
//
// Start with [Read]. [Wallet.Policy] writes the policy that allows what the switches of the old
// wallet allowed, or less. Nothing is written here, and the old files are only read.
//
// It reads what every version wrote or shipped as an example, the ones of protocol 0.4 to 0.8 too,
// whose sessions have a token. What no version reads is named in [Wallet.Unread]. What this package
// does not know it refuses: an unknown setting might forbid something. Complaints name file and
// line, and never repeat a value, which may be a secret.
package oldwallet
