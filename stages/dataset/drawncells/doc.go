// Package drawncells is the stage kind `dataset "drawn_cells"`: cells of
// NAS-Bench-201 drawn uniformly, and pairs of cells that differ in one edge.
//
// Cell number i is drawn from the stream (seed, "drawn cells", 0), all in one order,
// without replacement. Pair i comes from the stream (seed, "drawn pairs", i): a cell
// and an edge of it are drawn until the edge matters, that is, lies on a path from
// input to output whose other edges are not none; the two cells of the pair have one
// and the other operation there. So pairs are drawn uniformly from those cells and
// edges of which a difference can be seen.
package drawncells
