# DeepSEA: which of 36 features of chromatin a stretch of 1,000 bases has. 71,753 / 2,490
# / 149,400 sequences, one-hot; the metric is 1 - the labels' mean AUROC.

dataset "fetch" "deepsea" {
  description = "A part of the data of DeepSEA (Zhou and Troyanskaya, 2015). 860 MB."
  url         = "${var.host}/deepsea/deepsea_filtered.npz"
}

preprocess "deepsea" "deepsea" {
  description = "The archive's arrays as a data folder."
  archive     = dataset.deepsea.file
  limit       = var.limit
}

retrain "resnet1d" "deepsea" {
  description = "ResNet1D: 1 - AUROC."
  data        = preprocess.deepsea.data
  middle      = var.middle
  seeds       = var.seeds
  epochs      = var.epochs
  batch_size  = var.batch_size
  engine      = var.engine
  device      = var.device
  precision   = var.precision
}

hypothesis "estimates" "deepsea" {
  for_each    = local.full
  description = "The paper's default network on DeepSEA, as it prints it (Tables 2 and 7) and as it comes out here."
  values      = { default = retrain.deepsea.test, parameters = { value = retrain.deepsea.parameters / 1000000 } }

  expect "as_printed" {
    kind      = "print"
    claim     = "DeepSEA, the default network's error (1 - AUROC), mean of three seeds; our tolerance: three printed s.d. and the rounding"
    value     = self.values["default"].value
    equals    = 0.40
    tolerance = 0.008
  }

  expect "size" {
    kind      = "print"
    claim     = "DeepSEA, the default network's parameters in millions (Table 7), to the printed digits"
    value     = self.values["parameters"].value
    equals    = 0.51
    tolerance = 0.005
  }
}
