dataset "fetch" "x" {
  url = "https://example.org
  sha256 = 3
}
command "run" "y" {
  argv = dataset.nowhere.file
}
