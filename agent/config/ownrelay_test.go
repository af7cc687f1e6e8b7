package config

import "testing"

func TestOwnRelay(t *testing.T) {
	for _, tt := range []struct {
		listen, relay string
		own           bool
	}{
		{"127.0.0.1:9480", "ws://127.0.0.1:9480", true},
		{"127.0.0.1:9480", "ws://localhost:9480/", true},
		{":9480", "ws://[::1]:9480", true},
		{"0.0.0.0:9480", "ws://127.0.0.1:9480", true},
		{"wallet.example:443", "wss://wallet.example", true},
		{"127.0.0.1:9480", "ws://127.0.0.1:9481", false},
		{":9480", "wss://relay.example:9480", false},
		{"127.0.0.1:9480", "wss://hive-auth.arcange.eu", false},
		{"", "ws://127.0.0.1", false},
		{"", "wss://hive-auth.arcange.eu", false},
	} {
		c := Config{RelayListen: tt.listen}
		if own := c.OwnRelay(tt.relay); own != tt.own {
			t.Errorf("listening at %q, relay %q: %t", tt.listen, tt.relay, own)
		}
	}
}
