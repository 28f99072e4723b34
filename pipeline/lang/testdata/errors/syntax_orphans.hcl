command "run" "x" {
  argv = ["sh"]
}
  env = {}
} # ERROR: Argument or block definition required
command "run" "y" {
  argv = 3 # ERROR: Wrong type
}
