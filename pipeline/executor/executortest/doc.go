// Package executortest is the contract of executors as tests: every executor passes
// Run, on this machine or on others. It runs shell commands as stages, so what it
// checks is what users see: results, exit codes and logs, time-outs, cancelled and
// lost and late workers, doubles, a store that is away for a while, machines that are
// not fit.
package executortest
