locals {
  tasks = ["cifar10", "cifar100"
  runs  = 5 # ERROR: Missing item separator ~ closing bracket is missing
}

variable "seed" {
  type = number
  default = = 3 # ERROR: Invalid expression
}

output "table" {
  value = command.work.table
  ] # ERROR: Argument or block definition required
}

command "run" "work" { # ERROR: Unclosed configuration block
  argv    = ["sh"]
  outputs = { table = "t" }

command "run" "use" {
  argv   = ["sh", local.tasks[0], "${local.runs}", var.seed]
  inputs = { t = command.work.table, m = command.mork.table } # ERROR: Undefined node ~ "mork"
}
