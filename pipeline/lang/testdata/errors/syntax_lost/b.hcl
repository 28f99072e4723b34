command "run" "more" {
  argv  = ["sh", "${local.runz}"] # ERROR: Undefined local value ~ "runz"
  env   = dataset.absent.file     # ERROR: Undefined node ~ "absent"
}

command "ran" "s" { # ERROR: Unknown type ~ Did you mean "run"
  for_each = toset(local.tasks)
  env      = command.work.table
}
