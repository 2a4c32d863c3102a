variable "CONTEXT" { default = "." }
variable "DOCKERFILES" { default = "deploy" }
variable "NODE_IMAGE" { default = "node:20-slim" }
variable "PYTHON_IMAGE" { default = "python:3.11-slim" }

target "_image" {
  context = CONTEXT
  attest  = ["type=provenance,disabled=true"]
}

target "web" {
  inherits   = ["_image"]
  dockerfile = "${DOCKERFILES}/Dockerfile.web"
  args       = { NODE_IMAGE = NODE_IMAGE }
}

target "admin" {
  inherits   = ["_image"]
  dockerfile = "${DOCKERFILES}/Dockerfile.admin"
  args       = { PYTHON_IMAGE = PYTHON_IMAGE }
}

target "worker" {
  inherits   = ["_image"]
  dockerfile = "${DOCKERFILES}/Dockerfile.worker"
  args       = { PYTHON_IMAGE = PYTHON_IMAGE }
}

target "redis" {
  inherits   = ["_image"]
  dockerfile = "${DOCKERFILES}/Dockerfile.redis"
  args       = { PYTHON_IMAGE = PYTHON_IMAGE }
}
