// Package kernelclock asks the kernel whether something keeps its clock right: a time service of
// this machine, or, in a container or virtual machine, that of its host.
package kernelclock
