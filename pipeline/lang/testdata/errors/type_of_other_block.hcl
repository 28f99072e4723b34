command "fetch" "x" { # ERROR: Unknown type
}
