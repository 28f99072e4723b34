# Table 3 of NAS-Bench-360 (section 5.1): which method is the best over ten tasks?
# Ranks are among the methods that have the task, ties share the average. The
# intervals redraw every mean of Table 2 with its standard error over 3 seeds.

hypothesis "method_ranking" "table3" {
  description = "Does NAS help practitioners on diverse tasks? Median rank, improvement on the default WRN, and tests of all pairs."
  results     = local.errors
  methods     = local.ranked_methods
  tasks       = local.tasks
  baseline    = "wrn"
  seeds       = 3
  seed        = var.seed
  labels      = local.labels_of_results

  # Every printed cell, from Table 2. These are the same numbers twice, so no interval
  # of theirs could excuse a difference.

  expect "print_rank" {
    for_each  = { wrn = 4.0, densenas = 4.0, densenas_random = 4.0, wrn_asha = 3.5, gaea = 1.5, auto_dl = 6.0, amber = 1.0 }
    kind      = "print"
    claim     = "Table 3: median rank of ${local.method_labels[each.key]}"
    value     = self.median_rank[each.key].value
    interval  = null
    equals    = each.value
    tolerance = 0.05
  }

  expect "print_improvement" {
    for_each = {
      wrn             = { printed = 0.0, tolerance = 0.05 }
      densenas        = { printed = 2.53, tolerance = 0.005 }
      densenas_random = { printed = 0.0, tolerance = 0.05 }
      wrn_asha        = { printed = 0.0, tolerance = 0.05 }
      gaea            = { printed = 20.1, tolerance = 0.05 }
      auto_dl         = { printed = -75.3, tolerance = 0.05 }
      amber           = { printed = 20.0, tolerance = 0.05 }
    }
    kind      = "print"
    claim     = "Table 3: median improvement of ${local.method_labels[each.key]} on the default WRN, %"
    value     = self.median_improvement[each.key].value
    interval  = null
    equals    = each.value.printed
    tolerance = each.value.tolerance
  }

  # The print gives DenseNAS 2.53 and its random variant 0.0; Table 2 gives the reverse.
  expect "print_improvement_swapped" {
    for_each  = { densenas_random = { printed = 2.53, tolerance = 0.005 }, densenas = { printed = 0.0, tolerance = 0.05 } }
    kind      = "own"
    claim     = "Table 3 holds with the cells of DenseNAS and DenseNAS random swapped: ${local.method_labels[each.key]}, %"
    value     = self.median_improvement[each.key].value
    interval  = null
    equals    = each.value.printed
    tolerance = each.value.tolerance
  }

  # GAEA: the best without knowledge of the domain, but poor on two tasks.

  expect "gaea_best" {
    kind  = "claim"
    claim = "GAEA is the best domain-independent method: the lowest median rank of the five"
    value = self.median_rank["gaea"].value
    max   = min([for m in local.general_methods : self.median_rank[m].value if m != "gaea"]...)
  }

  expect "gaea_best_disjoint" {
    kind     = "own"
    claim    = "The same whatever the seeds: the upper end of GAEA's interval is below the lower ends of the other four"
    value    = self.median_rank["gaea"].ci_high
    interval = [self.median_rank["gaea"].ci_low, self.median_rank["gaea"].ci_high]
    max      = min([for m in local.general_methods : self.median_rank[m].ci_low if m != "gaea"]...)
  }

  # Tests on the complete blocks, five methods on ten tasks. They see large differences
  # only, so that p above the level leaves the question open: the interval that is
  # given says so, since with more tasks p could be anything below. A non-result is a
  # limit of n = 10, and refutes nothing.

  expect "friedman" {
    kind     = "own"
    claim    = "Friedman's test tells the five domain-independent methods apart, p at most .05 (with ten tasks, a higher p leaves it open)"
    value    = self.friedman.p
    interval = [0, self.friedman.p]
    max      = 0.05
  }

  expect "nemenyi_gaea" {
    for_each = toset([for m in local.general_methods : m if m != "gaea"])
    kind     = "own"
    claim    = "Nemenyi's test tells GAEA from ${local.method_labels[each.key]}, p at most .05 (with ten tasks, a higher p leaves it open)"
    value    = self.nemenyi["gaea"][each.key].p
    interval = [0, self.nemenyi["gaea"][each.key].p]
    max      = 0.05
  }

  expect "gaea_poor" {
    for_each = toset(["ninapro", "fsd50k"])
    kind     = "claim"
    claim    = "GAEA is poor on ${local.task_labels[each.key]}: the last of the five methods that have the task (reading ours)"
    value    = self.rank["gaea"][each.key].value
    min      = 5
  }

  expect "gaea_below_wrn" {
    for_each = toset(["ninapro", "fsd50k"])
    kind     = "own"
    claim    = "GAEA is poor on ${local.task_labels[each.key]}, whatever the seeds: the upper end of its improvement on the default WRN, %, is below 0"
    value    = self.improvement["gaea"][each.key].ci_high
    interval = [self.improvement["gaea"][each.key].ci_low, self.improvement["gaea"][each.key].ci_high]
    max      = 0
  }

  # DenseNAS: does its search do anything? 2 tasks better, 7 worse, 1 tied.

  expect "search_no_better_than_random" {
    kind  = "claim"
    claim = "DenseNAS search is no better than random: better on no more tasks than worse"
    value = self.better["densenas"]["densenas_random"].value
    max   = self.pair["densenas"]["densenas_random"].worse
  }

  expect "search_against_random" {
    for_each  = { better = 2, worse = 7, tied = 1 }
    kind      = "own"
    claim     = "DenseNAS against DenseNAS random: tasks on which it is ${each.key}, by Table 2 as printed"
    value     = self.pair["densenas"]["densenas_random"][each.key]
    equals    = each.value
    tolerance = 0
  }

  expect "random_better_than_search" {
    for_each = { sign_p = "sign test", wilcoxon_p = "Wilcoxon test of the ratios" }
    kind     = "own"
    claim    = "DenseNAS random is even better than the search: ${each.value} over tasks, p at most .05 (with ten tasks, a higher p leaves it open)"
    value    = self.pair["densenas_random"]["densenas"][each.key]
    interval = [0, self.pair["densenas_random"]["densenas"][each.key]]
    max      = 0.05
  }

  # AMBER is made for 1D tasks. The gain is in per cent of GAEA's error.

  expect "amber_better_than_gaea" {
    for_each = toset(local.tasks_1d)
    kind     = "own"
    claim    = "AMBER's error on ${local.task_labels[each.key]} is lower than GAEA's, by %"
    value    = self.gain["amber"]["gaea"][each.key].value
    min      = 0
  }

  expect "amber_better_than_gaea_disjoint" {
    for_each = toset(local.tasks_1d)
    kind     = "own"
    claim    = "The same whatever the seeds, on ${local.task_labels[each.key]}: the lower end of the gain, %, is above 0"
    value    = self.gain["amber"]["gaea"][each.key].ci_low
    interval = [self.gain["amber"]["gaea"][each.key].ci_low, self.gain["amber"]["gaea"][each.key].ci_high]
    min      = 0
  }

  # Auto-DL is made for dense tasks, and called poor there.

  expect "auto_dl_poor" {
    kind  = "claim"
    claim = "Auto-DL is poor: its median rank is in the worse half of the six methods that have its tasks (reading ours)"
    value = self.median_rank["auto_dl"].value
    min   = 3.5
  }

  expect "auto_dl_poor_on" {
    for_each = toset(local.tasks_2d_dense)
    kind     = "claim"
    claim    = "Auto-DL is poor on ${local.task_labels[each.key]}: no better than the default WRN, improvement in % (reading ours)"
    value    = self.improvement["auto_dl"][each.key].value
    max      = 0
  }
}

# Appendix C: GAEA against hand-made experts' networks, task by task.

hypothesis "method_ranking" "experts" {
  description = "Is GAEA better than the expert's network of each task?"
  results     = local.errors
  methods     = ["gaea", "expert"]
  tasks       = local.tasks
  baseline    = "expert"
  seeds       = 3
  seed        = var.seed
  labels      = local.labels_of_results

  expect "gaea_better_than_expert" {
    for_each = toset(local.tasks)
    kind     = "own"
    claim    = "GAEA's error on ${local.task_labels[each.key]} is lower than the expert's, by %"
    value    = self.improvement["gaea"][each.key].value
    min      = 0
  }

  expect "gaea_better_on_most" {
    kind  = "own"
    claim = "GAEA is better than the expert on more tasks than it is worse"
    value = self.better["gaea"]["expert"].value
    min   = self.pair["gaea"]["expert"].worse
  }
}

# "GAEA costs more than DenseNAS": Table 5, GPU hours, search and retraining together.
# There is no spread, so there are no intervals.

hypothesis "method_ranking" "costs" {
  description = "Does GAEA cost more than DenseNAS? GPU hours of Table 5."
  results     = local.costs["gpu_hours_V100"]
  methods     = ["gaea", "densenas", "wrn"]
  tasks       = local.tasks
  baseline    = "densenas"
  unit        = "GPU hours"
  labels      = local.labels_of_results

  expect "gaea_costs_more" {
    for_each = toset(local.tasks)
    kind     = "claim"
    claim    = "GAEA costs more than DenseNAS on ${local.task_labels[each.key]}: DenseNAS saves, % of its GPU hours"
    value    = self.gain["densenas"]["gaea"][each.key].value
    min      = 0
  }
}

hypothesis "method_ranking" "network_sizes" {
  for_each    = { params_M = "parameters, millions", GFLOPs = "GFLOPs" }
  description = "Does GAEA find larger networks than DenseNAS? Tables 7 and 8."
  results     = local.costs[each.key]
  methods     = ["gaea", "densenas", "wrn"]
  tasks       = local.tasks
  baseline    = "densenas"
  unit        = each.value
  seeds       = 3
  labels      = local.labels_of_results

  expect "gaea_larger_on_most" {
    kind  = "own"
    claim = "GAEA's networks are larger than DenseNAS's (${each.value}) on more tasks than they are smaller"
    value = self.better["densenas"]["gaea"].value
    min   = self.pair["densenas"]["gaea"].worse
  }
}

# The WRN against all of NAS-Bench-201: its best cell on CIFAR-100, by the error of the
# table, against the WRN's of Table 2.

hypothesis "estimates" "nb201_cells" {
  description = "Does the WRN beat every cell of NAS-Bench-201 on CIFAR-100?"
  values      = { lowest_error = { value = 100 * hypothesis.figure3.best["cifar100"].value } }

  expect "wrn_beats_all_cells" {
    kind  = "claim"
    claim = "The WRN (error of Table 2: the limit) beats every NAS-Bench-201 cell on CIFAR-100: the lowest error of the table, %"
    value = self.values["lowest_error"].value
    min   = local.errors["wrn"]["cifar100"].value
  }

  expect "check_lowest_error" {
    kind   = "own"
    claim  = "The lowest error of a cell on CIFAR-100, %"
    value  = self.values["lowest_error"].value
    equals = 26.49
  }
}
