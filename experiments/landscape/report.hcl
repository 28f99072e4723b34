report "html" "page" {
  title      = "The landscape of NAS-Bench-201 on five tasks"
  hypotheses = [hypothesis.locality]
  summary    = "Are architectures that look alike equally good? LISSNAS, local search and evolution rely on it. Exact numbers from the published tables of all 15,625 architectures: how fast values along a random walk forget where it began, how much two cells differ by the number of edits between them, and where climbing ends."
}

output "report" {
  description = "The report, one self-contained page."
  value       = report.page.page
}

output "autocorrelation" {
  description = "Correlation of neighbours' values, by task."
  value       = { for task, lag in hypothesis.locality.autocorrelation : task => lag["1"].value }
}
