# The cloud lake. Read on in this order: storage.tf, locks.tf, access.tf, night.tf, watch.tf.

terraform {
  required_version = "~> 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
  backend "s3" {} # made by state/; named by `terraform init -backend-config=...` (README.md)
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { project = var.name }
  }
}

data "aws_caller_identity" "this" {}

locals {
  account = data.aws_caller_identity.this.account_id
  here    = "${var.region}:${local.account}" # the middle of most ARNs

  # What the code declares: layers of each department, and whether it holds personal data.
  departments = jsondecode(file("${path.module}/departments.json"))
  personal    = [for name, department in local.departments : name if department.personal]

  # Bucket by bucket: its key, and for how many days a deleted or overwritten object can still be had back.
  # The logs have S3's own key: access logs cannot be delivered under another.
  zones = {
    raw        = { key = "raw", undo_days = 30 }
    lake       = { key = "lake", undo_days = 14 }
    restricted = { key = "restricted", undo_days = 7 }
    artifacts  = { key = "lake", undo_days = 30 }
    logs       = { key = null, undo_days = 7 }
  }

  # Where the key of the pseudonyms lies in the artifacts: outside the lake, and no part of any release.
  pseudonym_key = "pseudonym.key"

  # ARNs made of names are known before anything is there, so that a plan shows whole policies.
  bucket = { for zone in keys(local.zones) : zone => "arn:aws:s3:::${aws_s3_bucket.zone[zone].bucket}" }
  key    = { for zone, key in aws_kms_key.zone : zone => key.arn }
  job    = "arn:aws:iam::${local.account}:role/${aws_iam_role.job.name}"
  people = { for name, role in aws_iam_role.people : name => "arn:aws:iam::${local.account}:role/${role.name}" }
}
