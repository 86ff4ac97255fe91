# What holds of the cloud lake whatever is applied. `terraform test` needs no account, no network and 20 seconds.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  override_resource {
    target = aws_kms_key.zone["lake"]
    values = { arn = "arn:aws:kms:eu-central-1:111122223333:key/lake" }
  }
  override_resource {
    target = aws_kms_key.zone["raw"]
    values = { arn = "arn:aws:kms:eu-central-1:111122223333:key/raw" }
  }
  override_resource {
    target = aws_kms_key.zone["restricted"]
    values = { arn = "arn:aws:kms:eu-central-1:111122223333:key/restricted" }
  }
  override_resource {
    target = aws_emrserverless_application.nights
    values = { id = "00nights", arn = "arn:aws:emr-serverless:eu-central-1:111122223333:/applications/00nights" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/robolake-scheduler" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-central-1:111122223333:robolake-not-started" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:111122223333:robolake-alarms" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:/robolake" }
  }
  mock_resource "aws_scheduler_schedule_group" {
    defaults = { arn = "arn:aws:scheduler:eu-central-1:111122223333:schedule-group/robolake" }
  }
}

variables {
  code_release = "test"
  deliverers   = ["arn:aws:iam::111122223333:role/erp"]
  alarm_emails = ["operator@example.com"]
  people = {
    for role in [
      "analyst-supply", "analyst-warehouse", "analyst-robot", "analyst-company",
      "steward-supply", "steward-warehouse", "steward-robot", "steward-company",
    ] : role => ["arn:aws:iam::111122223333:role/${role}-people"]
  }
}

run "as_applied" {
  # ---- every zone is closed

  assert {
    condition = alltrue([for zone in keys(local.zones) : alltrue([
      aws_s3_bucket_public_access_block.zone[zone].block_public_acls,
      aws_s3_bucket_public_access_block.zone[zone].block_public_policy,
      aws_s3_bucket_public_access_block.zone[zone].ignore_public_acls,
      aws_s3_bucket_public_access_block.zone[zone].restrict_public_buckets,
      aws_s3_bucket_ownership_controls.zone[zone].rule[0].object_ownership == "BucketOwnerEnforced",
      aws_s3_bucket_versioning.zone[zone].versioning_configuration[0].status == "Enabled",
      aws_s3_bucket_logging.zone[zone].target_prefix == "access/${zone}/",
      aws_s3_bucket.zone[zone].force_destroy == false,
    ])])
    error_message = "A zone is open to the public, unversioned, not logged, or deleted with what is in it."
  }

  assert {
    condition = alltrue([for zone, is in local.zones : anytrue([for rule in aws_s3_bucket_server_side_encryption_configuration.zone[zone].rule :
      one(rule.apply_server_side_encryption_by_default).sse_algorithm == (zone == "logs" ? "AES256" : "aws:kms")
    ])])
    error_message = "All but the logs are encrypted under a key of ours."
  }

  assert {
    condition     = alltrue([for key in aws_kms_key.zone : key.enable_key_rotation])
    error_message = "Keys are renewed."
  }

  # ---- what is deleted goes

  assert {
    condition = alltrue([for zone, is in local.zones : anytrue([for rule in aws_s3_bucket_lifecycle_configuration.zone[zone].rule :
      length(rule.noncurrent_version_expiration) == 1 && length(rule.abort_incomplete_multipart_upload) == 1
    ])])
    error_message = "An old version or half an upload stays for ever in a zone."
  }

  assert {
    condition = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.zone["restricted"].rule :
      alltrue([for end in rule.noncurrent_version_expiration : end.noncurrent_days <= 7])
    ])
    error_message = "An erased person is gone within 7 days."
  }

  assert {
    condition = alltrue([for zone in ["lake", "restricted", "artifacts"] : alltrue([
      for rule in aws_s3_bucket_lifecycle_configuration.zone[zone].rule : alltrue([for end in rule.expiration : end.days == null || end.days == 0])
    ])])
    error_message = "No rule may end a current object: tables would be torn."
  }

  # ---- a night has a ceiling

  assert {
    condition     = one(aws_emrserverless_application.nights.maximum_capacity).cpu == "20 vCPU"
    error_message = "The application has no ceiling."
  }

  assert {
    condition     = one(aws_emrserverless_application.nights.auto_stop_configuration).idle_timeout_minutes <= 5
    error_message = "An idle application stops by itself."
  }

  assert {
    condition = alltrue([
      jsondecode(aws_scheduler_schedule.night.target[0].input).ExecutionTimeoutMinutes <= 240,
      strcontains(aws_scheduler_schedule.night.target[0].input, "spark.dynamicAllocation.maxExecutors=4 "),
      length(aws_budgets_budget.month.notification) == 3,
      one(aws_budgets_budget.month.cost_filter).values == tolist(["user:project$robolake"]),
    ])
    error_message = "A night ends, has so many executors at most, and its cost is told before it is a surprise."
  }

  # ---- the schedule fills the request in

  assert {
    condition = alltrue([
      jsondecode(aws_scheduler_schedule.night.target[0].input).ApplicationId == "00nights",
      jsondecode(aws_scheduler_schedule.night.target[0].input).ExecutionRoleArn == "arn:aws:iam::111122223333:role/robolake-job",
      jsondecode(aws_scheduler_schedule.night.target[0].input).JobDriver.SparkSubmit.EntryPoint == "s3://robolake-artifacts-111122223333/releases/test/jobs/nightly.py",
      strcontains(aws_scheduler_schedule.night.target[0].input, "\"<aws.scheduler.execution-id>\""), # not escaped
    ])
    error_message = "What the schedule asks for is not the night's request."
  }

  # ---- a failed an unstarted and a missing night raise an alarm

  assert {
    condition     = aws_cloudwatch_event_target.failed.arn == aws_sns_topic.alarms.arn && jsondecode(aws_cloudwatch_event_rule.failed.event_pattern).detail.state == ["FAILED", "CANCELLED"]
    error_message = "Nobody is told that a night failed."
  }

  assert {
    condition     = aws_scheduler_schedule.night.target[0].dead_letter_config[0].arn == aws_sqs_queue.not_started.arn && contains(aws_cloudwatch_metric_alarm.not_started.alarm_actions, aws_sns_topic.alarms.arn)
    error_message = "Nobody is told that a night could not be started."
  }

  assert {
    condition = alltrue([
      aws_cloudwatch_metric_alarm.never_ran.treat_missing_data == "breaching",
      aws_cloudwatch_metric_alarm.never_ran.period * aws_cloudwatch_metric_alarm.never_ran.evaluation_periods == 26 * 3600,
      aws_cloudwatch_metric_alarm.never_ran.dimensions.RuleName == aws_cloudwatch_event_rule.succeeded.name,
      contains(aws_cloudwatch_metric_alarm.never_ran.alarm_actions, aws_sns_topic.alarms.arn),
      jsondecode(aws_cloudwatch_event_rule.succeeded.event_pattern).detail.jobRunName == [jsondecode(aws_scheduler_schedule.night.target[0].input).Name],
    ])
    error_message = "Nobody is told that no night ran."
  }

  assert {
    condition     = length(aws_sns_topic_subscription.alarms) == 1
    error_message = "Nobody listens to the alarms."
  }

  # ---- looks at personal data are written down

  assert {
    condition = toset(flatten([for field in one(aws_cloudtrail.persons.advanced_event_selector).field_selector : coalesce(field.starts_with, [])])) == toset([
      "arn:aws:s3:::robolake-restricted-111122223333/", "arn:aws:s3:::robolake-raw-111122223333/",
      "arn:aws:s3:::robolake-artifacts-111122223333/pseudonym.key",
    ])
    error_message = "The trail does not see all that is personal."
  }

  # ---- the catalogue has the departments layers

  assert {
    condition = toset(keys(aws_glue_catalog_database.department)) == toset(concat(
      flatten([for name, is in local.departments : [for layer in is.layers : "${name}_${layer}"]]),
      ["robot_restricted", "supply_restricted", "warehouse_restricted"],
    )) && alltrue([for database in aws_glue_catalog_database.department : startswith(database.location_uri, "s3://robolake-")])
    error_message = "A database is missing, or lies nowhere."
  }
}

run "a_whole_account_is_nobody" {
  command         = plan
  expect_failures = [var.people]
  variables {
    people = { "analyst-supply" = ["arn:aws:iam::111122223333:root"] }
  }
}

run "a_role_of_no_department_is_refused" {
  command         = plan
  expect_failures = [var.people]
  variables {
    people = { "analyst-sales" = ["arn:aws:iam::111122223333:role/somebody"] }
  }
}

run "without_people_there_are_no_roles_for_them" {
  command = plan
  variables {
    people     = {}
    deliverers = []
  }
  assert {
    condition     = length(aws_iam_role.people) == 0
    error_message = "A role that nobody takes is made."
  }
}
