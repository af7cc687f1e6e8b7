package config

import (
	"strings"
	"testing"
)

// others has for each setting that a running wallet takes over a value that is not the default.
const others = `relays: [wss://other.example]
nodes: [https://node.example, 'list:https://list.example/nodes']
policy: other.yaml
nonce: {required: true}
limits: {operations: 7, requests_per_second: 8, account_requests_per_second: 9}
stop_timeout: 7s
approve: {origin: "https://wallet.example"}
lock_after: 30m
notify: [{ntfy: https://ntfy.example, topic: abc}]
status: {listen: '127.0.0.1:1', hosts: [metrics.example]}
log: {level: debug}
name: other
hardening: off
unlock: command:other --with arguments
`

func TestTaking(t *testing.T) {
	was := Default("/home")
	was.Unlock = "command:other --with others"
	later, err := Parse("/home", "config.yaml", []byte(others), nil)
	if err != nil {
		t.Fatal(err)
	}
	next := was.Taking(later)
	shown := map[string]Shown{}
	for _, s := range next.Show() {
		shown[s.Path] = s
	}
	taken := 0
	for _, c := range was.Changes(later) {
		_, takes := live[c.Path]
		if c.Restart == takes || c.From == FromDefault {
			t.Errorf("%+v", c)
		}
		if want := c.InFile; takes && (shown[c.Path].Value != want || shown[c.Path].From != c.From) {
			t.Errorf("%s is %+v, not %s", c.Path, shown[c.Path], want)
		}
		if takes {
			taken++
		}
	}
	if taken != len(live) {
		t.Errorf("%d of %d were tried", taken, len(live))
	}
	var left []string
	for _, c := range next.Changes(later) {
		left = append(left, c.Path)
	}
	if got := strings.Join(left, " "); got != "name unlock hardening" {
		t.Errorf("left: %s", got)
	}
	if still := was.Taking(later, "policy"); still.Policy != was.Policy || still.StopTimeout != later.StopTimeout {
		t.Errorf("%+v", still)
	}
	// Back to the default is a change, too, and its place is the default.
	if back := next.Taking(Default("/home")); back.Show()[2].From != FromDefault || len(back.Changes(was)) != 0 {
		t.Errorf("%+v", back.Changes(was))
	}
}
