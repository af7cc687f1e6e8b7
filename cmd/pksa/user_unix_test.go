//go:build unix

package main

import (
	"strconv"
	"syscall"
)

// becomeUser makes this process one of another user, whom a number names.
func becomeUser(number string) {
	if id, err := strconv.Atoi(number); err == nil {
		if err := syscall.Setuid(id); err != nil {
			panic(err)
		}
	}
}
