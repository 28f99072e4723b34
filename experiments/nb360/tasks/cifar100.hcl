# CIFAR-100: which of 100 things a photograph shows. 40,000 / 10,000 / 10,000 images of 32 x
# 32 pixels; in training cropped from a border of 4, flipped, and with a hole of 16 x 16.

dataset "fetch" "cifar100" {
  description = "CIFAR-100 in its Python version (Krizhevsky, 2009). 161 MB; read where it lies, not unpacked."
  url         = "${var.cifar_host}/cifar-100-python.tar.gz"
  licence     = "CC BY-SA, as the benchmark's authors have it"
}

preprocess "cifar100" "cifar100" {
  description = "The archive's images as a data folder; of those to train on the last fifth is for validation."
  archive     = dataset.cifar100.file
  limit       = var.limit
}

retrain "wide_resnet" "cifar100" {
  description = "WRN-16-4: share of wrong classes."
  data        = preprocess.cifar100.data
  depth       = var.wide.depth
  width       = var.wide.width
  seeds       = var.seeds
  epochs      = var.epochs
  batch_size  = var.batch_size
  engine      = var.engine
  device      = var.device
  precision   = var.precision
}

hypothesis "estimates" "cifar100" {
  for_each    = local.full
  description = "The paper's default network on CIFAR-100, as it prints it (Tables 2 and 7) and as it comes out here."
  values      = { default = retrain.cifar100.test, parameters = { value = retrain.cifar100.parameters / 1000000 } }

  expect "as_printed" {
    kind      = "print"
    claim     = "CIFAR-100, the default network's error (% of wrong classes), mean of three seeds; our tolerance: three printed s.d. and the rounding"
    value     = 100 * self.values["default"].value
    equals    = 23.35
    tolerance = 0.16
  }

  expect "size" {
    kind      = "print"
    claim     = "CIFAR-100, the default network's parameters in millions (Table 7), to the printed digits"
    value     = self.values["parameters"].value
    equals    = 2.77
    tolerance = 0.005
  }
}
