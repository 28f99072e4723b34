settings {
  cache "s3" "team" { # ERROR: Missing attribute
    endpoint = "https://minio.lab" # ERROR: Invalid endpoint
    style    = "paht" # ERROR: Unknown value
    mode     = 1 # ERROR: Wrong type
    buckets  = "x" # ERROR: Unknown attribute
    trust    = ["alice"] # ERROR: Not a public key
  }

  cache "s3" "other" { # ERROR: Defined twice
    bucket = "b"
  }

  cache "team" { # ERROR: Wrong labels
    bucket = "b"
  }
}
