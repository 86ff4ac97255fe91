# The bucket that the cloud lake's state lies in. Applied once, by hand, before anything else (../README.md); its own
# state is one file that nobody minds losing.

terraform {
  required_version = "~> 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "name" {
  type    = string
  default = "robolake"
}

variable "region" {
  type    = string
  default = "eu-central-1"
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { project = var.name }
  }
}

data "aws_caller_identity" "this" {}

resource "aws_s3_bucket" "state" {
  bucket = "${var.name}-state-${data.aws_caller_identity.this.account_id}"
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "aws:kms"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Sid       = "EncryptedOnTheWay", Effect = "Deny", Principal = "*", Action = "s3:*"
    Resource  = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }] })
}

output "backend" {
  description = "For `terraform init` one folder up."
  value       = "-backend-config=bucket=${aws_s3_bucket.state.id} -backend-config=key=${var.name}.tfstate -backend-config=region=${var.region} -backend-config=use_lockfile=true -backend-config=encrypt=true"
}
