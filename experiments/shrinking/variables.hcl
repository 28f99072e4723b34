variable "runs" {
  type        = number
  default     = 200
  description = "Independent runs of every method."

  validation {
    condition     = var.runs >= 2
    error_message = "Intervals are over runs: there must be at least two."
  }
}

variable "budgets" {
  type        = list(number)
  default     = [170, 500]
  description = "Evaluations a run may spend: those of experiments/search, and enough for all rounds of LISSNAS with what they sample."
}

variable "sample" {
  type        = number
  default     = 50
  description = "Architectures that LISSNAS draws in a round, and pruning looks at in a step. The paper's number is not known to us; this one is ours."
}

variable "pockets" {
  type        = number
  default     = 10
  description = "Best of the sample, around which LISSNAS's next space lies. Ours, as sample."
}

variable "seed" {
  type        = number
  default     = 777
  description = "Seed of every search and of the resampling."
}

locals {
  labels = {
    cifar10    = "CIFAR-10"
    cifar100   = "CIFAR-100"
    imagenet16 = "ImageNet16-120"
    ninapro    = "NinaPro (oracle)"
    darcy      = "Darcy Flow (oracle)"
  }
  vision_tasks = ["cifar10", "cifar100", "imagenet16"]
  vision = {
    for task in local.vision_tasks : task => {
      table = preprocess.vision.table, task = "${task}_12", report = "${task}_200", epochs = 12, direction = "maximise", macs = "${task}_macs"
    }
  }
  oracle = {
    ninapro = { table = preprocess.ninapro.table, task = "ninapro", report = "ninapro", epochs = 200, direction = "maximise", macs = "ninapro_macs" }
    darcy   = { table = preprocess.darcy.table, task = "darcy", report = "darcy", epochs = 200, direction = "minimise" }
  }
  tasks = merge(local.vision, local.oracle)

  # Every task with every budget, named by both.
  cases = merge([
    for budget in var.budgets : { for name, t in local.tasks : "${name}_${budget}" => merge(t, { budget = budget }) }
  ]...)

  # Those whose networks' multiply-accumulates the benchmark's skeleton gives. Darcy
  # Flow's keeps the full resolution in all stages.
  costed = merge(local.vision, { ninapro = local.oracle.ninapro })
}
