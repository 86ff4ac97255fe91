output "job" {
  description = "What `conf/` needs to know to submit a job by hand."
  value = {
    application = aws_emrserverless_application.nights.id
    role        = local.job
    raw         = aws_s3_bucket.zone["raw"].bucket
    lake        = aws_s3_bucket.zone["lake"].bucket
    artifacts   = aws_s3_bucket.zone["artifacts"].bucket
    logs        = aws_s3_bucket.zone["logs"].bucket
    log_group   = aws_cloudwatch_log_group.jobs.name
    key         = local.key.lake
    release     = var.code_release
  }
}

output "roles" {
  description = "What people assume."
  value       = local.people
}
