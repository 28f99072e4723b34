# PSICOV: how far residues of a protein are apart, by what is known of its sequence. 3,356 /
# 100 / 150 proteins; windows of 128 x 128 pairs with 57 features, a random one a protein
# and epoch in training, side by side in the test. The metric is MAE8: the mean error, in
# angstrom, of pairs at least 24 apart in the sequence and at most 8 in space.

variable "psicov_validation" {
  type        = number
  default     = 100
  description = "Proteins of PSICOV for validation: the paper's, and others for archives of another size."
}

dataset "fetch" "psicov" {
  description = "Features and distances of DeepCov's proteins to train on, of PSICOV's for the test (Adhikari, 2020). 1.1 GB; read where it lies, not unpacked."
  url         = "${var.host}/protein.zip"
  licence     = "GPL, as the benchmark's authors have it"
}

preprocess "psicov" "psicov" {
  description = "The archive's proteins as a data folder; the first hundred to train on are for validation."
  archive     = dataset.psicov.file
  validation  = var.psicov_validation
  limit       = var.limit
}

retrain "wide_resnet" "psicov" {
  description = "WRN-16-4 with a value a pair: MAE8."
  data        = preprocess.psicov.data
  depth       = var.wide.depth
  width       = var.wide.width
  seeds       = var.seeds
  epochs      = var.epochs
  batch_size  = var.batch_size
  engine      = var.engine
  device      = var.device
  precision   = var.precision
}

hypothesis "estimates" "psicov" {
  for_each    = var.psicov_validation == 100 ? local.full : toset([])
  description = "The paper's default network on PSICOV, as it prints it (Tables 2 and 7) and as it comes out here."
  values      = { default = retrain.psicov.test, parameters = { value = retrain.psicov.parameters / 1000000 } }

  expect "as_printed" {
    kind      = "print"
    claim     = "PSICOV, the default network's error (MAE8), mean of three seeds; our tolerance: three printed s.d. and the rounding"
    value     = self.values["default"].value
    equals    = 3.84
    tolerance = 0.16
  }

  expect "size" {
    kind      = "print"
    claim     = "PSICOV, the default network's parameters in millions (Table 7), to the printed digits"
    value     = self.values["parameters"].value
    equals    = 2.76
    tolerance = 0.005
  }
}
