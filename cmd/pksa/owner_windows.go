package main

import "io/fs"

// ownerOf returns nothing: on Windows owners are not looked at.
func ownerOf(fs.FileInfo) string { return "" }

func userName(int) string { return "" }
