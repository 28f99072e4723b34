// Package executor runs one node: an Action goes in, a published entry comes
// out. Local runs it in this process; other executors carry the same action to
// another machine.
//
// It schedules nothing and knows no experiment: which action runs when is
// decided in pipeline/run.
package executor
