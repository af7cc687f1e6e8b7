package examples_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"pksa/agent/policy"
)

// manifest is what of a manifest is looked at. .ci/tools decodes all of it as Kubernetes does.
type manifest struct {
	Kind string
	Data map[string]string
	Spec struct {
		AccessModes []string `yaml:"accessModes"`
		Replicas    int
		Strategy    struct{ Type string }
		Template    struct{ Spec pod }
		NotReady    bool `yaml:"publishNotReadyAddresses"`
		Ports       []struct {
			Target string `yaml:"targetPort"`
		}
		Ingress []struct {
			From  []any
			Ports []struct{ Port string }
		}
	}
}

type pod struct {
	Token           *bool `yaml:"automountServiceAccountToken"`
	Links           *bool `yaml:"enableServiceLinks"`
	Grace           int   `yaml:"terminationGracePeriodSeconds"`
	SecurityContext struct {
		RunAsNonRoot bool                  `yaml:"runAsNonRoot"`
		RunAsUser    int                   `yaml:"runAsUser"`
		FSGroup      int                   `yaml:"fsGroup"`
		Seccomp      struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	InitContainers []container `yaml:"initContainers"`
	Containers     []container
	Volumes        []struct{ Name string }
}

type container struct {
	Name, Image     string
	Args            []string
	Env             []struct{ Name, Value string }
	Mounts          []mount `yaml:"volumeMounts"`
	Ports           []struct{ Name string }
	Startup         probe `yaml:"startupProbe"`
	Liveness        probe `yaml:"livenessProbe"`
	Readiness       probe `yaml:"readinessProbe"`
	SecurityContext struct {
		User         int                     `yaml:"runAsUser"`
		Escalation   *bool                   `yaml:"allowPrivilegeEscalation"`
		ReadOnly     bool                    `yaml:"readOnlyRootFilesystem"`
		Capabilities struct{ Drop []string } `yaml:"capabilities"`
	} `yaml:"securityContext"`
}

type mount struct {
	Name     string
	Path     string `yaml:"mountPath"`
	SubPath  string `yaml:"subPath"`
	ReadOnly bool   `yaml:"readOnly"`
}

// settings returns what the container is given, beside what Kubernetes adds for Services that are
// called pksa and pksa-console.
func (c container) settings() map[string]string {
	all := map[string]string{"PKSA_SERVICE_HOST": "10.96.0.17", "PKSA_SERVICE_PORT": "9481",
		"PKSA_PORT": "tcp://10.96.0.17:9481", "PKSA_PORT_9481_TCP": "tcp://10.96.0.17:9481",
		"PKSA_CONSOLE_SERVICE_HOST": "10.96.0.18", "PKSA_CONSOLE_SERVICE_PORT": "443",
		"PKSA_CONSOLE_PORT": "tcp://10.96.0.18:443"}
	for _, e := range c.Env {
		all[e.Name] = e.Value
	}
	return all
}

// shutIn wants a container that may do little.
func (c container) shutIn(t *testing.T) {
	t.Helper()
	s := c.SecurityContext
	if s.Escalation == nil || *s.Escalation || !s.ReadOnly || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
		t.Errorf("%s is not shut in", c.Name)
	}
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// manifests returns those of a file, by kind.
func manifests(t *testing.T, file string) map[string]manifest {
	t.Helper()
	all := map[string]manifest{}
	for d := yaml.NewDecoder(bytes.NewReader(read(t, file))); ; {
		var m manifest
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[m.Kind] = m
	}
}

// One pod has one wallet, shut in, with probes that restart what hangs and nothing else.
func TestKubernetesPod(t *testing.T) {
	all := manifests(t, "kubernetes/pksa.yaml")
	d := all["Deployment"].Spec
	if d.Replicas != 1 || d.Strategy.Type != "Recreate" ||
		!slices.Equal(all["PersistentVolumeClaim"].Spec.AccessModes, []string{"ReadWriteOncePod"}) {
		t.Error("two copies of the wallet may run at a time")
	}
	p := d.Template.Spec
	if p.Token == nil || *p.Token || p.Links == nil || *p.Links || p.Grace <= 20 {
		t.Errorf("%+v", p)
	}
	c := p.SecurityContext
	if !c.RunAsNonRoot || c.RunAsUser != 10001 || c.FSGroup != 10001 || c.Seccomp.Type != "RuntimeDefault" {
		t.Errorf("%+v", c)
	}
	volumes := map[string]bool{}
	for _, v := range p.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range append(slices.Clone(p.InitContainers), p.Containers...) {
		c.shutIn(t)
		for _, m := range c.Mounts {
			if !volumes[m.Name] {
				t.Errorf("%s: there is no volume %s", c.Name, m.Name)
			}
			if holds := m.Name == "secrets" || m.Name == "home"; holds && c.Name == "bot" {
				t.Errorf("the bot is given %s", m.Name)
			}
		}
		// What ends is started again, and is not ready meanwhile. And it must not vote for what the
		// reader did not name.
		if c.Name == "bot" && c.Args[len(c.Args)-1] != "-stay" {
			t.Errorf("the bot runs with %v", c.Args)
		}
	}
	wallet := p.Containers[0]
	if wallet.Startup.HTTPGet.Path != "/livez" || wallet.Liveness.HTTPGet.Path != "/livez" ||
		wallet.Readiness.HTTPGet.Path != "/readyz" || wallet.Ports[0].Name != wallet.Liveness.HTTPGet.Port {
		t.Errorf("probes: %+v, %+v, %+v", wallet.Startup, wallet.Liveness, wallet.Readiness)
	}
}

// The wallet takes the settings and the policy of the manifests, also beside a Service that has its
// name.
func TestKubernetesSettings(t *testing.T) {
	all := manifests(t, "kubernetes/pksa.yaml")
	p := all["Deployment"].Spec.Template.Spec
	for _, c := range append(slices.Clone(p.InitContainers), p.Containers[0]) {
		settings := c.settings()
		checkSettings(t, settings)
		if len(c.Env) < 3 || settings["PKSA_UNLOCK"] != "file:/run/secrets/pksa/unlock" {
			t.Errorf("%s: settings %v", c.Name, c.Env)
		}
	}
	text := all["ConfigMap"].Data["policy.yaml"]
	compiled, problems := policy.Compile("policy.yaml", []byte(text), policy.Options{})
	if compiled == nil || len(problems.Warnings()) > 0 {
		t.Errorf("%v", problems)
	}
	if !strings.Contains(text, "apps: [mybot]") {
		t.Error("the policy knows another bot")
	}
}

// The patch for a console gives the wallet its settings and a folder for the socket. The console is
// another user, and gets that folder, read-only, and nothing else of the wallet's.
func TestKubernetesConsole(t *testing.T) {
	p := manifests(t, "kubernetes/console.yaml")[""].Spec.Template.Spec
	if len(p.Containers) != 2 {
		t.Fatalf("%+v", p)
	}
	wallet, console := p.Containers[0], p.Containers[1]
	socket := mount{"home", "/run/pksa", "console", false}
	if wallet.Name != "pksa" || !slices.Equal(wallet.Mounts, []mount{socket}) ||
		path.Dir(wallet.settings()["PKSA_CONSOLE_SOCKET"]) != "/run/pksa" {
		t.Errorf("the wallet: %+v", wallet)
	}
	checkSettings(t, wallet.settings())
	console.shutIn(t)
	socket.ReadOnly = true
	if len(console.Mounts) != 2 || console.Mounts[0] != socket || console.Mounts[1].Name != p.Volumes[0].Name ||
		fmt.Sprint(console.SecurityContext.User) != wallet.settings()["PKSA_CONSOLE_USER"] {
		t.Errorf("the console: %+v", console)
	}
	// Its Service leads to a wallet that is stopped, too, and people are let in there.
	all := manifests(t, "kubernetes/console-service.yaml")
	port := console.Ports[0].Name
	if s := all["Service"].Spec; !s.NotReady || len(s.Ports) != 1 || s.Ports[0].Target != port {
		t.Errorf("the service: %+v", s)
	}
	if in := all["NetworkPolicy"].Spec.Ingress; len(in) != 1 || len(in[0].From) != 1 || in[0].Ports[0].Port != port {
		t.Errorf("the way to it: %+v", in)
	}
}
