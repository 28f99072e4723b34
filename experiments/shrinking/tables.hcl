# One row an architecture. Accuracies stay in per cent: higher is better, except
# on Darcy Flow, whose relative l2 is an error.

preprocess "benchmark_table" "epochs200" {
  description = "Test accuracy after 200 epochs. CIFAR-100 and ImageNet16-120: means over seeds on half of the test set; CIFAR-10: on all of it."
  file        = dataset.nats.file
  columns = {
    cifar10_200    = "CIFAR10TestAccuracy200Epochs"
    cifar100_200   = "CIFAR100TestAccuracy200Epochs"
    imagenet16_200 = "ImageNetTestAccuracy200Epochs"
  }
}

preprocess "benchmark_table" "vision" {
  description = "Validation accuracy after 12 epochs, which a search sees, beside test accuracy after 200, by which it is judged."
  file        = dataset.mini.file
  columns = {
    cifar10_12    = "cifar10-val"
    cifar100_12   = "cifar100-val"
    imagenet16_12 = "imagenet-val"
  }
  join = [
    { table = preprocess.epochs200.table },
    { table = dataset.cifar10.table, columns = { cifar10_macs = "flops" } },
    { table = dataset.cifar100.table, columns = { cifar100_macs = "flops" } },
    { table = dataset.imagenet16.table, columns = { imagenet16_macs = "flops" } },
  ]
}

# NinaPro and Darcy Flow have one value an architecture, after 200 epochs on the
# test set. A search on them is an oracle: it looks at what it is judged by.

preprocess "benchmark_table" "ninapro" {
  description = "Accuracy on NinaPro: 659 test samples, so that values are multiples of 1/659 up to averaging noise."
  file        = dataset.hardware.file
  filter      = { task = "ninapro", device = "pi5", framework = "onnx" }
  columns     = { ninapro = "accuracy" }
  join        = [{ table = dataset.ninapro.table, columns = { ninapro_macs = "flops" } }]
}

preprocess "benchmark_table" "darcy" {
  description = "Error on Darcy Flow. The file's accuracy is 1 - relative l2; here the relative l2 itself."
  file        = dataset.hardware.file
  filter      = { task = "darcy", device = "pi5", framework = "onnx" }
  columns     = { darcy = "accuracy" }
  transform   = { darcy = "one_minus" }
}
