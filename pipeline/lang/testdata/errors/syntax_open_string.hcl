locals {
  a = <<EOT
x
EOT
  b = "abc