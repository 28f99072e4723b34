# AutoShrink (Zhang et al., AAAI 2020) removes edges of a graph, one by one, always the
# one whose removal scores highest: accuracy as a fraction less 0.1 (log10 MACs - 6). Here
# it starts at each of the 4,096 cells of NAS-Bench-201 without none, and an edge is
# removed by setting it to none; all edges are candidates. It was made for another space:
# an adaptation, to which no printed claim attaches.

search "autoshrink" "edges" {
  description = "Score on the vision tasks by accuracy after 12 epochs; on NinaPro, an oracle, by the one there is."
  for_each    = local.costed
  table       = each.value.table
  task        = each.value.task
  report      = each.value.report
  epochs      = each.value.epochs
  macs        = each.value.macs
  runs        = 4096
  seed        = var.seed
}

hypothesis "estimates" "edges_score" {
  description = "Score of AutoShrink's cell less that of the best of as many random draws, mean over the 4,096 starts."
  values      = { for task in keys(local.costed) : task => search.edges[task].gain.score }
  unit        = "AutoShrink less random draws, score"
  labels      = { for task in keys(local.costed) : task => local.labels[task] }

  expect "scores_higher" {
    for_each = { for task in ["cifar10", "cifar100", "imagenet16", "ninapro"] : task => local.labels[task] }
    kind     = "own"
    claim    = "AutoShrink's cell has a higher score than the best of as many random draws on ${each.value}: mean difference"
    value    = self.values[each.key].value
    min      = 0
  }
}

hypothesis "estimates" "edges_accuracy" {
  description = "Judged accuracy of AutoShrink's cell less that of the draw with the best score, in points, mean over the 4,096 starts."
  values      = { for task in keys(local.costed) : task => search.edges[task].gain.report }
  unit        = "AutoShrink less random draws, points of accuracy"
  labels      = { for task in keys(local.costed) : task => local.labels[task] }

  expect "more_accurate" {
    for_each = { for task in ["cifar10", "cifar100", "imagenet16", "ninapro"] : task => local.labels[task] }
    kind     = "own"
    claim    = "AutoShrink's cell is more accurate than the draw with the best score on ${each.value}: mean difference"
    value    = self.values[each.key].value
    min      = 0
  }
}
