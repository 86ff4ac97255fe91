# Who may do what. A role has what it needs and no more; locks.tf keeps strangers out a second time.

locals {
  # analyst-supply => { is = "analyst", of = ["supply"] }; the company's people see all departments.
  roles = { for name in keys(var.people) : name => {
    is = split("-", name)[0]
    of = split("-", name)[1] == "company" ? keys(local.departments) : [split("-", name)[1]]
  } }
}

# ---- the job: reads deliveries, writes tables

resource "aws_iam_role" "job" {
  name = "${var.name}-job"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect    = "Allow", Action = "sts:AssumeRole"
    Principal = { Service = "emr-serverless.amazonaws.com" }
    Condition = {
      StringEquals = { "aws:SourceAccount" = local.account }
      ArnLike      = { "aws:SourceArn" = "arn:aws:emr-serverless:${local.here}:/applications/*" }
    }
  }] })
}

resource "aws_iam_role_policy" "job" {
  name = "job"
  role = aws_iam_role.job.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    {
      Sid      = "Look", Effect = "Allow", Action = ["s3:ListBucket", "s3:GetBucketLocation"]
      Resource = [local.bucket.raw, local.bucket.lake, local.bucket.restricted, local.bucket.artifacts]
    },
    {
      Sid      = "Read", Effect = "Allow", Action = ["s3:GetObject", "s3:GetObjectVersion"]
      Resource = ["${local.bucket.raw}/*", "${local.bucket.artifacts}/releases/*", "${local.bucket.artifacts}/${local.pseudonym_key}"]
    },
    {
      Sid      = "Write", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
      Resource = ["${local.bucket.lake}/*", "${local.bucket.restricted}/*"]
    },
    { Sid = "Decrypt", Effect = "Allow", Action = "kms:Decrypt", Resource = values(local.key) },
    {
      Sid      = "Encrypt", Effect = "Allow", Action = "kms:GenerateDataKey"
      Resource = [local.key.lake, local.key.restricted]
    },
    { Sid = "SayInFiles", Effect = "Allow", Action = "s3:PutObject", Resource = "${local.bucket.logs}/emr-serverless/*" },
    {
      Sid      = "SayAtOnce", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.jobs.arn}:*"
    },
    { Sid = "FindTheLog", Effect = "Allow", Action = "logs:DescribeLogGroups", Resource = "*" }, # knows no resource
    {
      Sid    = "Register", Effect = "Allow"
      Action = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:CreateTable", "glue:UpdateTable", "glue:DeleteTable"]
      Resource = concat(["arn:aws:glue:${local.here}:catalog"], flatten([for database in keys(local.databases) : [
        "arn:aws:glue:${local.here}:database/${database}", "arn:aws:glue:${local.here}:table/${database}/*"
      ]]))
    },
  ] })
}

# ---- people: analysts read what is released of their department, stewards its personal data as well

resource "aws_iam_role" "people" {
  for_each = local.roles
  name     = "${var.name}-${each.key}"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect    = "Allow", Action = "sts:AssumeRole"
    Principal = { AWS = var.people[each.key] }
    Condition = { Bool = { "aws:MultiFactorAuthPresent" = "true" } }
  }] })
}

locals {
  # Prefixes in the lake's bucket. The journal says which version of a table is released.
  open_prefixes = { for role, has in local.roles : role => concat(
    ["_control/journal/", "_control/releases/"],
    flatten([for d in has.of : [for layer in ["gold", "silver"] : "${d}/${layer}/" if contains(local.departments[d].layers, layer)]]),
    length(has.of) == 1 ? [] : ["models/", "report/"], # of all departments at once
  ) }
  open_databases = { for role, has in local.roles : role => concat(
    flatten([for d in has.of : [for layer in ["gold", "silver"] : "${d}_${layer}" if contains(local.departments[d].layers, layer)]]),
    has.is == "steward" ? [for d in has.of : "${d}_restricted" if local.departments[d].personal] : [],
  ) }
  closed = [for d in local.personal : "${d}_restricted"]
}

resource "aws_iam_role_policy" "people" {
  for_each = local.roles
  name     = each.value.is
  role     = aws_iam_role.people[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = concat(
    [
      {
        Sid       = "LookInTheLake", Effect = "Allow", Action = "s3:ListBucket", Resource = local.bucket.lake
        Condition = { StringLike = { "s3:prefix" = [for prefix in local.open_prefixes[each.key] : "${prefix}*"] } }
      },
      {
        Sid      = "ReadTheLake", Effect = "Allow", Action = "s3:GetObject"
        Resource = [for prefix in local.open_prefixes[each.key] : "${local.bucket.lake}/${prefix}*"]
      },
      { Sid = "Decrypt", Effect = "Allow", Action = "kms:Decrypt", Resource = local.key.lake },
      {
        Sid = "Catalogue", Effect = "Allow", Action = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:GetPartitions"]
        Resource = concat(["arn:aws:glue:${local.here}:catalog"], flatten([for database in local.open_databases[each.key] : [
          "arn:aws:glue:${local.here}:database/${database}", "arn:aws:glue:${local.here}:table/${database}/*"
        ]]))
      },
    ],
    {
      steward = [
        {
          Sid       = "LookAtPersons", Effect = "Allow", Action = "s3:ListBucket", Resource = local.bucket.restricted
          Condition = { StringLike = { "s3:prefix" = [for d in each.value.of : "${d}/*"] } }
        },
        {
          Sid      = "ReadPersons", Effect = "Allow", Action = "s3:GetObject"
          Resource = [for d in each.value.of : "${local.bucket.restricted}/${d}/*"]
        },
        { Sid = "DecryptPersons", Effect = "Allow", Action = "kms:Decrypt", Resource = local.key.restricted },
      ]
      analyst = [
        # What other policies may one day allow them, these do not.
        {
          Sid = "NoPersons", Effect = "Deny", Action = "s3:*"
          Resource = [
            local.bucket.restricted, "${local.bucket.restricted}/*", local.bucket.raw, "${local.bucket.raw}/*",
          ]
        },
        { Sid = "NoKeyToPersons", Effect = "Deny", Action = "kms:*", Resource = [local.key.restricted, local.key.raw] },
        {
          Sid = "NoTablesOfPersons", Effect = "Deny", Action = "glue:*"
          Resource = flatten([for database in local.closed : [
            "arn:aws:glue:${local.here}:database/${database}", "arn:aws:glue:${local.here}:table/${database}/*"
          ]])
        },
      ]
    }[each.value.is],
  ) })
}

# ---- the scheduler: starts one application's jobs as one role, and keeps what could not be started

resource "aws_iam_role" "scheduler" {
  name = "${var.name}-scheduler"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect    = "Allow", Action = "sts:AssumeRole"
    Principal = { Service = "scheduler.amazonaws.com" }
    Condition = { StringEquals = {
      "aws:SourceAccount" = local.account
      "aws:SourceArn"     = aws_scheduler_schedule_group.nights.arn
    } }
  }] })
}

resource "aws_iam_role_policy" "scheduler" {
  name = "scheduler"
  role = aws_iam_role.scheduler.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    {
      Sid      = "Start", Effect = "Allow", Action = ["emr-serverless:StartJobRun", "emr-serverless:TagResource"]
      Resource = [aws_emrserverless_application.nights.arn, "${aws_emrserverless_application.nights.arn}/jobruns/*"]
    },
    {
      Sid       = "AsTheJob", Effect = "Allow", Action = "iam:PassRole", Resource = local.job
      Condition = { StringEquals = { "iam:PassedToService" = "emr-serverless.amazonaws.com" } }
    },
    { Sid = "Keep", Effect = "Allow", Action = "sqs:SendMessage", Resource = aws_sqs_queue.not_started.arn },
    { Sid = "Encrypt", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = local.key.lake },
  ] })
}
