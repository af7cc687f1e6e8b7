package config

// Setting is a line of the table of settings, for tests from outside.
type Setting = setting

// Settings returns the table.
func Settings() []Setting { return settings }
