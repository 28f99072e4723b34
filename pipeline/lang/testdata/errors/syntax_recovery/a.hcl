# A syntax error in one block, a wrong type in another of the file, a misspelt
# attribute in another file: three problems, and no others.
dataset "fetch" "images" {
  url = "https://example.org/images.tar" "twice" # ERROR: Missing newline after argument
}

command "run" "typed" {
  argv   = { a = 1 } # ERROR: Wrong type ~ a list of strings
  inputs = { images = dataset.images.file }
}
