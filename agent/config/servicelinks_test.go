package config

import (
	"slices"
	"strings"
	"testing"
)

// linksOf are the variables that Kubernetes sets for a Service with a named port.
func linksOf(service, host string) []string {
	return []string{
		service + "_SERVICE_HOST=" + host, service + "_SERVICE_PORT=9480", service + "_SERVICE_PORT_RELAY=9480",
		service + "_PORT=tcp://" + host + ":9480", service + "_PORT_9480_TCP=tcp://" + host + ":9480",
		service + "_PORT_9480_TCP_PROTO=tcp", service + "_PORT_9480_TCP_PORT=9480",
		service + "_PORT_9480_TCP_ADDR=" + host,
	}
}

// A Service named pksa, or with such a name, puts variables into the container that are no
// settings. They stop nothing, and change nothing.
func TestServiceLinks(t *testing.T) {
	plain, err := Load("/home/x", "/home/x/config.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"PKSA", "PKSA_RELAY", "PKSA_STATUS", "PKSA_CONSOLE", "PKSA_SERVICE", "PKSA_HOME",
		"PKSA_PORT"} {
		for _, host := range []string{"10.96.0.17", "fd00::17"} {
			c, err := Load("/home/x", "/home/x/config.yaml", linksOf(service, host))
			if err != nil {
				t.Errorf("%s: %v", service, err)
				continue
			}
			if c.RelayListen != plain.RelayListen || c.StatusListen != plain.StatusListen || c.Home != plain.Home {
				t.Errorf("%s changes settings", service)
			}
		}
	}
}

// What only looks like such a variable is a misspelt setting, as every other one is.
func TestNoServiceLinks(t *testing.T) {
	for _, environ := range [][]string{
		{"PKSA_PORT=9480"},
		{"PKSA_PORT=9480", "PKSA_SERVICE_HOST=relay.example"}, // a Service has an address
		{"PKSA_RELAY_PORT=9480", "PKSA_SERVICE_HOST=10.96.0.17"},
		{"PKSA_RELAY_LISTN=9480", "PKSA_RELAY_SERVICE_HOST=10.96.0.17"},
		{"PKSA_PORT_9480=x", "PKSA_SERVICE_HOST=10.96.0.17"},
	} {
		name, _, _ := strings.Cut(environ[0], "=")
		if _, err := Load("/home/x", "/home/x/config.yaml", environ); err == nil ||
			!strings.Contains(err.Error(), name+": no setting has this variable") {
			t.Errorf("%q: %v", environ, err)
		}
	}
}

// No setting has a name that Kubernetes could take.
func TestNoSettingIsAServiceLink(t *testing.T) {
	for _, s := range settings {
		vars := map[string]string{}
		for i := range s.Variable() {
			vars[s.Variable()[:i]+"_SERVICE_HOST"] = "10.96.0.17"
		}
		if isServiceLink(vars, s.Variable()) {
			t.Errorf("%s is one", s.Variable())
		}
	}
	if !slices.ContainsFunc(settings, func(s setting) bool { return s.Variable() == "PKSA_STATUS_LISTEN" }) {
		t.Error("settings have other names")
	}
}
