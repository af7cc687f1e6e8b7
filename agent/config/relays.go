package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
	"pksa/protocol/host"
)

func readRelays(r *reader, n *yamlnode.Node) error {
	items, err := listed(n, isAddress)
	if err != nil {
		return err
	}
	relays := make([]Relay, 0, len(items))
	seen, keys := map[string]bool{}, map[hive.PublicKey]string{}
	err = each(items, func(item *yamlnode.Node) error {
		relay, err := readRelay(item)
		if err != nil {
			return err
		}
		if seen[relay.URL] {
			return fmt.Errorf("relay %q is listed twice", relay.URL)
		}
		seen[relay.URL] = true
		if other, ok := keys[relay.Key]; ok && !relay.Key.IsNull() {
			return fmt.Errorf("relays %q and %q have the same key: one of them poses as the other, or both are one "+
				"relay; keep one", other, relay.URL)
		}
		keys[relay.Key] = relay.URL
		relays = append(relays, relay)
		return nil
	})
	if err != nil {
		return err
	}
	r.config.Relays = relays
	return nil
}

func readRelay(n *yamlnode.Node) (Relay, error) {
	var relay Relay
	if n.Kind != yamlnode.Map {
		v, err := scalar(n)
		if err != nil {
			return relay, err
		}
		relay.URL = v
	}
	for _, e := range n.Entries {
		v, err := scalar(e.Value)
		if err != nil {
			return relay, err
		}
		switch key := e.Key.Text; {
		case key == "url":
			relay.URL = v
		case key == "plaintext" && (v == "true" || v == "false"):
			relay.Plaintext = v == "true"
		case key == "key":
			if relay.Key, err = hive.ParsePublicKey(v); err != nil {
				return relay, fmt.Errorf("key: %q is no public key such as STM7…: %w; take it out, and when the "+
					"relay is connected `pksa status --all` shows its key", v, err)
			}
		default:
			return relay, fmt.Errorf("%s: %s is no entry of a relay; write {url: wss://…, plaintext: true, key: STM…}",
				key, v)
		}
	}
	u, err := webURL(relay.URL)
	if err != nil {
		return relay, err
	}
	// Requests are sealed, but names and times are not; beyond this machine somebody has to say
	// that the network is private.
	if u.Scheme == "ws" && !relay.Plaintext && !host.Loopback(u.Hostname()) {
		return relay, fmt.Errorf("%q is not encrypted: use wss://, or say {url: %s, plaintext: true} if the network "+
			"in between is private", relay.URL, relay.URL)
	}
	if u.Scheme != "ws" && u.Scheme != "wss" {
		return relay, fmt.Errorf("%q: a relay is reached by wss://", relay.URL)
	}
	relay.URL = strings.TrimSuffix(relay.URL, "/")
	return relay, nil
}

// AddedRelay reads the address of a relay that a person adds beside the settings. It has to be as
// addresses in the settings are, and TLS is needed, on this machine too.
func AddedRelay(address string) (Relay, error) {
	u, err := webURL(address)
	if err != nil {
		return Relay{}, err
	}
	if u.Scheme != "wss" {
		return Relay{}, fmt.Errorf("%q is not encrypted: a relay that is not in the settings is reached by wss:// "+
			"only; add it to relays in config.yaml, then `pksa reload`", address)
	}
	return Relay{URL: strings.TrimSuffix(address, "/")}, nil
}

// OwnRelay reports whether a relay's address is that of the relay which this process runs itself,
// by relay.listen. It has no other wallets than those on this machine or network.
func (c *Config) OwnRelay(address string) bool {
	name, port, err := net.SplitHostPort(c.RelayListen)
	u, wrong := url.Parse(address)
	if err != nil || wrong != nil {
		return false
	}
	usual := map[string]string{"ws": "80", "http": "80", "wss": "443", "https": "443"}
	if cmp.Or(u.Port(), usual[u.Scheme]) != port {
		return false
	}
	return host.Loopback(u.Hostname()) || name != "" && u.Hostname() == name
}

// listensHere reports whether only this machine reaches an address to listen on.
func listensHere(address string) bool {
	name, _, err := net.SplitHostPort(address)
	return err == nil && host.Loopback(name)
}

// readUnproven reads the accounts whose wallets need no proof: names, and words for many.
func readUnproven(r *reader, n *yamlnode.Node) error {
	items, err := listed(n, anyText)
	if err != nil {
		return err
	}
	var u Unproven
	none := false
	for _, item := range items {
		v, err := scalar(item)
		if err != nil {
			return err
		}
		switch v {
		case "others":
			u.Others = true
		case "any":
			u.Any = true
		case "none":
			none = true
		default:
			name, err := hive.ParseAccountName(v)
			if err != nil {
				return fmt.Errorf("wants others, none, any or names of accounts, not %q", v)
			}
			u.Names = append(u.Names, name)
		}
	}
	if none && len(items) > 1 {
		return errors.New("none stands alone, or is left out")
	}
	r.config.RelayUnproven = u
	return nil
}
