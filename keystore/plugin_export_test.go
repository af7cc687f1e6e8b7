package keystore

import (
	"bytes"
	"time"
)

// Version returns the version of the file that a store would write.
func Version(s *Store) int {
	c, err := s.inMemory()
	if err != nil {
		return 0
	}
	defer c.wipe()
	return c.version()
}

// Holds returns the passphrase or the file key that an Unlock holds.
func Holds(u Unlock) string {
	held := bytes.Clone(u.open().passphrase.Bytes())
	for _, id := range u.open().identities {
		if key, ok := id.(fileKey); ok {
			held = append(held, key...)
		}
	}
	return string(held)
}

// PluginWait sets how long a plugin may take, and returns what sets it back.
func PluginWait(d time.Duration) (back func()) {
	before := pluginWait
	pluginWait = d
	return func() { pluginWait = before }
}
