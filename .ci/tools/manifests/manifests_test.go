package manifests

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
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
		"networking.k8s.io/v1 NetworkPolicy": &networking.NetworkPolicy{},
	}[head.APIVersion+" "+head.Kind]
	if !ok {
		return nil, errors.New("there is no type for " + head.APIVersion + " " + head.Kind)
	}
	return object, yaml.UnmarshalStrict(text, object)
}

func TestKubernetes(t *testing.T) {
	file, err := os.ReadFile("../../../examples/kubernetes/pksa.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var found []any
	for r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(file))); ; {
		text, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
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
	if len(found) != 4 {
		t.Fatalf("%d manifests", len(found))
	}
	for _, object := range found {
		if d, ok := object.(*apps.Deployment); ok {
			checkPod(t, d.Spec.Template.Spec)
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

// Compose takes the file, and hands the version to the build.
func TestCompose(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{"../../../examples/container/compose.yaml"},
		cli.WithEnv([]string{"VERSION=v1.2.3", "COMMIT=c0ffee"}), cli.WithInterpolation(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
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
	if !wallet.ReadOnly || wallet.Ulimits["memlock"].Single != -1 || len(wallet.Secrets) != 2 {
		t.Errorf("the wallet: %+v", wallet)
	}
}
