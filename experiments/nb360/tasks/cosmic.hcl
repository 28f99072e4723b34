# Cosmic: which pixels of an image of the Hubble telescope a cosmic ray has hit. 4,347 /
# 483 / 420 images, their middle of 128 x 128 pixels. In training a multiple of the sky's
# brightness, from -.9 to 3, is added; pixels to ignore count neither in the loss nor in
# the metric.
#
# The preprint's metric is the false-negative rate at .5, the later code's 1 - AUROC of
# the binarised mask: variable cosmic_metric.

variable "cosmic_metric" {
  type        = string
  default     = "false_negative_rate"
  description = "false_negative_rate, the preprint's, or pixel_auroc_error, the later code's. Numbers of the two are not comparable."
}

dataset "fetch" "cosmic_train" {
  description = "deepCR's images of ACS/WFC (Zhang and Bloom, 2020), with masks and pixels to ignore: to train on. 6.5 GB."
  url         = "${var.host}/cosmic/deepCR.ACS-WFC.train.tar"
}

dataset "fetch" "cosmic_test" {
  description = "The same, for the test."
  url         = "${var.host}/cosmic/deepCR.ACS-WFC.test.tar"
}

preprocess "cosmic" "cosmic" {
  description = "Middles of 128 x 128 pixels; a tenth of the training images is for validation."
  train       = dataset.cosmic_train.file
  test        = dataset.cosmic_test.file
  metric      = var.cosmic_metric
  limit       = var.limit
}

retrain "wide_resnet" "cosmic" {
  description = "WRN-16-4 with a value a pixel."
  data        = preprocess.cosmic.data
  depth       = var.wide.depth
  width       = var.wide.width
  seeds       = var.seeds
  epochs      = var.epochs
  batch_size  = var.batch_size
  engine      = var.engine
  device      = var.device
  precision   = var.precision
}

hypothesis "estimates" "cosmic" {
  for_each    = var.cosmic_metric == "false_negative_rate" ? local.full : toset([])
  description = "The paper's default network on Cosmic, as it prints it (Tables 2 and 7) and as it comes out here."
  values      = { default = retrain.cosmic.test, parameters = { value = retrain.cosmic.parameters / 1000000 } }

  expect "as_printed" {
    kind      = "print"
    claim     = "Cosmic, the default network's error (false-negative rate in %), mean of three seeds; our tolerance: three printed s.d. and the rounding"
    value     = 100 * self.values["default"].value
    equals    = 51.76
    tolerance = 6.3
  }

  expect "size" {
    kind      = "print"
    claim     = "Cosmic, the default network's parameters in millions (Table 7), to the printed digits"
    value     = self.values["parameters"].value
    equals    = 2.75
    tolerance = 0.005
  }
}
