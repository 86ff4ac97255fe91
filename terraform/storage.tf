# Buckets, the keys they are encrypted with, and the catalogue.

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
