// Command compose tells .ci/image how to run the services of Compose files by Podman: all that the
// files say, and nothing else. What it does not know it refuses, so that no line goes untried.
//
//	go run .ci/compose/main.go FOLDER FILE...
//
// It prints lines of a shell, with a list of the services in the order in which they start, and for
// each its options, image and command, and whom it waits for.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

type project struct {
	Name     string
	Services map[string]service
	Secrets  map[string]struct{ File string }
	Volumes  map[string]struct{}
}

type service struct {
	Build struct {
		Context, Dockerfile, Target string
		Args                        map[string]string
	}
	Image, Restart string
	Environment    map[string]string
	Command        []string
	Network        string       `yaml:"network_mode"`
	Depends        dependencies `yaml:"depends_on"`
	Secrets        []string
	Volumes, Tmpfs []string
	ReadOnly       bool     `yaml:"read_only"`
	CapDrop        []string `yaml:"cap_drop"`
	SecurityOpt    []string `yaml:"security_opt"`
	Ulimits        map[string]string
	Memory         string `yaml:"mem_limit"`
	Healthcheck    struct {
		Test              []string
		Interval, Timeout string
		StartPeriod       string `yaml:"start_period"`
	}
	StopGracePeriod string `yaml:"stop_grace_period"`
}

// dependencies are the services that must run first: in both forms of Compose, by their condition.
type dependencies map[string]string

func (d *dependencies) UnmarshalYAML(n *yaml.Node) error {
	*d = dependencies{}
	var names []string
	if n.Decode(&names) == nil {
		for _, name := range names {
			(*d)[name] = "service_started"
		}
		return nil
	}
	var conditions map[string]struct{ Condition string }
	if err := n.Decode(&conditions); err != nil {
		return err
	}
	for name, c := range conditions {
		(*d)[name] = c.Condition
	}
	return nil
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("compose: ")
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

func run(folder string, files []string) error {
	var all project
	for _, file := range files {
		f, err := os.Open(filepath.Join(folder, file))
		if err != nil {
			return err
		}
		defer f.Close()
		var p project
		decoder := yaml.NewDecoder(f)
		decoder.KnownFields(true)
		if err := decoder.Decode(&p); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		all.add(p)
	}
	var order []string
	for len(order) < len(all.Services) {
		before := len(order)
		for _, name := range slices.Sorted(maps.Keys(all.Services)) {
			ready := !slices.Contains(order, name)
			for other := range all.Services[name].Depends {
				ready = ready && slices.Contains(order, other)
			}
			if ready {
				order = append(order, name)
			}
		}
		if len(order) == before {
			return errors.New("services wait for each other")
		}
	}
	fmt.Printf("services=%s\n", list(order))
	for _, name := range order {
		s := all.Services[name]
		options, err := all.options(folder, s)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		var healthy []string
		for other, condition := range s.Depends {
			switch condition {
			case "service_healthy":
				healthy = append(healthy, other)
			case "service_started":
			default:
				return fmt.Errorf("%s: condition %q", name, condition)
			}
		}
		fmt.Printf("options_%s=%s\nimage_%s=localhost/%s\ncommand_%s=%s\nhealthy_%s=%s\n",
			name, list(options), name, s.Image, name, list(s.Command), name, list(healthy))
	}
	return nil
}

// add puts a file over those before it, as Compose does: what is named is put beside what was.
func (p *project) add(over project) {
	if p.Services == nil {
		*p = over
		return
	}
	for name, s := range over.Services {
		had, is := p.Services[name]
		if is {
			maps.Copy(had.Environment, s.Environment)
			had.Volumes = append(had.Volumes, s.Volumes...)
			s = had
		}
		p.Services[name] = s
	}
	if p.Volumes == nil {
		p.Volumes = map[string]struct{}{}
	}
	maps.Copy(p.Volumes, over.Volumes)
}

// options returns those of `podman run`. The memory of a service is not limited: .ci/image has no
// cgroups.
func (p *project) options(folder string, s service) ([]string, error) {
	var o []string
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		o = append(o, "--env", name+"="+s.Environment[name])
	}
	switch other, is := strings.CutPrefix(s.Network, "service:"); {
	case is:
		o = append(o, "--network", "container:"+other)
	case s.Network != "" && s.Network != "host":
		return nil, fmt.Errorf("network_mode %q", s.Network)
	}
	for _, name := range s.Secrets {
		file := filepath.Join(folder, p.Secrets[name].File)
		if p.Secrets[name].File == "" {
			return nil, fmt.Errorf("there is no secret %s", name)
		}
		o = append(o, "--volume", file+":/run/secrets/"+name+":ro")
	}
	for _, v := range s.Volumes {
		source, rest, _ := strings.Cut(v, ":")
		if strings.HasPrefix(source, ".") {
			source = filepath.Join(folder, source)
			if _, err := os.Stat(source); errors.Is(err, fs.ErrNotExist) {
				return nil, err // Compose would make a folder of root's
			}
		} else if _, is := p.Volumes[source]; is {
			source = p.Name + "_" + source
		} else {
			return nil, fmt.Errorf("there is no volume %s", source)
		}
		o = append(o, "--volume", source+":"+rest)
	}
	for _, t := range s.Tmpfs {
		o = append(o, "--tmpfs", t)
	}
	if s.ReadOnly {
		o = append(o, "--read-only", "--read-only-tmpfs=false")
	}
	for _, c := range s.CapDrop {
		o = append(o, "--cap-drop", c)
	}
	for _, c := range s.SecurityOpt {
		o = append(o, "--security-opt", strings.ReplaceAll(c, "no-new-privileges:true", "no-new-privileges"))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Ulimits)) {
		o = append(o, "--ulimit", name+"="+s.Ulimits[name]+":"+s.Ulimits[name])
	}
	if h := s.Healthcheck; len(h.Test) > 0 {
		o = append(o, "--health-cmd", strings.Join(h.Test, " "), "--health-interval", h.Interval,
			"--health-timeout", h.Timeout, "--health-start-period", h.StartPeriod)
	}
	if s.Restart != "" {
		o = append(o, "--restart", s.Restart)
	}
	if s.StopGracePeriod != "" {
		o = append(o, "--stop-timeout", strings.TrimSuffix(s.StopGracePeriod, "s"))
	}
	return o, nil
}

// list returns words as a list of a shell.
func list(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return "(" + strings.Join(quoted, " ") + ")"
}
