# Figure 3 of NAS-Bench-360 (Tu et al., arXiv 2110.05668): do rankings of
# architectures transfer between tasks? The paper shows the scatter and prints no
# coefficient. Its words: vision tasks are "highly correlated", NinaPro and Darcy
# "uncorrelated". What that means as a number is ours, and said at each claim.

hypothesis "rank_transfer" "figure3" {
  description = "Do architecture rankings transfer from CIFAR-100 to other tasks?"
  tables      = local.tables
  from        = "cifar100"
  to          = ["cifar10", "imagenet16", "ninapro", "darcy"]

  # NinaPro's accuracies are multiples of 1/659 but for averaging noise, which
  # would break ties at random. spearman_raw and kendall_raw do without.
  rounding  = { ninapro = 659 }
  resamples = var.resamples
  seed      = var.seed
  labels    = local.labels

  # Vision: highly correlated.

  expect "highly_correlated" {
    for_each = { for task in ["cifar10", "imagenet16"] : task => local.labels[task] }
    kind     = "claim"
    claim    = "Vision tasks are highly correlated: ${each.value} with CIFAR-100 (limit ours)"
    value    = self.spearman[each.key].value
    min      = var.highly_correlated
  }

  # NinaPro and Darcy: uncorrelated. Weak reading: less correlated than any two
  # vision tasks, with disjoint intervals. Compared is the upper end of the one
  # interval with the lowest lower end of the vision pairs.

  expect "ninapro_weakly_uncorrelated_spearman" {
    kind     = "claim"
    claim    = "NinaPro is uncorrelated with CIFAR-100, weak reading: the upper end of rho's interval is below the lower ends of all pairs of vision tasks"
    value    = self.spearman["ninapro"].ci_high
    interval = [self.spearman["ninapro"].ci_low, self.spearman["ninapro"].ci_high]
    max = min(
      self.pairwise["cifar10"]["cifar100"].ci_low,
      self.pairwise["cifar10"]["imagenet16"].ci_low,
      self.pairwise["cifar100"]["imagenet16"].ci_low,
    )
  }

  expect "ninapro_weakly_uncorrelated_kendall" {
    kind     = "claim"
    claim    = "NinaPro is uncorrelated with CIFAR-100, weak reading: the upper end of tau-b's interval is below the lower ends of all pairs of vision tasks"
    value    = self.kendall["ninapro"].ci_high
    interval = [self.kendall["ninapro"].ci_low, self.kendall["ninapro"].ci_high]
    max = min(
      self.pairwise_kendall["cifar10"]["cifar100"].ci_low,
      self.pairwise_kendall["cifar10"]["imagenet16"].ci_low,
      self.pairwise_kendall["cifar100"]["imagenet16"].ci_low,
    )
  }

  expect "darcy_weakly_uncorrelated_spearman" {
    kind     = "claim"
    claim    = "Darcy is uncorrelated with CIFAR-100, weak reading: the upper end of rho's interval is below the lower ends of all pairs of vision tasks"
    value    = self.spearman["darcy"].ci_high
    interval = [self.spearman["darcy"].ci_low, self.spearman["darcy"].ci_high]
    max = min(
      self.pairwise["cifar10"]["cifar100"].ci_low,
      self.pairwise["cifar10"]["imagenet16"].ci_low,
      self.pairwise["cifar100"]["imagenet16"].ci_low,
    )
  }

  expect "darcy_weakly_uncorrelated_kendall" {
    kind     = "claim"
    claim    = "Darcy is uncorrelated with CIFAR-100, weak reading: the upper end of tau-b's interval is below the lower ends of all pairs of vision tasks"
    value    = self.kendall["darcy"].ci_high
    interval = [self.kendall["darcy"].ci_low, self.kendall["darcy"].ci_high]
    max = min(
      self.pairwise_kendall["cifar10"]["cifar100"].ci_low,
      self.pairwise_kendall["cifar10"]["imagenet16"].ci_low,
      self.pairwise_kendall["cifar100"]["imagenet16"].ci_low,
    )
  }

  # Strong reading: no correlation worth the name, |rho| at most var.uncorrelated.

  expect "ninapro_strongly_uncorrelated" {
    kind  = "claim"
    claim = "NinaPro is uncorrelated with CIFAR-100, strong reading: |rho| near 0 (limit ours)"
    value = self.spearman["ninapro"].value
    min   = -var.uncorrelated
    max   = var.uncorrelated
  }

  expect "darcy_strongly_uncorrelated" {
    kind  = "claim"
    claim = "Darcy is uncorrelated with CIFAR-100, strong reading: |rho| near 0 (limit ours)"
    value = self.spearman["darcy"].value
    min   = -var.uncorrelated
    max   = var.uncorrelated
  }

  # Sensitivity: how much of a correlation is due to architectures that are bad
  # everywhere? The same reading among the better half by CIFAR-100.

  expect "ninapro_uncorrelated_in_best_half" {
    kind  = "own"
    claim = "NinaPro, strong reading, among the better half by CIFAR-100"
    value = self.spearman_best_half["ninapro"].value
    min   = -var.uncorrelated
    max   = var.uncorrelated
  }

  expect "darcy_uncorrelated_in_best_half" {
    kind  = "own"
    claim = "Darcy, strong reading, among the better half by CIFAR-100"
    value = self.spearman_best_half["darcy"].value
    min   = -var.uncorrelated
    max   = var.uncorrelated
  }

  # Noise ceiling: isomorphic cells are one function trained twice. Where their
  # rho is far above the transfer, noise does not explain a low correlation.

  expect "ninapro_not_too_noisy" {
    kind  = "own"
    claim = "NinaPro is not too noisy to correlate: the lower end of the interval of rho between isomorphic cells is above the upper end of that of rho with CIFAR-100"
    value = self.noise_ceiling["ninapro"].ci_low
    min   = self.spearman["ninapro"].ci_high
  }

  expect "darcy_not_too_noisy" {
    kind  = "own"
    claim = "Darcy is not too noisy to correlate: the lower end of the interval of rho between isomorphic cells is above the upper end of that of rho with CIFAR-100"
    value = self.noise_ceiling["darcy"].ci_low
    min   = self.spearman["darcy"].ci_high
  }

  # Checks of our own: the same numbers from an independent computation.

  expect "check_spearman" {
    kind   = "own"
    claim  = "CIFAR-10 with CIFAR-100: Spearman's rho, all architectures"
    value  = self.spearman["cifar10"].value
    equals = 0.9802
  }

  expect "check_kendall" {
    kind   = "own"
    claim  = "CIFAR-10 with CIFAR-100: Kendall's tau-b, all architectures"
    value  = self.kendall["cifar10"].value
    equals = 0.8816
  }

  expect "check_spearman_unique" {
    kind   = "own"
    claim  = "CIFAR-10 with CIFAR-100: Spearman's rho, unique cells"
    value  = self.spearman_unique["cifar10"].value
    equals = 0.9713
  }

  expect "check_kendall_unique" {
    kind   = "own"
    claim  = "CIFAR-10 with CIFAR-100: Kendall's tau-b, unique cells"
    value  = self.kendall_unique["cifar10"].value
    equals = 0.8578
  }

  expect "check_classes" {
    kind      = "own"
    claim     = "6,466 of the 15,625 cells are unique"
    value     = self.classes
    equals    = 6466
    tolerance = 0
  }

  expect "check_optimum" {
    kind      = "own"
    claim     = "The best cell on CIFAR-100 is number 9930"
    value     = self.best["cifar100"].index
    equals    = 9930
    tolerance = 0
  }
}
