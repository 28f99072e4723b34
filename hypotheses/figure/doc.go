// Package figure draws the figures of hypotheses as SVG: panels with axes,
// hexagonal bins, box plots, curves, fields on grids. It is a small writer and no
// plotting library: it draws what the tests' figures need, with equal bytes for equal input.
//
// A figure stands on its own light card, so that it can be read on any page,
// and uses presentation attributes alone: no style sheet, class or script, so
// that a strict page may take it inline. Its natural width is that of a column
// of text, and its type is large enough to be read at 360 pixels.
//
// What is drawn, and which numbers, belongs to the hypotheses, and to stages that
// draw: the package imports nothing of the project.
package figure
