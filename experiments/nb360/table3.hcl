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
  labels      = merge(local.method_labels, local.task_labels)

  # Every printed cell, from Table 2.

  expect "print_rank" {
    for_each  = { wrn = 4.0, densenas = 4.0, densenas_random = 4.0, wrn_asha = 3.5, gaea = 1.5, auto_dl = 6.0, amber = 1.0 }
    kind      = "print"
    claim     = "Table 3: median rank of ${local.method_labels[each.key]}"
    value     = self.median_rank[each.key].value
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
    equals    = each.value.printed
    tolerance = each.value.tolerance
    interval  = null
  }
}
