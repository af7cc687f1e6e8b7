package repeats

// Ends are the lines that end failures.
var Ends = ends
