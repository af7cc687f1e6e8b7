package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/policy"
	"pksa/agent/service"
	"pksa/protocol/hive"
)

func (c *command) policyExplain() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "explain FILE | NUMBER | -",
		Short: "Explain why a request is allowed, asked about or denied",
		Long: `Judges a request and prints the answer, the reason, and what another answer
would need.

The request is a FILE, or - for standard input, in YAML or JSON:

    request: sign
    account: alice
    app: tipbot
    key_type: active
    operations:
      - transfer: {from: alice, to: bob, amount: 1.000 HBD, memo: tip 7}

That needs no keys and no running agent. Or it is the NUMBER of an audit record
(see "pksa audit tail"). Then it is judged by the policy of today, at the time
of the record, with what was counted before it. All keys of a request stand in
examples/docs/policy.md.`,
		Args: one("a FILE, the NUMBER of an audit record, or -"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, n, err := c.policyToJudgeBy(cmd.Context(), file)
			if err != nil {
				return err
			}
			if number, err := strconv.ParseUint(args[0], 10, 64); err == nil {
				return c.explainRecord(cmd.Context(), p, n, number)
			}
			return c.explainFile(cmd.Context(), p, n, args[0])
		},
	}
	cmd.Flags().StringVar(&file, "policy", "", "`file` of the policy (default: that of the home folder)")
	return cmd
}

// policyToJudgeBy compiles a file, or the policy of the home folder, for tools that need no keys.
// The chain is that of the settings where there are any.
func (c *command) policyToJudgeBy(ctx context.Context, file string) (*policy.Policy, *hive.Network, error) {
	n := hive.Mainnet
	cfg, err := c.settings()
	switch {
	case err == nil:
		if n, err = service.Network(cfg); err != nil {
			return nil, nil, err
		}
	case file == "":
		return nil, nil, err
	}
	if file == "" {
		file = cfg.Policy
		// The tools judge as the agent does, which refuses a file that others could change.
		if _, err := agent.ReadPolicy(cfg); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	var p *policy.Policy
	compiled, stopped := await(ctx, func() (err error) {
		p, err = compilePolicy(file)
		return err
	})
	if stopped != nil {
		return nil, nil, stopped
	}
	err = compiled
	if own := cfg != nil && file == cfg.Policy; own && errors.Is(err, fs.ErrNotExist) {
		err = c.policyLost(cfg, err)
	}
	return p, n, err
}

// policyLost explains why there is no policy in the home folder: it is lost, or there is no wallet.
func (c *command) policyLost(cfg *config.Config, err error) error {
	if !is(cfg.Keystore) {
		return c.checkEmpty(cfg)
	}
	return hint(err, advicePolicyLost)
}

// compilePolicy reads a policy that must have no errors.
func compilePolicy(file string) (*policy.Policy, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the policy: %w", err)
	}
	p, problems := policy.Compile(file, src, policy.Options{ErrorsOnly: true})
	if p == nil {
		return nil, hint(fmt.Errorf("the policy cannot be used:\n%s", problems.Errors()), advicePolicyErrors)
	}
	return p, nil
}

func (c *command) explainFile(ctx context.Context, p *policy.Policy, n *hive.Network, name string) error {
	src, err := c.readInput(ctx, name)
	if err != nil {
		return err
	}
	one, problems := policy.ReadRequest(name, recordContent(src), n)
	if one == nil {
		return hint(fmt.Errorf("the request cannot be read:\n%s", problems), adviceRequest)
	}
	now := one.Time
	if now.IsZero() {
		now = time.Now()
	}
	book, problems := p.Counters(name, one, now)
	if len(problems) > 0 {
		return fmt.Errorf("the counters do not fit the policy:\n%s", problems)
	}
	e := audit.Explained{Request: policy.Write(one.Request, n), Report: p.Report(one.Request, book, now)}
	return c.print(e, func(w io.Writer) {
		fmt.Fprint(w, e.Text())
		if cfg := c.settingsIfAny(); e.Verdict == policy.Ask && cfg != nil && nobodyToAsk(cfg) {
			fmt.Fprintln(w, "\nNo way to ask a person is configured here, so this wallet denies it: say "+
				"\"ask: pending\" in\nconfig.yaml.")
		}
	})
}

// recordContent picks the request out of what `audit show --json` prints, or out of a line of
// `audit export`.
func recordContent(src []byte) []byte {
	var shown struct {
		audit.Record
		Records []audit.Record `json:"records"`
	}
	if json.Unmarshal(src, &shown) != nil {
		return src
	}
	for _, r := range append(shown.Records, shown.Record) {
		if r.OfRequest() {
			return r.Content
		}
	}
	return src
}

// maxInput bounds what is read from standard input.
const maxInput = 8 << 20

func (c *command) readInput(ctx context.Context, name string) ([]byte, error) {
	if name == "-" {
		return readUntil(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(c.in, maxInput)) })
	}
	return os.ReadFile(name)
}

func (c *command) explainRecord(ctx context.Context, p *policy.Policy, n *hive.Network, number uint64) error {
	trail := c.openTrail(false)
	err := c.explainStory(ctx, p, n, trail, number)
	return errors.Join(err, trail.close())
}

// explainStory reads the records of one request, and explains it.
func (c *command) explainStory(ctx context.Context, p *policy.Policy, n *hive.Network, trail *trail,
	number uint64) error {
	page, err := trail.page(ctx, audit.Query{From: number, To: number, Limit: 1})
	if err != nil {
		return err
	}
	var requests []audit.Request
	if len(page.Records) > 0 && page.Records[0].Type == "request" {
		records, err := trail.story(ctx, number)
		if err != nil {
			return err
		}
		if requests, err = audit.ReadTrail(records, n); err != nil {
			return err
		}
	}
	return c.explainIn(trail.source(ctx), requests, p, n, number)
}

// explainIn explains a request of the trail, given what the trail holds of it.
func (c *command) explainIn(read audit.Source, found []audit.Request, p *policy.Policy, n *hive.Network,
	number uint64) error {
	if len(found) == 0 {
		return hint(fmt.Errorf("record %d is not a request that was judged", number),
			adviceNotRequest, number)
	}
	e, err := audit.Explain(read, &found[0], p, n)
	if err != nil {
		return err
	}
	return c.print(e, func(w io.Writer) {
		fmt.Fprint(w, e.Text())
		fmt.Fprintf(w, "\nRecord %d of %s says: %s.\n", number, when(e.Record.Time), e.Record.Text())
		if !e.Record.SamePolicy {
			fmt.Fprintf(w, "Another policy was in force then, sha256 %s.\n", short(e.Record.Policy))
		}
		if all := e.Cut + e.Summed; all > 0 {
			fmt.Fprintf(w, "Of %s before it the trail does not hold all: %d cut, %d in sums. None was carried out, "+
				"so no limit counts them.\n", count(all, "request"), e.Cut, e.Summed)
		}
	})
}

// settingsIfAny returns the settings of the home folder, nil if they cannot be read.
func (c *command) settingsIfAny() *config.Config {
	cfg, err := c.settings()
	if err != nil {
		return nil
	}
	return cfg
}
