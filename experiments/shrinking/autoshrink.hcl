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

  expect "cifar10_scores_higher" {
    kind     = "own"
    claim    = "AutoShrink's cell has a higher score than the best of as many random draws on CIFAR-10: mean difference"
    value    = self.values["cifar10"].value
    interval = [self.values["cifar10"].ci_low, self.values["cifar10"].ci_high]
    min      = 0
  }

  expect "cifar100_scores_higher" {
    kind     = "own"
    claim    = "AutoShrink's cell has a higher score than the best of as many random draws on CIFAR-100: mean difference"
    value    = self.values["cifar100"].value
    interval = [self.values["cifar100"].ci_low, self.values["cifar100"].ci_high]
    min      = 0
  }

  expect "imagenet16_scores_higher" {
    kind     = "own"
    claim    = "AutoShrink's cell has a higher score than the best of as many random draws on ImageNet16-120: mean difference"
    value    = self.values["imagenet16"].value
    interval = [self.values["imagenet16"].ci_low, self.values["imagenet16"].ci_high]
    min      = 0
  }

  expect "ninapro_scores_higher" {
    kind     = "own"
    claim    = "AutoShrink's cell has a higher score than the best of as many random draws on NinaPro (oracle): mean difference"
    value    = self.values["ninapro"].value
    interval = [self.values["ninapro"].ci_low, self.values["ninapro"].ci_high]
    min      = 0
  }
}

hypothesis "estimates" "edges_accuracy" {
  description = "Judged accuracy of AutoShrink's cell less that of the draw with the best score, in points, mean over the 4,096 starts."
  values      = { for task in keys(local.costed) : task => search.edges[task].gain.report }
  unit        = "AutoShrink less random draws, points of accuracy"
  labels      = { for task in keys(local.costed) : task => local.labels[task] }

  expect "cifar10_more_accurate" {
    kind     = "own"
    claim    = "AutoShrink's cell is more accurate than the draw with the best score on CIFAR-10: mean difference"
    value    = self.values["cifar10"].value
    interval = [self.values["cifar10"].ci_low, self.values["cifar10"].ci_high]
    min      = 0
  }

  expect "cifar100_more_accurate" {
    kind     = "own"
    claim    = "AutoShrink's cell is more accurate than the draw with the best score on CIFAR-100: mean difference"
    value    = self.values["cifar100"].value
    interval = [self.values["cifar100"].ci_low, self.values["cifar100"].ci_high]
    min      = 0
  }

  expect "imagenet16_more_accurate" {
    kind     = "own"
    claim    = "AutoShrink's cell is more accurate than the draw with the best score on ImageNet16-120: mean difference"
    value    = self.values["imagenet16"].value
    interval = [self.values["imagenet16"].ci_low, self.values["imagenet16"].ci_high]
    min      = 0
  }

  expect "ninapro_more_accurate" {
    kind     = "own"
    claim    = "AutoShrink's cell is more accurate than the draw with the best score on NinaPro (oracle): mean difference"
    value    = self.values["ninapro"].value
    interval = [self.values["ninapro"].ci_low, self.values["ninapro"].ci_high]
    min      = 0
  }
}
