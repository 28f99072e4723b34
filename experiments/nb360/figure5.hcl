# Figure 5 of NAS-Bench-360 (Tu et al., arXiv 2110.05668, appendix D.7): are larger
# models better? 30 random architectures of DenseNAS on each of three tasks; the paper
# prints Pearson's r and concludes that there is no general relation. The points are
# those that its authors published with their code (nb360_size_points.csv, in the
# repository rtu715/NAS-Bench-360). Of Cosmic there are two sets: one with the metric
# of the preprint, one with the AUROC of the later code.

locals {
  size_points = csvdecode(file("nb360_size_points.csv"))
  size_samples = {
    fsd50k       = { label = "FSD50K", note = "test mAP", points = [for p in local.size_points : p if p.task == "FSD50K"] }
    cosmic       = { label = "Cosmic, first metric", note = "score", points = [for p in local.size_points : p if p.task == "Cosmic" && p.note == "older metric"] }
    cosmic_auroc = { label = "Cosmic, later AUROC", note = "AUROC", points = [for p in local.size_points : p if p.task == "Cosmic" && p.note == "AUROC of the later code"] }
    ecg          = { label = "ECG", note = "test F1", points = [for p in local.size_points : p if p.task == "ECG"] }
  }
}

hypothesis "size_correlation" "figure5" {
  description = "Are larger models better?"
  seed        = var.seed
  samples = {
    for name, s in local.size_samples : name => {
      label = s.label, score = s.note, sizes = s.points[*].params_M, scores = s.points[*].score
    }
  }

  # The printed coefficients are of these points, so that they must agree to the digit.

  expect "printed" {
    for_each  = { fsd50k = 0.79, cosmic = 0.01, ecg = 0.19 }
    kind      = "print"
    claim     = "Pearson's r of parameters and score, as printed: ${local.size_samples[each.key].label}"
    value     = self.r[each.key]
    equals    = each.value
    tolerance = 0.005 # the paper prints two digits
  }

  # "No general relation": r differs between tasks by more than sampling explains.

  expect "not_general" {
    for_each = toset(["cosmic", "cosmic_auroc", "ecg"])
    kind     = "claim"
    claim    = "No general relation: r on FSD50K is above that on ${local.size_samples[each.key].label}, the interval of their difference (Fisher's z) above 0 (reading ours)"
    value    = self.difference["fsd50k"][each.key].ci_low
    min      = 0
  }

  # "No relation" on a task: r is within the limit with all of its interval. With 30
  # architectures it cannot be, so that this is at most inconclusive: compared is the
  # far end of the interval, and the near end reaches in if r may be small.

  expect "no_relation" {
    for_each = toset(["cosmic", "cosmic_auroc", "ecg"])
    kind     = "claim"
    claim    = "No relation on ${local.size_samples[each.key].label}: all of r's interval within ${var.uncorrelated} of 0 (limit ours; 30 architectures cannot show it)"
    value    = max(self.pearson[each.key].ci_high, -self.pearson[each.key].ci_low)
    interval = [
      max(0, self.pearson[each.key].ci_low, -self.pearson[each.key].ci_high),
      max(self.pearson[each.key].ci_high, -self.pearson[each.key].ci_low),
    ]
    max = var.uncorrelated
  }

  # Sensitivity.

  expect "any_metric" {
    kind      = "own"
    claim     = "The printed r of Cosmic is that of the later AUROC, too"
    value     = self.r["cosmic_auroc"]
    equals    = 0.01
    tolerance = 0.005
  }

  expect "fsd50k_by_bootstrap" {
    kind  = "own"
    claim = "Larger is better on FSD50K: the BCa interval of r is above 0"
    value = self.pearson_bca["fsd50k"].ci_low
    min   = 0
  }

  expect "fsd50k_by_ranks" {
    kind  = "own"
    claim = "Larger is better on FSD50K: the interval of Spearman's rho is above 0"
    value = self.spearman["fsd50k"].ci_low
    min   = 0
  }

  expect "few_sizes" {
    kind  = "own"
    claim = "30 random architectures are nearly as many sizes: at least 15 on each task"
    value = min(values(self.distinct_sizes)...)
    min   = 15
  }
}

# The same question on the tables of all 15,625 cells of NAS-Bench-201, where there is
# no doubt of 30 architectures.

hypothesis "proxy_correlation" "sizes" {
  description  = "Are larger cells better?"
  scores       = [dataset.space.table]
  proxies      = ["params"]
  tables       = local.tables
  tasks        = ["cifar10", "cifar100", "imagenet16", "ninapro", "darcy"]
  rounding     = { ninapro = 659 }
  resamples    = ceil(var.resamples / 2)
  seed         = var.seed
  labels       = local.labels
  proxy_labels = { params = "parameters" }

  expect "no_general_relation" {
    for_each = toset(["ninapro", "darcy"])
    kind     = "own"
    claim    = "No general relation, on tables: Pearson's r of parameters and accuracy on ${local.labels[each.key]} is within ${var.uncorrelated} of 0 (limit ours)"
    value    = self.pearson[each.key]["params"].value
    min      = -var.uncorrelated
    max      = var.uncorrelated
  }

  expect "larger_is_better" {
    for_each = toset(["cifar10", "cifar100", "imagenet16", "ninapro", "darcy"])
    kind     = "own"
    claim    = "Larger cells are better on ${local.labels[each.key]}: the interval of Spearman's rho is above 0"
    value    = self.spearman[each.key]["params"].ci_low
    min      = 0
  }
}
