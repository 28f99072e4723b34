# Satellite: what grows on a piece of land, by how its brightness changes over a year. A
# million series of 46 values in 24 classes, each normalised by itself; 800,000 /
# 100,000 / 100,000.

dataset "fetch" "satellite_train" {
  description = "Series of the land of a region in France (Petitjean et al., 2012; Tan et al., 2017): to train on. 322 MB."
  url         = "${var.host}/satellite/satellite_train.npy"
}

dataset "fetch" "satellite_test" {
  description = "The same, for the test."
  url         = "${var.host}/satellite/satellite_test.npy"
}

preprocess "satellite" "satellite" {
  description = "Each series less its mean, by its standard deviation."
  train       = dataset.satellite_train.file
  test        = dataset.satellite_test.file
  limit       = var.limit
}

retrain "resnet1d" "satellite" {
  description = "ResNet1D: share of wrong classes."
  data        = preprocess.satellite.data
  middle      = var.middle
  seeds       = var.seeds
  epochs      = var.epochs
  batch_size  = var.batch_size
  engine      = var.engine
  device      = var.device
  precision   = var.precision
}

hypothesis "estimates" "satellite" {
  for_each    = local.full
  description = "The paper's default network on Satellite, as it prints it (Tables 2 and 7) and as it comes out here."
  values      = { default = retrain.satellite.test, parameters = { value = retrain.satellite.parameters / 1000000 } }

  expect "as_printed" {
    kind      = "print"
    claim     = "Satellite, the default network's error (% of wrong classes), mean of three seeds; our tolerance: three printed s.d. and the rounding"
    value     = 100 * self.values["default"].value
    equals    = 15.49
    tolerance = 0.1
  }

  expect "size" {
    kind      = "print"
    claim     = "Satellite, the default network's parameters in millions (Table 7), to the printed digits"
    value     = self.values["parameters"].value
    equals    = 0.51
    tolerance = 0.005
  }
}
