# NinaPro: which of 18 gestures a hand makes, by its muscles' electric activity at 16
# electrodes and 52 times. 2,638 / 659 / 659 recordings, neither normalised nor augmented.

dataset "fetch" "ninapro" {
  for_each    = toset(["ninapro_train", "label_train", "ninapro_val", "label_val", "ninapro_test", "label_test"])
  description = "Recordings of NinaPro DB5 (Pizzolato et al., 2017) and their gestures. 30 MB, all six."
  url         = "${var.host}/ninapro/${each.key}.npy"
  licence     = "CC BY-ND, as the benchmark's authors have it"
}

preprocess "ninapro" "ninapro" {
  description = "The arrays as a data folder: an electrode a row, a time a column."
  inputs = {
    train      = dataset.ninapro["ninapro_train"].file
    validation = dataset.ninapro["ninapro_val"].file
    test       = dataset.ninapro["ninapro_test"].file
  }
  labels = {
    train      = dataset.ninapro["label_train"].file
    validation = dataset.ninapro["label_val"].file
    test       = dataset.ninapro["label_test"].file
  }
  limit = var.limit
}

retrain "wide_resnet" "ninapro" {
  description = "WRN-16-4: share of wrong classes."
  data        = preprocess.ninapro.data
  depth       = var.wide.depth
  width       = var.wide.width
  seeds       = var.seeds
  epochs      = var.epochs
  batch_size  = var.batch_size
  engine      = var.engine
  device      = var.device
  precision   = var.precision
}

hypothesis "estimates" "ninapro" {
  for_each    = local.full
  description = "The paper's default network on NinaPro, as it prints it (Tables 2 and 7) and as it comes out here."
  values      = { default = retrain.ninapro.test, parameters = { value = retrain.ninapro.parameters / 1000000 } }

  expect "as_printed" {
    kind      = "print"
    claim     = "NinaPro, the default network's error (% of wrong classes), mean of three seeds; our tolerance: three printed s.d. and the rounding"
    value     = 100 * self.values["default"].value
    equals    = 6.78
    tolerance = 0.79
  }

  expect "size" {
    kind      = "print"
    claim     = "NinaPro, the default network's parameters in millions (Table 7), to the printed digits"
    value     = self.values["parameters"].value
    equals    = 2.75
    tolerance = 0.005
  }
}
