# What tells that a night failed, could not start, or never ran; what it costs; and who looked at personal data.

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = aws_kms_key.zone["lake"].id
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect    = "Allow", Action = "sns:Publish", Resource = aws_sns_topic.alarms.arn
    Principal = { Service = ["events.amazonaws.com", "cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
    Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
  }] })
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each  = toset(var.alarm_emails)
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_cloudwatch_log_group" "jobs" {
  name              = "/aws/emr-serverless/${var.name}"
  retention_in_days = 365
  kms_key_id        = aws_kms_key.zone["lake"].arn
}

# ---- a night that failed, whatever its job run was called

resource "aws_cloudwatch_event_rule" "failed" {
  name = "${var.name}-failed"
  event_pattern = jsonencode({
    source      = ["aws.emr-serverless"]
    detail-type = ["EMR Serverless Job Run State Change"]
    detail      = { applicationId = [aws_emrserverless_application.nights.id], state = ["FAILED", "CANCELLED"] }
  })
}

resource "aws_cloudwatch_event_target" "failed" {
  rule = aws_cloudwatch_event_rule.failed.name
  arn  = aws_sns_topic.alarms.arn
}

# ---- a night that could not be started

resource "aws_cloudwatch_metric_alarm" "not_started" {
  alarm_name          = "${var.name}-not-started"
  alarm_description   = "The schedule could not start a night; the queue ${aws_sqs_queue.not_started.name} says why."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.not_started.name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

# ---- no night at all. No event tells of that, so what is watched is the success that does not come: each one invokes
# this rule's target, and hours without an invocation count as bad.

resource "aws_cloudwatch_event_rule" "succeeded" {
  name = "${var.name}-succeeded"
  event_pattern = jsonencode({
    source      = ["aws.emr-serverless"]
    detail-type = ["EMR Serverless Job Run State Change"]
    detail = {
      applicationId = [aws_emrserverless_application.nights.id]
      jobRunName    = ["nightly"]
      state         = ["SUCCESS"]
    }
  })
}

resource "aws_cloudwatch_event_target" "succeeded" {
  rule = aws_cloudwatch_event_rule.succeeded.name
  arn  = aws_cloudwatch_log_group.succeeded.arn
}

resource "aws_cloudwatch_log_group" "succeeded" {
  name              = "/aws/events/${var.name}-succeeded"
  retention_in_days = 365
  kms_key_id        = aws_kms_key.zone["lake"].arn
}

resource "aws_cloudwatch_log_resource_policy" "succeeded" {
  policy_name = "${var.name}-succeeded"
  policy_document = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect    = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Principal = { Service = ["events.amazonaws.com", "delivery.logs.amazonaws.com"] }
    Resource  = "${aws_cloudwatch_log_group.succeeded.arn}:*"
    Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.succeeded.arn } }
  }] })
}

resource "aws_cloudwatch_metric_alarm" "never_ran" {
  alarm_name          = "${var.name}-never-ran"
  alarm_description   = "No night has succeeded for ${var.late_after_hours} hours: readers see old data."
  namespace           = "AWS/Events"
  metric_name         = "Invocations"
  dimensions          = { RuleName = aws_cloudwatch_event_rule.succeeded.name }
  statistic           = "Sum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 3600
  evaluation_periods  = var.late_after_hours
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# ---- cost

resource "aws_budgets_budget" "month" {
  name         = var.name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = var.monthly_budget_usd
  limit_unit   = "USD"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:project$%s", var.name)]
  }

  dynamic "notification" {
    for_each = { half = ["ACTUAL", 50], most = ["ACTUAL", 80], all = ["FORECASTED", 100] }
    content {
      notification_type         = notification.value[0]
      threshold                 = notification.value[1]
      threshold_type            = "PERCENTAGE"
      comparison_operator       = "GREATER_THAN"
      subscriber_sns_topic_arns = [aws_sns_topic.alarms.arn]
    }
  }
}

# ---- every look at personal data is written down

locals {
  trail_arn = "arn:aws:cloudtrail:${local.here}:trail/${var.name}"
}

resource "aws_cloudtrail" "persons" {
  name                       = var.name
  s3_bucket_name             = aws_s3_bucket.zone["logs"].bucket
  s3_key_prefix              = "trail"
  kms_key_id                 = aws_kms_key.zone["lake"].arn
  cloud_watch_logs_group_arn = "${aws_cloudwatch_log_group.persons.arn}:*"
  cloud_watch_logs_role_arn  = aws_iam_role.trail.arn
  is_multi_region_trail      = true
  enable_log_file_validation = true
  depends_on                 = [aws_s3_bucket_policy.zone, aws_iam_role_policy.trail]

  advanced_event_selector {
    name = "Objects that hold personal data"
    field_selector {
      field  = "eventCategory"
      equals = ["Data"]
    }
    field_selector {
      field  = "resources.type"
      equals = ["AWS::S3::Object"]
    }
    field_selector {
      field = "resources.ARN"
      starts_with = [
        "${local.bucket.restricted}/", "${local.bucket.raw}/", "${local.bucket.artifacts}/${local.pseudonym_key}",
      ]
    }
  }
}

resource "aws_cloudwatch_log_group" "persons" {
  name              = "/aws/cloudtrail/${var.name}"
  retention_in_days = 365
  kms_key_id        = aws_kms_key.zone["lake"].arn
}

resource "aws_iam_role" "trail" {
  name = "${var.name}-trail"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect    = "Allow", Action = "sts:AssumeRole"
    Principal = { Service = "cloudtrail.amazonaws.com" }
    Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
  }] })
}

resource "aws_iam_role_policy" "trail" {
  name = "trail"
  role = aws_iam_role.trail.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Sid      = "Write", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = "${aws_cloudwatch_log_group.persons.arn}:log-stream:*"
  }] })
}
