package manual

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Signs that man(7) takes for something else stand for themselves.
func TestSigns(t *testing.T) {
	root := &cobra.Command{Use: "prog", Short: `A "program" - with \signs`, Run: func(*cobra.Command, []string) {},
		Long: "Begins.\n.not a request\n\n    'kept  as it' is\n      further in\n\nEnds with …"}
	pages := Source{"prog", "v1", "2026-01-31"}.Pages(root, []Topic{{"signs", "what signs mean", ".TH"}})
	if len(pages) != 2 || pages[0].File() != "man1/prog.1" || pages[1].File() != "man7/prog-signs.7" {
		t.Fatalf("%d pages: %+v", len(pages), pages)
	}
	for _, want := range []string{
		".TH PROG 1 \"2026\\-01\\-31\" \"prog v1\" \"Manual of prog\"\n",
		"prog \\- A \\(dqprogram\\(dq \\- with \\esigns\n",
		"Begins.\n\\&.not a request\n.PP\n.RS 4\n.nf\n\\(aqkept  as it\\(aq is\n" +
			"  further in\n.fi\n.RE\n.PP\nEnds with \\[u2026]\n",
		".BR prog\\-signs (7)\n",
	} {
		if !strings.Contains(pages[0].Text, want) {
			t.Errorf("lacks %q:\n%s", want, pages[0].Text)
		}
	}
	if !strings.Contains(pages[1].Text, ".SH DESCRIPTION\n\\&.TH\n") {
		t.Errorf("a topic:\n%s", pages[1].Text)
	}
}
