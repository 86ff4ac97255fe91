output "job" {
  description = "What `conf/` needs to know to submit a job by hand."
  value       = local.night
}

output "pseudonym_key" {
  description = "Where the key of the pseudonyms has to be put, by hand and once (README.md)."
  value       = "s3://${aws_s3_bucket.zone["artifacts"].bucket}/${local.pseudonym_key}"
}

output "roles" {
  description = "What people assume."
  value       = local.people
}
