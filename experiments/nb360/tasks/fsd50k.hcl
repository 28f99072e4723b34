# FSD50K: which of 200 kinds of sound are in a clip. 36,796 / 4,170 / 10,231 clips in
# chunks of a second, as log-mel spectrograms of 96 bands by 101 frames. An epoch sees a
# random chunk of each clip, with noise mixed in (probability .75, a share up to .5) and
# bands and frames masked (.5). A clip's score is the sigmoid of its chunks' mean logit.

dataset "fetch" "fsd50k" {
  description = "Chunks of FSD50K (Fonseca et al., 2022) at 22,050 Hz, their labels, and noise. 24 GB; read where it lies, not unpacked."
  url         = "${var.host}/audio/audio.zip"
}

preprocess "fsd50k" "fsd50k" {
  description = "Log-mel spectrograms: 1920 points, windows of 661, hops of 220 samples; decibels + 75, minus the chunk's mean."
  archive     = dataset.fsd50k.file
  limit       = var.limit
}

retrain "wide_resnet" "fsd50k" {
  description = "WRN-16-4: 1 - mean average precision over 200 labels."
  data        = preprocess.fsd50k.data
  depth       = var.wide.depth
  width       = var.wide.width
  seeds       = var.seeds
  epochs      = var.epochs
  batch_size  = var.batch_size
  engine      = var.engine
  device      = var.device
  precision   = var.precision
}

hypothesis "estimates" "fsd50k" {
  for_each    = local.full
  description = "The paper's default network on FSD50K, as it prints it (Tables 2 and 7) and as it comes out here."
  values      = { default = retrain.fsd50k.test, parameters = { value = retrain.fsd50k.parameters / 1000000 } }

  expect "as_printed" {
    kind      = "print"
    claim     = "FSD50K, the default network's error (1 - mean average precision), mean of three seeds; our tolerance: three printed s.d. and the rounding"
    value     = self.values["default"].value
    equals    = 0.92
    tolerance = 0.01
  }

  expect "size" {
    kind      = "print"
    claim     = "FSD50K, the default network's parameters in millions (Table 7), to the printed digits"
    value     = self.values["parameters"].value
    equals    = 2.80
    tolerance = 0.005
  }
}
