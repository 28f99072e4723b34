# Spherical: CIFAR-100 projected on the sphere and turned at random. 40,000 / 10,000 /
# 10,000 images of 60 x 60 pixels in 100 classes, neither normalised nor augmented.

dataset "fetch" "spherical" {
  description = "The images, made with the code of Spherical CNNs (Cohen et al., 2018): a gzipped pickle of 272 MB."
  url         = "${var.host}/spherical/s2_cifar100.gz"
  licence     = "CC BY-SA, as the benchmark's authors have it"
}

preprocess "spherical" "spherical" {
  description = "The pickle's images as a data folder; of those to train on the last fifth is for validation."
  file        = dataset.spherical.file
  limit       = var.limit
}

retrain "wide_resnet" "spherical" {
  description = "WRN-16-4: share of wrong classes."
  data        = preprocess.spherical.data
  depth       = var.wide.depth
  width       = var.wide.width
  seeds       = var.seeds
  epochs      = var.epochs
  batch_size  = var.batch_size
  engine      = var.engine
  device      = var.device
  precision   = var.precision
}

hypothesis "estimates" "spherical" {
  for_each    = local.full
  description = "The paper's default network on Spherical, as it prints it (Tables 2 and 7) and as it comes out here."
  values      = { default = retrain.spherical.test, parameters = { value = retrain.spherical.parameters / 1000000 } }

  expect "as_printed" {
    kind      = "print"
    claim     = "Spherical, the default network's error (% of wrong classes), mean of three seeds; our tolerance: three printed s.d. and the rounding"
    value     = 100 * self.values["default"].value
    equals    = 85.77
    tolerance = 2.14
  }

  expect "size" {
    kind      = "print"
    claim     = "Spherical, the default network's parameters in millions (Table 7), to the printed digits"
    value     = self.values["parameters"].value
    equals    = 2.77
    tolerance = 0.005
  }
}
