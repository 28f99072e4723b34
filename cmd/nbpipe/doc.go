// Command nbpipe runs experiments written in HCL. It is the only room that
// reads the environment, the clock and the terminal; every command has a file
// of its own, and what they do is done in the packages below.
package main
