command "run" "a" {
  argv = ["sh"]
  resources {
    cpus   = "many"   # ERROR: Wrong amount ~ the string "many"
    gpus   = -1       # ERROR: Wrong amount ~ not negative
    memory = "16QiB"  # ERROR: Wrong amount ~ GiB
    time   = "8 lightyears" # ERROR: Wrong amount ~ 90m
    inner { # ERROR: Unknown block
    }
  }
}
command "run" "b" {
  argv = ["sh"]
  resources {
    memory = 0     # ERROR: Wrong amount
    time   = "-1h" # ERROR: Wrong amount
    cpus   = self.x # ERROR: self outside expect
    gpus   = null
  }
}
command "run" "c" {
  for_each = { a = 1, b = 0, c = 0 }
  argv     = ["sh"]
  resources {
    cpus = each.value # ERROR: Wrong amount ~ (command.c["b"]) ~ The same holds for 1 more node of this block.
  }
}
