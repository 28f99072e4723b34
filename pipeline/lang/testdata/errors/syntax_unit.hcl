command "run" "a" {
  argv = ["sh"]
  resources {
    memory = 16GiB # ERROR: Missing newline ~ Text needs quotes
  }
}
