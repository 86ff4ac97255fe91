# Who is kept out, whatever roles say: the policies of buckets and keys.

locals {
  # Who may read where personal data lies. All others are denied, so that a mistaken Allow opens nothing.
  # (aws:PrincipalArn is the role, whatever the session is called.)
  readers = {
    raw        = [local.job]
    restricted = concat([local.job], [for name, arn in local.people : arn if startswith(name, "steward-")])
  }
}

# ---- buckets

resource "aws_s3_bucket_policy" "zone" {
  for_each   = local.zones
  bucket     = aws_s3_bucket.zone[each.key].bucket
  depends_on = [aws_s3_bucket_public_access_block.zone]
  policy = jsonencode({ Version = "2012-10-17", Statement = concat(
    try(local.own_statements[each.key], []),
    [
      {
        Sid       = "EncryptedOnTheWay", Effect = "Deny", Principal = "*", Action = "s3:*"
        Resource  = [local.bucket[each.key], "${local.bucket[each.key]}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "ByTls12", Effect = "Deny", Principal = "*", Action = "s3:*"
        Resource  = [local.bucket[each.key], "${local.bucket[each.key]}/*"]
        Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
      },
    ],
    # A put that names no key gets the zone's; one that names another, or another algorithm, is refused. `Null` is
    # needed: without it, and with ...IfExists too, a put that names none would count as one that names another.
    each.value.key == null ? [] : [for sid, is in {
      UnderAKey   = ["s3:x-amz-server-side-encryption", "aws:kms"]
      UnderItsKey = ["s3:x-amz-server-side-encryption-aws-kms-key-id", local.key[each.value.key]]
      } : {
      Sid       = sid, Effect = "Deny", Principal = "*", Action = "s3:PutObject"
      Resource  = "${local.bucket[each.key]}/*"
      Condition = { Null = { (is[0]) = "false" }, StringNotEquals = { (is[0]) = is[1] } }
    }],
  ) })
}

locals {
  own_statements = {
    restricted = [{
      Sid       = "NoStrangers", Effect = "Deny", Principal = "*"
      Action    = ["s3:GetObject*", "s3:PutObject*", "s3:DeleteObject*", "s3:ListBucket*"]
      Resource  = [local.bucket.restricted, "${local.bucket.restricted}/*"]
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = local.readers.restricted } }
    }]

    # The key of the pseudonyms: put there by hand, read by the job only.
    artifacts = [{
      Sid       = "NoStrangers", Effect = "Deny", Principal = "*", Action = "s3:GetObject*"
      Resource  = "${local.bucket.artifacts}/${local.pseudonym_key}"
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = local.job } }
    }]

    raw = concat(
      [{
        Sid       = "NoStrangers", Effect = "Deny", Principal = "*"
        Action    = ["s3:GetObject*", "s3:ListBucket*"]
        Resource  = [local.bucket.raw, "${local.bucket.raw}/*"]
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = local.readers.raw } }
      }],
      length(var.deliverers) == 0 ? [] : [{
        Sid       = "Deliveries", Effect = "Allow", Action = "s3:PutObject", Resource = "${local.bucket.raw}/*"
        Principal = { AWS = var.deliverers }
      }],
    )

    logs = concat(
      [for zone in keys(local.zones) : {
        Sid       = "AccessLogsOf${title(zone)}", Effect = "Allow", Action = "s3:PutObject"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Resource  = "${local.bucket.logs}/access/${zone}/*"
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnEquals    = { "aws:SourceArn" = local.bucket[zone] }
        }
      }],
      [
        {
          Sid       = "TrailLooks", Effect = "Allow", Action = "s3:GetBucketAcl", Resource = local.bucket.logs
          Principal = { Service = "cloudtrail.amazonaws.com" }
          Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
        },
        {
          Sid       = "TrailWrites", Effect = "Allow", Action = "s3:PutObject"
          Principal = { Service = "cloudtrail.amazonaws.com" }
          Resource  = "${local.bucket.logs}/trail/AWSLogs/${local.account}/*"
          Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
        },
      ],
    )
  }
}

# ---- keys

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
