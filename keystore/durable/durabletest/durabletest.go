// Package durabletest makes the system calls of package durable fail, for tests of what writes
// files. [Faults] fails at one step, after the step was done or without doing it.
package durabletest

import (
	"errors"
	"sync/atomic"

	"pksa/keystore/durable"
)

// ErrInjected is the error of a step that had to fail.
var ErrInjected = errors.New("injected")

// Steps of [durable.Disk.Replace] and [durable.Disk.Create], in their order.
const (
	List       = "list"
	Create     = "create" // the temporary file, or the file itself
	Write      = "write"
	Sync       = "sync"
	Close      = "close"
	Rename     = "rename"
	SyncFolder = "syncFolder"
	Remove     = "remove" // leftovers, or a file that could not be finished
)

// ReplaceSteps are the steps whose failure makes a Replace fail, in their order.
var ReplaceSteps = []string{Create, Write, Sync, Close, Rename, SyncFolder}

// CreateSteps are the steps whose failure makes a Create fail, in their order.
var CreateSteps = []string{Create, Write, Sync, Close, SyncFolder}

// Faults is a disk on which one step fails, every time. It may be used concurrently.
type Faults struct {
	Step    string
	Applied bool // the step is done and reports an error all the same
	met     atomic.Bool
}

// Met reports whether the step was reached.
func (f *Faults) Met() bool { return f.met.Load() }

// Disk returns under with the fault. A write that fails and is not applied writes the first half.
func (f *Faults) Disk(under durable.Disk) durable.Disk {
	d := under
	d.CreateTemp = func(dir, pattern string) (durable.File, error) {
		return f.create(func() (durable.File, error) { return under.CreateTemp(dir, pattern) })
	}
	d.CreateNew = func(path string) (durable.File, error) {
		return f.create(func() (durable.File, error) { return under.CreateNew(path) })
	}
	d.Rename = func(from, to string) error {
		return f.do(Rename, func() error { return under.Rename(from, to) })
	}
	d.Remove = func(path string) error { return f.do(Remove, func() error { return under.Remove(path) }) }
	d.List = func(dir string) (names []string, err error) {
		err = f.do(List, func() error { names, err = under.List(dir); return err })
		return names, err
	}
	d.SyncFolder = func(dir string) error {
		return f.do(SyncFolder, func() error { return under.SyncFolder(dir) })
	}
	return d
}

// do runs one step, which fails if it is the one that has to.
func (f *Faults) do(step string, run func() error) error {
	if step != f.Step {
		return run()
	}
	f.met.Store(true)
	if f.Applied {
		if err := run(); err != nil {
			return err
		}
	}
	return ErrInjected
}

func (f *Faults) create(run func() (durable.File, error)) (durable.File, error) {
	var made durable.File
	err := f.do(Create, func() (err error) { made, err = run(); return err })
	if err != nil {
		if made != nil {
			_ = made.Close() // done all the same: the file exists, and nobody has its handle
		}
		return nil, err
	}
	return file{File: made, faults: f}, nil
}

type file struct {
	durable.File
	faults *Faults
}

func (w file) Write(p []byte) (n int, err error) {
	if w.faults.Step == Write && !w.faults.Applied {
		w.faults.met.Store(true)
		n, _ = w.File.Write(p[:len(p)/2])
		return n, ErrInjected
	}
	err = w.faults.do(Write, func() error { n, err = w.File.Write(p); return err })
	return n, err
}

func (w file) Sync() error { return w.faults.do(Sync, w.File.Sync) }

// Close always closes: a descriptor is gone also when closing reports an error.
func (w file) Close() error {
	err := w.File.Close()
	return w.faults.do(Close, func() error { return err })
}
