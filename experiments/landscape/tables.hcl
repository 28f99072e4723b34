# One row an architecture, one column a task; every column is an error.

preprocess "benchmark_table" "vision" {
  description = "Errors on the three vision tasks. CIFAR-100 and ImageNet16-120 are means over seeds on half of the test set, CIFAR-10 on all of it."
  file        = dataset.nats.file
  columns = {
    cifar10    = "CIFAR10TestAccuracy200Epochs"
    cifar100   = "CIFAR100TestAccuracy200Epochs"
    imagenet16 = "ImageNetTestAccuracy200Epochs"
  }
  transform = { cifar10 = "error", cifar100 = "error", imagenet16 = "error" }
}

# The file repeats an accuracy, unchanged, in the row of every device and
# framework: one of them is enough. Its CIFAR-100 is of another version of the
# benchmark (up to 2.9 points apart), so the vision tasks are not taken from here.

preprocess "benchmark_table" "ninapro" {
  description = "Error on NinaPro: 659 test samples, accuracy in %. Values are kept as published; local optima and basins are given of values rounded to multiples of 1/659, too."
  file        = dataset.hardware.file
  filter      = { task = "ninapro", device = "pi5", framework = "onnx" }
  columns     = { ninapro = "accuracy" }
  transform   = { ninapro = "error" }
}

preprocess "benchmark_table" "darcy" {
  description = "Error on Darcy Flow. The file's accuracy is 1 - relative l2; here the relative l2 itself."
  file        = dataset.hardware.file
  filter      = { task = "darcy", device = "pi5", framework = "onnx" }
  columns     = { darcy = "accuracy" }
  transform   = { darcy = "one_minus" }
}
