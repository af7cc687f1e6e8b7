package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/keystore"
	"pksa/protocol"
	"pksa/protocol/plain"
)

// answerMargin is how much longer than the wait a command listens for the answer of the agent.
const answerMargin = 5 * time.Second

// pair hands a link to the running agent and waits for the application's request. If no agent runs,
// nobody can wait for it, so the session is made at once: an agent that starts before the request
// expires at the relay answers it then.
func (c *command) pair(ctx context.Context, p agent.PairParams, wait time.Duration, yes bool) error {
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	link, err := protocol.ParsePairingLink(string(p.Link))
	if err != nil {
		return hint(err, adviceLink)
	}
	// The agent ends the wait and says why. The margin is for an agent that does not answer at all.
	waiting, cancel := context.WithTimeout(ctx, wait+answerMargin)
	defer cancel()
	var info agent.SessionInfo
	if !c.asJSON {
		fmt.Fprintf(c.err, "Waiting for the request of %s, at most %s …\n", link.Account, wait)
	}
	p.Wait = wait
	var ask agent.PairAsk
	err = socket(cfg).Call(waiting, agent.MethodPairLook, p, &ask)
	switch {
	case errors.Is(err, control.ErrNoAgent):
		// The session would be made, and its application would hear nothing of it.
		if !servesRelay(cfg, link.Host) {
			return agent.ForeignRelay(link.Host)
		}
		ask = agent.PairAsk{App: p.App, Account: string(link.Account), Relay: link.Host}
	case err != nil:
		return err
	case ask.NewRelay:
		if err := c.mayAdd(ctx, ask); err != nil {
			return err
		}
		p.NewRelay = true
		return c.pair(ctx, p, wait, yes)
	case ask.Already != nil:
		return c.print(*ask.Already, func(w io.Writer) { printSession(w, *ask.Already) })
	}
	if !c.asJSON {
		printPairAsk(c.err, ask)
	}
	if !yes {
		if err := c.sure(ctx, "Make this session?"); err != nil {
			return err
		}
	}
	// A person may take their time to read.
	waiting, cancel = context.WithTimeout(ctx, wait+answerMargin)
	defer cancel()
	err = socket(cfg).Call(waiting, agent.MethodPair, p, &info)
	offline := errors.Is(err, control.ErrNoAgent)
	if offline {
		request := agent.SessionRequest{App: p.App, Account: string(link.Account), AuthKey: control.Secret(link.Key),
			Length: p.Length, Paired: true}
		info, err = administer(ctx, c, agent.MethodSessionAdd, request,
			func(ctx context.Context, m agent.Admin, q agent.SessionRequest) (agent.SessionInfo, error) {
				return m.AddSession(ctx, q)
			})
	}
	if err != nil {
		return err
	}
	return c.print(info, func(w io.Writer) {
		printSession(w, info)
		if info.RelayAdded {
			printAdded(w, cfg, info)
		}
		if offline {
			fmt.Fprintln(w, "No agent is running. Start it with `pksa run` within a minute, so that the application "+
				"gets its answer.")
		}
	})
}

// mayAdd asks a person whether the wallet may connect to a relay that is not in its settings. Where
// there is no terminal only the flag says so: --yes is about sessions.
func (c *command) mayAdd(ctx context.Context, ask agent.PairAsk) error {
	if !c.terminal() {
		return agent.ForeignRelay(ask.Relay)
	}
	fmt.Fprintf(c.err, "The link is for a relay that is not in the settings: %s\n"+
		"Only %s is registered there, for as long as a session lives that was paired there. The relay learns\n"+
		"that this wallet serves the account, its lowest key, your network address, and when it acts; it reads\n"+
		"no requests.\n", ask.Relay, ask.Account)
	return c.sure(ctx, "Connect to it?")
}

// printAdded prints how long an added relay stays, and what keeps it for good.
func printAdded(w io.Writer, cfg *config.Config, info agent.SessionInfo) {
	relays := append(slices.Clone(cfg.Relays), config.Relay{URL: strings.TrimSuffix(info.Relay, "/")})
	var entries []string
	for _, r := range relays {
		entry := strconv.Quote(r.URL)
		if r.Plaintext || !r.Key.IsNull() {
			entry = "{url: " + entry
			if r.Plaintext {
				entry += ", plaintext: true"
			}
			if !r.Key.IsNull() {
				entry += ", key: " + r.Key.String()
			}
			entry += "}"
		}
		entries = append(entries, entry)
	}
	fmt.Fprintf(w, "Its relay is not in the settings: it serves %s alone, until this session ends. This line in "+
		"config.yaml, and a new start,\nkeep it for good, for all accounts:\n  relays: [%s]\n", info.Account,
		strings.Join(entries, ", "))
}

// servesRelay reports whether the relay of a pairing link is among those of the settings.
func servesRelay(cfg *config.Config, address string) bool {
	return slices.ContainsFunc(cfg.Relays, func(r config.Relay) bool {
		u, err := url.Parse(r.URL)
		return err == nil && u.Scheme+"://"+strings.ToLower(u.Host)+strings.TrimSuffix(u.Path, "/") == address
	})
}

// pictureOnly refuses all arguments but one that may be the name of a file.
func pictureOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 1 && !maybeLink(args[0]) {
		return nil
	}
	return noSecrets("link")(cmd, args)
}

// linkFrom reads a pairing link from the picture that the arguments name, or else from a source.
func (c *command) linkFrom(ctx context.Context, from string, args []string) (string, error) {
	if len(args) > 0 {
		return c.readPicture(ctx, args[0])
	}
	return c.readLink(ctx, from)
}

// readLink reads a pairing link from a source. At a prompt it takes further lines while the link is
// not whole: what a person copies from a terminal that wraps it comes in several.
func (c *command) readLink(ctx context.Context, from string) (string, error) {
	source, err := keystore.ParseSource(from)
	if err != nil {
		return "", errUsage{err}
	}
	secret, err := source.Read(ctx, func(string) ([]byte, error) {
		link, err := c.prompt(ctx, "pairing link")
		for err == nil && protocol.LinkMayGoOn(string(link)) {
			var rest []byte
			if rest, err = c.prompt(ctx, restOf(link)); len(rest) == 0 {
				break
			}
			link = append(link, rest...)
		}
		return link, err
	})
	if err != nil {
		return "", err
	}
	defer secret.Wipe()
	return string(secret.Bytes()), nil
}

// restOf returns what a person is asked for who has pasted the first lines of a link.
func restOf(link []byte) string {
	if _, err := protocol.ParsePairingLink(string(link)); err != nil {
		return "the link is not whole: its rest, or Enter"
	}
	return "the next line of the link, or Enter if that was all"
}

// printPairAsk shows who asks for a session. What comes from the application is quoted.
func printPairAsk(w io.Writer, ask agent.PairAsk) {
	if ask.Claim == "" {
		fmt.Fprintln(w, "Who asks is not known: no agent is running, so the request was not read.")
	} else {
		fmt.Fprintf(w, "An application that calls itself %s asks (its own claim; anybody can say so).\n",
			plain.QuoteRunes(ask.Claim, 64))
	}
	fmt.Fprintf(w, "  account  %s\n  relay    %s\n  app      %s\n", ask.Account, ask.Relay, ask.App)
	if ask.Challenge != "" {
		fmt.Fprintf(w, "  signs    %s\n", plain.QuoteRunes(ask.Challenge, 200))
	}
	for i, line := range ask.Permits {
		label := "may ask"
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(w, "  %-8s %s\n", label, line)
	}
	if ask.Claim != "" && len(ask.Permits) == 0 {
		fmt.Fprintln(w, "  may ask  nothing: no rule of the policy names this app and account")
	}
}

func (c *command) pairCommand() *cobra.Command {
	var app, length, from string
	wait := lengthFlag(time.Minute)
	var yes, newRelay bool
	cmd := &cobra.Command{
		Use:   "pair --app NAME [FILE]",
		Short: "Make a session from the pairing link of a web page",
		Long: `Asks for the has://auth_req/… link that an application shows as a QR code, and
makes the session that the link asks for. The base64 of the link alone will do,
and the link https://…/has#1… that chat bots send; line ends that a terminal put
into it do no harm. FILE is a picture that shows the code somewhere, PNG or
JPEG, such as a screenshot; the program pksa-qr beside this one reads it. The
link holds the key of the session, so it is a secret: it is read from the
terminal or another source, never from the command line. Before the session is
made you see who asks, and on a terminal you are asked.

A link for a relay that is not in the settings needs a running wallet, and your
yes or --new-relay. The wallet connects to it by TLS, for the account of the
link alone, while a session lives that was paired there.`,
		Args: pictureOnly,
		RunE: func(cmd *cobra.Command, args []string) error {
			if app == "" {
				return errUsage{fmt.Errorf("name the app of the session: --app NAME")}
			}
			lasts, err := days(length)
			if err != nil {
				return err
			}
			if _, err := c.wallet(); err != nil {
				return err
			}
			if len(args) > 0 && cmd.Flags().Changed("link") {
				return errUsage{fmt.Errorf("FILE and --link each name a place of the link; name one")}
			}
			link, err := c.linkFrom(cmd.Context(), from, args)
			if err != nil {
				return err
			}
			return c.pair(cmd.Context(), agent.PairParams{App: app, Link: control.Secret(link), Length: lasts,
				NewRelay: newRelay}, time.Duration(wait), yes)
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "`name` of the app that the session belongs to")
	cmd.Flags().StringVar(&length, "for", "24h", "`duration` of the session: 12h, 30d; at most a year")
	cmd.Flags().StringVar(&from, "link", "prompt",
		"`source` of the link: prompt, file:PATH, env:NAME, fd:N or command:…")
	cmd.Flags().BoolVar(&newRelay, "new-relay", false,
		"connect to the relay of the link for its account, if it is not in the settings")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().Var(&wait, "wait", "`duration` of the wait for the application's request: 90s, 5m")
	return cmd
}
