# Buckets, the keys they are encrypted with, and who is kept out whatever roles say.

locals {
  # Who may read where personal data lies. All others are denied, so that a mistaken Allow opens nothing.
  # (aws:PrincipalArn is the role, whatever the session is called.)
  readers = {
    raw        = [local.job]
    restricted = concat([local.job], [for name, arn in local.people : arn if startswith(name, "steward-")])
  }
}

resource "aws_s3_bucket" "zone" {
  for_each      = local.zones
  bucket        = "${var.name}-${each.key}-${local.account}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_ownership_controls" "zone" {
  for_each = local.zones
  bucket   = aws_s3_bucket.zone[each.key].bucket
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "zone" {
  for_each                = local.zones
  bucket                  = aws_s3_bucket.zone[each.key].bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "zone" {
  for_each = local.zones
  bucket   = aws_s3_bucket.zone[each.key].bucket
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "zone" {
  for_each = local.zones
  bucket   = aws_s3_bucket.zone[each.key].bucket
  rule {
    bucket_key_enabled = each.value.key != null # one call of KMS for many small files
    apply_server_side_encryption_by_default {
      sse_algorithm     = each.value.key == null ? "AES256" : "aws:kms"
      kms_master_key_id = each.value.key == null ? null : aws_kms_key.zone[each.value.key].arn
    }
  }
}

# What Delta's VACUUM removes stays as an old version until this takes it. No rule ends a current object of the lake:
# that would tear tables.
resource "aws_s3_bucket_lifecycle_configuration" "zone" {
  for_each   = local.zones
  bucket     = aws_s3_bucket.zone[each.key].bucket
  depends_on = [aws_s3_bucket_versioning.zone]

  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
    noncurrent_version_expiration {
      noncurrent_days = each.value.undo_days
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  dynamic "rule" {
    for_each = each.key == "raw" ? [90] : []
    content {
      id     = "cold"
      status = "Enabled"
      filter {}
      transition {
        days          = rule.value
        storage_class = "GLACIER_IR"
      }
    }
  }

  dynamic "rule" {
    for_each = each.key == "logs" ? [90] : []
    content {
      id     = "end"
      status = "Enabled"
      filter {}
      expiration {
        days = rule.value
      }
    }
  }
}

resource "aws_s3_bucket_logging" "zone" {
  for_each      = local.zones
  bucket        = aws_s3_bucket.zone[each.key].bucket
  target_bucket = aws_s3_bucket.zone["logs"].bucket
  target_prefix = "access/${each.key}/"
  depends_on    = [aws_s3_bucket_policy.zone]
}

# What comes and goes is told to EventBridge, so that a rule is all it takes to act on a delivery.
resource "aws_s3_bucket_notification" "zone" {
  for_each    = local.zones
  bucket      = aws_s3_bucket.zone[each.key].bucket
  eventbridge = true
}

resource "aws_s3_bucket_policy" "zone" {
  for_each   = local.zones
  bucket     = aws_s3_bucket.zone[each.key].bucket
  policy     = jsonencode({ Version = "2012-10-17", Statement = local.bucket_statements[each.key] })
  depends_on = [aws_s3_bucket_public_access_block.zone]
}

locals {
  bucket_statements = { for zone, settings in local.zones : zone => concat(
    zone != "logs" ? [] : concat(
      [for source in keys(local.zones) : {
        Sid       = "AccessLogsOf${title(source)}", Effect = "Allow"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "${local.bucket.logs}/access/${source}/*"
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnEquals    = { "aws:SourceArn" = local.bucket[source] }
        }
      }],
      [
        {
          Sid       = "TrailLooks", Effect = "Allow"
          Principal = { Service = "cloudtrail.amazonaws.com" }
          Action    = "s3:GetBucketAcl"
          Resource  = local.bucket.logs
          Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
        },
        {
          Sid       = "TrailWrites", Effect = "Allow"
          Principal = { Service = "cloudtrail.amazonaws.com" }
          Action    = "s3:PutObject"
          Resource  = "${local.bucket.logs}/trail/AWSLogs/${local.account}/*"
          Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
        },
      ]
    ),
    [
      {
        Sid       = "EncryptedOnTheWay", Effect = "Deny", Principal = "*", Action = "s3:*"
        Resource  = [local.bucket[zone], "${local.bucket[zone]}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "ByTls12", Effect = "Deny", Principal = "*", Action = "s3:*"
        Resource  = [local.bucket[zone], "${local.bucket[zone]}/*"]
        Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
      },
    ],
    # A put that names no key gets the zone's; one that names another, or another algorithm, is refused. `Null` is
    # needed: without it, and with ...IfExists too, a put that names none would count as one that names another.
    [for key in compact([settings.key]) : {
      Sid      = "UnderItsKey", Effect = "Deny", Principal = "*", Action = "s3:PutObject"
      Resource = "${local.bucket[zone]}/*"
      Condition = {
        Null            = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "false" }
        StringNotEquals = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = local.key[key] }
      }
    }],
    [for key in compact([settings.key]) : {
      Sid      = "UnderAKey", Effect = "Deny", Principal = "*", Action = "s3:PutObject"
      Resource = "${local.bucket[zone]}/*"
      Condition = {
        Null            = { "s3:x-amz-server-side-encryption" = "false" }
        StringNotEquals = { "s3:x-amz-server-side-encryption" = "aws:kms" }
      }
    }],
    zone != "restricted" ? [] : [{
      Sid       = "NoStrangers", Effect = "Deny", Principal = "*"
      Action    = ["s3:GetObject*", "s3:PutObject*", "s3:DeleteObject*", "s3:ListBucket*"]
      Resource  = [local.bucket[zone], "${local.bucket[zone]}/*"]
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = local.readers.restricted } }
    }],
    # Tables of personal data that lie in the lake's own root are kept from others as well.
    zone != "lake" ? [] : [{
      Sid       = "NoStrangers", Effect = "Deny", Principal = "*"
      Action    = ["s3:GetObject*", "s3:PutObject*", "s3:DeleteObject*"]
      Resource  = "${local.bucket[zone]}/restricted/*"
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = local.readers.restricted } }
    }],
    zone != "raw" ? [] : [{
      Sid       = "NoStrangers", Effect = "Deny", Principal = "*"
      Action    = ["s3:GetObject*", "s3:ListBucket*"]
      Resource  = [local.bucket[zone], "${local.bucket[zone]}/*"]
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = local.readers.raw } }
    }],
    zone != "raw" || length(var.deliverers) == 0 ? [] : [{
      Sid       = "Deliveries", Effect = "Allow"
      Principal = { AWS = var.deliverers }
      Action    = "s3:PutObject"
      Resource  = "${local.bucket[zone]}/*"
    }],
  ) }
}

# ---- keys: that of the lake, that of personal data, and that of deliveries, which hold personal data too

resource "aws_kms_key" "zone" {
  for_each            = toset(["lake", "raw", "restricted"])
  description         = "${var.name}: ${each.key}"
  enable_key_rotation = true
  policy              = jsonencode({ Version = "2012-10-17", Statement = concat(local.key_statements.all, local.key_statements[each.key]) })
}

resource "aws_kms_alias" "zone" {
  for_each      = aws_kms_key.zone
  name          = "alias/${var.name}-${each.key}"
  target_key_id = each.value.id
}

locals {
  use_of_a_key = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:CreateGrant"]

  key_statements = {
    all = [{ # whoever administers the account; the Deny below holds for them too
      Sid       = "Account", Effect = "Allow", Action = "kms:*", Resource = "*"
      Principal = { AWS = "arn:aws:iam::${local.account}:root" }
    }]
    restricted = [{
      Sid       = "NoStrangers", Effect = "Deny", Principal = "*", Action = local.use_of_a_key, Resource = "*"
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = local.readers.restricted } }
    }]
    raw = concat(
      [{
        Sid       = "NoStrangers", Effect = "Deny", Principal = "*", Action = local.use_of_a_key, Resource = "*"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = concat(local.readers.raw, var.deliverers) } }
      }],
      length(var.deliverers) == 0 ? [] : [{ # an upload in parts is encrypted and decrypted by whoever sends it
        Sid       = "Deliveries", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = "*"
        Principal = { AWS = var.deliverers }
      }],
    )
    lake = [
      {
        Sid       = "Logs", Effect = "Allow", Action = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:Describe*"], Resource = "*"
        Principal = { Service = "logs.${var.region}.amazonaws.com" }
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:${local.here}:log-group:*${var.name}*" } }
      },
      {
        Sid       = "Alarms", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey*"], Resource = "*"
        Principal = { Service = ["events.amazonaws.com", "cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
      {
        Sid       = "Trail", Effect = "Allow", Action = ["kms:GenerateDataKey*", "kms:DescribeKey"], Resource = "*"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
      },
    ]
  }
}

# ---- the catalogue: a database for each department and layer; personal tables have one of their own

locals {
  databases = merge(
    { for pair in flatten([for d, is in local.departments : [for layer in is.layers : { d = d, layer = layer }]]) :
    "${pair.d}_${pair.layer}" => "s3://${aws_s3_bucket.zone["lake"].bucket}/${pair.d}/${pair.layer}" },
    { for d in local.personal : "${d}_restricted" => "s3://${aws_s3_bucket.zone["restricted"].bucket}/${d}" },
  )
}

resource "aws_glue_catalog_database" "department" {
  for_each     = local.databases
  name         = each.key
  location_uri = each.value # Spark refuses a database that lies nowhere
}
