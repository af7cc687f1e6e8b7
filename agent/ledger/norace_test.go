//go:build !race

package ledger_test

// raceDetector says that the tests run under the race detector, which takes many times the memory.
const raceDetector = false
