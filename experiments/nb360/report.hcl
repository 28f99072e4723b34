report "html" "paper" {
  title = "NAS-Bench-360: its hypothesis tests, re-run"
  hypotheses = [
    hypothesis.table3, hypothesis.figure1, hypothesis.figure2, hypothesis.figure6, hypothesis.experts, hypothesis.costs, hypothesis.network_sizes, hypothesis.nb201_cells,
    hypothesis.figure3, hypothesis.figure4,
    hypothesis.table4, hypothesis.counts, hypothesis.counts_v11,
    hypothesis.figure5, hypothesis.sizes,
  ]
  summary = "Does NAS help on diverse tasks? Ranks and performance profiles from the errors of the paper's Table 2 (section 5.1). Do rankings of architectures transfer between tasks, and is any operation redundant everywhere? Computed from the published tables of all 15,625 architectures of NAS-Bench-201 (section 5.2). Do zero-cost proxies work on all tasks (Table 4), and are larger models better (appendix D.7)? Where the paper's words allow two readings, both stand side by side."
}

output "report" {
  description = "The report, one self-contained page."
  value       = report.paper.page
}

output "spearman" {
  description = "Spearman's rho of each task with CIFAR-100, over all architectures."
  value       = { for task, c in hypothesis.figure3.spearman : task => c.value }
}
