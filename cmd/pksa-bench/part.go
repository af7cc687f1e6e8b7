package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// partVariable tells this program, started again by itself, which part of the world it is.
const partVariable = "PKSA_BENCH_PART"

// parts are what this program can be besides itself. Each serves questions from its standard input
// with a line of JSON each, and ends with it: when the program that asks is gone, so is the part.
var parts = map[string]func(questions *json.Decoder, answers *json.Encoder) error{
	"relay": serveRelay, "node": serveNode,
}

// serveAsPart serves as a part of the world and returns when that has ended, or reports false if
// this process is the program itself.
func serveAsPart(in io.Reader, out io.Writer) (served bool, err error) {
	name, ok := os.LookupEnv(partVariable)
	if !ok {
		return false, nil
	}
	serve := parts[name]
	if serve == nil {
		return true, fmt.Errorf("there is no part %q", name)
	}
	return true, serve(json.NewDecoder(in), json.NewEncoder(out))
}

// part is a child process that is one of the parts.
type part struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	enc  *json.Encoder
	dec  *json.Decoder
}

// startPart starts this program again as a part.
func startPart(name string) (*part, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &part{name: name, cmd: exec.Command(self)}
	p.cmd.Env = append(cleanEnvironment(), partVariable+"="+name)
	p.cmd.Stderr = os.Stderr
	dieWithUs(p.cmd)
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.enc, p.dec = json.NewEncoder(p.in), json.NewDecoder(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", name, err)
	}
	return p, nil
}

// ask sends a question and waits for its answer.
func (p *part) ask(question, answer any) error {
	if err := p.enc.Encode(question); err != nil {
		return fmt.Errorf("asking the %s: %w", p.name, err)
	}
	if err := p.dec.Decode(answer); err != nil {
		return fmt.Errorf("the %s does not answer: %w", p.name, err)
	}
	return nil
}

// close ends the part.
func (p *part) close() error {
	p.in.Close()
	return waitFor(p.cmd, 10*time.Second)
}

// waitFor waits until a process has ended, and kills it after a while.
func waitFor(cmd *exec.Cmd, within time.Duration) error {
	overdue := time.AfterFunc(within, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	if !overdue.Stop() && err != nil {
		return fmt.Errorf("%s did not end in %s and was killed", cmd.Path, within)
	}
	return err
}

// endOf returns nil at the end of the questions, and any other error.
func endOf(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
