dataset "fetch" "x" { # ERROR: Missing attribute "url"
}
