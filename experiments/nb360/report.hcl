report "html" "paper" {
  title      = "NAS-Bench-360: two hypothesis tests, re-run"
  hypotheses = [hypothesis.figure3, hypothesis.figure4]
  summary    = "Do rankings of architectures transfer between tasks, and is any operation redundant everywhere? Both tests of the paper's section 5, computed from the published tables of all 15,625 architectures of NAS-Bench-201. Where the paper's words allow two readings, both stand side by side."
}

output "report" {
  description = "The report, one self-contained page."
  value       = report.paper.page
}

output "spearman" {
  description = "Spearman's rho of each task with CIFAR-100, over all architectures."
  value       = { for task, c in hypothesis.figure3.spearman : task => c.value }
}
