//go:build unix && !linux && !darwin && !freebsd && !dragonfly && !openbsd

package access

// onReadOnlyMount reports whether nobody can write by way of the mount at which path lies. Here
// that cannot be asked, so every mount counts as one that can be written to: a file that others
// could change stays refused.
func onReadOnlyMount(string) bool { return false }
