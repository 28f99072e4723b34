locals {
  a = tasks         # ERROR: Unknown reference
  b = local.taks    # ERROR: Undefined local value ~ Did you mean "tasks"?
  c = var.alpha     # ERROR: Undefined variable
  d = dataset.nats  # ERROR: Undefined node
  e = import.x.y    # ERROR: Undefined import
  f = var           # ERROR: Incomplete reference
  g = dataset       # ERROR: Incomplete reference
  tasks = ["a"]
}
