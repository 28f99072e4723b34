# Zero-cost proxies with untrained networks (NAS-Bench-360, Table 4: "zero-cost proxies
# are inconsistent across tasks"), held against published coefficients: White, Khodak,
# Tu et al., "A Deeper Look at Zero-Cost Proxies for Lightweight NAS" (ICLR Blog Track
# 2022), 1,000 random architectures of the topology space, CIFAR-100.
#
# Measured: 217 s of processor time in all, that is two minutes of two cores with
# AVX-512 that do nothing else, and 2.5 GB; most of it are the proxies that
# need gradients. What all cells cost is said in preprocess "zero_cost_proxies".

variable "seed" {
  type        = number
  default     = 777
  description = "Seed of the drawn cells, of initial weights and of every resampling."
}

variable "cells" {
  type        = number
  default     = 1000
  description = "Random cells scored by synflow, parameters and FLOPs: as many as published."
}

variable "gradient_cells" {
  type        = number
  default     = 100
  description = "Random cells scored by the proxies that need gradients, a second each. Published are 1,000: with 100 the intervals are wide."
}

dataset "fetch" "nats" {
  description = "NATS-Bench, topology search space: accuracies of all 15,625 architectures after 200 epochs on the three vision tasks."
  url         = "https://raw.githubusercontent.com/v-tao/nats-bench-landscape/b307ae5fe6e8d7043cd4fe7d1c3532288271adb7/nats_bench.csv"
  sha256      = "cb5d777ec3368be83c8f9b3aa4d520696051cb0eb8d94b8f85b519f9ea4afa3e"
  size        = 3024008
  licence     = "none stated in the repository"
}

dataset "fetch" "hardware" {
  description = "HW-NAS-Bench-360: accuracy of the same architectures on NinaPro and Darcy Flow."
  url         = "https://raw.githubusercontent.com/roldebijvank/HW-NAS-Bench-360/a9b243e07fb8f0671ee56587696e7b8ef1ca702d/results/dataset.parquet"
  sha256      = "d3ce4198e31564486b7194ba28507bea3867cb16a2587d68d82e3b62cfff4cce"
  size        = 3119939
  licence     = "none stated in the repository"
}

preprocess "benchmark_table" "vision" {
  description = "Error on CIFAR-100: mean over seeds on half of the test set."
  file        = dataset.nats.file
  columns     = { cifar100 = "CIFAR100TestAccuracy200Epochs" }
  transform   = { cifar100 = "error" }
}

preprocess "benchmark_table" "ninapro" {
  description = "Error on NinaPro: 659 test samples, accuracy in %."
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
