output "job" {
  description = "What `conf/` needs to know to submit a job by hand."
  value       = local.night
}

output "roles" {
  description = "What people assume."
  value       = local.people
}
