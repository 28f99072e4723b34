# ECG: is a heart's rhythm normal, atrial fibrillation, another, or noise? Recordings of
# the PhysioNet/CinC challenge of 2017, patients split 80/10/10, in windows of 1,000
# samples (261,740 / 33,281 / 33,494), classes balanced by the step between windows. A
# recording's class is that of most of its windows; the metric is 1 - mean F1 of four
# classes, where the challenge itself takes three.

dataset "fetch" "ecg" {
  description = "The challenge's recordings as one pickle. 150 MB."
  url         = "${var.host}/ECG/challenge2017.pkl"
}

preprocess "ecg" "ecg" {
  description = "Each recording less its mean, by its standard deviation, in windows."
  recordings  = dataset.ecg.file
  limit       = var.limit
}

retrain "resnet1d" "ecg" {
  description = "ResNet1D: 1 - F1."
  data        = preprocess.ecg.data
  middle      = var.middle
  seeds       = var.seeds
  epochs      = var.epochs
  batch_size  = var.batch_size
  engine      = var.engine
  device      = var.device
  precision   = var.precision
}

hypothesis "estimates" "ecg" {
  for_each    = local.full
  description = "The paper's default network on ECG, as it prints it (Tables 2 and 7) and as it comes out here."
  values      = { default = retrain.ecg.test, parameters = { value = retrain.ecg.parameters / 1000000 } }

  expect "as_printed" {
    kind      = "print"
    claim     = "ECG, the default network's error (1 - F1), mean of three seeds; our tolerance: three printed s.d. and the rounding"
    value     = self.values["default"].value
    equals    = 0.43
    tolerance = 0.035
  }

  expect "size" {
    kind      = "print"
    claim     = "ECG, the default network's parameters in millions (Table 7), to the printed digits"
    value     = self.values["parameters"].value
    equals    = 0.50
    tolerance = 0.005
  }
}
