// Package html is the kind `report "html"`: one self-contained page about a set
// of hypotheses, their verdicts, figures, numbers, data and keys.
//
// The page is a function of the stage's attributes, the nodes it is told about
// (stages.NodeInfo) and the bytes of their figures: no clock, host, user or
// network. It works without script; its content security policy allows none.
//
// # Trust
//
// Outputs, claims and figures may come from a stranger's command. Text passes
// through html/template, after control and bidirectional formatting characters
// were replaced. An SVG is put inline only if every element and attribute of it
// is on a list (see sanitizeSVG); any other one is shown as an image, in which
// browsers neither run scripts nor load anything.
//
// # Layout
//
// The stage (stage.go) builds a view (page.go) that the template page.tmpl
// shows. verdicts.go turns verdicts into words, outputs.go turns any output into
// tables, figures.go and svg.go embed figures, graph.go draws the upstream
// graph, provenance.go lists data and keys. Nothing here knows a hypothesis by
// name: a kind that comes later needs no change, as long as its outputs are
// objects of statistics and its figures are files named *.svg.
package html
