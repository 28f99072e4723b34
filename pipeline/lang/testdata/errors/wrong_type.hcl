command "run" "x" {
  argv           = "ls -l"              # ERROR: Wrong type
  outputs        = ["out.txt"]          # ERROR: Wrong type
  strict_outputs = "perhaps"            # ERROR: Wrong type
  env            = { A = ["x"] }        # ERROR: Wrong type
}
dataset "fetch" "y" {
  url = { a = 1 } # ERROR: Wrong type
}
