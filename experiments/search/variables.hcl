variable "runs" {
  type        = number
  default     = 500
  description = "Independent runs of every search, as in NATS-Bench."

  validation {
    condition     = var.runs >= 2
    error_message = "Intervals are over runs: there must be at least two."
  }
}

variable "budget" {
  type        = number
  default     = 170
  description = "Evaluations a run may spend."
}

variable "epochs" {
  type        = number
  default     = 10200
  description = "Epochs a run may spend where searches mix 12 and 200 epochs: five times those of 170 evaluations with 12."
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
  algorithms = {
    random    = "random"
    evolution = "regularized evolution"
    local     = "local search"
    reinforce = "REINFORCE"
    bananas   = "Bayesian optimisation"
    pockets   = "LISSNAS pockets"
  }
  fidelities = {
    random    = "random, 12 epochs"
    evolution = "evolution, 12 epochs"
    hyperband = "Hyperband, 12 and 200"
    asha      = "ASHA, 12 and 200"
    bohb      = "BOHB, 12 and 200"
  }
}
