variable "token" {
  default   = "hunter2"
  sensitive = true
}
locals {
  tâche = "étude ${1 + local.taks}" # a column is counted in characters
  tasks	= [for t in ["a", "b"] : uper(t)]
}
dataset "fetch" "nats" {
  url    = "https://example.org/${var.token}"
  sha265 = "abc"
}
command "run" "a" {
  argv   = ["sh", dataset.nats.file]
  inputs = { x = command.b.out }
}
command "run" "b" {
  argv    = ["sh"]
  inputs  = { x = command.a }
  outputs = { out = "out" }
  resources {
    memory = "${2 * 8} apples of a kind that nobody has ever counted in bytes, however hard they tried, so that this line is longer than a terminal is wide, and the message wraps"
  }
}
