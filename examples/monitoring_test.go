package examples_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pksa/agent/status"
)

// expressions returns all expressions of the alert rules and their tests, and of the dashboard.
func expressions(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, name := range []string{"alerts.yaml", "alerts_test.yaml"} {
		text := string(read(t, "monitoring/"+name))
		for _, m := range regexp.MustCompile(`(?:expr|series): '((?:[^']|'')*)'`).FindAllStringSubmatch(text, -1) {
			all[name] = append(all[name], strings.ReplaceAll(m[1], "''", "'"))
		}
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(read(t, "monitoring/dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all["dashboard.json"] = append(all["dashboard.json"], target.Expr)
		}
	}
	return all
}

// fault returns what is wrong with an expression: a metric that is not exported, a label or a value
// that it does not have, a function that this does not know, brackets that do not match.
func fault(expr string, metrics map[string]status.Metric) string {
	given := []string{"instance", "job", "le", "alertname", "alertstate", "severity"}
	values := map[string][]string{"result": {"answered", "refused", "failed", "ok"}}
	for _, c := range status.Causes() {
		values["cause"] = append(values["cause"], string(c))
	}
	named := regexp.MustCompile(`\b(pksa_\w+|process_\w+|ALERTS)(?:\{([^}]*)\})?`)
	for _, m := range named.FindAllStringSubmatch(expr, -1) {
		metric, exported := metrics[strings.TrimSuffix(m[1], "_bucket")]
		if !exported && m[1] != "ALERTS" {
			return m[1] + " is not exported"
		}
		for _, l := range regexp.MustCompile(`(\w+)(?:=|!=|=~|!~)"([^"]*)"`).FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(metric.Labels, l[1]) && !slices.Contains(given, l[1]) {
				return fmt.Sprintf("%s has no label %s", m[1], l[1])
			}
			if known := values[l[1]]; known != nil && !slices.Contains(known, l[2]) {
				return fmt.Sprintf("%s is never %q", l[1], l[2])
			}
		}
	}
	for _, by := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(by[1], ", ") {
			known := slices.Contains(given, label)
			for name, m := range metrics {
				known = known || strings.Contains(expr, name) && slices.Contains(m.Labels, label)
			}
			if !known {
				return "no metric of it has the label " + label
			}
		}
	}
	bare := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(expr, "")
	for _, f := range regexp.MustCompile(`(\w+)\(`).FindAllStringSubmatch(bare, -1) {
		if !slices.Contains([]string{"absent", "abs", "increase", "rate", "sum", "histogram_quantile"}, f[1]) {
			return f[1] + " is no function that this test knows"
		}
	}
	for _, pair := range []string{"()", "{}", "[]"} {
		if strings.Count(bare, pair[:1]) != strings.Count(bare, pair[1:]) {
			return "brackets do not match"
		}
	}
	return ""
}

// Alert rules and dashboard ask for what the program exports, and for nothing else.
func TestMonitoringFitsTheMetrics(t *testing.T) {
	metrics := map[string]status.Metric{}
	for _, m := range status.Catalog() {
		metrics[m.Name] = m
	}
	asked := map[string]string{}
	for name, list := range expressions(t) {
		if len(list) < 20 {
			t.Errorf("%s: only %d expressions are found", name, len(list))
		}
		for _, expr := range list {
			if what := fault(expr, metrics); what != "" {
				t.Errorf("%s: %s: %s", name, expr, what)
			}
			asked[name] += expr + "\n"
		}
	}
	// The labels that texts of alerts show.
	for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(
		string(read(t, "monitoring/alerts.yaml")), -1) {
		if !slices.ContainsFunc(status.Catalog(), func(c status.Metric) bool {
			return slices.Contains(c.Labels,
				m[1])
		}) {
			t.Errorf("no metric has the label %s", m[1])
		}
	}
	for _, m := range status.Catalog() {
		word := regexp.MustCompile(`\b` + m.Name + `\b`)
		if m.Name != "pksa_policy_info" && !word.MatchString(asked["alerts.yaml"]) &&
			!strings.Contains(asked["dashboard.json"], m.Name) && !slices.Contains(unwatched, m.Name) {
			t.Errorf("%s stands neither in an alert nor on the dashboard", m.Name)
		}
	}
	for _, bad := range []string{"pksa_reday == 1", `pksa_twin{relay="x"}`, `pksa_not_ready{cause="moon"} == 1`,
		"sum by (app) (pksa_pending)", "summ(pksa_pending)", "abs(pksa_pending"} {
		if fault(bad, metrics) == "" {
			t.Errorf("nothing is found wrong with %s", bad)
		}
	}
}

// unwatched are the metrics that are of use only beside others.
var unwatched = []string{"pksa_build_info", "pksa_start_time_seconds", "pksa_goroutines", "pksa_memory_bytes",
	"pksa_key_wrong", "pksa_link_frames_total",
	"pksa_link_key_changes_total", "pksa_node_calls_total", "pksa_node_failures", "pksa_node_head_block",
	"pksa_node_untrue_total", "pksa_pages_refused_total"}

// Each alert has a test that it fires, and all of them keep quiet about a wallet that is well.
func TestAlertsHaveTests(t *testing.T) {
	tests := string(read(t, "monitoring/alerts_test.yaml"))
	names := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(read(t, "monitoring/alerts.yaml")), -1)
	if len(names) < 20 {
		t.Errorf("only %d alerts are found", len(names))
	}
	for _, name := range names {
		if !strings.Contains(tests, `alertname="`+name[1]+`"`) {
			t.Errorf("%s is never tried", name[1])
		}
	}
}

// Where promtool is installed it tries the rules.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian: prometheus); TestMonitoringFitsTheMetrics has checked the " +
			"expressions")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = filepath.Join(".", "monitoring")
		cmd.Env = os.Environ()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
