package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"pksa/protocol"
)

// bench is one run of the program.
type bench struct {
	options  options
	progress io.Writer
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.progress, format+"\n", args...) }

// measure measures the steps and then the cases, one after the other.
func (b *bench) measure(ctx context.Context, cases []caseSpec) (*report, error) {
	folder, kind, err := chooseFolder(b.options.folder)
	if err != nil {
		return nil, err
	}
	b.options.folder = folder
	r := &report{Version: reportVersion, Time: time.Now().UTC().Truncate(time.Second), Machine: thisMachine(kind),
		Settings: raised}
	if r.Wallet, err = versionOf(ctx, b.options.pksa); err != nil {
		return nil, err
	}
	b.say("%s\n%s, %d processors; homes in %s (%s)\nraised, so that they are not what is measured:", r.Wallet,
		r.Machine.Processor, r.Machine.Processors, folder, kind)
	for _, name := range sortedNames(raised) {
		b.say("        %s: %s", name, raised[name])
	}
	if r.Steps, err = b.steps(ctx); err != nil {
		return nil, err
	}
	for i, c := range cases {
		began := time.Now()
		result, err := b.runCase(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", c.Name, err)
		}
		result.derive(r.Steps)
		r.Cases = append(r.Cases, result)
		b.say("[%d/%d] %-19s %8.0f requests/s, %d wrong, %d lost (%.0f s)", i+1, len(cases), c.Name, result.PerSecond,
			result.Wrong, result.Lost, time.Since(began).Seconds())
	}
	return r, nil
}

// versionOf returns what the wallet says it is.
func versionOf(ctx context.Context, pksa string) (string, error) {
	cmd := exec.CommandContext(ctx, pksa, "version")
	cmd.Env = cleanEnvironment()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s version: %w", pksa, err)
	}
	first, _, _ := bytes.Cut(out, []byte("\n"))
	return string(first), nil
}

func (b *bench) steps(ctx context.Context) (s steps, err error) {
	b.say("measuring the steps of a request alone")
	w := &world{}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.startParts(caseSpec{Accounts: 1}); err != nil {
		return s, err
	}
	return measureSteps(ctx, w, b.options.folder, min(200*time.Millisecond, max(b.options.each/20, time.Millisecond)))
}

// roundTime is how long requests are sent before their answers are judged: what is kept until then
// is bounded.
const roundTime = 10 * time.Second

// mostSessions is how many sessions a case makes at most: a wallet holds 100,000 of an account.
const mostSessions = 80_000

// running is a case while it runs.
type running struct {
	bench    *bench
	spec     caseSpec
	world    *world
	app      *application
	sessions []*session
	votes    []*request // all that were sent
	turn     int
	result   result
	took     []time.Duration
}

// runCase measures one case, from an empty folder to the end of the wallet.
func (b *bench) runCase(ctx context.Context, c caseSpec) (_ result, err error) {
	w, err := b.build(ctx, c)
	defer func() { err = errors.Join(err, w.close()) }()
	if err != nil {
		return result{}, err
	}
	run := &running{bench: b, spec: c, world: w}
	run.result.caseSpec = c
	if err := run.register(ctx); err != nil {
		return result{}, err
	}
	watched := watchMemory(w.wallet.cmd.Process.Pid)
	err = run.measure(ctx)
	run.result.Memory = watched()
	if err != nil {
		err = fmt.Errorf("%w\nthe wallet's log ends with:\n%s", err, w.wallet.log.text())
	}
	return run.result, err
}

// register starts the wallet and waits until its accounts are registered.
func (run *running) register(ctx context.Context) (err error) {
	cmd := exec.Command(run.bench.options.pksa, "run", "--home", run.world.home)
	cmd.Env = cleanEnvironment()
	began := time.Now()
	if run.world.wallet, err = startWallet(cmd); err != nil {
		return err
	}
	if err := run.world.untilRegistered(ctx, run.spec.Accounts); err != nil {
		return err
	}
	run.result.Registered = time.Since(began).Seconds()
	used, err := spentBy(cmd.Process.Pid)
	run.result.RegisteredCPU = used.CPU.Seconds()
	return err
}

// measure makes the sessions, lets the wallet become warm, and then counts.
func (run *running) measure(ctx context.Context) (err error) {
	if run.app, err = dial(ctx, run.world.place.Apps, run.world.secret); err != nil {
		return err
	}
	defer run.app.close()
	if err := run.logIn(ctx); err != nil {
		return err
	}
	run.bench.say("        %s: wallet is process %d", run.spec.meaning(), run.world.wallet.cmd.Process.Pid)
	stop, err := run.besideLarge(ctx)
	if err != nil {
		return err
	}
	defer stop()
	total := run.bench.options.each
	warm, err := run.drive(ctx, min(total/5, time.Second))
	if err != nil {
		return err
	}
	if judged := judgeAll(warm); judged.failed() {
		return fmt.Errorf("it does not answer: %q", judged.Reasons)
	}
	if run.spec.Soak > 0 {
		total = run.spec.Soak
	}
	for left := total; left > 0 && run.room() > 0; left -= roundTime {
		if err := run.round(ctx, min(left, roundTime)); err != nil {
			return err
		}
	}
	if run.spec.Kind == protocol.Sign {
		var on taken
		if err := run.world.node.ask(struct{}{}, &on); err != nil {
			return err
		}
		judged := judgeVotes(run.votes, on.Transactions)
		run.result.tally.add(judged)
	}
	run.result.summarise(run.took)
	return nil
}

// besideLarge lets another app of the same account have large requests in flight, until stop is
// called.
func (run *running) besideLarge(ctx context.Context) (stop func(), err error) {
	if run.spec.Large == 0 {
		return func() {}, nil
	}
	app, err := dial(ctx, run.world.place.Apps, run.world.secret+largeApp)
	if err != nil {
		return nil, err
	}
	s := newSession(accountName(0))
	sent, err := app.drive(ctx, load{width: 1, most: 1, next: func() *request {
		return &request{kind: protocol.Auth, session: s}
	}})
	if judged := judgeAll(sent); err != nil || judged.failed() {
		return nil, errors.Join(err, fmt.Errorf("the other app does not log in: %q", judged.Reasons))
	}
	ctx, cancel := context.WithCancel(ctx)
	var drives sync.WaitGroup
	var all []*request
	drives.Go(func() {
		all, _ = app.drive(ctx, load{width: run.spec.Large, until: time.Now().Add(time.Hour), most: much,
			next: func() *request { return &request{kind: protocol.Sign, large: true, session: s} }})
	})
	return func() {
		cancel()
		app.close()
		drives.Wait()
		total := len(all)
		all = slices.DeleteFunc(all, func(r *request) bool { return r.answer == nil && r.failed == "" })
		judged := judgeAll(all)
		run.bench.say("        %d large requests: %d refused, as they must be, %d wrong, %d still on their way",
			total, len(all)-judged.Wrong, judged.Wrong, total-len(all))
		judged.Requests = 0 // they are not what is measured
		run.result.tally.add(judged)
	}, nil
}

// logInWidth is how many sessions are made at a time.
const logInWidth = 16

// logIn makes the sessions that the case begins with.
func (run *running) logIn(ctx context.Context) error {
	for i := range run.spec.Sessions {
		run.sessions = append(run.sessions, newSession(accountName(i%run.spec.Accounts)))
	}
	i := 0
	sent, err := run.app.drive(ctx, load{width: logInWidth, most: len(run.sessions), until: time.Now().Add(time.Hour),
		next: func() *request {
			i++
			return &request{kind: protocol.Auth, session: run.sessions[i-1]}
		}})
	if err != nil {
		return err
	}
	if judged := judgeAll(sent); judged.failed() {
		return fmt.Errorf("it does not log in: %q", judged.Reasons)
	}
	return nil
}

// room returns how many requests the case may still send.
func (run *running) room() int {
	if run.spec.New {
		return mostSessions - run.turn
	}
	return much
}

// drive keeps the wallet busy for a time.
func (run *running) drive(ctx context.Context, duration time.Duration) ([]*request, error) {
	sent, err := run.app.drive(ctx, load{width: run.spec.Width, until: time.Now().Add(duration), most: run.room(),
		pause: run.spec.Pause, next: func() *request {
			run.turn++
			s := run.sessions[run.turn%len(run.sessions)]
			if run.spec.New {
				s = newSession(s.account)
			}
			return &request{kind: run.spec.Kind, session: s}
		}})
	if run.spec.Kind == protocol.Sign {
		run.votes = append(run.votes, sent...)
	}
	return sent, err
}

// usage is what was used on the machine up to a moment.
type usage struct {
	at     time.Time
	wallet spent
	ours   time.Duration // by the wallet and all parts of the benchmark
	all    time.Duration // by all processes
}

func (run *running) usage() (u usage, err error) {
	if u.wallet, err = spentBy(run.world.wallet.cmd.Process.Pid); err != nil {
		return u, err
	}
	u.ours = u.wallet.CPU
	for _, pid := range []int{os.Getpid(), run.world.relay.cmd.Process.Pid, run.world.node.cmd.Process.Pid} {
		s, err := spentBy(pid)
		if err != nil {
			return u, err
		}
		u.ours += s.CPU
	}
	u.all, err = machineBusy()
	u.at = time.Now()
	return u, err
}

// round keeps the wallet busy for a time and then judges its answers.
func (run *running) round(ctx context.Context, duration time.Duration) error {
	before, err := run.usage()
	if err != nil {
		return err
	}
	sent, err := run.drive(ctx, duration)
	if err != nil {
		return err
	}
	after, err := run.usage()
	if err != nil {
		return err
	}
	last := before.at
	for _, r := range sent {
		if r.answer != nil {
			run.took = append(run.took, r.took)
			if end := r.began.Add(r.took); end.After(last) {
				last = end
			}
		}
	}
	run.result.tally.add(judgeAll(sent))
	run.result.add(last.Sub(before.at), before, after)
	if run.spec.Soak > 0 {
		return run.sampleMemory(run.world.wallet.cmd.Process.Pid)
	}
	return nil
}

// soakEvery is after how many requests of a soak its memory is noted.
const soakEvery = 100_000

// sampleMemory notes what the wallet holds after so many requests.
func (run *running) sampleMemory(pid int) error {
	list := run.result.Samples
	if len(list) > 0 && run.result.Requests/soakEvery == list[len(list)-1].Requests/soakEvery {
		return nil
	}
	m, err := memoryOf(pid)
	if err != nil {
		return err
	}
	run.result.Samples = append(list, memorySample{run.result.Requests, m})
	run.bench.say("        after %d requests: %.0f MiB anonymous, %.0f MiB of files", run.result.Requests,
		mebi(m.Anonymous), mebi(m.File))
	return nil
}

func (t *tally) failed() bool { return t.Lost+t.Wrong > 0 }

func sortedNames(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
