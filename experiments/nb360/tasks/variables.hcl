# The ten tasks of NAS-Bench-360 (Tu et al., arXiv 2110.05668), one file each: what is
# fetched, how it is prepared, and how the paper's default network is trained on it.
#
#     nbpipe run experiments/nb360/tasks retrain.cifar100
#
# fetches, prepares and trains one task, with PyTorch on a GPU where there is one. All
# ten are 40 GB of downloads and days of one GPU. A trial of minutes:
#
#     nbpipe run experiments/nb360/tasks retrain.ecg --limit 200 --var epochs=2
#
# Files are known by the digests that the first fetch writes into nbpipe.lock; a copy
# in a folder serves as well (--mirror FOLDER). The authors have moved the files since:
# the README of github.com/rtu715/NAS-Bench-360 links the new place, a shared drive.

variable "host" {
  type        = string
  default     = "https://pde-xd.s3.amazonaws.com"
  description = "Where the benchmark's files are, under the names that the authors gave them."
}

variable "cifar_host" {
  type        = string
  default     = "https://www.cs.toronto.edu/~kriz"
  description = "Where CIFAR-100 is."
}

variable "limit" {
  type        = number
  default     = 0
  description = "Only so many samples (clips, recordings, proteins) of each split, the first ones; 0 for all. --limit N is short for it."
}

variable "engine" {
  type        = string
  default     = "torch"
  description = "torch: PyTorch, on a GPU where it finds one. gorgonia: in the program itself, on the processor, for trials."
}

variable "device" {
  type        = string
  default     = "auto"
  description = "Of torch: auto, cpu or cuda. With cuda (and --gpus 1) one node at a time has the GPU."
}

variable "precision" {
  type        = string
  default     = "float32"
  description = "float32 as in the paper, float64, or mixed (torch)."
}

variable "seeds" {
  type        = list(number)
  default     = [1, 2, 3]
  description = "A training each. The paper's means are of three."
}

variable "epochs" {
  type        = number
  default     = null
  description = "The paper's 200 where it is null."
}

variable "batch_size" {
  type        = number
  default     = null
  description = "The paper's for the task where it is null."
}

variable "wide" {
  type        = object({ depth = number, width = number })
  default     = { depth = 16, width = 4 }
  description = "The network of the 2D tasks: WRN-16-4 in the paper."
}

variable "middle" {
  type        = number
  default     = 64
  description = "Channels of the first block of the 1D tasks' network, ResNet1D."
}

locals {
  # What the paper prints is of whole data and its own recipe: only then is it compared.
  full = var.limit == 0 && length(var.seeds) == 3 && var.epochs == null && var.batch_size == null && var.wide.depth == 16 && var.wide.width == 4 && var.middle == 64 ? toset(["full"]) : toset([])
}
