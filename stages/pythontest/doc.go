// Package pythontest finds the Python of tests whose peer is written in it. It
// is for tests only: no stage needs a Python that the experiment does not name.
package pythontest
