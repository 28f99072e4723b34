command "run" "a" { # ERROR: Refers to itself
  argv    = ["sh"]
  inputs  = { x = command.a.out }
  outputs = { out = "out" }
}
command "run" "b" { # ERROR: Refers to itself
  argv       = ["sh"]
  depends_on = [command.b]
}
