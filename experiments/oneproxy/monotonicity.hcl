# Section 3 of Lu et al. (SIGMETRICS 2022, arXiv 2111.01203): devices agree on which
# architectures are fast, and where they do, one device's Pareto-optimal architectures
# are those of the others. SRCC is Spearman's rho of latencies.

hypothesis "latency_monotonicity" "devices" {
  description = "Do 18 devices agree on which cells are fast, and is a proxy's Pareto set good on the others?"
  tables      = [preprocess.devices.table, preprocess.accuracy.table]
  devices     = local.devices
  accuracy    = "cifar10"
  proxy       = "rice_pixel3"
  shown       = ["rice_raspi4", "rice_fpga", "rice_eyeriss", "rice_edgegpu"]
  strong      = var.strong
  resamples   = var.resamples
  seed        = var.seed
  labels      = merge(local.labels, { cifar10 = "CIFAR-10 accuracy, %" })

  expect "pixel3_fpga" {
    kind   = "print"
    claim  = "SRCC of Pixel 3 and FPGA"
    value  = self.srcc["rice_pixel3"]["rice_fpga"].value
    equals = 0.872
  }

  expect "pixel3_raspi4" {
    kind   = "print"
    claim  = "SRCC of Pixel 3 and Raspberry Pi 4"
    value  = self.srcc["rice_pixel3"]["rice_raspi4"].value
    equals = 0.921
  }

  # As printed it is .556, of a matrix in which cells that could not be measured are
  # the fastest: see as_printed.
  expect "pixel3_edgetpu_measured" {
    kind   = "print"
    claim  = "SRCC of Pixel 3 and Edge TPU, over the 1,740 cells that could be measured on it"
    value  = self.srcc["rice_pixel3"]["rice_edgetpu"].value
    equals = 0.556
  }

  # Printed by the example in the authors' repository.
  expect "myriad_gtx" {
    kind   = "print"
    claim  = "SRCC of Myriad VPU and GTX"
    value  = self.srcc["true_vpu"]["eagle_gtx"].value
    equals = 0.6905
  }

  expect "often_strong" {
    kind  = "claim"
    claim = "Rankings on different devices are often correlated: at least half of the pairs are strong (limit ours)"
    value = self.strong_share.value
    min   = 0.5
  }

  # "Without losing optimality", "almost the same Pareto-optimal architectures". The
  # strict reading counts cells, the weak one what they are worth.

  expect "strong_pairs_same_cells" {
    kind  = "claim"
    claim = "Where monotonicity is strong, a proxy's Pareto-optimal cells are optimal on the target, strict reading: 9 in 10 of them, on average (limit ours)"
    value = self.transfer_strong.kept
    min   = 0.9
  }

  expect "strong_pairs_same_worth" {
    kind  = "claim"
    claim = "Where monotonicity is strong, a proxy's Pareto set is as good, weak reading: 95 % of the target's own hypervolume, on average (limit ours)"
    value = self.transfer_strong.hypervolume
    min   = 0.95
  }

  expect "strong_pairs_always_same_worth" {
    kind  = "claim"
    claim = "The same for every strong pair: the smallest of their hypervolumes (limit ours)"
    value = self.transfer_strong.min_hypervolume
    min   = 0.95
  }

  expect "strong_better_than_weak" {
    kind  = "claim"
    claim = "Strong monotonicity is what matters: mean hypervolume of strong pairs is above that of the others"
    value = self.transfer_strong.hypervolume
    min   = self.transfer_weak.hypervolume
  }
}

hypothesis "latency_monotonicity" "as_printed" {
  description = "The matrix as printed: cells that could not be measured on the Edge TPU count as its fastest."
  tables      = [preprocess.as_printed.table]
  devices     = ["rice_pixel3", "rice_edgetpu", "rice_fpga", "rice_raspi4"]
  strong      = var.strong
  resamples   = var.resamples
  seed        = var.seed
  labels      = { for device in ["rice_pixel3", "rice_edgetpu", "rice_fpga", "rice_raspi4"] : device => local.labels[device] }

  expect "pixel3_edgetpu" {
    kind   = "print"
    claim  = "SRCC of Pixel 3 and Edge TPU, with -1 for 259 cells that could not be measured"
    value  = self.srcc["rice_pixel3"]["rice_edgetpu"].value
    equals = 0.556
  }
}

# The same questions on other data, of all classes of cells.

hypothesis "latency_monotonicity" "hardware" {
  description     = "Do frameworks, tasks and two devices of HW-NAS-Bench-360 agree, over the 6,466 cells that were measured?"
  tables          = [for name in keys(local.hardware) : preprocess.hardware[name].table]
  devices         = keys(local.hardware)
  representatives = true
  strong          = var.strong
  resamples       = var.resamples
  seed            = var.seed
  labels          = local.hardware_labels

  expect "often_strong" {
    kind  = "own"
    claim = "At least half of the pairs of device, framework and task are strong"
    value = self.strong_share.value
    min   = 0.5
  }

  expect "devices_agree" {
    kind  = "own"
    claim = "Pi 5 and Pixel are strong with each other in the same framework (LiteRT, CIFAR-100)"
    value = self.srcc["pi5_litert_cifar100"]["pixel_litert_cifar100"].value
    min   = var.strong
  }

  expect "frameworks_agree" {
    kind  = "own"
    claim = "PyTorch Mobile and LiteRT are strong with each other on the same device (Pi 5, CIFAR-100)"
    value = self.srcc["pi5_litert_cifar100"]["pi5_torchmobile_cifar100"].value
    min   = var.strong
  }
}

hypothesis "latency_monotonicity" "space" {
  description     = "Is a Pareto set of the whole space good on another device or framework? Accuracy and latencies on CIFAR-100."
  tables          = concat([preprocess.accuracy.table], [for name, h in local.hardware : preprocess.hardware[name].table if h.task == "cifar100"])
  devices         = [for name, h in local.hardware : name if h.task == "cifar100"]
  accuracy        = "cifar100"
  proxy           = "pi5_litert_cifar100"
  representatives = true
  strong          = var.strong
  resamples       = var.resamples
  seed            = var.seed
  labels          = merge({ for name, label in local.hardware_labels : name => label if local.hardware[name].task == "cifar100" }, { cifar100 = "CIFAR-100 accuracy, %" })

  expect "strong_pairs_same_worth" {
    kind  = "own"
    claim = "Where monotonicity is strong, a proxy's Pareto set has 95 % of the target's own hypervolume, on average"
    value = self.transfer_strong.hypervolume
    min   = 0.95
  }
}
