package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// terminal is what is known of where output goes.
type terminal struct {
	tty   bool
	color bool
	width int // columns; 0 where it is no terminal
}

func (a *app) terminal(w io.Writer) terminal {
	t := terminal{color: a.settings.Color == "always"}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return t
	}
	t.tty = os.Getenv("TERM") != "dumb"
	if a.settings.Color == "auto" {
		t.color = t.tty && os.Getenv("NO_COLOR") == ""
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		t.width = width
	}
	return t
}

// note tells the user something on standard error.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}

// The few colours in use.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
	faint  = "2"
)

func (t terminal) paint(style, s string) string {
	if !t.color {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}
