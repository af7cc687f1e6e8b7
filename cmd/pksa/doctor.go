package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent/config"
	"pksa/agent/doctor"
	"pksa/agent/ledger"
	"pksa/agent/service"
	"pksa/cmd/pksa/internal/systemd"
	"pksa/keystore"
)

// Advice returns what a person can do about the error, for [doctor.Of].
func (e hinted) Advice() string { return e.hint }

func (c *command) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong: tries all that the wallet needs",
		Long: `Tries for real what can be wrong, and prints what it found, what that means and
what to do: the home folder, what opens the keystore, keystore, ledger, disk,
policy, nodes, clock, the keys on the chain, relays, hardening, container.

While the agent runs it is asked for what only it knows. Without one, keystore
and ledger are opened, and the accounts are registered at each relay for some
seconds. No request is answered and nothing is changed, and another copy of the
wallet does not take the doctor for a copy. Do not start the agent meanwhile: it
would find the ledger in use.

Exit status: 0 nothing is wrong, or there are only notes; 4 there are warnings;
5 there are errors; 1 and 2 as for every command.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report := c.examine(cmd.Context())
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if err := c.print(report, func(w io.Writer) { c.printReport(w, report) }); err != nil {
				return err
			}
			switch {
			case report.Errors > 0:
				return errStatus(exitErrors)
			case report.Warnings > 0:
				return errStatus(exitWarnings)
			}
			return nil
		},
	}
}

// examine makes all checks. Without settings there is nothing to check but these.
func (c *command) examine(ctx context.Context) doctor.Report {
	c.warned = true // the settings' warnings are findings
	cfg, unusable := c.settings()
	if unusable != nil {
		// An agent that was started before may run where it is by default.
		home, err := c.homeFolder()
		if err == nil {
			cfg, err = config.Parse(home, "", nil, os.Environ())
		}
		if err != nil {
			report := doctor.Report{Findings: []doctor.Finding{}}
			for _, name := range doctor.Checks() {
				state := doctor.Skipped
				if name == "home" {
					state = doctor.Done
				}
				report.Checks = append(report.Checks, doctor.Checked{Name: name, State: state})
			}
			report.Add(doctor.Of("home", unusable, "a start would fail"))
			return report
		}
	}
	var missing error
	if unusable == nil && !is(cfg.Keystore) {
		missing = c.checkWallet(cfg)
	}
	asked := socket(cfg)
	asked.Anywhere = true
	options := doctor.Options{
		Config: cfg, Unusable: unusable, Missing: missing, Call: asked.Call,
		OpenKeys: func(ctx context.Context) (*keystore.Store, error) { return c.openKeys(ctx, cfg) },
		OpenLedger: func(keys *keystore.Store) (*ledger.Ledger, error) {
			l, err := ledger.Open(cfg.Ledger, service.LedgerOptions(cfg, keys, slog.New(slog.DiscardHandler)))
			if err != nil {
				return nil, ledgerHint(cfg.LedgerPlace(), err)
			}
			return l, nil
		},
	}
	if columns(c.err) > 0 && !c.asJSON {
		number := 0
		options.Progress = func(check string) {
			number++
			c.tell(systemd.Info, "checking %d of %d: %s\n", number, len(doctor.Checks()), check)
		}
	}
	return doctor.Run(ctx, options)
}

// printReport prints what was found for people, in 80 columns.
func (c *command) printReport(w io.Writer, r doctor.Report) {
	for rest := r.Findings; len(rest) > 0; {
		n := alike(rest)
		c.printFindings(w, rest[:n])
		rest = rest[n:]
	}
	if len(r.Findings) == 0 {
		made := 0
		for _, one := range r.Checks {
			if one.State == doctor.Done {
				made++
			}
		}
		fmt.Fprintf(w, "Nothing is wrong, by %s.\n", count(made, "check"))
	} else {
		fmt.Fprintf(w, "%s, %s, %s.\n", count(r.Errors, "error"), count(r.Warnings, "warning"), count(r.Notes, "note"))
	}
	for _, relay := range r.Relays {
		printIndented(w, relayLine(relay), "")
	}
	if !r.Agent {
		unseen := "limits"
		if slices.ContainsFunc(r.Checks, func(c doctor.Checked) bool {
			return c.Name == "hardening" && c.State == doctor.Skipped
		}) {
			unseen += ", hardening"
		}
		fmt.Fprintln(w, "No running agent answered: what only that knows ("+unseen+")\nwas not looked at.")
	}
}

// alike returns how many of the first findings differ in what is wrong and where alone.
func alike(found []doctor.Finding) int {
	n := 1
	for n < len(found) && found[n].Level == found[0].Level && found[n].Check == found[0].Check &&
		found[n].Meaning == found[0].Meaning && found[n].Next == found[0].Next {
		n++
	}
	return n
}

// printFindings prints findings that are alike, with what they mean and what to do once.
func (c *command) printFindings(w io.Writer, alike []doctor.Finding) {
	f, head := alike[0], ""
	if len(alike) == 1 && f.Where != f.Check && !strings.Contains(f.What, f.Where) {
		head = " (" + f.Where + ")"
	}
	printIndented(w, fmt.Sprintf("%s, %s%s:", strings.ToUpper(string(f.Level)), f.Check, head), "")
	for _, f := range alike {
		if len(alike) == 1 {
			printIndented(w, c.inPlace(f.What), "  ")
			break
		}
		text := c.inPlace(f.What)
		if !strings.Contains(f.What, f.Where) {
			text = f.Where + ": " + text
		}
		fmt.Fprintf(w, "  - %s\n", strings.ReplaceAll(wrapped(text, textWidth-4), "\n", "\n  "))
	}
	if f.Meaning != "" {
		printIndented(w, c.inPlace(f.Meaning), "  ")
	}
	if f.Next != "" {
		printIndented(w, "What to do: "+c.inPlace(f.Next), "  ")
	}
	fmt.Fprintln(w)
}

// relayLine returns what was seen of a relay.
func relayLine(r doctor.Relay) string {
	text := r.Relay + ": "
	if r.Protocol > 0 {
		text += fmt.Sprintf("protocol %v, ", r.Protocol)
	}
	text += count(r.Registered, "account") + " registered"
	if r.Largest >= 1<<10 {
		text += fmt.Sprintf(", requests of %d KiB come back", r.Largest>>10)
	}
	return text
}

// printIndented prints a text in lines that fit, each with what stands before it.
func printIndented(w io.Writer, text, before string) {
	for line := range strings.Lines(wrapped(text, textWidth-len(before))) {
		fmt.Fprintf(w, "%s%s\n", before, strings.TrimRight(line, "\n"))
	}
}
