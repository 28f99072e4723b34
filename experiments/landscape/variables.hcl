variable "alike" {
  type        = number
  default     = 0.5
  description = "Mean difference of neighbours, over that of any two cells, up to which they count as alike in the strong reading. No paper prints a limit; this one is ours."
}

variable "ties" {
  type        = string
  default     = "lowest"
  description = "Which of equally good neighbours an ascent goes to: that with the lowest number, or the highest."
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
