package config

import (
	"slices"
	"strings"
	"testing"
)

const twoNotifiers = `notify:
  - ntfy: https://ntfy.example/
    topic: a-topic-of-a-test
    token: credential:ntfy
  - webhook: http://127.0.0.1:8080/a-path-of-a-test?with=key
    secret: file:hook
    content: full
`

// Both kinds, as the file and as a variable have them.
func TestNotifiers(t *testing.T) {
	want := []Notifier{
		{Kind: NotifyNtfy, URL: "https://ntfy.example", Topic: "a-topic-of-a-test", Source: "credential:ntfy"},
		{Kind: NotifyWebhook, URL: "http://127.0.0.1:8080/a-path-of-a-test?with=key", Source: "file:/home/bot/hook",
			Full: true},
	}
	c, err := Parse("/home/bot", "config.yaml", []byte(twoNotifiers), nil)
	if err != nil || !slices.Equal(c.Notify, want) {
		t.Fatalf("%v: %+v", err, c)
	}
	shown := showNotifiers(c)
	for _, hidden := range []string{"a-topic", "a-path", "key"} {
		if strings.Contains(shown, hidden) {
			t.Errorf("%q is shown: %s", hidden, shown)
		}
	}
	if text := "[{ntfy: https://ntfy.example, topic: (hidden), token: credential:ntfy, content: short}, {webhook: " +
		"http://127.0.0.1:8080/…, secret: file:/home/bot/hook, content: full}]"; shown != text {
		t.Errorf("%s", shown)
	}
	c, err = Parse("/home/bot", "config.yaml", nil, []string{
		"PKSA_NOTIFY=[{ntfy: https://ntfy.example, topic: abc, token: env:PKSA_NTFY_TOKEN}]", "PKSA_NTFY_TOKEN=x"})
	if err != nil || len(c.Notify) != 1 || c.Notify[0].Source != "env:PKSA_NTFY_TOKEN" {
		t.Errorf("%v", err)
	}
	if c, err := Parse("/home/bot", "config.yaml", []byte("notify: []"), nil); err != nil || len(c.Notify) != 0 {
		t.Errorf("%v", err)
	}
}

// The last number that is taken, and the first that is not; and what concerns several entries.
func TestNotifiersTogether(t *testing.T) {
	const one = "{ntfy: https://ntfy.example, topic: %}"
	many := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, strings.ReplaceAll(one, "%", strings.Repeat("a", i+1)))
		}
		return "notify: [" + strings.Join(list, ", ") + "]\n"
	}
	for _, tt := range []struct{ name, text, want string }{
		{"eight", many(8), ""},
		{"nine", many(9), "9 notifiers; 8 are the most"},
		{"twice", "notify: [" + one + ", " + one + "]", "stands here twice"},
		{"unlock", "unlock: env:BOTH\nnotify: {ntfy: https://ntfy.example, topic: a, token: env:BOTH}",
			"the same variable, env:BOTH"},
	} {
		_, err := Parse("/home", "config.yaml", []byte(strings.ReplaceAll(tt.text, "%", "b")), nil)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Another topic is a change, although none is shown.
func TestHiddenPartOfANotifierChanges(t *testing.T) {
	was := Default("/home")
	was.Notify = []Notifier{{Kind: NotifyNtfy, URL: "https://ntfy.example", Topic: "a"}}
	later := Default("/home")
	later.Notify = []Notifier{{Kind: NotifyNtfy, URL: "https://ntfy.example", Topic: "b"}}
	changes := was.Changes(later)
	if len(changes) != 1 || changes[0].Path != "notify" || changes[0].Restart ||
		!strings.HasSuffix(changes[0].InFile, "}] (what has changed is not shown)") {
		t.Fatalf("%+v", changes)
	}
	if next := was.Taking(later); next.Notify[0].Topic != "b" {
		t.Errorf("%+v", next.Notify)
	}
}
