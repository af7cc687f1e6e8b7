package doctor

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	neturl "net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"pksa/agent"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/agent/status"
	"pksa/protocol/hive"
)

// The bounds of what the chain is asked, and of what is expected of it.
const (
	askWait    = 12 * time.Second
	keysWait   = time.Minute
	behindMost = 30 * time.Second // a head is not used beyond that
	skewed     = 10 * time.Second // a proof of key is good for ten seconds
	skewedMost = 5 * time.Minute  // nothing is signed beyond that
	slowNode   = 3 * time.Second
)

// asked is what one node has answered.
type asked struct {
	url    string
	err    error
	what   string // that failed; empty: the first question
	status node.NodeStatus
	head   node.Head
	// resolve is why nothing is found under the name of a node that does not answer. Of one that
	// answers it is not asked: perhaps a proxy knows it.
	resolve error
}

// nodes asks each node, one by one, what the wallet asks: chain, head, account, transaction, and
// whether it takes transactions.
func (e *examiner) nodes(ctx context.Context) bool {
	urls := e.o.Config.Nodes
	answers := make([]asked, len(urls))
	var running sync.WaitGroup
	for i, url := range urls {
		running.Go(func() { answers[i] = e.askNode(ctx, url) })
	}
	running.Wait()
	level, newest := Error, time.Time{}
	for _, a := range answers {
		if a.err == nil {
			level = Warning
		}
		if at := a.status.HeadTime; at.After(newest) {
			newest = at
		}
	}
	var nowhere []asked
	for _, a := range answers {
		if a.resolve != nil {
			nowhere = append(nowhere, a)
			continue
		}
		e.judgeNode(a, level, newest)
	}
	e.judgeNames(nowhere, level)
	e.noNode = len(answers) > 0 && level == Error
	if s := e.status; s != nil && s.NoNode != "" && level != Error { // else it is the same fault
		e.found(Finding{Level: Error, What: s.NoNode, Meaning: "this is what the running wallet says",
			Next: "if the nodes answer here, the wallet cannot reach them: look at its network (container, " +
				"firewall); if it says that certificates are wrong, start it again: it knows the authorities of its " +
				"start"})
	}
	return true
}

func (e *examiner) askNode(ctx context.Context, url string) (a asked) {
	a.url = url
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	client, err := e.nodesAt([]string{url})
	if err != nil {
		a.err = err
		return a
	}
	if a.head, a.err = client.Head(ctx); a.err == nil {
		a.what = "accounts (condenser_api.get_accounts)"
		_, a.err = client.Authorities(ctx, "hiveio")
	}
	if a.err == nil {
		a.what = "transactions (condenser_api.get_transaction)"
		var id hive.TxID
		_, _ = rand.Read(id[:]) // of no transaction
		_, a.err = client.TransactionJSON(ctx, id)
	}
	took := client.Status()[0].Latency // of a question: what is refused is refused fast
	if a.err == nil {
		a.what = "what it takes (condenser_api.broadcast_transaction)"
		a.err = client.TakesTransactions(ctx)
	}
	if host := hostOf(url); a.err != nil && a.what == "" && host != "" && net.ParseIP(host) == nil {
		a.resolve = e.o.Resolve(ctx, host)
	}
	a.status = client.Status()[0]
	a.status.Latency = took
	return a
}

// hostOf returns the host of a URL, empty if there is none.
func hostOf(text string) string {
	u, err := neturl.Parse(text)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// judgeNames adds one finding for all nodes whose names lead nowhere: without a resolver all do.
func (e *examiner) judgeNames(nowhere []asked, level Level) {
	if len(nowhere) == 0 {
		return
	}
	what := "the name of the node leads nowhere: " + nowhere[0].resolve.Error()
	if len(nowhere) > 1 {
		what = fmt.Sprintf("the names of %d nodes lead nowhere, such as this: %v", len(nowhere), nowhere[0].resolve)
	}
	e.found(Finding{Level: level, What: what, Where: nowhere[0].url, Meaning: nodeMeaning(level),
		Next: "check the names in the setting nodes, and the resolver of this machine (/etc/resolv.conf)"})
}

// nodeMeaning returns what it means that a node cannot be used.
func nodeMeaning(level Level) string {
	if level == Error {
		return "no node can be used: logins are served, transactions are not"
	}
	return "the wallet asks the next node, which takes longer"
}

func (e *examiner) judgeNode(a asked, level Level, newest time.Time) {
	f := Finding{Level: level, Where: a.url, Meaning: nodeMeaning(level),
		Next: nextNode}
	switch behind := newest.Sub(a.status.HeadTime); {
	case a.status.Chain == "other":
		e.otherChain(&f)
	case a.err != nil && a.what == "" && a.status.LastError == "":
		// Its answer is an error. What stands before that names the node and the head once more.
		text := a.err.Error()
		if _, said, ok := strings.Cut(text, hostOf(a.url)+": "); ok {
			text = said
		}
		f.What = "the node has not what the wallet asks it for first: " + text
	case a.err != nil && a.what == "":
		// What the client knows of its only node names neither the node nor the head once more.
		f.What = "the node does not answer: " + cmp.Or(a.status.LastError, a.err.Error())
	case errors.Is(a.err, node.ErrTakesNone):
		f.What = node.ErrTakesNone.Error()
	case a.err != nil:
		f.What = fmt.Sprintf("the node does not answer questions about %s: %v", a.what, a.err)
	case behind > behindMost:
		f.Level, f.What = Warning, fmt.Sprintf("the node is %s behind the others", behind.Round(time.Second))
	case a.status.Latency > slowNode:
		f.Level, f.What = Warning, fmt.Sprintf("the node takes %s to answer", a.status.Latency.Round(time.Millisecond))
	default:
		return
	}
	e.found(f)
}

// otherChain fills in the finding of a node of another chain. If each one is, it may be the setting
// that is wrong.
func (e *examiner) otherChain(f *Finding) {
	cfg := e.o.Config
	setting := "network (" + cfg.Network + ")"
	if cfg.ChainID != "" {
		setting = "chain_id (" + cfg.ChainID + ")"
	}
	f.What = "the node serves another chain than that of the setting " + setting
	if f.Level == Error {
		f.Next = "if the setting is right, name nodes of that chain in the setting nodes; else set network, and " +
			"chain_id where the chain has one of its own"
		return
	}
	f.Meaning = "it is never used"
}

// clock compares the clock of this machine with the chain, and asks the kernel.
func (e *examiner) clock(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	client, err := e.nodesAt(e.o.Config.Nodes)
	var head node.Head
	if err == nil {
		head, err = client.Head(ctx)
	}
	known := err == nil
	told := false
	if known {
		now := time.Now()
		told = e.judgeSkew(now.Sub(head.ChainTime(now)))
	}
	kernel := e.o.Kernel()
	if told || kernel == nil || errors.As(kernel, new(syscall.Errno)) { // a filter forbids the question
		return true
	}
	f := Finding{Level: Note, What: kernel.Error() + " (adjtimex); " + timeServices(e.o.Files, time.Now()),
		Meaning: "the clock agrees with the chain now, and may drift",
		Next:    "let a time service run, such as chrony or systemd-timesyncd"}
	if !known {
		f.Level, f.Meaning = Warning, "no node and no time service confirms the clock"
	}
	e.found(f)
	return true
}

// timeServices returns what files say of the time services of this machine. In a container they
// are those of the container, while the kernel is the host's.
func timeServices(files fs.FS, now time.Time) string {
	var seen []string
	// systemd-timesyncd touches the file each time it has set the clock.
	if set, err := fs.Stat(files, "run/systemd/timesync/synchronized"); err == nil {
		seen = append(seen, fmt.Sprintf("systemd-timesyncd last set it %s ago",
			now.Sub(set.ModTime()).Round(time.Second)))
	}
	for _, service := range []struct{ path, name string }{{"run/chrony/chronyd.pid", "chronyd"},
		{"run/chronyd.pid", "chronyd"}, {"run/ntpd.pid", "ntpd"}, {"run/openntpd.pid", "openntpd"}} {
		if _, err := fs.Stat(files, service.path); err == nil {
			seen = append(seen, service.name+" runs and has not set it yet")
		}
	}
	if len(seen) == 0 {
		return "below /run there is no sign of systemd-timesyncd, chronyd or ntpd"
	}
	return strings.Join(seen, "; ")
}

// judgeSkew judges how far the clock is ahead of the chain's, and reports whether that is too far:
// then it has said that a time service has to run.
func (e *examiner) judgeSkew(ahead time.Duration) bool {
	side := "ahead of"
	if ahead < 0 {
		side = "behind"
	}
	f := Finding{What: fmt.Sprintf("the clock is %s %s the chain", ahead.Abs().Round(time.Second), side),
		Meaning: "relays refuse proofs of key that are ten seconds off",
		Next:    nextClock}
	switch {
	case ahead.Abs() > skewedMost:
		f.Level, f.Meaning = Error, "nothing is signed, and the wallet does not start"
	case ahead.Abs() > skewed:
		f.Level = Warning
	default:
		return false
	}
	e.found(f)
	return true
}

// keysOnChain compares the held keys with their accounts.
func (e *examiner) keysOnChain(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, keysWait)
	defer cancel()
	var checks []agent.KeyCheck
	var err error
	switch {
	case e.hindered(status.CauseLocked):
		return false // it holds no keys
	case e.status != nil:
		err = e.o.Call(ctx, agent.MethodKeysCheck, struct{}{}, &checks)
	case e.keys != nil && e.ledger != nil:
		checks, err = e.lookAtKeys(ctx)
	default:
		return false
	}
	if err != nil && (e.noNode || e.status != nil && e.status.NoNode != "" && e.made("nodes")) {
		return false // for what was told of the nodes
	}
	if err != nil {
		e.found(Finding{Level: Warning, What: "the held keys cannot be compared with the chain: " + err.Error(),
			Meaning: "a key that was changed there is not noticed", Next: "see what was found about the nodes"})
		return true
	}
	wrong := 0
	for _, c := range checks {
		name := hive.AccountName(c.Account)
		if c.OnBehalfOf == "" && c.Role != hive.Signing.String() {
			e.fits[name] = e.fits[name] || c.OK || c.Unconfirmed
		}
		if c.OK {
			continue
		}
		if c.OnBehalfOf == "" && !c.Unconfirmed {
			e.wrong[name] = append(e.wrong[name], c.Role)
		}
		if wrong++; wrong > mostNamed {
			continue
		}
		f := Finding{Level: Error, What: fmt.Sprintf("%s key of %s: %s", c.Role, c.Account, c.Problem),
			Where:   c.Account,
			Meaning: "what is signed with it is refused", Next: nextKeys}
		switch {
		case strings.HasPrefix(c.Problem, agent.NoSuchAccount):
			f.Next = "check the name that the key was imported for"
		case c.OnBehalfOf != "":
			f.What, f.Next = c.Problem, "have the authority given on the chain, or change the rule"
		}
		e.found(f)
	}
	if len(e.fits) > 0 && !slices.Contains(slices.Collect(maps.Values(e.fits)), true) {
		for i := range e.later { // no relay takes any account
			if e.later[i].of[0] == "relays" {
				e.later[i].of = append(e.later[i].of, "keys")
			}
		}
	}
	if wrong > mostNamed {
		e.found(Finding{Level: Error, What: fmt.Sprintf("%d more keys do not fit", wrong-mostNamed),
			Meaning: "what is signed with them is refused",
			Next:    "see those that are named; all stand in the status of the wallet, by account"})
	}
	return true
}

// lookAtKeys compares the keys as the agent does, with one that does not run.
func (e *examiner) lookAtKeys(ctx context.Context) ([]agent.KeyCheck, error) {
	client, err := e.nodesAt(e.o.Config.Nodes)
	if err != nil {
		return nil, err
	}
	rules := e.rules
	if rules == nil { // has errors, which another check names
		rules, _ = policy.Compile("", []byte("version: 1\n"), policy.Options{})
	}
	a, err := agent.New(agent.Options{Config: e.o.Config, Network: e.network, Keys: e.keys, Ledger: e.ledger,
		Node:   client,
		Policy: rules, Logger: quiet(), KernelClock: e.o.Kernel})
	if err != nil {
		return nil, err
	}
	return a.LookAtKeys(ctx)
}
