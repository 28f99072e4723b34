command "run" "a" {
  argv = ["sh"]
  resources {
    cpus   = 0           # ERROR: Wrong amount
    gpus   = 1.5         # ERROR: Wrong amount
    memory = "16 apples" # ERROR: Wrong amount
    time   = "soon"      # ERROR: Wrong amount
    disk   = "much"      # ERROR: Wrong amount
    swap   = "1TB"       # ERROR: Unknown attribute
  }
}
command "run" "b" {
  argv = ["sh"]
  resources {
    cpus = command.a.out # ERROR: Reference to a node not allowed here
  }
}
