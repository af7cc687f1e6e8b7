package manifests

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// decode decodes one manifest into the type of its kind, strictly: what the type does not have is
// an error.
func decode(text []byte) (any, error) {
	var head struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(text, &head); err != nil {
		return nil, err
	}
	object, ok := map[string]any{
		"apps/v1 Deployment":                 &apps.Deployment{},
		"v1 ConfigMap":                       &core.ConfigMap{},
		"v1 PersistentVolumeClaim":           &core.PersistentVolumeClaim{},
		"v1 Service":                         &core.Service{},
		"networking.k8s.io/v1 NetworkPolicy": &networking.NetworkPolicy{},
	}[head.APIVersion+" "+head.Kind]
	if !ok {
		return nil, errors.New("there is no type for " + head.APIVersion + " " + head.Kind)
	}
	return object, yaml.UnmarshalStrict(text, object)
}

// objects decodes all manifests of a file.
func objects(t *testing.T, name string) (found []any) {
	t.Helper()
	file, err := os.ReadFile("../../../examples/kubernetes/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(file))); ; {
		text, err := r.Read()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		object, err := decode(text)
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
		found = append(found, object)
	}
}

func TestKubernetes(t *testing.T) {
	found := objects(t, "pksa.yaml")
	if len(found) != 4 {
		t.Fatalf("%d manifests", len(found))
	}
	for _, object := range found {
		if d, ok := object.(*apps.Deployment); ok {
			checkPod(t, d.Spec.Template.Spec)
			checkConsole(t, d.Spec.Template)
		}
	}
}

// checkPod looks at what Kubernetes has read.
func checkPod(t *testing.T, pod core.PodSpec) {
	if len(pod.InitContainers) != 2 || len(pod.Containers) != 2 {
		t.Fatalf("%d and %d containers", len(pod.InitContainers), len(pod.Containers))
	}
	wallet := pod.Containers[0]
	for name, probe := range map[string]*core.Probe{"/livez": wallet.LivenessProbe, "/readyz": wallet.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != name || probe.HTTPGet.Port.StrVal != "status" {
			t.Errorf("%s: %+v", name, probe)
		}
	}
	for _, v := range pod.Volumes {
		if v.Projected != nil && (v.Projected.DefaultMode == nil || *v.Projected.DefaultMode != 0o400) {
			t.Errorf("%s: mode %o", v.Name, *v.Projected.DefaultMode)
		}
	}
}

// checkConsole looks at the patch for a console: of what the pod has it names what is there, and it
// replaces nothing.
func checkConsole(t *testing.T, template core.PodTemplateSpec) {
	pod, labels := template.Spec, template.Labels
	file, err := os.ReadFile("../../../examples/kubernetes/console.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var patch apps.Deployment
	if err := yaml.UnmarshalStrict(file, &patch); err != nil {
		t.Fatal(err)
	}
	p, had := patch.Spec.Template.Spec, map[string]bool{}
	for _, v := range append(p.Volumes, pod.Volumes...) {
		if had["volume "+v.Name] {
			t.Errorf("it replaces the volume %s", v.Name)
		}
		had["volume "+v.Name] = true
	}
	for _, e := range pod.Containers[0].Env {
		had["env "+e.Name] = true
	}
	for _, m := range pod.Containers[0].VolumeMounts {
		had["mount "+m.MountPath] = true
	}
	if len(p.Containers) != 2 || p.Containers[0].Name != pod.Containers[0].Name || p.Containers[0].Image != "" {
		t.Fatalf("%+v", p.Containers)
	}
	for _, e := range p.Containers[0].Env {
		if had["env "+e.Name] {
			t.Errorf("it replaces %s", e.Name)
		}
	}
	for _, c := range p.Containers {
		for _, m := range c.VolumeMounts {
			if !had["volume "+m.Name] || had["mount "+m.MountPath] {
				t.Errorf("%s: %+v", c.Name, m)
			}
		}
	}
	// The way to it leads to this pod and to this port of it.
	for _, object := range objects(t, "console-service.yaml") {
		switch o := object.(type) {
		case *core.Service:
			if !maps.Equal(o.Spec.Selector, labels) ||
				o.Spec.Ports[0].TargetPort.StrVal != p.Containers[1].Ports[0].Name {
				t.Errorf("%+v", o.Spec)
			}
		case *networking.NetworkPolicy:
			if !maps.Equal(o.Spec.PodSelector.MatchLabels, labels) {
				t.Errorf("%+v", o.Spec)
			}
		default:
			t.Errorf("%T", object)
		}
	}
	probe := p.Containers[1].LivenessProbe
	if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Port.StrVal != p.Containers[1].Ports[0].Name ||
		probe.HTTPGet.Scheme != core.URISchemeHTTPS {
		t.Errorf("%+v", probe)
	}
}

// What the type does not have is found.
func TestDecodeIsStrict(t *testing.T) {
	for _, text := range []string{
		"apiVersion: v1\nkind: ConfigMap\ndatum: {a: b}\n",
		"apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\ndata: {a: c}\n",
		"apiVersion: v1\nkind: Secrets\n",
		"apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: {enableServiceLink: false}}}\n",
	} {
		if _, err := decode([]byte(text)); err == nil {
			t.Errorf("taken: %q", text)
		}
	}
}

// load has Compose read files of the folder of containers.
func load(t *testing.T, files ...string) *types.Project {
	t.Helper()
	for i, file := range files {
		files[i] = "../../../examples/container/" + file
	}
	options, err := cli.NewProjectOptions(files, cli.WithEnv([]string{"VERSION=v1.2.3", "COMMIT=c0ffee"}),
		cli.WithInterpolation(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// Compose takes the file, and hands the version to the build.
func TestCompose(t *testing.T) {
	project := load(t, "compose.yaml")
	wallet, ok := project.Services["pksa"]
	if !ok || len(project.Services) != 2 {
		t.Fatalf("services %v", project.ServiceNames())
	}
	for name, want := range map[string]string{"VERSION": "v1.2.3", "COMMIT": "c0ffee"} {
		if got := wallet.Build.Args[name]; got == nil || *got != want {
			t.Errorf("%s is not handed to the build", name)
		}
	}
	if bot := project.Services["bot"]; bot.NetworkMode != "service:pksa" || !bot.ReadOnly || len(bot.Secrets) != 1 {
		t.Errorf("the bot: %+v", bot)
	}
	if _, ok := project.Services["console"]; ok {
		t.Error("a console that nobody asked for")
	}
	if !wallet.ReadOnly || wallet.Ulimits["memlock"].Single != -1 || len(wallet.Secrets) != 2 {
		t.Errorf("the wallet: %+v", wallet)
	}
}

// The file for a console leaves the wallet as it is, and adds what a console needs.
func TestComposeWithConsole(t *testing.T) {
	project, alone := load(t, "compose.yaml", "compose.console.yaml"), load(t, "compose.yaml")
	wallet, before, console := project.Services["pksa"], alone.Services["pksa"], project.Services["console"]
	if len(project.Services) != 3 || len(wallet.Volumes) != len(before.Volumes)+1 ||
		len(wallet.Environment) != len(before.Environment)+4 || !wallet.ReadOnly || len(wallet.Secrets) != 2 {
		t.Errorf("the wallet: %+v", wallet)
	}
	if len(console.Secrets) > 0 || len(console.Volumes) != 1 || !console.Volumes[0].ReadOnly || !console.ReadOnly {
		t.Errorf("the console: %+v", console)
	}
}
