variable "seed" {
  type        = number
  default     = 777
  description = "Seed of every resampling in this experiment."
}

variable "resamples" {
  type        = number
  default     = 2000
  description = "Resamples of isomorphism classes behind each interval of Spearman's rho; distances take half as many."

  validation {
    condition     = var.resamples >= 1000
    error_message = "With fewer than 1000 resamples the ends of an interval depend on the seed."
  }
}

variable "highly_correlated" {
  type        = number
  default     = 0.9
  description = "Spearman's rho from which tasks count as highly correlated. The paper prints no limit; this one is ours."
}

variable "uncorrelated" {
  type        = number
  default     = 0.1
  description = "|rho| up to which tasks count as uncorrelated, in the strong reading. The paper prints no limit; this one is ours."
}

locals {
  tables = [preprocess.vision.table, preprocess.ninapro.table, preprocess.darcy.table]
  labels = {
    cifar10    = "CIFAR-10"
    cifar100   = "CIFAR-100"
    imagenet16 = "ImageNet16-120"
    ninapro    = "NinaPro"
    darcy      = "Darcy Flow"
  }
}
