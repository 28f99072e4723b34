# The example of the language's description, with the kinds of the tests.
settings {
  required_version = ">= 0.1, < 2.0"
}

variable "alpha" {
  type        = number
  default     = 0.05
  description = "Significance level."
  validation {
    condition     = var.alpha > 0 && var.alpha < 1
    error_message = "alpha lies between 0 and 1, this is ${var.alpha}."
  }
}

variable "token" {
  type      = string
  default   = "s3cret"
  sensitive = true
}

variable "shape" {
  type    = object({ name = string, size = optional(number, 3) })
  default = { name = "x" }
}

locals {
  tasks  = ["cifar10", "cifar100"]
  titles = { for t in local.tasks : t => upper(t) }
  report = "Report ${join(", ", values(local.titles))} ${var.shape.size}"
}

dataset "fetch" "nats" {
  url    = "https://example.org/nats_bench.csv"
  sha256 = sha256("x")
  token  = "Bearer ${var.token}"
}

preprocess "benchmark_table" "vision" {
  file    = dataset.nats.file
  columns = { cifar10 = "CIFAR10TestAccuracy200Epochs", cifar100 = "CIFAR100TestAccuracy200Epochs" }
}

preprocess "benchmark_table" "each" {
  for_each = toset(local.tasks)
  file     = dataset.nats.file
  join     = { table = preprocess.vision.table }
}

command "run" "plot" {
  for_each = preprocess.each
  argv     = ["python3", "in/script", each.key, 1.5]
  inputs   = { script = path("data/plot.py"), table = each.value.table, rows = preprocess.each[each.key].rows }
  outputs  = { picture = "${each.key}.png", log = "log.txt" }
  resources {
    cpus   = 2
    memory = "16GiB"
    time   = "1h30m"
  }
}

command "run" "pick" {
  argv    = concat(["cat"], [for k, c in command.plot : "in/${k}"])
  inputs  = { one = command.plot["cifar10"].picture, all = { for k, c in command.plot : k => c.picture }, splat = command.plot[*].log, text = file("data/plot.py") }
  outputs = { out = "out" }

  depends_on = [dataset.nats, command.plot["cifar100"]]
}

hypothesis "rank_transfer" "figure3" {
  tables = [preprocess.vision.table, preprocess.each["cifar10"].table]
  from   = "cifar100"
  to     = ["cifar10"]

  expect "vision_correlated" {
    value = self.spearman["cifar10"].value
    min   = 0.9 - var.alpha
    claim = "highly correlated (section 5.2.1)"
  }
  expect "printed" {
    kind   = "print"
    value  = self.spearman.cifar10
    equals = 0.9802
    claim  = "table 3"
  }
}

report "html" "page" {
  nodes = [hypothesis.figure3, command.plot, preprocess.each["cifar10"]]
  title = local.report
}

output "rows" {
  value = { for k, t in preprocess.each : k => t.rows }
}

output "secret" {
  value     = var.token
  sensitive = true
}
