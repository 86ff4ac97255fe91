variable "name" {
  description = "What everything is called, and the tag `project` of all costs."
  type        = string
  default     = "robolake"
}

variable "region" {
  description = "Where it runs."
  type        = string
  default     = "eu-central-1"
}

variable "code_release" {
  description = "Which uploaded release of the code the night runs; apply an older one to go back to it."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-Za-z._-]+$", var.code_release))
    error_message = "A release of the code is the name of a folder below releases/ in the artifacts bucket."
  }
}

variable "people" {
  description = "Who may take which role: analyst or steward of a department, to ARNs of roles or users. A role nobody takes is not made."
  type        = map(list(string))
  default     = {}

  validation {
    condition = alltrue([for role in keys(var.people) : contains(
      flatten([for d in keys(jsondecode(file("${path.module}/departments.json"))) : ["analyst-${d}", "steward-${d}"]]), role
    )])
    error_message = "Roles are analyst-DEPARTMENT and steward-DEPARTMENT; departments.json lists the departments."
  }
  validation {
    condition     = alltrue([for who in flatten(values(var.people)) : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/", who))])
    error_message = "Name roles or users by their ARN; a whole account is nobody."
  }
}

variable "deliverers" {
  description = "ARNs of the roles that put files into the raw zone (and may do nothing else there)."
  type        = list(string)
  default     = []
}

variable "alarm_emails" {
  description = "Who is told that a night failed or never ran; each has to confirm once."
  type        = list(string)
  default     = []
}

variable "night_at" {
  description = "When a night starts, in `time_zone`."
  type        = string
  default     = "cron(30 2 * * ? *)"
}

variable "time_zone" {
  type    = string
  default = "Europe/Berlin"
}

variable "late_after_hours" {
  description = "An alarm is raised when no night has succeeded for so long."
  type        = number
  default     = 26
}

variable "max_vcpus" {
  description = "The application never holds more, whatever is asked of it: with its hours, the ceiling of a night's cost."
  type        = number
  default     = 20
}

variable "monthly_budget_usd" {
  type    = number
  default = 100
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete buckets with data in them."
  type        = bool
  default     = false
}
