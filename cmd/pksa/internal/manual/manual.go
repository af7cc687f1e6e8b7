// Package manual writes pages for the program man, from the commands that the command line is made
// of: so no page says what the program does not.
//
// The input is text for 80 columns, as help shows it: paragraphs, and blocks that begin with blanks
// and keep their lines. The output is plain man(7), which groff and mandoc read alike.
package manual

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Page is one page of the manual.
type Page struct {
	Name    string // what it is called by, such as pksa-keys-import
	Section int
	Text    string // man(7)
}

// File returns where the page lies below a folder of manuals: man1/pksa-keys-import.1.
func (p Page) File() string { return fmt.Sprintf("man%d/%s.%d", p.Section, p.Name, p.Section) }

// Source is what all pages say of themselves.
type Source struct {
	Program, Version string
	Date             string // of the version, as 2026-01-31, or empty
}

// Topic is a page about what concerns several commands.
type Topic struct{ Name, Summary, Text string }

// Pages returns a page in section 1 for each command that help shows, and one in section 7 for each
// topic.
func (s Source) Pages(root *cobra.Command, topics []Topic) []Page {
	var pages []Page
	var add func(cmd *cobra.Command)
	add = func(cmd *cobra.Command) {
		pages = append(pages, s.command(cmd, topics))
		for _, sub := range shown(cmd) {
			add(sub)
		}
	}
	add(root)
	for _, t := range topics {
		w := s.begin(s.topicName(t), 7, t.Summary)
		w.section("DESCRIPTION")
		w.text(t.Text)
		w.section("SEE ALSO")
		w.line(reference(s.Program, 1))
		pages = append(pages, Page{s.topicName(t), 7, w.String()})
	}
	return pages
}

func (s Source) topicName(t Topic) string { return s.Program + "-" + t.Name }

// shown returns the commands below one that have pages: the scripts for shells have one in common.
func shown(cmd *cobra.Command) []*cobra.Command {
	if cmd.Name() == "completion" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(cmd.Commands()),
		func(sub *cobra.Command) bool { return !sub.IsAvailableCommand() && sub.Name() != "help" })
}

func name(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func (s Source) command(cmd *cobra.Command, topics []Topic) Page {
	w := s.begin(name(cmd), 1, cmd.Short)
	w.section("SYNOPSIS")
	w.line(".B " + escaped(cmd.CommandPath()))
	if _, operands, ok := strings.Cut(cmd.Use, " "); ok {
		w.line(escaped(operands))
	}
	if cmd.HasAvailableSubCommands() {
		w.line("[COMMAND]")
	}
	w.line("[OPTIONS]")
	w.section("DESCRIPTION")
	w.text(cmd.Long)
	if cmd.Long == "" {
		w.text(cmd.Short + ".")
	}
	if subs := shown(cmd); len(subs) > 0 {
		w.section("COMMANDS")
		for _, sub := range subs {
			w.line(".TP")
			w.line(reference(name(sub), 1))
			w.line(escaped(sub.Short))
		}
	}
	w.options("OPTIONS", cmd.NonInheritedFlags().FlagUsages())
	w.options("OPTIONS OF ALL COMMANDS", cmd.InheritedFlags().FlagUsages())
	if cmd.Example != "" {
		w.section("EXAMPLES")
		w.text(cmd.Example)
	}
	w.section("SEE ALSO")
	w.references(s.related(cmd, topics))
	return Page{name(cmd), 1, w.String()}
}

// related returns what a reader of a command's page may want next.
func (s Source) related(cmd *cobra.Command, topics []Topic) (found []string) {
	if cmd.HasParent() {
		found = append(found, reference(name(cmd.Parent()), 1))
	}
	for _, t := range topics {
		if !cmd.HasParent() || t.Name == "exit-codes" || cmd.Name() == t.Name {
			found = append(found, reference(s.topicName(t), 7))
		}
	}
	return found
}

// reference names a page, the way pages do.
func reference(page string, section int) string {
	return fmt.Sprintf(".BR %s (%d)", escaped(page), section)
}

// writer collects the lines of a page.
type writer struct{ strings.Builder }

func (s Source) begin(name string, section int, summary string) *writer {
	w := new(writer)
	w.line(fmt.Sprintf(".TH %s %d %s %s %s", escaped(strings.ToUpper(name)), section, argument(s.Date),
		argument(s.Program+" "+s.Version), argument("Manual of "+s.Program)))
	// Nothing is hyphenated or stretched: people copy commands.
	w.line(".nh")
	w.line(".ad l")
	w.section("NAME")
	w.line(escaped(name) + ` \- ` + escaped(summary))
	return w
}

func (w *writer) line(text string) { w.WriteString(text + "\n") }

func (w *writer) section(title string) { w.line(".SH " + title) }

// references writes names of pages with commas between them.
func (w *writer) references(all []string) {
	for i, r := range all {
		if i < len(all)-1 {
			r += ","
		}
		w.line(r)
	}
}

// text writes paragraphs, and blocks that keep their lines.
func (w *writer) text(text string) {
	for i, part := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		lines := strings.Split(part, "\n")
		block := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, " ") })
		if block < 0 {
			block = len(lines)
		}
		if i > 0 && block > 0 {
			w.line(".PP")
		}
		for _, l := range lines[:block] {
			w.line(guarded(escaped(l)))
		}
		if block < len(lines) {
			w.block(lines[block:], i > 0 || block > 0)
		}
	}
}

// block writes lines that stay as they are, with space above where there is text.
func (w *writer) block(lines []string, spaced bool) {
	indent := len(lines[0]) - len(strings.TrimLeft(lines[0], " "))
	if spaced {
		w.line(".PP")
	}
	w.line(".RS 4")
	w.line(".nf")
	for _, l := range lines {
		cut := min(indent, len(l)-len(strings.TrimLeft(l, " ")))
		w.line(guarded(escaped(l[cut:])))
	}
	w.line(".fi")
	w.line(".RE")
}

// usage is a line of help about a flag: its short form, its name, its value and its meaning.
var usage = regexp.MustCompile(`^ +(?:(-\w), )?(--[a-z-]+)(?: (\S+))? {2,}(.*)$`)

// options writes a section with the flags that lines of help describe, if there are any.
func (w *writer) options(title, help string) {
	if help == "" {
		return
	}
	w.section(title)
	for line := range strings.Lines(help) {
		m := usage.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			w.line(guarded(escaped(strings.TrimSpace(line)))) // the meaning goes on
			continue
		}
		label := `\fB` + escaped(m[2]) + `\fR`
		if m[1] != "" {
			label = `\fB` + escaped(m[1]) + `\fR, ` + label
		}
		if m[3] != "" {
			label += ` \fI` + escaped(m[3]) + `\fR`
		}
		w.line(".TP")
		w.line(label)
		w.line(guarded(escaped(m[4])))
	}
}

// signs are those that man(7) takes for something else, or prints as another sign.
var signs = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`)

// escaped returns a text in which every sign stands for itself, in ASCII.
func escaped(text string) string {
	var out strings.Builder
	for _, r := range signs.Replace(text) {
		if r > '~' {
			fmt.Fprintf(&out, `\[u%04X]`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// guarded keeps a line of text from being taken for a request.
func guarded(line string) string {
	if strings.HasPrefix(line, ".") {
		return `\&` + line
	}
	return line
}

// argument returns a text as one argument of a request.
func argument(text string) string { return `"` + escaped(text) + `"` }
