dataset "fetsch" "x" { # ERROR: Unknown type ~ Did you mean "fetch"? ~ Known types
  url = nothing_is_said_about_attributes_but_references # ERROR: Unknown reference
}
command "run" "y" {
  argv   = ["sh"]
  inputs = { a = dataset.x.file } # no second error for what the unknown type would have
}
