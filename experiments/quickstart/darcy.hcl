# A toy of the real thing: a search that trains, on data that are made here, in 15
# seconds on two cores (without AVX2 it takes minutes). The problem is that of NAS-Bench-360's Darcy Flow
# at a small size, the network has one cell of 8 channels, a training 8 epochs.
#
# What it shows is how such an experiment is written, and that its parts work. Its
# numbers say nothing of the real task.

locals {
  # How every network here is trained; the rest is the paper's recipe for the task.
  channels = 8
  epochs   = 8
  batch    = 8
}

dataset "darcy_flow" "small" {
  description = "Steady flow through random media: from the coefficient to the pressure."
  resolution  = 32
  samples     = 224
  splits      = { train = 128, validation = 32, test = 64 }
}

dataset "drawn_cells" "cells" {
  description = "6 cells to compare with, and 12 pairs of cells that differ in one edge: 3x3 or 1x1 convolution."
  count       = 6
  pairs       = 12
}

search "random" "found" {
  description = "24 cells, judged by the validation split."
  budget      = 24
  train = {
    data       = dataset.small.data
    channels   = local.channels
    stages     = 1
    cells      = 1
    epochs     = local.epochs
    batch_size = local.batch
  }
}

retrain "cell" "winner" {
  description  = "The best of the 24, with seeds that the search has not seen."
  architecture = search.found.best.architecture
  data         = dataset.small.data
  fit          = ["train"]
  seeds        = [1, 2, 3]
  channels     = local.channels
  stages       = 1
  cells        = 1
  epochs       = local.epochs
  batch_size   = local.batch
}

retrain "cell" "drawn" {
  for_each     = toset([for i in range(6) : tostring(i)])
  description  = "A drawn cell, trained like the winner."
  architecture = dataset.cells.architectures[tonumber(each.key)]
  data         = dataset.small.data
  fit          = ["train"]
  seeds        = [1, 2, 3]
  channels     = local.channels
  stages       = 1
  cells        = 1
  epochs       = local.epochs
  batch_size   = local.batch
}

retrain "cell" "with_3x3" {
  for_each     = toset([for i in range(12) : tostring(i)])
  description  = "The first cell of a pair: a 3x3 convolution on the edge."
  architecture = dataset.cells.pairs[tonumber(each.key)].first
  data         = dataset.small.data
  fit          = ["train"]
  seeds        = [tonumber(each.key)]
  examples     = 0
  channels     = local.channels
  stages       = 1
  cells        = 1
  epochs       = local.epochs
  batch_size   = local.batch
}

retrain "cell" "with_1x1" {
  for_each     = toset([for i in range(12) : tostring(i)])
  description  = "The second cell of the pair, the same seed: a 1x1 convolution there."
  architecture = dataset.cells.pairs[tonumber(each.key)].second
  data         = dataset.small.data
  fit          = ["train"]
  seeds        = [tonumber(each.key)]
  examples     = 0
  channels     = local.channels
  stages       = 1
  cells        = 1
  epochs       = local.epochs
  batch_size   = local.batch
}

hypothesis "mean_difference" "search_helps" {
  description = "A toy: is the found cell better than drawn ones, on samples that neither training nor search has seen?"
  first       = retrain.winner.errors
  second      = [for i in range(6) : retrain.drawn[tostring(i)].test.value]
  unit        = "relative L2 error on the test split"
  labels      = { first = "winner, 3 seeds", second = "6 drawn cells" }

  expect "winner_is_better" {
    kind  = "own"
    claim = "Toy: the winner's mean error on the test split is lower than that of drawn cells; by the means alone, three seeds settle nothing"
    value = self.difference.value
    max   = 0
  }
}

hypothesis "paired" "convolutions_help" {
  description = "A toy: does it help to put a 3x3 convolution where a 1x1 convolution stands, all else being equal?"
  first       = [for i in range(12) : retrain.with_3x3[tostring(i)].errors[0]]
  second      = [for i in range(12) : retrain.with_1x1[tostring(i)].errors[0]]
  unit        = "relative L2 error on the test split"
  labels      = { first = "3x3 on the edge", second = "1x1 on the edge" }

  expect "lower_error" {
    kind  = "own"
    claim = "Toy: with the 3x3 convolution the error is lower; exact one-sided sign-flip test over 12 pairs, p at most .05"
    value = self.difference.p
    max   = 0.05
  }
}

output "winner" {
  description = "The cell that the search found."
  value       = search.found.best.architecture
}
