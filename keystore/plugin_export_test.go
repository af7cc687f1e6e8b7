package keystore

import "time"

// PluginWait sets how long a plugin may take, and returns what sets it back.
func PluginWait(d time.Duration) (back func()) {
	before := pluginWait
	pluginWait = d
	return func() { pluginWait = before }
}
