command run a {
  argv   = [sh, "-c"]                 # ERROR: Unknown reference ~ "sh"
  inputs = { a = path(data.csv) }    # ERROR: Unknown reference ~ put it in quotes: "data.csv"
}
