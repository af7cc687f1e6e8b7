package policy_test

import (
	"strings"
	"testing"

	"pksa/agent/policy"
)

// warningsOf returns the warnings about a policy that must be without errors.
func warningsOf(t *testing.T, src string) string {
	t.Helper()
	p, problems := policy.Compile("p.yaml", []byte("version: 1\n"+src), policy.Options{})
	if p == nil {
		t.Fatalf("%s\n%v", src, problems)
	}
	var texts []string
	for _, w := range problems.Warnings() {
		texts = append(texts, w.Text)
	}
	return strings.Join(texts, "\n")
}

// A rule that hands out a signed transaction of value is warned of: the relay gets it, too.
func TestSignedOnlyIsWarnedOf(t *testing.T) {
	limit := "\nlimits: [{name: l, apps: [app], spend: 1.000 HBD per 24h}]\n"
	const rule = "{name: r, request: sign, apps: [app], "
	for src, want := range map[string]string{
		"allow:\n  - " + rule +
			"key: active, broadcast: false, operations: [transfer: {to: bob}]}": "false for transfer",
		"allow:\n  - " + rule +
			"key: active, broadcast: any, operations: [transfer: {to: bob}]}": "any for transfer",
		"ask:\n  - " + rule + "key: active, broadcast: any, operations: [active]}": "any for active",
		"allow:\n  - " + rule +
			"key: active, broadcast: any, operations: [custom_json: {id: a}]}": "any for custom_json",
		"allow:\n  - " + rule + "key: active, broadcast: true, operations: [transfer: {to: bob}]}":   "",
		"allow:\n  - " + rule + "key: active, operations: [transfer: {to: bob}]}":                    "",
		"allow:\n  - " + rule + "broadcast: any, operations: [vote, comment, custom_json: {id: a}]}": "",
		"deny:\n  - {name: r, broadcast: false, operations: [transfer]}":                             "",
	} {
		got := warningsOf(t, src+limit)
		told := strings.Contains(got, "the relay gets the signed transaction in clear")
		if told != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%s\ngot %q, want %q", src, got, want)
		}
	}
}

// A rule whose test of a text takes a login of another service is warned of, and no other.
func TestCredentialsAreWarnedOf(t *testing.T) {
	const token, image = "a HiveSigner token", "ImageSigningChallenge"
	for text, want := range map[string][2]bool{
		`{regexp: '.+'}`:                             {true, true},
		`{glob: '*'}`:                                {true, true},
		`{regexp: '.{1,40}'}`:                        {false, true},
		`{glob: 'Image*'}`:                           {false, true},
		`{glob: '{"signed_message":*'}`:              {true, false},
		`{.timestamp: {min: 1700000000}}`:            {true, false},
		`{.authors: {any: $account}}`:                {true, false},
		`{not: {glob: 'Image*'}}`:                    {true, false},
		`{.login: $account, members: [login, ts]}`:   {false, false},
		`{.authors: {any: bob}}`:                     {false, false},
		`{regexp: 'log in to [a-z.]+'}`:              {false, false},
		`[{glob: 'login *'}, {regexp: '[0-9a-f]+'}]`: {false, false},
	} {
		src := "allow:\n  - {name: r, request: challenge, apps: [app], accounts: [alice], text: " + text + "}\n"
		got := warningsOf(t, src)
		if strings.Contains(got, token) != want[0] || strings.Contains(got, image) != want[1] {
			t.Errorf("%s: %q", text, got)
		}
		if asked := warningsOf(t, strings.Replace(src, "allow:", "ask:", 1)); strings.Contains(asked, "credentials") {
			t.Errorf("%s, with a person who reads it: %q", text, asked)
		}
	}
}
