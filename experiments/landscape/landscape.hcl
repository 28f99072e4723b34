# Locality: LISSNAS (Gopal et al., IJCAI 2023) shrinks a space to pockets around good
# architectures, because "structural similarity implies performance similarity". Does
# it, on the five tasks whose tables are published? The paper's claim has no number
# here: each reading says what it asks for, and the limits are ours.

hypothesis "landscape" "locality" {
  description = "Are architectures that look alike equally good? All 15,625 cells, each joined to the 24 that are one edit away."
  tables      = local.tables
  tasks       = ["cifar10", "cifar100", "imagenet16", "ninapro", "darcy"]
  labels      = local.labels
  ties        = var.ties

  # NinaPro's accuracies are multiples of 1/659 but for averaging noise, which makes
  # optima of ties: both are given.
  rounding = { ninapro = 659 }

  # Independently computed values.

  expect "check_lag_1" {
    kind      = "own"
    claim     = "CIFAR-10: autocorrelation of the random walk at lag 1"
    value     = self.autocorrelation["cifar10"]["1"].value
    equals    = 0.56
    tolerance = 0.00005
  }

  expect "check_lag_2" {
    kind      = "own"
    claim     = "CIFAR-10: autocorrelation of the random walk at lag 2"
    value     = self.autocorrelation["cifar10"]["2"].value
    equals    = 0.3501
    tolerance = 0.00005
  }

  expect "check_lag_3" {
    kind      = "own"
    claim     = "CIFAR-10: autocorrelation of the random walk at lag 3"
    value     = self.autocorrelation["cifar10"]["3"].value
    equals    = 0.2332
    tolerance = 0.00005
  }

  # Weak reading: neighbours are alike at all. The lower end of the interval of their
  # correlation is above 0.

  expect "neighbours_correlate" {
    for_each = local.labels
    kind     = "claim"
    claim    = "Structural similarity implies performance similarity on ${each.value}, weak reading: neighbours' values are correlated, lower end of the interval"
    value    = self.autocorrelation[each.key]["1"].ci_low
    min      = 0
  }

  # Middle reading: the nearer, the more alike. From each distance to the next the mean
  # difference rises; compared is the lowest of the lower ends of the five rises.

  expect "nearer_is_more_alike" {
    for_each = local.labels
    kind     = "claim"
    claim    = "Structural similarity implies performance similarity on ${each.value}, middle reading: each edit more makes two cells differ more, lowest end of the intervals"
    value    = min([for d, r in self.rise[each.key] : r.ci_low]...)
    min      = 0
  }

  # Strong reading: alike enough to rely on. Neighbours differ by at most half as much as
  # any two cells.

  expect "neighbours_differ_by_half" {
    for_each = local.labels
    kind     = "claim"
    claim    = "Structural similarity implies performance similarity on ${each.value}, strong reading: neighbours' mean difference over that of any two cells (limit ours)"
    value    = self.locality[each.key]["1"].value
    max      = var.alike
  }

  # Is it so for trivial reasons? A few cells that learn nothing have much of the variance,
  # ranks do not show by how much they fail; and some neighbours are the same function.

  expect "ranks_correlate_as_well" {
    kind  = "own"
    claim = "Locality is not only that of failing cells: ranks of neighbours are correlated on each task, lowest end of the intervals"
    value = min([for task, lag in self.autocorrelation_ranks : lag["1"].ci_low]...)
    min   = 0
  }

  expect "distinct_neighbours_are_alike" {
    kind  = "own"
    claim = "Locality is not only that of isomorphic neighbours: on each task, neighbours of different classes differ less than any two cells, largest quotient"
    value = max([for task, d in self.difference_distinct : d["1"].value / self.difference_any[task].value]...)
    max   = 1
  }

  # Noise: one function trained twice.

  expect "ninapro_neighbours_differ_beyond_noise" {
    kind  = "own"
    claim = "NinaPro: neighbours of different classes differ by more than one function trained twice, lower end of the interval above the upper end of the other"
    value = self.difference_distinct["ninapro"]["1"].ci_low
    min   = self.noise_difference["ninapro"].ci_high
  }

  expect "is_mostly_signal" {
    for_each = { for task in ["ninapro", "darcy"] : task => local.labels[task] }
    kind     = "own"
    claim    = "${each.value}: training noise has less than half of the variance, lower end of the interval of what is left (limit ours)"
    value    = self.signal[each.key].ci_low
    interval = [self.signal[each.key].ci_low, self.signal[each.key].ci_high]
    min      = 0.5
  }

  # What a climber finds.

  expect "ninapro_is_more_rugged" {
    kind  = "own"
    claim = "NinaPro, rounded, has more strict local optima than the vision tasks have weak ones"
    value = self.local_optima_rounded["ninapro"].strict
    min   = 1 + max([for task in ["cifar10", "cifar100", "imagenet16"] : self.local_optima[task].weak]...)
  }

  expect "ninapro_optima_are_noise" {
    kind  = "own"
    claim = "NinaPro: most strict local optima lead their neighbours by no more than training noise, share of those that lead by more (limit ours)"
    value = self.local_optima_rounded["ninapro"].above_noise / self.local_optima_rounded["ninapro"].strict
    max   = 0.5
  }

  expect "ascents_reach_the_top" {
    for_each = { for task in ["cifar10", "cifar100", "imagenet16"] : task => local.labels[task] }
    kind     = "own"
    claim    = "${each.value}: best improvement from any cell ends among the best 1 %, share of starts (limit ours)"
    value    = self.basins[each.key].top
    min      = 0.5
  }

  # By the other rule of ties, and without rounding, NinaPro's share is another one.
  expect "ninapro_ascents_reach_the_top" {
    kind  = "own"
    claim = "NinaPro, rounded: best improvement from any cell ends among the best 1 %, share of starts (limit ours; interval: by either rule of ties, rounded or raw)"
    value = self.basins_rounded["ninapro"].top
    interval = [
      min(self.basins_rounded["ninapro"].top, self.basins_rounded["ninapro"].top_other, self.basins["ninapro"].top),
      max(self.basins_rounded["ninapro"].top, self.basins_rounded["ninapro"].top_other, self.basins["ninapro"].top),
    ]
    min = 0.5
  }

  expect "darcy_ascents_reach_the_top" {
    kind  = "own"
    claim = "Darcy Flow: best improvement from any cell ends among the best 1 %, share of starts (limit ours)"
    value = self.basins["darcy"].top
    min   = 0.5
  }

  # Does the best cell attract? Higher values nearer to it: a correlation below 0.

  expect "best_cell_attracts" {
    for_each = local.labels
    kind     = "own"
    claim    = "${each.value}: the nearer to the best cell, the better, upper end of the interval of the fitness-distance correlation"
    value    = self.fitness_distance[each.key].ci_high
    max      = 0
  }
}
