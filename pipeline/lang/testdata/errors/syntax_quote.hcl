dataset "fetch" "a" {
  url = "https://example.org/a
}

dataset "fetch" "b" {
  url    = "https://example.org/b
  sha256 = "0"
}

command "run "c" {
  argv = dataset.a.file
}

command "run" "d" {
  argv   = [1, 2]
  inputs = { a = dataset.a.file, b = dataset.b.file, c = command.c.o, d = command.b.o }
}

command "run" "e" {
  argv = ["sh"]
  env  = { A = <<EOT
command "run" "f" {
  argv = 3
}
EOT
  }
  imputs = {}
}

command "run" "g" {
  argv = "x"
  env  = { A = <<EOT
never ends
  }
}

command "run" "h" {
  argv = "y"
}
