# Darcy Flow: pressure of a fluid in a porous medium, by the medium's permeability. 900 / 100
# / 100 samples of 85 x 85 nodes, every fifth of 421 x 421; inputs are the coefficient and
# each node's two coordinates, normalised for each node, and so are targets.
#
# The same equation is solved here by dataset "darcy_flow", without a download.

variable "darcy_splits" {
  type        = object({ train = number, validation = number, test = number })
  default     = { train = 900, validation = 100, test = 100 }
  description = "Samples of Darcy Flow for each purpose: the paper's, and others for files of another size."
}

dataset "fetch" "darcy_train" {
  description = "1,024 samples as MATLAB's arrays coeff and sol, to train on (Li et al., 2021). 1.6 GB."
  url         = "${var.host}/piececonst_r421_N1024_smooth1.mat"
  licence     = "MIT, as the benchmark's authors have it"
}

dataset "fetch" "darcy_test" {
  description = "The same, for the test. 1.6 GB."
  url         = "${var.host}/piececonst_r421_N1024_smooth2.mat"
  licence     = "MIT, as the benchmark's authors have it"
}

preprocess "darcy_flow" "darcy_flow" {
  description = "Every fifth node in both directions as a data folder."
  train       = dataset.darcy_train.file
  test        = dataset.darcy_test.file
  splits      = var.darcy_splits
  limit       = var.limit
}

retrain "wide_resnet" "darcy_flow" {
  description = "WRN-16-4 with a value a node: mean relative l2."
  data        = preprocess.darcy_flow.data
  depth       = var.wide.depth
  width       = var.wide.width
  seeds       = var.seeds
  epochs      = var.epochs
  batch_size  = var.batch_size
  engine      = var.engine
  device      = var.device
  precision   = var.precision
}

hypothesis "estimates" "darcy_flow" {
  for_each    = var.darcy_splits.train == 900 && var.darcy_splits.validation == 100 && var.darcy_splits.test == 100 ? local.full : toset([])
  description = "The paper's default network on Darcy Flow, as it prints it (Tables 2 and 7) and as it comes out here."
  values      = { default = retrain.darcy_flow.test, parameters = { value = retrain.darcy_flow.parameters / 1000000 } }

  expect "as_printed" {
    kind      = "print"
    claim     = "Darcy Flow, the default network's error (relative l2), mean of three seeds; our tolerance: three printed s.d. and the rounding"
    value     = self.values["default"].value
    equals    = 0.073
    tolerance = 0.0035
  }

  expect "size" {
    kind      = "print"
    claim     = "Darcy Flow, the default network's parameters in millions (Table 7), to the printed digits"
    value     = self.values["parameters"].value
    equals    = 2.75
    tolerance = 0.005
  }
}
