// Package config reads config.yaml and the PKSA_… variables into settings.
//
// Start at [Load]. One table (settings.go) declares each setting once: its path in the file, its
// meaning and how it is read; the file reader, the environment reader and the commented file that
// `pksa init` writes are all made from that table, so none of them can know a setting that another
// does not.
//
// Precedence: a variable replaces what the file says, the file replaces the default. The variable
// of a setting is its path in capitals with dots as underscores: status.listen is
// PKSA_STATUS_LISTEN. An empty variable counts as not set. A list is written with commas, or as
// YAML in brackets, in both.
//
// Promises: unknown keys, repeated keys, wrong types and senseless values are errors with file,
// line and column, all of them in one run; nothing is guessed. What an earlier version took is
// taken, with a warning ([Config.Warnings]) if it should be mended. The file may lack any setting,
// and may be missing altogether. Relative paths are taken from the home folder, not from the
// working directory, so that a service and a shell mean the same file. No secret is a setting: the
// unlock setting names where the secret is.
package config
