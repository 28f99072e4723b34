// Package diagnostic makes and shows problems: the words "did you mean", the
// text of types and values, and the printed form of a problem with its place,
// its line, the values it had and what to do.
//
// It finds no problems itself. A sensitive value is never shown.
package diagnostic
