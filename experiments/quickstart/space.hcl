# The cells of NAS-Bench-201 are computed, and statements about them are tested.

variable "classes" {
  type        = number
  default     = 10
  description = "Classes that the networks tell apart; CIFAR-10 has 10. Change it, and see with `nbpipe plan` what would run again."

  validation {
    condition     = var.classes >= 2
    error_message = "A classifier needs at least two classes."
  }
}

dataset "nas_bench_201" "space" {
  description = "All 15,625 cells, with parameters and multiply-accumulates of the networks made of them."
  classes     = var.classes
}

hypothesis "rank_transfer" "cost" {
  description = "Do parameters and FLOPs rank architectures alike?"
  tables      = [dataset.space.table]
  from        = "params"
  to          = ["flops"]
  labels      = { params = "parameters", flops = "FLOPs" }

  expect "one_ranking" {
    kind      = "own"
    claim     = "Parameters and FLOPs give one ranking of all cells: Spearman's rho is 1"
    value     = self.spearman["flops"].value
    equals    = 1
    tolerance = 0
  }

  expect "one_ranking_of_unique_cells" {
    kind      = "own"
    claim     = "They give one ranking of the unique cells, too"
    value     = self.spearman_unique["flops"].value
    equals    = 1
    tolerance = 0
  }

  expect "unique_cells" {
    kind      = "own"
    claim     = "6,466 of the 15,625 cells are unique"
    value     = self.classes
    equals    = 6466
    tolerance = 0
  }
}
