command "run" "a" { # ERROR: Cycle ~ command.a -> command.c -> command.b -> command.a
  argv    = ["sh"]
  inputs  = { x = command.c.out }
  outputs = { out = "out" }
}
command "run" "b" {
  argv    = ["sh"]
  inputs  = { x = command.a.out }
  outputs = { out = "out" }
}
command "run" "c" {
  argv    = ["sh"]
  inputs  = { x = local.through }
  outputs = { out = "out" }
}
locals {
  through = command.b.out
}
