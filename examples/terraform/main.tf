# Windows Server entitlements of Amazon EVS VMs, by way of CloudFormation: Terraform has no resource for them.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "environment_id" {
  type    = string
  default = "env-abcde12345"
}

variable "connector_id" {
  type    = string
  default = "cnctr-abcde12345"
}

variable "vm_ids" {
  type    = list(string)
  default = ["vm-101", "vm-102"]
}

resource "aws_cloudformation_stack" "licences" {
  name          = "Licences-terraform"
  template_body = file("${path.module}/../cloudformation/template.yaml")

  parameters = {
    EnvironmentId = var.environment_id
    ConnectorId   = var.connector_id
    # Sorted, so that another order of the same VMs is no change.
    VmIds = join(",", sort(distinct(var.vm_ids)))
  }

  # CloudFormation rolls back by itself what fails; that takes as long as the operation may.
  on_failure = "ROLLBACK"
  timeouts {
    create = "130m"
    update = "130m"
    delete = "130m"
  }
}

output "declared_vms" {
  value = aws_cloudformation_stack.licences.outputs["DeclaredVms"]
}
