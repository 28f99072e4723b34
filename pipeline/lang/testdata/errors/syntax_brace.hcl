command "run" "a" {
  argv = ["sh"]
