# What runs, and when.

resource "aws_emrserverless_application" "nights" {
  name          = var.name
  type          = "SPARK"
  release_label = "emr-spark-8.0.0" # Spark 4.0.2, Delta 4.0.0, Python 3.11, Java 17
  architecture  = "X86_64"

  auto_start_configuration {
    enabled = true
  }
  auto_stop_configuration {
    enabled              = true
    idle_timeout_minutes = 5
  }
  maximum_capacity {
    cpu    = "${var.max_vcpus} vCPU"
    memory = "${var.max_vcpus * 4} GB"
    disk   = "${var.max_vcpus * 10} GB"
  }
}

resource "aws_scheduler_schedule_group" "nights" {
  name = var.name
}

# What a job is asked for with: by the schedule here, by hand with the output of the same values.
locals {
  night = {
    application = aws_emrserverless_application.nights.id
    role        = local.job
    raw         = aws_s3_bucket.zone["raw"].bucket
    lake        = aws_s3_bucket.zone["lake"].bucket
    restricted  = aws_s3_bucket.zone["restricted"].bucket
    artifacts   = aws_s3_bucket.zone["artifacts"].bucket
    logs        = aws_s3_bucket.zone["logs"].bucket
    log_group   = aws_cloudwatch_log_group.jobs.name
    key         = local.key.lake
    release     = var.code_release
  }
}

resource "aws_scheduler_schedule" "night" {
  name                         = "nightly"
  group_name                   = aws_scheduler_schedule_group.nights.name
  kms_key_arn                  = aws_kms_key.zone["lake"].arn
  schedule_expression          = var.night_at
  schedule_expression_timezone = var.time_zone

  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 15
  }

  target {
    arn      = "arn:aws:scheduler:::aws-sdk:emrserverless:startJobRun"
    role_arn = aws_iam_role.scheduler.arn
    # Written by `python -m lake.engine.cloud`: what `./spark-submit.sh nightly` would ask for, too.
    input = templatefile("${path.module}/night.json", local.night)
    retry_policy {
      maximum_retry_attempts       = 3
      maximum_event_age_in_seconds = 3600
    }
    dead_letter_config {
      arn = aws_sqs_queue.not_started.arn
    }
  }
}

resource "aws_sqs_queue" "not_started" {
  name                      = "${var.name}-not-started"
  kms_master_key_id         = aws_kms_key.zone["lake"].id
  message_retention_seconds = 14 * 24 * 3600
}
